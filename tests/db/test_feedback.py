"""What the guide's scripts import from db: get_prisma_client and get_feedback_data; and the guide's create_test_db."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

import db
from db import StudyRows
from db.client import Client
from db.writing.open import open_writer
from ml.study.history import WINDOW
from tests.fixtures import create_test_db
from tests.support.study_database import MINUTE_MS, NOW_MS, execute, insert, lay_out

NOW = datetime.fromtimestamp(NOW_MS / 1000, timezone.utc)


@pytest.fixture
def answered(database: str) -> str:
    """Two predictions and three answers, the oldest first stored last."""
    lay_out(database)
    prediction = {"learningObjectiveId": "limits", "predictedStruggleProbability": 0.8, "predictionConfidence": 0.5}
    vector = {"retention_score": 0.3, "defaulted": []}
    insert(
        database,
        "StrugglePrediction",
        [
            {
                **prediction,
                "id": "g1",
                "featureVector": vector,
                "predictionStatus": "CONFIRMED",
                "interventionApplied": True,
            },
            {**prediction, "id": "g2", "userId": "bob", "learningObjectiveId": "series"},
        ],
    )
    for name, of, minutes, struggled in (("h3", "g2", 1, False), ("h2", "g1", 60, True), ("h1", "g1", 90, False)):
        insert(
            database,
            "PredictionFeedback",
            [
                {
                    "id": name,
                    "predictionId": of,
                    "userId": "ada" if of == "g1" else "bob",
                    "feedbackType": "HELPFUL",
                    "actualStruggle": struggled,
                    "submittedAt": NOW_MS - minutes * MINUTE_MS,
                }
            ],
        )
    return database


@pytest.mark.slow
@pytest.mark.asyncio
async def test_feedback_comes_oldest_first_with_what_the_prediction_stored(
    answered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", answered)
    found = await db.get_feedback_data(since=NOW - timedelta(hours=2))
    assert [row.id for row in found] == ["h1", "h2", "h3"]
    second = found[1]
    assert second.feature_vector == {"retention_score": 0.3, "defaulted": []}
    assert second.actualStruggle is True
    assert (second.userId, second.learningObjectiveId, second.predictionId) == ("ada", "limits", "g1")
    assert second.submittedAt == NOW - timedelta(hours=1)
    assert second.submittedAt.tzinfo is not None
    assert (second.feedbackType, second.predictionStatus, second.interventionApplied) == ("HELPFUL", "CONFIRMED", True)
    assert found[2].feature_vector == {}
    assert found[2].learningObjectiveId == "series"


@pytest.mark.slow
@pytest.mark.parametrize(("since_minutes", "expected"), [(60, ["h2", "h3"]), (59.9999, ["h3"]), (1, ["h3"]), (0, [])])
def test_since_is_inclusive(answered: str, since_minutes: float | int, expected: list[object] | list[str]) -> None:
    since = NOW - timedelta(minutes=since_minutes)
    assert [row.id for row in asyncio.run(db.get_feedback_data(since, url=answered))] == expected


@pytest.mark.slow
def test_a_naive_moment_is_local_time(answered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        local = (NOW - timedelta(minutes=60)).astimezone().replace(tzinfo=None)
        assert local.hour != (NOW - timedelta(minutes=60)).hour
        assert [row.id for row in asyncio.run(db.get_feedback_data(local, url=answered))] == ["h2", "h3"]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.slow
def test_without_the_table_there_is_no_feedback(answered: str) -> None:
    execute(answered, 'DROP TABLE "prediction_feedbacks"')
    assert asyncio.run(db.get_feedback_data(NOW - timedelta(days=9), url=answered)) == []


@pytest.mark.slow
@pytest.mark.asyncio
async def test_get_prisma_client_is_connected_and_closes_as_prismas_does(
    demo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", demo_database)
    client = await db.get_prisma_client()
    assert client.is_connected()
    await client.connect()
    rows = await client.aread("demo-learner", "action-potentials", None, WINDOW)
    assert rows == client.read("demo-learner", "action-potentials", None, WINDOW)
    await client.disconnect()
    await client.disconnect()
    assert not client.is_connected()


@pytest.mark.asyncio
async def test_a_read_leaves_the_event_loop_running(demo_copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reads wait for what only the event loop can give them."""
    given, read = threading.Event(), Client.read

    def waiting(client: Client, *asked: object) -> StudyRows:
        assert given.wait(60), "the event loop stands still while a read waits"
        return read(client, *asked)

    monkeypatch.setattr(Client, "read", waiting)
    async with await db.get_prisma_client(demo_copy) as client:
        reads = [asyncio.create_task(client.aread("demo-learner", "action-potentials", None, WINDOW)) for _ in range(6)]
        await asyncio.sleep(0.05)  # they begin
        given.set()
        found = await asyncio.gather(*reads)
    assert all(rows == found[0] for rows in found)


@pytest.mark.asyncio
async def test_the_guides_test_database_has_the_guides_learner() -> None:
    client = await create_test_db()
    path = client.label
    rows = await client.aread("test_user", "test_objective", None, WINDOW)
    assert rows.learner.reviews
    assert rows.objective.prerequisites
    assert rows.missing_sources == ()
    assert os.path.isfile(path)
    client.close()
    del client
    for _ in range(6000):
        if not os.path.exists(path):
            break
        await asyncio.sleep(0.01)
    assert not os.path.exists(path)


@pytest.mark.stopwatch
def test_importing_the_package_imports_no_driver() -> None:
    code = "import sys, db; print(sorted({'sqlite3', 'psycopg2', 'asyncio', 'json'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert callable(db.connect)
    assert db.open_writer is open_writer
    with pytest.raises(AttributeError, match="nothing"):
        _ = db.nothing
