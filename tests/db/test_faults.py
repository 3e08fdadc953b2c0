"""What stands against a database that is away, broken, slow or locked, and proof that reading cannot write."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import pytest

import db
from db import StudyRows, connecting, errors
from db.backends.postgres import PostgreSQLConnection
from db.backends.sqlite import SQLiteConnection
from db.client import Client
from db.connecting import located
from db.sql.templates import Query
from db.writing.open import open_writer
from ml.study.history import WINDOW
from scripts.testbed.postgres import scratch_postgres
from tests.support.postgres_server import Databases
from tests.support.study_database import LEARNER, NOW_MS, OBJECTIVE, execute, lay_out, reviews

SECRET = "pa55-w0rd"


@pytest.fixture
def course(database: str) -> str:
    lay_out(database)
    return database


A_HANG_S = 30.0
"""What waits longer than this waits for ever: the deadlines here are a second at most."""


def read(client: Client) -> StudyRows:
    return client.read(LEARNER, OBJECTIVE, NOW_MS, WINDOW)


def query(sql: str) -> Query:
    return Query(sql, {}, 1)


WRITES = (
    "INSERT INTO {users} (id) VALUES ('x') RETURNING id AS c0",
    "UPDATE {users} SET id = 'x' RETURNING id AS c0",
    "DELETE FROM {users} RETURNING id AS c0",
)


@pytest.mark.parametrize("sql", WRITES)
def test_sqlite_refuses_a_write_through_the_reading_connection(demo_copy: str, sql: str) -> None:
    where, _ = located(demo_copy)
    connection = SQLiteConnection(where.path, time.monotonic() + 5)
    connection.begin(time.monotonic() + 5)
    with pytest.raises(errors.DatabaseUnavailable, match="readonly"):
        connection.run([query(sql.format(users="users"))])
    connection.close()


def test_sqlite_leaves_no_file_beside_the_database(demo_copy: str, tmp_path: Path) -> None:
    with db.connect(demo_copy) as client:
        client.read("demo-learner", "action-potentials", None, WINDOW)
    assert os.listdir(tmp_path) == ["demo.sqlite3"]


@pytest.mark.slow
@pytest.mark.parametrize("sql", WRITES)
def test_postgresql_refuses_a_write_through_the_reading_connection(postgres_databases: Databases, sql: str) -> None:
    where, _ = located(postgres_databases.with_tables())
    connection = PostgreSQLConnection(where, time.monotonic() + 10)
    connection.begin(time.monotonic() + 10)
    connection.run([query("SELECT 1 AS c0")])
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        connection._execute(connection._connection.cursor(), sql.format(users="public.users"))
    connection.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing.db", "no SQLite database"), ("no/such/dir/x.db", "no SQLite database"), (".", "not a regular file")],
)
def test_a_file_that_is_not_there(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(errors.DatabaseUnavailable, match=said):
        db.connect(f"file:{tmp_path}/{name}")


@pytest.mark.parametrize("size", [1, 15, 100, 1000, 4096, 30_000, 100_000])
def test_a_truncated_file_is_refused_or_read_but_never_crashes(demo_copy: str, size: int) -> None:
    path = demo_copy.removeprefix("file:")
    os.truncate(path, size)
    with pytest.raises(errors.DatabaseUnavailable), db.connect(demo_copy) as client:
        client.read("demo-learner", "action-potentials", None, WINDOW)


@pytest.mark.parametrize("content", [b"no database at all\n" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = os.path.join(tmp_path, "x.db")
    with open(path, "wb") as file:
        file.write(content)
    with pytest.raises(errors.DatabaseUnavailable), db.connect(f"file:{path}") as client:
        client.now()


def test_an_empty_file_is_a_database_without_tables(tmp_path: Path) -> None:
    path = os.path.join(tmp_path, "x.db")
    open(path, "wb").close()
    with db.connect(f"file:{path}") as client, pytest.raises(errors.RequiredTableAbsent):
        client.now()


@contextlib.contextmanager
def exclusively_locked(path: str) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        yield
        writer.execute("ROLLBACK")


@pytest.mark.slow
def test_a_locked_file_is_waited_for_within_the_deadline(demo_copy: str) -> None:
    with db.connect(demo_copy, timeout_s=1.0) as client:
        with exclusively_locked(demo_copy.removeprefix("file:")):
            began = time.monotonic()
            with pytest.raises(errors.DatabaseUnavailable, match=r"locked|in time"):
                client.now()
            assert 0.5 < time.monotonic() - began < A_HANG_S
        assert client.now()


@pytest.mark.slow
def test_a_short_lock_is_waited_out(demo_copy: str) -> None:
    path = demo_copy.removeprefix("file:")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusively_locked(path):
            held.set()
            release.wait(0.3)

    with db.connect(demo_copy, timeout_s=20) as client:
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        assert client.now()
        holder.join()


def test_a_database_in_wal_mode_is_read_while_a_writer_works(demo_copy: str) -> None:
    with contextlib.closing(sqlite3.connect(demo_copy.removeprefix("file:"), isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM reviews")
        with db.connect(demo_copy) as client:
            assert len(client.read("demo-learner", "action-potentials", None, WINDOW).learner.reviews) == 360


@pytest.mark.parametrize("name", ["a b?c#d%41.db", "ü🐙.db", "quote'.db", "-x.db"])
def test_any_file_name_is_opened_as_it_is(tmp_path: Path, name: str) -> None:
    path = os.path.join(tmp_path, name)
    shutil.copyfile(connecting.DEMO, path)
    connection = SQLiteConnection(path, time.monotonic() + 5)
    assert connection.run([query("SELECT count(*) AS c0 FROM users")]) == [[(5,)]]
    connection.close()


ENDLESS_SQLITE = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS c0 FROM n"


def endless(kind: str) -> str:
    return ENDLESS_SQLITE if kind == "sqlite" else "SELECT pg_sleep(60) AS c0"


@pytest.mark.slow
def test_a_slow_answer_ends_at_the_deadline_and_the_next_read_works(course: str) -> None:
    with db.connect(course, timeout_s=0.7) as client:
        began = time.monotonic()
        with pytest.raises(errors.DatabaseUnavailable, match="in time"):
            client.converse(lambda _opened: ask(endless(client.kind)))
        assert time.monotonic() - began < A_HANG_S
        client.timeout_s = 30
        assert read(client).objective.objective.id == OBJECTIVE


def ask(sql: str) -> Iterator[list[Query]]:
    yield [query(sql)]


@pytest.mark.slow
def test_another_thread_may_interrupt_a_read(course: str) -> None:
    with db.connect(course, timeout_s=60) as client:
        timer = threading.Timer(0.3, client.interrupt)
        began = time.monotonic()
        timer.start()
        with pytest.raises(errors.DatabaseUnavailable, match="in time"):
            client.converse(lambda _opened: ask(endless(client.kind)))
        assert time.monotonic() - began < A_HANG_S
        timer.join()
        assert read(client).objective.objective.id == OBJECTIVE


def test_a_closed_client_says_so(course: str) -> None:
    client = db.connect(course)
    client.close()
    client.close()
    assert not client.is_connected()
    with pytest.raises(errors.DatabaseUnavailable, match="closed"):
        read(client)


@pytest.mark.slow
def test_threads_take_turns(course: str) -> None:
    reviews(course, range(NOW_MS - 50, NOW_MS))
    found: list[int] = []
    with db.connect(course) as client:
        threads = [threading.Thread(target=lambda: found.append(len(read(client).learner.reviews))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [50] * 8


@pytest.mark.slow
def test_a_server_that_accepts_and_never_answers_costs_no_more_than_the_deadline() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(errors.DatabaseUnavailable, match="in time"):
            db.connect(f"postgresql://u:{SECRET}@127.0.0.1:{port}/d?sslmode=disable", timeout_s=0.5)
        assert time.monotonic() - began < A_HANG_S


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/d",
        f"postgresql://u:{SECRET}@host.invalid/d",
        f"postgresql:///d?host=/nonexistent&password={SECRET}",
        f"postgresql://u:{SECRET}@[::1]:1/d",
    ],
)
def test_a_server_that_is_not_there(url: str) -> None:
    with pytest.raises(errors.DatabaseUnavailable) as refused:
        db.connect(url, timeout_s=20)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_database_or_a_login_that_the_server_does_not_know(postgres_databases: Databases) -> None:
    server = postgres_databases.server
    with pytest.raises(errors.DatabaseUnavailable, match="does not exist"):
        db.connect(server.url("no_such_database"))
    with pytest.raises(errors.DatabaseUnavailable, match=r"role .*nobody.* does not exist"):
        db.connect(f"postgresql://nobody:{SECRET}@127.0.0.1:{server.port}/postgres")
    with pytest.raises(errors.DatabaseUnavailable, match="SSL"):
        db.connect(f"{server.url()}?sslmode=require")


@pytest.fixture
def postgres_course(postgres_databases: Databases) -> str:
    url = postgres_databases.with_tables()
    lay_out(url)
    return url


def terminate_all(url: str) -> None:
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


@pytest.mark.slow
def test_after_a_broken_connection_the_next_read_connects_anew(postgres_course: str) -> None:
    with db.connect(postgres_course, timeout_s=20) as client:
        read(client)
        terminate_all(postgres_course)
        with pytest.raises(errors.DatabaseUnavailable):
            read(client)
        assert read(client).objective.objective.id == OBJECTIVE


@pytest.mark.slow
def test_a_restarted_server_is_found_again() -> None:
    with scratch_postgres() as server:
        url = server.new_database()
        execute(url, 'CREATE TABLE "users" ("id" text)', 'CREATE TABLE "learning_objectives" ("id" text)')
        client = db.connect(url, timeout_s=5)
        client.now()
    with pytest.raises(errors.DatabaseUnavailable):
        client.now()
    with pytest.raises(errors.DatabaseUnavailable):
        client.now()
    client.close()


def open_transactions(url: str) -> int:
    with open_writer(url) as writer:
        ((count,),) = writer.query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
        )
    return count


@pytest.mark.slow
def test_no_transaction_and_no_setting_is_left_behind(postgres_course: str) -> None:
    with db.connect(postgres_course) as client:
        read(client)
        with pytest.raises(errors.UnknownLearner):
            client.read("nobody", OBJECTIVE, None, WINDOW)
        assert open_transactions(postgres_course) == 0
        cursor = client._connection._connection.cursor()
        client._connection._execute(
            cursor, "SELECT current_setting('enable_seqscan'), current_setting('statement_timeout')"
        )
        assert cursor.fetchone() == ("on", "0")


@pytest.mark.slow
def test_all_of_a_read_is_one_snapshot(postgres_course: str) -> None:
    reviews(postgres_course, [NOW_MS - 2])
    with db.connect(postgres_course) as client:

        def slowly(opened: object) -> Generator[list[Query], Any, tuple[Any, Any]]:
            (first,) = yield [query("SELECT count(*) AS c0 FROM public.reviews")]
            reviews(postgres_course, [NOW_MS - 1])
            (second,) = yield [query("SELECT count(*) AS c0 FROM public.reviews")]
            return first, second

        assert client.converse(slowly) == ([(1,)], [(1,)])
        assert len(read(client).learner.reviews) == 2


@pytest.mark.slow
def test_a_schema_of_its_own_and_one_with_a_strange_name(postgres_databases: Databases) -> None:
    url = postgres_databases.empty()
    for schema in ("app", 'we"ird %s'):
        quoted = schema.replace('"', '""')
        execute(url, f'CREATE SCHEMA "{quoted}"')
        encoded = schema.replace("%", "%25").replace('"', "%22").replace(" ", "%20")
        with open_writer(f"{url}?schema={encoded}") as writer:
            writer.create_tables()
        lay_out(f"{url}?schema={encoded}")
        with db.connect(f"{url}?schema={encoded}") as client:
            assert read(client).missing_sources == ()
    with db.connect(url) as client, pytest.raises(errors.RequiredTableAbsent):
        client.now()


READER = """
CREATE ROLE predictor_reader LOGIN;
GRANT USAGE ON SCHEMA public TO predictor_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO predictor_reader
"""


@pytest.mark.slow
def test_a_role_that_may_only_read_suffices_and_what_it_may_not_read_is_missing(postgres_course: str) -> None:
    execute(postgres_course, READER, "REVOKE SELECT ON behavioral_events, missions FROM predictor_reader")
    execute(postgres_course, 'REVOKE SELECT ON "reviews" FROM predictor_reader')
    execute(
        postgres_course,
        'GRANT SELECT ("id", "userId", "cardId", "rating", "reviewedAt") ON "reviews" TO predictor_reader',
    )
    reviews(postgres_course, [NOW_MS - 1])
    try:
        with db.connect(postgres_course.replace("postgres@", "predictor_reader@")) as client:
            found = read(client)
        assert found.missing_sources == ("reviews.sessionId", "behavioral_events", "missions")
        assert len(found.learner.reviews) == 1
    finally:
        execute(postgres_course, "DROP OWNED BY predictor_reader", "DROP ROLE predictor_reader")


@pytest.mark.slow
def test_a_server_in_another_encoding_is_read(postgres_databases: Databases) -> None:
    server = postgres_databases.server
    for encoding in ("LATIN1", "SQL_ASCII"):
        name = f"encoded_{encoding.lower()}"
        import psycopg2

        with contextlib.closing(psycopg2.connect(server.url())) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
        url = server.url(name)
        with open_writer(url) as writer:
            writer.create_tables()
        lay_out(url)
        execute(url, ('UPDATE "courses" SET "name" = ?', ("Café",)))
        with db.connect(url) as client:
            assert read(client).objective.objective.course_name == "Café"
            with pytest.raises((errors.UnknownLearner, errors.DatabaseConfiguration)):
                client.read("🐙", OBJECTIVE, None, WINDOW)
