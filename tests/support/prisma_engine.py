"""Stands in for Prisma's query engine, whose binary is a download: it answers queryRaw, over a real database.

Started as the client starts the engine (`--version`, then `-p PORT`). What queries return keeps the engine's strict
ways: columns carry its type names, 64-bit integers travel as text, and a parameter's type must fit its value.
"""

import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

from db.url import DatabaseURL, parse

QUERY = re.compile(r'query: ("(?:[^"\\]|\\.)*")')
PARAMETERS = re.compile(r'parameters: ("(?:[^"\\]|\\.)*")')
TYPES = {int: "bigint", float: "double", bool: "bool", str: "string", type(None): "null"}
FITTING = {int: {"bigint"}, str: {"text"}, float: {"double precision"}}


def database_url() -> DatabaseURL:
    overwritten = os.environ.get("OVERWRITE_DATASOURCES")
    text = json.loads(overwritten)[0]["url"] if overwritten else os.environ["DATABASE_URL"]
    return parse(text, os.path.dirname(os.environ["PRISMA_DML_PATH"]))


def from_sqlite(url: DatabaseURL, sql: str, parameters: Sequence[object]) -> tuple[list[str], list[tuple[object, ...]]]:
    connection = sqlite3.connect(url.path)
    try:
        cursor = connection.execute(sql, parameters)
        return [column[0] for column in cursor.description], cursor.fetchall()
    finally:
        connection.close()


def from_postgresql(
    url: DatabaseURL, sql: str, parameters: Sequence[object]
) -> tuple[list[str], list[tuple[object, ...]]]:
    connection = psycopg2.connect(**url.keywords)
    try:
        cursor = connection.cursor()
        if url.schema:
            cursor.execute(f'SET search_path = "{url.schema}"')
        cursor.execute(f"PREPARE asked AS {sql}")
        cursor.execute(
            "SELECT parameter_types::pg_catalog.text[] FROM pg_prepared_statements"
            " WHERE name OPERATOR(pg_catalog.=) 'asked'"
        )
        for value, kind in zip(parameters, cursor.fetchone()[0], strict=True):
            if kind.removeprefix("pg_catalog.") not in FITTING[type(value)]:
                raise ValueError(f"incorrect binary data format: {type(value).__name__} for {kind}")
        holders = ", ".join(["%s"] * len(parameters))
        cursor.execute(f"EXECUTE asked ({holders})" if parameters else "EXECUTE asked", parameters or None)
        return [column.name for column in cursor.description], cursor.fetchall()
    finally:
        connection.close()


class Engine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer({"status": "ok"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"]
        url = database_url()
        try:
            sql, parameters = (json.loads(part.search(asked).group(1)) for part in (QUERY, PARAMETERS))
            read = from_sqlite if url.kind == "sqlite" else from_postgresql
            columns, rows = read(url, sql, json.loads(parameters))
        except (sqlite3.Error, psycopg2.Error, ValueError) as error:
            said = {"error_code": "P2010", "message": f"Raw query failed: {error}", "meta": {"message": str(error)}}
            self.answer({"errors": [{"error": str(error), "user_facing_error": said}]})
            return
        types = [TYPES[type(value)] for value in rows[0]] if rows else ["unknown"] * len(columns)
        shown = [[str(value) if type(value) is int else value for value in row] for row in rows]
        self.answer({"data": {"result": {"columns": columns, "types": types, "rows": shown}}})

    def answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write("query-engine 393aa359c9ad4a4bb28630fb5613f9c281cde053\n")
    else:
        # The client ends its engine by SIGINT, which whoever was started in a shell's background ignores.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            ThreadingHTTPServer(("localhost", int(sys.argv[sys.argv.index("-p") + 1])), Engine).serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)
