"""What people are told where PostgreSQL refuses something: sentences, and which rights to grant."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

import db
from db import errors
from db.writing.open import open_writer
from tests.support.postgres_server import Databases, connected, with_demo

RIGHTS = r'"Roles" in db/README\.md.*GRANT SELECT'
WRITERS_RIGHTS = RIGHTS + r".*GRANT INSERT, UPDATE, DELETE"


@pytest.fixture
def stranger(postgres_databases: Databases) -> Iterator[tuple[str, str]]:
    """The URLs of a demo database: its owner's, and that of a role that was granted nothing."""
    url = with_demo(postgres_databases.empty())
    with connected(url) as cursor:
        cursor.execute("CREATE ROLE stranger LOGIN")
    yield url, url.replace("postgres@", "stranger@")
    with connected(url) as cursor:
        cursor.execute("DROP OWNED BY stranger; DROP ROLE stranger")


def test_the_lines_of_libpq_are_joined_as_sentences() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(errors.DatabaseUnavailable) as refused:
            db.connect(f"postgresql://nobody@127.0.0.1:{port}/app", timeout_s=10)
    assert ": Connection refused. Is the server running on that host" in str(refused.value)
    assert str(refused.value).endswith("accepting TCP/IP connections?")


def test_a_database_that_the_role_may_not_enter_names_the_rights(stranger: tuple[str, str]) -> None:
    owner, url = stranger
    name = owner.rpartition("/")[2]
    with connected(owner) as cursor:
        cursor.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    with pytest.raises(errors.DatabaseUnavailable, match="permission denied for database.*" + RIGHTS):
        db.connect(url, timeout_s=10)


def test_tables_that_the_role_may_not_read_name_the_right(stranger: tuple[str, str]) -> None:
    absent = pytest.raises(errors.RequiredTableAbsent, match="GRANT SELECT")
    with absent, db.connect(stranger[1], timeout_s=10) as client:
        client.now()


def test_a_table_that_the_role_may_not_write_names_the_rights(stranger: tuple[str, str]) -> None:
    denied = pytest.raises(errors.WriteRefused, match="permission denied.*" + WRITERS_RIGHTS)
    with denied, open_writer(stranger[1]) as writer:
        writer.execute('DELETE FROM "public"."reviews"')
