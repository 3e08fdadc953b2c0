"""A learner with very many rows: the same newest rows as sorting them all would give, for the price of few."""

from __future__ import annotations

import random
import typing
from collections.abc import Mapping

import psycopg2
import psycopg2.extensions
import pytest

import db
from db.backends import postgres, sqlite
from db.backends.sqlite import SQLiteConnection
from db.reading import crowded_learner, study
from db.writing.open import open_writer
from scripts.testbed.query_plans import accesses
from tests.support.postgres_server import Databases
from tests.support.study_database import DAY_MS, NOW_MS, OBJECTIVE, Narrow, execute, lay_out

if typing.TYPE_CHECKING:
    from db.reading.newest_rows import PerLearner
    from db.sql.templates import Batch, Conversation, Results

WINDOW = Narrow(reviews=20, metrics=5, events=5)
MANY = 400


@pytest.fixture(autouse=True)
def no_crowd_is_too_small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a few hundred rows be a crowd, except in the test of the smallest one."""
    if request.function is not test_fewer_rows_than_the_smallest_crowd_are_all_sorted:
        monkeypatch.setattr(study, "SMALLEST_CROWD", 0)


def orders(name: str) -> list[int]:
    """When the learner's reviews were given, in the order in which they were stored."""
    chance = random.Random(name)
    at = [NOW_MS - (MANY - place) * 60_000 for place in range(MANY)]
    if name == "backwards":
        at.reverse()
    elif name == "shuffled":
        chance.shuffle(at)
    elif name == "long ago":
        at = [ms - 300 * DAY_MS for ms in at]
    elif name == "all at once":
        at = [NOW_MS - 60_000] * MANY
    elif name == "partly ahead":
        at = [ms + MANY * 30_000 for ms in at]
    return at


@pytest.fixture(params=["in order", "backwards", "shuffled", "long ago", "all at once", "partly ahead"])
def crowded(request: pytest.FixtureRequest, database: str) -> tuple[str, list[tuple[int, str]]]:
    """A database, and the reviews of ada before now as (instant, id), oldest first."""
    lay_out(database)
    own = [(ms, f"a{place:04}") for place, ms in enumerate(orders(request.param))]
    rows = [(name, "ada", ms) for ms, name in own]
    rows += [(f"b{place}", "bob", NOW_MS - place * 45_000) for place in range(MANY)]
    rows.sort(key=lambda row: (row[0][1:], row[0]))
    with open_writer(database) as writer:
        writer.insert(
            "Review",
            ("id", "userId", "cardId", "rating", "reviewedAt"),
            [(name, learner, name, "GOOD", ms) for name, learner, ms in rows],
        )
        fields = ("id", "userId", "learningObjectiveId", "date", "retentionScore")
        writer.insert("PerformanceMetric", fields, [(name, "ada", name, ms, 0.5) for ms, name in own])
        events = [(name, "ada", "X", ms) for ms, name in own]
        writer.insert("BehavioralEvent", ("id", "userId", "eventType", "timestamp"), events)
    return database, sorted((ms, name) for ms, name in own if ms < NOW_MS)


@pytest.mark.slow
@pytest.mark.parametrize("budgets", [(10, 10), (100, 100_000), (100_000, 100_000)])
def test_the_newest_rows_are_found_in_whatever_order_they_were_stored(
    crowded: tuple[str, list[tuple[int, str]]], budgets: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowded_learner, "WALK_BUDGET", budgets[0])
    monkeypatch.setattr(crowded_learner, "COUNT_BUDGET", budgets[1])
    url, own = crowded
    with db.connect(url) as client:
        learner = client.read("ada", OBJECTIVE, NOW_MS, WINDOW).learner
        assert [(row.reviewed_at_ms, row.card_id) for row in learner.reviews] == own[-20:]
        assert [(row.date_ms, row.objective_id) for row in learner.metrics] == own[-5:]
        assert [row.timestamp_ms for row in learner.events] == [ms for ms, _ in own[-5:]]
        assert next(iter(client.stream_learners(NOW_MS, WINDOW, ["ada"]))) == learner
        few = client.read("ada", OBJECTIVE, own[7][0], WINDOW).learner.reviews
        assert [(row.reviewed_at_ms, row.card_id) for row in few] == [each for each in own if each[0] < own[7][0]][-20:]


def test_fewer_rows_than_the_smallest_crowd_are_all_sorted(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    many = study.SMALLEST_CROWD
    at = [NOW_MS - 60_000 * (place * 7 % many + 1) for place in range(many)]
    rows = [(f"s{place}", "ada", ms) for place, ms in enumerate(at)]
    calls: list[str] = []
    newest_of_crowded = crowded_learner.newest_of_crowded

    def noting(
        batch: Batch, sources: Mapping[str, PerLearner], limits: Mapping[str, int], user_id: str, as_of_ms: int
    ) -> Conversation[dict[str, Results]]:
        calls.extend(sources)
        return newest_of_crowded(batch, sources, limits, user_id, as_of_ms)

    monkeypatch.setattr(crowded_learner, "newest_of_crowded", noting)
    lay_out(database)
    for stored, crowds in ((rows[:-1], []), (rows[-1:], ["sessions"])):
        with open_writer(database) as writer:
            writer.insert("StudySession", ("id", "userId", "startedAt"), stored)
        with db.connect(database) as client:
            sessions = client.read("ada", OBJECTIVE, NOW_MS, Narrow(sessions=50)).learner.sessions
        known = at if crowds else at[:-1]
        assert [row.started_at_ms for row in sessions] == sorted(known)[-50:]
        assert calls == crowds


def test_mixed_forms_in_a_crowd(database: str) -> None:
    if database.startswith("postgresql"):
        return  # one column, one form
    lay_out(database)
    chance = random.Random(3)
    at = [NOW_MS // 1000 * 1000 - 1000 * chance.randrange(MANY * 50) for _ in range(MANY)]
    from tests.db.test_instants import FORMS, WHOLE_SECONDS, form_of, store

    forms = sorted({**FORMS, **WHOLE_SECONDS})
    store(database, [form_of(ms, chance.choice(forms), chance.randrange(-800, 800)) for ms in at])
    with db.connect(database) as client:
        found = client.read("ada", OBJECTIVE, NOW_MS, WINDOW).learner.reviews
    assert [row.reviewed_at_ms for row in found] == sorted(ms for ms in at if ms < NOW_MS)[-20:]


@pytest.fixture
def giant(database: str) -> str:
    """Forty thousand reviews of ada, the same of everybody else, a few of bob; statistics as after loading."""
    lay_out(database)
    many = 40_000
    with open_writer(database) as writer:
        writer.insert("User", ("id",), [(f"u{n}",) for n in range(100)])
        writer.insert(
            "Review",
            ("id", "userId", "cardId", "rating", "reviewedAt"),
            (
                (
                    f"r{n}",
                    ("ada", f"u{n // 2 % 100}")[n % 2] if n % 1000 else "bob",
                    "limits-1",
                    "GOOD",
                    NOW_MS - n * 9000 - 1,
                )
                for n in range(2 * many)
            ),
        )
    return database


@pytest.mark.slow
def test_of_forty_thousand_reviews_few_more_are_looked_at_than_the_three_thousand_wanted(
    giant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Narrow(reviews=3000)
    if giant.startswith("file:"):
        looks: list[SQLiteConnection] = []
        monkeypatch.setattr(sqlite, "STEPS_BETWEEN_LOOKS", 1000)
        monkeypatch.setattr(SQLiteConnection, "_too_late", lambda self: bool(looks.append(self)))
        with db.connect(giant) as client:
            looks.clear()
            assert len(client.read("ada", OBJECTIVE, NOW_MS, window).learner.reviews) == 3000
            assert len(looks) < 2_000  # thousands of steps, of which sorting them all takes twice as many
    else:
        visits = accesses(giant, "ada", OBJECTIVE, NOW_MS, window)
        fetched = sum(each.rows for each in visits if (each.table, each.way) == ("reviews", "Index Scan"))
        assert 3000 <= fetched < 20_000


@pytest.mark.slow
def test_postgresql_scans_no_large_table(postgres_databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres_databases.with_tables()
    lay_out(url)
    with open_writer(url) as writer:
        fields = ("id", "userId", "cardId", "rating", "reviewedAt")
        rows = ((f"r{n}", f"u{n % 50}" if n % 2 else "ada", f"k{n}", "GOOD", NOW_MS - n * 1000) for n in range(30_000))
        writer.insert("Review", fields, rows)
        writer.insert("Card", ("id", "courseId", "objectiveId"), ((f"k{n}", f"c{n % 300}", "x") for n in range(30_000)))
        fields = ("id", "userId", "learningObjectiveId", "date", "retentionScore")
        rows = ((f"m{n}", f"u{n % 50}", f"o{n}", NOW_MS - n * 1000, 0.5) for n in range(30_000))
        writer.insert("PerformanceMetric", fields, rows)
    asked: list[str] = []
    execute_one = postgres.PostgreSQLConnection._execute

    def noting(connection: postgres.PostgreSQLConnection, cursor: psycopg2.extensions.cursor, sql: str) -> None:
        asked.append(sql)
        execute_one(connection, cursor, sql)

    monkeypatch.setattr(postgres.PostgreSQLConnection, "_execute", noting)
    with db.connect(url) as client:
        for learner in ("ada", "bob"):
            client.read(learner, OBJECTIVE, NOW_MS, Narrow(reviews=100, metrics=100, cards=100))
    for statistics in ("none", "ANALYZE"):
        if statistics != "none":
            execute(url, statistics)
        for plan in plans(url, asked):
            for table in ("reviews", "cards", "performance_metrics"):
                assert f"Seq Scan on {table}" not in plan


def plans(url: str, asked: list[str]) -> list[str]:
    connection = psycopg2.connect(url)
    cursor = connection.cursor()
    found = []
    for sql in asked:
        settings, _, select = sql.rpartition(";") if sql.startswith("BEGIN") else ("", "", sql)
        if settings:
            connection.rollback()
            cursor.execute(settings.partition(";")[2])
        if select.startswith("SELECT"):
            cursor.execute(f"EXPLAIN {select}")
            found.append("\n".join(line for (line,) in cursor.fetchall()))
    connection.close()
    assert len(found) > 5
    return found
