"""PostgreSQL databases in other encodings than UTF8, or with bytes that are no text."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

import db
from db import errors
from db.stored_predictions import stream_predictions
from db.writing.open import open_writer
from tests.support.postgres_server import Databases, connected, with_demo
from tests.support.running_predict import LEARNER, OBJECTIVE, PREDICT, ran
from tests.support.study_database import NOW_MS, WIDE

ENCODINGS = ["LATIN1", "SQL_ASCII", "WIN1252", "KOI8R", "EUC_JP", "UTF8"]
UNHELD = "\N{OCTOPUS}"
UNREADABLE = {"LATIN1": None, "SQL_ASCII": b"\xe9", "WIN1252": b"\x81", "KOI8R": None, "EUC_JP": None, "UTF8": b"\xe9"}
"""A byte that the encoding has no character for, where one can be stored."""
WORD = {
    "LATIN1": "Café",
    "SQL_ASCII": "Café",
    "WIN1252": "€Café",
    "KOI8R": "\u043a\u0443\u0440\u0441",
    "EUC_JP": "数学",
    "UTF8": "数学",
}


@pytest.fixture(scope="module")
def apps(postgres_databases: Databases) -> dict[str, str]:
    """By encoding: the URL of a database with the demo learner."""
    server, urls = postgres_databases.server, {}
    with contextlib.closing(psycopg2.connect(server.url())) as connection:
        connection.autocommit = True
        for encoding in ENCODINGS:
            name = f"in_{encoding.lower()}"
            connection.cursor().execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
            urls[encoding] = with_demo(server.url(name))
    return urls


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    program = PREDICT.replace("predict.py", f"scripts/{name}.py")
    return subprocess.run([sys.executable, program, *words], capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_names_and_ids_beyond_ascii_are_read(apps: dict[str, str], encoding: str) -> None:
    word = WORD[encoding]
    with open_writer(apps[encoding]) as writer:
        writer.execute(f'UPDATE {writer.table("Course")} SET "name" = ?', (word,))
        writer.update("User", LEARNER, name=word)
        writer.insert("User", ("id",), [(word,)])
    with db.connect(apps[encoding]) as client:
        found = client.read(word, OBJECTIVE, None, WIDE)
        assert (found.learner.learner.id, found.objective.objective.course_name) == (word, word)
        assert client.objectives_of_topic(word)
        assert word in client.learner_ids()
        assert [each.learner.id for each in client.stream_learners(NOW_MS, WIDE, [word, UNHELD])] == [word]
    ran(word, OBJECTIVE, url=apps[encoding]).is_whole()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_id_that_the_database_cannot_hold_is_an_unknown_one(apps: dict[str, str], encoding: str) -> None:
    ran(UNHELD, OBJECTIVE, url=apps[encoding]).error(66, "unknown_learner")
    ran(LEARNER, UNHELD, url=apps[encoding]).error(66, "unknown_objective")
    with db.connect(apps[encoding]) as client:
        assert client.objectives_of_topic(UNHELD) == []
        assert client.read_objectives([UNHELD, OBJECTIVE]).keys() == {OBJECTIVE}


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_batch_counts_such_a_learner_and_forget_finds_nothing(
    apps: dict[str, str], encoding: str, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text(f"{LEARNER}\n{UNHELD}\n", encoding="utf-8")
    words = ["--database-url", apps[encoding], "--users", str(users), "--output", str(tmp_path / "a.jsonl"), "--json"]
    done = script("predict_batch", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["unknown_learners"] == 1, done.stdout
    done = script("forget_learner", UNHELD, "--database-url", apps[encoding], "--json")
    assert done.returncode == 0, done.stderr
    assert not any(json.loads(done.stdout)["removed"].values())
    done = script("forget_learner", UNHELD, "--database-url", apps[encoding])
    assert "This id is unknown" in done.stderr


def store(url: str, statement: str, octets: bytes, encoding: str) -> None:
    """Writes bytes as a text, past the check that keeps a UTF8 database whole (as a damaged page or a bad dump do)."""
    with connected(url) as cursor:
        cursor.execute("CREATE CAST (bytea AS text) WITHOUT FUNCTION")
        try:
            cursor.execute(statement, (octets,))
        finally:
            cursor.execute("DROP CAST (bytea AS text)")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", [encoding for encoding in ENCODINGS if UNREADABLE[encoding]])
@pytest.mark.parametrize("place", ["courses.name", "lectures.topicTags", "reviews.sessionId"])
def test_an_odd_byte_in_one_value_is_replaced(apps: dict[str, str], encoding: str, place: str) -> None:
    table, _, column = place.partition(".")
    value = "ARRAY[CAST(%s AS text)]" if column == "topicTags" else "CAST(%s AS text)"
    store(apps[encoding], f'UPDATE "{table}" SET "{column}" = {value}', b"a" + UNREADABLE[encoding] + b"z", encoding)
    ran(url=apps[encoding]).is_whole()
    with db.connect(apps[encoding]) as client:
        objective = client.read(LEARNER, OBJECTIVE, None, WIDE).objective.objective
        list(client.stream_learners(NOW_MS, WIDE))
    said = {
        "courses.name": objective.course_name,
        "lectures.topicTags": objective.topic_tags[:1],
    }.get(place, "a\ufffdz")
    assert said in ("a\ufffdz", ("a\ufffdz",))


@pytest.mark.slow
def test_the_writer_reads_past_an_odd_byte(apps: dict[str, str]) -> None:
    for encoding in ("SQL_ASCII", "UTF8"):
        store(apps[encoding], 'UPDATE "users" SET "name" = CAST(%s AS text)', b"a\xe9z", encoding)
        with open_writer(apps[encoding]) as writer:
            assert {row[0] for row in writer.select("User", ("name",))} <= {"a\ufffdz", None}


@pytest.mark.slow
def test_sqlite_streams_past_an_odd_byte(sqlite_url: str) -> None:
    """Not only PostgreSQL: a row that was read before the odd one is not read twice."""
    rows = [(f"p{n}", LEARNER, "o", 0.5, 0.5, NOW_MS + n, NOW_MS) for n in range(5000)]
    fields = ("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence")
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
        writer.insert("StrugglePrediction", (*fields, "predictedAt", "predictionDate"), rows)
        writer.execute(
            'UPDATE "struggle_predictions" SET "userId" = CAST(? AS TEXT) WHERE "id" = ?', (b"a\xe9z", "p3000")
        )
        assert ("a\ufffdz",) in writer.select("StrugglePrediction", ("userId",))
    with db.connect(sqlite_url) as client:
        found = [each for batch in stream_predictions(client, NOW_MS, NOW_MS + 9000) for each in batch]
    assert sorted(each.id for each in found) == sorted(row[0] for row in rows)
    assert [each.learner_id for each in found if each.id == "p3000"] == ["a\ufffdz"]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_service_keeps_its_plans_in_such_a_database(apps: dict[str, str], encoding: str) -> None:
    with db.connect(apps[encoding], keeps_plans=True) as client:
        for _ in range(6):
            assert client.read(LEARNER, OBJECTIVE, None, WIDE).learner.learner.id == LEARNER
        with pytest.raises(errors.UnknownLearner):
            client.read(UNHELD, OBJECTIVE, None, WIDE)
