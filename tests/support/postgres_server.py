"""The tests' PostgreSQL: one real server per test run, new databases on it, and what predict.py does there."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import psycopg2.extensions
import pytest

from db.demo import load_demo
from db.writing.open import open_writer
from scripts.testbed.postgres import ScratchServer, scratch_postgres

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
        with contextlib.closing(psycopg2.connect(self.server.url())) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name} {options}")
        return self.server.url(name)


@contextlib.contextmanager
def databases() -> Iterator[Databases]:
    """A server for as long as the block lasts. Raises NoPostgres where no programs are found."""
    with scratch_postgres() as server:
        yield Databases(server)


PATIENCE_S = 10.0


def with_demo(url: str) -> str:
    """Fills an empty database with the tables and the demo learner."""
    with open_writer(url) as writer:
        writer.create_tables()
        load_demo(writer)
    return url


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg2.extensions.cursor]:
    """A superuser's cursor, each statement a transaction of its own."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        yield connection.cursor()


@contextlib.contextmanager
def admitted(url: str, role: str, *rules: str) -> Iterator[None]:
    """A new role, and rules of pg_hba.conf that come before all others, in force."""
    with connected(url) as cursor:
        cursor.execute("SHOW hba_file")
        ((path,),) = cursor.fetchall()
        before = Path(path).read_text(encoding="utf-8")
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'the right one'")
    try:
        _rule(url, path, "\n".join((*rules, before)))
        yield
    finally:
        _rule(url, path, before)
        with connected(url) as cursor:
            cursor.execute(f"DROP ROLE {role}")


def _rule(url: str, path: str, rules: str) -> None:
    """Replaces the rules; returns when new connections are held to them."""
    Path(path).write_text(rules, encoding="utf-8")
    with connected(url) as cursor:
        cursor.execute("SELECT pg_conf_load_time(), pg_reload_conf()")
        ((loaded, _),) = cursor.fetchall()
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        with connected(url) as cursor:
            cursor.execute("SELECT pg_conf_load_time() > %s", (loaded,))
            if cursor.fetchone() == (True,):
                return
    pytest.fail("the server never read its rules again")


@contextlib.contextmanager
def reviews_locked(url: str) -> Iterator[None]:
    """As while somebody migrates the table: whoever reads reviews waits."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.cursor().execute("LOCK TABLE reviews IN ACCESS EXCLUSIVE MODE")
        yield


def backend_of(url: str, waiting: bool = True) -> int:
    """The process id of the server's end of predict.py's connection, once it waits for the lock."""
    sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'struggle-predictor'"
    give_up_at = time.monotonic() + PATIENCE_S
    with connected(url) as cursor:
        while time.monotonic() < give_up_at:
            cursor.execute(sql + (" AND wait_event_type = 'Lock'" if waiting else ""))
            if found := cursor.fetchone():
                return int(found[0])
            time.sleep(0.02)
    pytest.fail("predict.py never came to wait for the lock")


def connections_left(url: str) -> int:
    """How many connections of predict.py the database still has, after a moment to notice that one is gone.

    Not those to other databases: a test that works as a batch's worker keeps one, as a worker does, until its process
    is given other work.
    """
    give_up_at = time.monotonic() + PATIENCE_S
    with connected(url) as cursor:
        while True:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name LIKE 'struggle-%' AND datname = current_database()"
            )
            (left,) = cursor.fetchone() or (0,)
            if not left or time.monotonic() > give_up_at:
                return int(left)
            time.sleep(0.05)
