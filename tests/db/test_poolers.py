"""PostgreSQL behind PgBouncer, and servers that refuse: whatever they say reaches the person."""

from __future__ import annotations

import contextlib

import psycopg2
import pytest

import db
from db import errors
from db.writing.open import open_writer
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres_server import Databases, connected, with_demo
from tests.support.running_predict import LEARNER, OBJECTIVE, Ran, ran
from tests.support.study_database import NOW_MS, WIDE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(postgres_databases: Databases) -> str:
    """The URL of a database with the demo learner, directly at the server."""
    return with_demo(postgres_databases.empty())


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def through(url: str, port: int) -> str:
    return url.replace(f":{port_of(url)}/", f":{port}/")


def said(result: Ran) -> str:
    """What a degraded answer's one line on stderr says to the operator."""
    result.degraded()
    assert result.stderr.count(b"\n") == 1, result.stderr
    return result.stderr.decode()


@pytest.mark.parametrize("query", ["", "?pgbouncer=true"])
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pool_by_transaction_or_session_is_read_and_written_through(app: str, mode: str, query: str) -> None:
    with pgbouncer(port_of(app), mode, default_pool_size=1) as port:
        url = through(app, port) + query
        ran(url=url).is_whole()
        with db.connect(url, keeps_plans=True) as client:
            for _ in range(5):
                client.read(LEARNER, OBJECTIVE, None, WIDE)
            assert len(list(client.stream_learners(NOW_MS, WIDE))) == 5
        with open_writer(url) as writer:
            assert writer.update("User", LEARNER, name="Ann") == 1
        ran(url=url).is_whole()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_no_encoding_is_left_behind_in_a_pooled_session(postgres_databases: Databases, encoding: str) -> None:
    server, name = postgres_databases.server, f"pooled_{encoding.lower()}"
    with contextlib.closing(psycopg2.connect(server.url())) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    url = with_demo(server.url(name))
    with pgbouncer(server.port, "transaction", default_pool_size=1) as port:
        pooled = through(url, port)
        ran(url=pooled).is_whole()
        with open_writer(pooled) as writer:
            writer.execute(f'UPDATE {writer.table("Course")} SET "name" = ?', ("Café",))
        with db.connect(pooled) as client, contextlib.closing(psycopg2.connect(pooled)) as other:
            assert client.read(LEARNER, OBJECTIVE, None, WIDE).objective.objective.course_name == "Café"
            other.autocommit = True
            before = other.get_parameter_status("client_encoding")
            cursor = other.cursor()
            cursor.execute("SHOW client_encoding")
            assert cursor.fetchone() == (before,)
            assert client.read(LEARNER, OBJECTIVE, None, WIDE).objective.objective.course_name == "Café"


def test_a_pool_by_statement_says_why_it_cannot_serve(app: str) -> None:
    with pgbouncer(port_of(app), "statement") as port:
        url = through(app, port)
        assert "statement pooling" in said(ran(url=url))
        report = ran("--doctor", url=url)
        assert report.code == 69
        assert b"statement pooling" in report.stdout
        with (
            pytest.raises((errors.DatabaseUnavailable, errors.WriteRefused), match="statement pooling"),
            open_writer(url) as writer,
        ):
            writer.update("User", LEARNER, name="Ann")


def test_a_pool_that_is_exhausted_says_so(app: str) -> None:
    with pgbouncer(port_of(app), "session", default_pool_size=1, query_wait_timeout=1) as port:
        url = through(app, port)
        with contextlib.closing(psycopg2.connect(url)) as holder:
            holder.cursor().execute("SELECT 1")
            assert "query_wait_timeout" in said(ran(url=url))
    with pgbouncer(port_of(app), "session", max_client_conn=1) as port:
        url = through(app, port)
        with contextlib.closing(psycopg2.connect(url)):
            assert "no more connections allowed" in said(ran(url=url))


def test_a_database_that_the_pooler_does_not_know(app: str) -> None:
    with pgbouncer(port_of(app), "transaction") as port:
        assert "no_such" in said(ran(url=through(app, port).replace("/test_", "/no_such_")))


def test_a_server_or_role_without_a_connection_left_says_so(app: str) -> None:
    name = app.rpartition("/")[2]
    with connected(app) as cursor:
        cursor.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 0")
        try:
            assert 'too many connections for role "narrow"' in said(ran(url=app.replace("postgres@", "narrow@")))
            cursor.execute(f"ALTER ROLE narrow CONNECTION LIMIT -1; ALTER DATABASE {name} CONNECTION LIMIT 0")
            assert "too many connections for database" in said(ran(url=app.replace("postgres@", "narrow@")))
        finally:
            cursor.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
            cursor.execute("DROP ROLE narrow")
