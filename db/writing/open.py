"""Writing, for scripts: imports, outcomes, stored predictions, erasure. A prediction never uses this module.

One `with` block is one transaction: it is committed at its end, and rolled back when anything is raised.
"""

from __future__ import annotations

from db import connecting
from db.errors import DatabaseConfiguration
from db.writing.writer import Writer

__all__ = ["Writer", "open_writer"]

LOCK_PATIENCE_S = 30.0


def open_writer(
    url: str | None = None,
    *,
    schema_path: str | None = None,
    create: bool = False,
    patience_s: float = LOCK_PATIENCE_S,
    read_only: bool = False,
) -> Writer:
    """A writer for the database at url, else at $DATABASE_URL; the demo database is never written to by default.

    create: make the SQLite file if there is none. patience_s: how long to wait for a connection or a lock. read_only:
    only select, as a role may that can only read; the database then refuses every change. Raises
    UnsupportedURL, SchemaUnreadable, DatabaseUnavailable, and DatabaseConfiguration where no database is named.
    """
    where, mapping = connecting.located(url, schema_path)
    if where.path == connecting.DEMO and not url:
        raise DatabaseConfiguration(f"No database to write to: give --database-url or set {where.origin.variable}.")
    if where.path is not None:
        from db.writing.sqlite import SQLiteWriter

        return SQLiteWriter(where.path, mapping, create, patience_s, read_only)
    from db.writing.postgres import PostgreSQLWriter

    return PostgreSQLWriter(where, mapping, patience_s, read_only)
