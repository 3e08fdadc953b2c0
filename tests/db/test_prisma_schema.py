"""The two .prisma files against Prisma's own parsers, and field by field against the tables that db/tables/ddl.py
makes.
"""

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from db.tables import app_schema
from db.tables.ddl import TABLES, ddl
from db.tables.models import MODELS
from tests.conftest import need
from tests.support.prisma_clients import cache

Columns = dict[str, tuple[str, bool, float | str | None]]
Indexes = set[tuple[str, tuple[str, ...]]]
Catalogue = dict[str, tuple[Columns, Indexes]]
Reading = Callable[[str, str], dict[str, Any]]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARSERS = {
    "schema.prisma": "8.1.0-2.59be4fda12412a79eeb9c2ae727b6aa723593323",
    "prisma_client.prisma": "5.17.0-31.393aa359c9ad4a4bb28630fb5613f9c281cde053",
}
"""Per file the parser (npm @prisma/prisma-schema-wasm): the newest, and the one of Prisma Client Python's release."""

SQLITE_TYPES = {
    "String": "TEXT",
    "Int": "INTEGER",
    "Float": "REAL",
    "Boolean": "BOOLEAN",
    "DateTime": "DATETIME",
    "Json": "JSONB",
}
POSTGRES_TYPES = {
    "String": "text",
    "Int": "int4",
    "Float": "float8",
    "Boolean": "bool",
    "DateTime": "timestamp",
    "Json": "jsonb",
}


RENAMED = """
datasource db {
  provider = "postgresql"
  schemas  = ["public", "learning"]
}
/* model Ghost { id Int @id } */
/// } "unbalanced @@map("ghost")
model Person {
  id    String @id @default("}{ @map(\\"ghost\\") // no comment") @map("person id") // @map("ghost")
  given String @db.VarChar(80)   @map(name: "first_name")
  grade Grade? @default(TOP)     @map( "mark" )
  kinds Grade[]
  done  Answer[] @relation("author")
  seen  Answer[] @relation("reader")

  @@unique([given, grade], name: "ghost", map: "ghost_key")
  @@map( name: "people" )
  @@schema("learning")
}
model Answer {
  personId String @map("author_id")
  readerId String
  author   Person @relation("author", fields: [personId], references: [id], map: "ghost_fk")
  reader   Person @relation(name: "reader", fields: [readerId], references: [id])

  @@id([personId, readerId], map: "ghost_pk")
  @@index([readerId(sort: Desc)])
  @@schema("public")
}
enum Grade {
  TOP   @map("1")
  FAIR
  @@map("grade_kind")
  @@schema("public")
}
"""


@pytest.fixture(scope="module")
def prismas_reading() -> Reading:
    """A function: file, and the version whose parser shall read it -> what the parser makes of it."""
    node, npm = need("node"), need("npm")
    parsers = {version: f"parser-{version.partition('-')[0]}" for version in PARSERS.values()}
    with cache() as folder:
        home = os.path.join(folder, "parsers")
        os.makedirs(home, exist_ok=True)
        if not all(os.path.isdir(os.path.join(home, "node_modules", parser)) for parser in parsers.values()):
            wanted = [f"{parser}@npm:@prisma/prisma-schema-wasm@{version}" for version, parser in parsers.items()]
            install = [npm, "install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts", *wanted]
            subprocess.run(install, check=True, capture_output=True, cwd=home)
    script = os.path.join(ROOT, "tests", "support", "prisma_dmmf.js")

    def reading(file: str, version: str) -> dict[str, Any]:
        package = os.path.join(home, "node_modules", parsers[version])
        done = subprocess.run([node, script, package, file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return reading


@pytest.fixture(scope="module")
def parsed(prismas_reading: Reading) -> dict[str, Any]:
    """What Prisma's parsers make of each of our files."""
    return {file: prismas_reading(os.path.join(ROOT, "db", file), version) for file, version in PARSERS.items()}


@pytest.fixture
def sqlite_catalogue(tmp_path: Path) -> Catalogue:
    connection = sqlite3.connect(tmp_path / "app.db")
    for statement in ddl("sqlite"):
        connection.execute(statement)
    catalogue = {}
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        columns, indexes = {}, set()
        for _, name, kind, required, default, key in connection.execute(f"PRAGMA table_info('{table}')"):
            columns[name] = (kind, bool(required), plain(default))
            if key:
                indexes.add(("id", (name,)))
        for _, title, unique, origin, _ in connection.execute(f"PRAGMA index_list('{table}')"):
            if origin != "pk":
                names = tuple(row[2] for row in connection.execute(f"PRAGMA index_info('{title}')"))
                indexes.add(("unique" if unique else "normal", names))
        catalogue[table] = (columns, indexes)
    connection.close()
    return catalogue


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(postgres_url)
    cursor = connection.cursor()
    cursor.execute(";".join(ddl("postgresql")))
    yield cursor
    connection.close()


@pytest.fixture
def postgres_catalogue(postgres: psycopg2.extensions.cursor) -> Catalogue:
    postgres.execute(
        "SELECT table_name, column_name, udt_name, is_nullable, column_default, datetime_precision"
        " FROM information_schema.columns WHERE table_schema = current_schema()"
    )
    catalogue = {}
    for table, name, kind, nullable, default, precision in postgres.fetchall():
        assert precision == (3 if kind == "timestamp" else None)
        catalogue.setdefault(table, ({}, set()))[0][name] = (kind, nullable == "NO", plain(default))
    postgres.execute(
        "SELECT t.relname, i.indisprimary, i.indisunique,"
        " ARRAY (SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)"
        " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number ORDER BY k.place)"
        " FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid"
        " WHERE t.relnamespace = current_schema()::regnamespace"
    )
    for table, primary, unique, names in postgres.fetchall():
        catalogue[table][1].add(("id" if primary else "unique" if unique else "normal", tuple(names)))
    return catalogue


def plain(default: object) -> float | str | None:
    """A default as both catalogues would write it: without casts, quotes and trailing zeros."""
    if default is None:
        return None
    text = str(default).partition("::")[0].strip("'")
    try:
        return float(text)
    except ValueError:
        return text


def declared_default(field: dict[str, Any]) -> float | str | None:
    default = field.get("default")
    if isinstance(default, dict):
        # The client makes ids itself; the database knows only the moment.
        return "CURRENT_TIMESTAMP" if default["name"] == "now" else None
    return plain(str(default).lower() if isinstance(default, bool) else default)


def declared(
    found: dict[str, Any], types: dict[str, str], list_type: str, enum_type: Callable[[str], str]
) -> Catalogue:
    """Per table the columns (type, required, default) and the indexes (kind, columns) that a .prisma file declares."""
    tables = {}
    for model in found["datamodel"]["models"]:
        columns = {}
        for field in model["fields"]:
            kind = enum_type(field["type"]) if field["kind"] == "enum" else types[field["type"]]
            required = field["isRequired"] and not field["isList"]
            columns[field["name"]] = (list_type if field["isList"] else kind, required, declared_default(field))
        indexes = {
            (index["type"], tuple(field["name"] for field in index["fields"]))
            for index in found["datamodel"]["indexes"]
            if index["model"] == model["name"]
        }
        tables[model["dbName"]] = (columns, indexes)
    return tables


@pytest.mark.slow
@pytest.mark.parametrize("file", PARSERS)
def test_prismas_own_parser_accepts_the_file_as_it_is_written(parsed: dict[str, Any], file: str) -> None:
    with open(os.path.join(ROOT, "db", file), encoding="utf-8") as stream:
        assert parsed[file]["formatted"] == stream.read()
    assert parsed[file]["warnings"] == []


@pytest.mark.slow
def test_the_schema_declares_what_sqlite_has(parsed: dict[str, Any], sqlite_catalogue: Catalogue) -> None:
    assert declared(parsed["schema.prisma"], SQLITE_TYPES, "JSONB", lambda _: "TEXT") == sqlite_catalogue


def test_the_schema_declares_what_postgresql_has(parsed: dict[str, Any], postgres_catalogue: Catalogue) -> None:
    assert declared(parsed["schema.prisma"], POSTGRES_TYPES, "_text", str) == postgres_catalogue


def test_the_schemas_enums_are_postgresqls(parsed: dict[str, Any], postgres: psycopg2.extensions.cursor) -> None:
    postgres.execute(
        "SELECT t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)"
        " FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid GROUP BY t.typname"
    )
    enums = parsed["schema.prisma"]["datamodel"]["enums"]
    assert dict(postgres.fetchall()) == {enum["name"]: [value["name"] for value in enum["values"]] for enum in enums}


@pytest.mark.slow
def test_the_python_clients_schema_declares_what_both_databases_have(
    parsed: dict[str, Any], sqlite_catalogue: Catalogue, postgres_catalogue: Catalogue
) -> None:
    found = parsed["prisma_client.prisma"]
    for tables, catalogue in (
        (declared(found, SQLITE_TYPES, "JSONB", lambda _: "TEXT"), sqlite_catalogue),
        (declared(found, POSTGRES_TYPES, "_text", str), postgres_catalogue),
    ):
        assert tables == {table: catalogue[table] for table in tables}


def test_our_own_reader_finds_in_the_schema_what_the_queries_expect(parsed: dict[str, Any]) -> None:
    names = app_schema.read(os.path.join(ROOT, "db", "schema.prisma"))
    assert names.models.keys() == TABLES.keys() == {m["name"] for m in parsed["schema.prisma"]["datamodel"]["models"]}
    assert names.provider == "postgresql"
    for model in MODELS.keys() & names.models.keys():
        assert names.table(model, "") == MODELS[model].table
        assert names.models[model].columns.keys() >= set(MODELS[model].fields)
        assert all(column == field for field, column in names.models[model].columns.items())


@pytest.mark.slow
@pytest.mark.parametrize("schema", ["a renamed one", "db/schema.prisma", "tests/nextjs/prisma/schema.prisma"])
def test_our_own_reader_finds_the_names_that_prismas_parser_finds(
    prismas_reading: Reading, tmp_path: Path, schema: str
) -> None:
    path = os.path.join(ROOT, schema)
    if schema == "a renamed one":
        path = str(tmp_path / "schema.prisma")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(RENAMED)
    names = app_schema.read(path)
    theirs = prismas_reading(path, PARSERS["schema.prisma"])["datamodel"]
    assert names.models.keys() == {model["name"] for model in theirs["models"]}
    for model in theirs["models"]:
        ours = names.models[model["name"]]
        assert ours.table == (model["dbName"] or model["name"])
        assert ours.schema == model.get("schema")
        assert ours.columns == {field["name"]: field.get("dbName") or field["name"] for field in model["fields"]}
        assert ours.types == {field["name"]: field["type"] for field in model["fields"]}
    for enum in theirs["enums"]:
        stored = {value["dbName"]: value["name"] for value in enum["values"] if value["dbName"]}
        assert names.enums[enum["name"]] == stored
