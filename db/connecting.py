"""From a database URL to a connected client."""

from __future__ import annotations

import os
import time

from db.client import Client
from db.errors import DatabaseConfiguration
from db.tables.models import DEFAULT_MAPPING, Mapping
from db.url import CALLER, DEMO_BY_DEFAULT, FILE, SCHEMA, VARIABLE_ITSELF, DatabaseURL, Origin, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from db.backends.postgres import PostgreSQLConnection
    from db.backends.sqlite import SQLiteConnection
    from db.tables.app_schema import SchemaNames

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.sqlite3")
CONNECT_WITHIN_S = 30.0
VARIABLE = "DATABASE_URL"
"""The variable that names the database, unless the datasource of the app's schema.prisma names another."""


def connect(
    url: str | None = None,
    *,
    schema_path: str | None = None,
    env_file: str | None = None,
    timeout_s: float | None = None,
    keeps_plans: bool = False,
) -> Client:
    """Returns a client of the database at url, else of the one that the environment names, else of the demo database.

    >>> with connect("file:" + DEMO) as client:
    ...     client.kind
    'sqlite'

    Args:
        url: The database; None looks for it in env_file, the environment and the schema.
        schema_path: The app's schema.prisma, for its names of tables and columns.
        env_file: A .env file to take DATABASE_URL from.
        timeout_s: Seconds that connecting, and every later call, may take; None allows 30 s for connecting and an hour
            per call.
        keeps_plans: Whether PostgreSQL prepares frequent queries (never where the URL says pgbouncer=true).

    Raises:
        UnsupportedURL: The URL has a form or scheme that this package does not support.
        SchemaUnreadable: The schema cannot be read or followed.
        DatabaseConfiguration: A file does not set its variable, or a driver is missing.
        DatabaseUnavailable: The database cannot be reached, refuses the connection, or does not answer in time.
    """
    where, mapping = located(url, schema_path, env_file)
    give_up_at = time.monotonic() + (CONNECT_WITHIN_S if timeout_s is None else timeout_s)
    return Client(_open(where, give_up_at, keeps_plans), mapping, timeout_s, where.origin)


def located(
    url: str | None, schema_path: str | None = None, env_file: str | None = None
) -> tuple[DatabaseURL, Mapping]:
    """Returns which database `connect` would open, and what its tables are called there."""
    names = _names(schema_path)
    text, origin = _named(url, names, env_file)
    mapping = DEFAULT_MAPPING if names is None else Mapping(names)
    if text is None:
        return DatabaseURL("sqlite", DEMO, path=DEMO, origin=origin), mapping
    where = parse(text, _here(), schema_directory=names.directory if names else None)
    where.origin = origin
    return where, mapping


def surroundings(schema_path: str | None, env_file: str | None) -> tuple[str | None, Origin]:
    """The URL that a caller's env_file, the environment or the schema names; None where `connect` would open the demo.

    Raises SchemaUnreadable, and DatabaseConfiguration where a file does not set its variable.
    """
    return _named(None, _names(schema_path), env_file)


def beside(schema_path: str | None, passed_over: Callable[[str], object]) -> tuple[str | None, Origin]:
    """The URL in the first .env beside the schema or in the project.

    `passed_over` is called for files that are not read.
    """
    from db.env_file import find

    names = _names(schema_path)
    variable = _variable(names)
    found = find(variable, schema_path, passed_over)
    if found is None:
        return None, Origin(variable, DEMO_BY_DEFAULT)
    return _anchored(found[1], found[0], names), Origin(variable, FILE, found[0])


def _named(url: str | None, names: SchemaNames | None, env_file: str | None) -> tuple[str | None, Origin]:
    """The caller's url comes first, then the caller's env_file, the variable, the file in STRUGGLE_ENV_FILE, and a URL
    that is written out in the schema."""
    variable = _variable(names)
    if url:
        return url, Origin(variable, CALLER)
    text = None if env_file else _set(variable)
    if text is not None:
        return text, Origin(variable, VARIABLE_ITSELF)
    env_file = env_file or os.environ.get("STRUGGLE_ENV_FILE", "").strip()
    if env_file:
        from db.env_file import read

        path = os.path.join(_here(), env_file)
        return _anchored(read(path, variable), path, names), Origin(variable, FILE, path)
    if variable != VARIABLE and _set(VARIABLE) is not None:
        raise DatabaseConfiguration(
            f"The schema takes its database from {variable}, which is not set; DATABASE_URL is not used in its place."
        )
    if names is not None and names.url:
        return names.url, Origin(variable, SCHEMA)
    return None, Origin(variable, DEMO_BY_DEFAULT)


def _names(schema_path: str | None) -> SchemaNames | None:
    if not schema_path:
        return None
    from db.tables import app_schema

    return app_schema.read(schema_path)


def _variable(names: SchemaNames | None) -> str:
    return (names.url_variable if names else None) or VARIABLE


def _anchored(text: str, env_file: str, names: SchemaNames | None) -> str:
    """The URL with a SQLite path made absolute: where no schema is known, it starts where its .env file lies."""
    where = parse(text, os.path.dirname(env_file), schema_directory=names.directory if names else None)
    return text if where.path is None else f"file:{where.path}"


def _set(variable: str) -> str | None:
    """The variable's value; None where it is empty, or holds nothing but the quotes of a .env file's empty value."""
    text = os.environ.get(variable)
    return text if text and text.strip(" \t\r\n\"'") else None


async def get_prisma_client(url: str | None = None, *, schema_path: str | None = None) -> Client:
    """Connects as `connect` does, in a thread, so that the caller's event loop is not blocked."""
    import asyncio

    return await asyncio.to_thread(connect, url, schema_path=schema_path)


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # the working directory has been removed
        return os.sep


def _open(where: DatabaseURL, give_up_at: float, keeps_plans: bool) -> SQLiteConnection | PostgreSQLConnection:
    if where.path is not None:
        from db.backends.sqlite import SQLiteConnection

        return SQLiteConnection(where.path, give_up_at)

    from db.backends.postgres import PostgreSQLConnection

    return PostgreSQLConnection(where, give_up_at, keeps_plans and not where.pooled)
