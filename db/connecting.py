"""From a database URL to a connected client."""

from __future__ import annotations

import os
import time

from db.client import Client
from db.mapping import DEFAULT_MAPPING, Mapping
from db.url import DatabaseURL, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.postgres import PostgreSQLConnection
    from db.sqlite import SQLiteConnection

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.sqlite3")
CONNECT_WITHIN_S = 30.0


def connect(
    url: str | None = None,
    *,
    schema_path: str | None = None,
    timeout_s: float | None = None,
    keeps_plans: bool = False,
) -> Client:
    """A client of the database at url, else at $DATABASE_URL, else of the embedded demo database.

    schema_path: the app's schema.prisma, for its names of tables and columns. timeout_s bounds connecting and every
    later call. keeps_plans: for a client that asks the same again and again, PostgreSQL prepares it (unless the URL
    says pgbouncer=true). Raises UnsupportedURL, SchemaUnreadable, DatabaseUnavailable.
    """
    where, mapping = located(url, schema_path)
    give_up_at = time.monotonic() + (CONNECT_WITHIN_S if timeout_s is None else timeout_s)
    return Client(_open(where, give_up_at, keeps_plans), mapping, timeout_s)


def located(url: str | None, schema_path: str | None = None) -> tuple[DatabaseURL, Mapping]:
    """Which database `connect` would open, and what its tables are called there."""
    mapping, directory = DEFAULT_MAPPING, None
    if schema_path:
        from db import schema_prisma

        names = schema_prisma.read(schema_path)
        mapping, directory = Mapping(names), names.directory
    url = url or os.environ.get("DATABASE_URL") or None
    if url is None:
        return DatabaseURL("sqlite", DEMO, path=DEMO), mapping
    return parse(url, _here(), schema_directory=directory), mapping


async def get_prisma_client(url: str | None = None, *, schema_path: str | None = None) -> Client:
    """The same connected client, for callers with an event loop, which goes on while it connects."""
    import asyncio

    return await asyncio.to_thread(connect, url, schema_path=schema_path)


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # the working directory has been removed
        return os.sep


def _open(where: DatabaseURL, give_up_at: float, keeps_plans: bool) -> SQLiteConnection | PostgreSQLConnection:
    if where.path is not None:
        from db.sqlite import SQLiteConnection

        return SQLiteConnection(where.path, give_up_at)
    from db.postgres import PostgreSQLConnection

    return PostgreSQLConnection(where, give_up_at, keeps_plans and not where.pooled)
