"""Plans that a session keeps: the same rows as without them, and no worse where the server or a pooler loses them."""

from __future__ import annotations

import pytest

import db
from db import errors
from db.backends import postgres_plans
from db.client import Client
from db.demo import LEARNER, OBJECTIVES, load_demo
from db.writing.open import open_writer
from ml.study.history import WINDOW
from scripts.serving.connections import Connections
from tests.db.test_reading import UUID, retype
from tests.support.postgres_server import Databases
from tests.support.study_database import execute, lay_out

OBJECTIVE = next(iter(OBJECTIVES))
OFTEN = postgres_plans.PREPARED_FROM + 2


@pytest.fixture
def demo_url(postgres_databases: Databases) -> str:
    url = postgres_databases.with_tables()
    with open_writer(url) as writer:
        load_demo(writer)
    return url


def kept(client: Client) -> list[str]:
    """The names of what this session has prepared."""
    cursor = client._connection._connection.cursor()
    cursor.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'struggle%'")
    client._connection._wait()
    return [name for (name,) in cursor.fetchall()]


@pytest.mark.slow
def test_what_is_asked_often_is_prepared_and_answered_the_same(demo_url: str) -> None:
    with db.connect(demo_url) as plain, db.connect(demo_url, keeps_plans=True) as keeping:
        for _ in range(OFTEN):
            keeping.read(LEARNER, OBJECTIVE, None, WINDOW)
        assert len(kept(keeping)) >= 2
        assert not kept(plain)
        for objective in OBJECTIVES:
            now_ms = plain.now()
            for as_of_ms in (None, now_ms - 86_400_000, now_ms - 10 * 86_400_000, 0):
                assert keeping.read(LEARNER, objective, as_of_ms, WINDOW) == plain.read(
                    LEARNER, objective, as_of_ms, WINDOW
                )
        with pytest.raises(errors.UnknownLearner):
            keeping.read("no'body; DROP TABLE users --", OBJECTIVE, None, WINDOW)
        with pytest.raises(errors.UnknownObjective):
            keeping.read(LEARNER, "$1", None, WINDOW)
        assert keeping.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews


@pytest.mark.slow
def test_ids_that_are_numbers_and_uuids_fit_a_plan(postgres_databases: Databases) -> None:
    url = postgres_databases.with_tables()
    lay_out(url)
    retype(url)
    with db.connect(url, keeps_plans=True) as client:
        found = [client.read("42", UUID, None, WINDOW) for _ in range(OFTEN)]
        assert len(kept(client)) >= 2
        assert {rows.learner.learner.id for rows in found} == {"42"}
        assert client.read("42", UUID.upper(), None, WINDOW).objective == found[0].objective
        with pytest.raises(errors.UnknownLearner):
            client.read("99999999999999999999", UUID, None, WINDOW)


def test_a_pooler_that_says_so_gets_no_plans(demo_url: str) -> None:
    with db.connect(f"{demo_url}?pgbouncer=true", keeps_plans=True) as client:
        for _ in range(OFTEN):
            assert client.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews
        assert not kept(client)


@pytest.mark.slow
def test_plans_that_are_lost_are_noticed_once_and_not_made_again(demo_url: str) -> None:
    connections = Connections(demo_url, None, 1, 10.0)
    try:
        for _ in range(OFTEN):
            before = connections.read(LEARNER, OBJECTIVE, None, WINDOW)
        client = connections._idle[0].client
        assert kept(client)
        execute_in(client, "DISCARD ALL")
        after = connections.read(LEARNER, OBJECTIVE, before.as_of_ms, WINDOW)
        assert after.learner.reviews == before.learner.reviews
        with db.connect(demo_url, keeps_plans=True) as alone:
            for _ in range(OFTEN):
                alone.read(LEARNER, OBJECTIVE, None, WINDOW)
            execute_in(alone, "DISCARD ALL")
            with pytest.raises(errors.DatabaseUnavailable):
                alone.read(LEARNER, OBJECTIVE, None, WINDOW)
            for _ in range(OFTEN):
                assert alone.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews
            assert not kept(alone)
    finally:
        connections.close()


def execute_in(client: Client, sql: str) -> None:
    """SQL in the client's own session."""
    cursor = client._connection._connection.cursor()
    cursor.execute(sql)
    client._connection._wait()


def test_a_statement_that_the_server_will_not_prepare_is_asked_as_it_is(
    demo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_plans, "_preparation", lambda *_: "PREPARE struggle_x AS SELECT nonsense FROM nowhere")
    with db.connect(demo_url, keeps_plans=True) as client:
        for _ in range(OFTEN):
            assert client.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews
        assert not kept(client)


@pytest.mark.slow
def test_a_table_locked_while_it_prepares_costs_the_deadline_and_no_later_read(demo_url: str) -> None:
    with db.connect(demo_url, keeps_plans=True, timeout_s=1) as client, open_writer(demo_url) as writer:
        for _ in range(postgres_plans.PREPARED_FROM):
            client.read(LEARNER, OBJECTIVE, None, WINDOW)
        writer.execute(f"LOCK TABLE {writer.table('Review')} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(errors.DatabaseUnavailable, match="in time"):
            client.read(LEARNER, OBJECTIVE, None, WINDOW)
        writer.commit()
        assert client.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews


def test_a_plan_follows_the_tables(demo_url: str) -> None:
    with db.connect(demo_url, keeps_plans=True) as client:
        for _ in range(OFTEN):
            before = client.read(LEARNER, OBJECTIVE, None, WINDOW)
        execute(demo_url, 'ALTER TABLE "reviews" ADD COLUMN "note" text', 'DROP TABLE "missions"')
        after = client.read(LEARNER, OBJECTIVE, None, WINDOW)
    assert after.learner.reviews == before.learner.reviews
    assert after.missing_sources == ("missions",)
