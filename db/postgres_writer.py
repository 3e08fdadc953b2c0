"""Writing to PostgreSQL."""

from __future__ import annotations

import json

from db.columns import column
from db.dialects import POSTGRESQL
from db.encodings import can_hold
from db.errors import DatabaseConfiguration, DatabaseUnavailable, RowRefused, WriteRefused
from db.libpq_environment import SetAside, overriding
from db.postgres import last_words, refusal
from db.postgres_hosts import servers
from db.tables import TABLES
from db.timestamps import postgres_ms, stored_text
from db.writer import ROWS_AT_ONCE, Writer, chunks, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from db.columns import Column
    from db.mapping import Mapping
    from db.url import DatabaseURL


OF_THE_ROW = ("22", "23", "44")
"""Classes of SQLSTATE for which the row is at fault: its values, a constraint, a view's condition.

What a trigger raises is not among them: it may speak of more than the row.
"""


class PostgreSQLWriter(Writer):
    """Ordinary transactions of the server's default isolation; each begins with its first statement.

    BEGIN and COMMIT are sent as text over a connection that is left in psycopg2's autocommit, so that the settings of
    a transaction go out together with its BEGIN, and a writer that waits for its caller is in no transaction.
    """

    dialect = POSTGRESQL.name

    def __init__(self, where: DatabaseURL, mapping: Mapping, patience_s: float) -> None:
        try:
            import psycopg2
            import psycopg2.extensions
            import psycopg2.extras
        except ImportError:
            raise DatabaseConfiguration("PostgreSQL needs the package psycopg2-binary.") from None
        self._error = psycopg2.Error
        self._schema = where.schema
        self._patience_s = patience_s
        self._begun = False
        self._execute_values = psycopg2.extras.execute_values
        share = max(2, int(patience_s) // servers(where.keywords))
        named = int(where.keywords.get("connect_timeout") or share)
        keywords: dict[str, Any] = {
            **overriding(where.keywords),
            "connect_timeout": str(min(named or share, share)),  # libpq takes 0 for no limit
            "client_encoding": "UTF8",
        }
        try:
            with SetAside():
                connection = psycopg2.connect(**keywords)
        except psycopg2.Error as error:
            raise DatabaseUnavailable(refusal(where, error)) from None
        connection.autocommit = True
        self._register_type = psycopg2.extensions.register_type
        self._octets = psycopg2.extensions.BYTES
        self._encoding = connection.get_parameter_status("server_encoding") or "UTF8"
        super().__init__(mapping, where.label, connection)

    def _begin(self) -> None:
        """Nothing yet: a server may end a session that idles in a transaction."""

    def _cursor(self) -> Any:
        """A cursor inside the transaction, which is begun where none is open."""
        cursor = self._connection.cursor()
        self._register_type(self._octets, cursor)  # psycopg2 itself gives up at an odd byte
        if not self._begun:
            opening = (
                f"BEGIN;SET LOCAL TimeZone = 'UTC';SET LOCAL lock_timeout = {max(1, int(self._patience_s * 1000))}"
            )
            if self._encoding == "SQL_ASCII":  # the server would refuse to send what is no UTF-8
                opening += ";SET LOCAL client_encoding = 'SQL_ASCII'"
            if self._schema:
                opening += f";SET LOCAL search_path = {quoted(self._schema)}"
            cursor.execute(opening)
            self._begun = True
        return cursor

    def _end(self) -> None:
        if not self._begun:
            return
        self._begun = False
        cursor = self._connection.cursor()
        try:
            cursor.execute("COMMIT")
        except self._error as error:
            raise self._failure(error) from None
        if cursor.statusmessage != "COMMIT":  # the server's answer where a statement of the transaction had failed
            raise WriteRefused(f"The PostgreSQL database {self.label} stored nothing: it had refused a statement.")

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        try:
            cursor = self._cursor()
            if parameters:
                cursor.execute(_percent_style(sql), tuple(parameters))
            else:
                cursor.execute(sql)
        except self._error as error:
            raise self._failure(error) from None
        return cursor

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        return [tuple(map(_decoded, row)) for row in super().query(sql, parameters)]

    def _possible(self, values: Sequence[str]) -> list[str]:
        return [value for value in values if can_hold(self._encoding, value)]

    def _insert(self, head: str, width: int, conflict: str, rows: Iterator[Sequence[object]]) -> int:
        stored = 0
        statement = f"{head.replace('%', '%%')}%s{conflict.replace('%', '%%')}"
        try:
            for chunk in chunks(rows, ROWS_AT_ONCE):
                cursor = self._cursor()
                self._execute_values(cursor, statement, chunk, page_size=ROWS_AT_ONCE)
                stored += cursor.rowcount
        except self._error as error:
            raise self._failure(error) from None
        return stored

    def _failure(self, error: Any) -> DatabaseUnavailable | WriteRefused:
        said = last_words(error, self._connection)
        if not error.pgcode or error.pgcode[:2] in ("08", "57"):
            return DatabaseUnavailable(f"The PostgreSQL database {self.label} broke off: {said}.")
        kind = RowRefused if error.pgcode[:2] in OF_THE_ROW else WriteRefused
        return kind(f"The PostgreSQL database {self.label} refuses a statement ({error.pgcode}): {said}.")

    def has(self, model: str) -> bool:
        ((found,),) = self.query("SELECT pg_catalog.to_regclass(?) IS NOT NULL", [self._table(model)])
        return bool(found)

    def _described(self, model: str) -> dict[str, Column]:
        sql = """
            SELECT a.attname, COALESCE(base.typname, t.typname), a.atthasdef OR a.attidentity <> '',
                CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END
            FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_type AS base ON base.oid = t.typbasetype
            WHERE a.attrelid = pg_catalog.to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped
        """
        found = self.query(sql, [self._table(model)])
        return {str(name): column(str(kind), length, bool(made)) for name, kind, made, length in found}  # type: ignore[arg-type]

    def existing_tables(self) -> list[str]:
        names = [table.name for table in TABLES.values()]
        sql = "SELECT relname FROM pg_class WHERE pg_table_is_visible(oid) AND relname IN ({})"
        found = {row[0] for row in self.query(sql.format(", ".join("?" * len(names))), names)}
        return [name for name in names if name in found]

    def _stored(self, kind: str, value: object) -> object:
        if value is None:
            return None
        if kind == "DateTime":
            return stored_text(int(value))[:-6]  # type: ignore[call-overload]
        if kind == "String[]":
            return list(value)  # type: ignore[call-overload]
        return json.dumps(value) if kind == "Json" else value

    def _read(self, kind: str, column: str) -> str:
        if kind == "DateTime":
            return postgres_ms(column)
        return column if kind in ("Int", "Float", "Boolean", "String[]") else f"CAST({column} AS text)"


def _decoded(cell: object) -> object:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else cell


def _percent_style(sql: str) -> str:
    """`?` outside of quotes becomes psycopg2's %s, and a % everywhere %%."""
    marked, quote = "", ""
    for character in sql:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        marked += {"%": "%%", "?": "?" if quote else "%s"}.get(character, character)
    return marked
