"""The tests' PostgreSQL: one real server per test run, and new databases on it, empty or with the tables."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from db.writing import open_writer
from scripts.scratch_postgres import ScratchServer, scratch_postgres

TEMPLATE = "with_tables"


class Databases:
    """Makes databases on one server; those with tables are copies of a template, 50 ms each."""

    def __init__(self, server: ScratchServer) -> None:
        self.server = server
        self._names = (f"test_{number}" for number in itertools.count())
        self._template_made = False

    def empty(self) -> str:
        """The URL of a new database without any table."""
        return self._create(f"{next(self._names)}")

    def with_tables(self) -> str:
        """The URL of a new database with the platform's tables, all empty."""
        if not self._template_made:
            with open_writer(self._create(TEMPLATE)) as writer:
                writer.create_tables()
            self._template_made = True
        return self._create(next(self._names), f"TEMPLATE {TEMPLATE}")

    def _create(self, name: str, options: str = "") -> str:
        import psycopg2

        with contextlib.closing(psycopg2.connect(self.server.url())) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name} {options}")
        return self.server.url(name)


@contextlib.contextmanager
def databases() -> Iterator[Databases]:
    """A server for as long as the block lasts. Raises NoPostgres where no programs are found."""
    with scratch_postgres() as server:
        yield Databases(server)
