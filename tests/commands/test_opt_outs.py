"""What a learner has switched off stays off: in predictions, batch, service, training, tables, monitoring, outcomes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import db
from db import stored_predictions
from db.writing.open import open_writer
from ml.extractor import StruggleFeatureExtractor
from ml.features.build import features_facing
from ml.features.consent import teaches
from ml.study.degraded import SENTENCES
from ml.study.history import DAY_MS, WINDOW, LearnerHistory
from ml.training.examples import labelled_examples
from scripts.record_outcomes import record
from tests.support.outputs import read_output
from tests.support.postgres_server import Databases
from tests.support.service_process import serving
from tests.support.two_learners import FIRST_NIGHT_MS, MISSION_DAY, fill, night

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = ("weak", "strong")
TRACKING_OFF = "This learner has switched performance tracking off."


@pytest.fixture
def platform(database: str) -> str:
    """Two learners at work, one of whom has a prediction stored and then switches tracking off."""
    fill(database)
    night(database, FIRST_NIGHT_MS)
    with open_writer(database) as writer:
        writer.update("User", "weak", performanceTrackingEnabled=False)
    return database


def statuses(url: str) -> dict[str, str]:
    with open_writer(url) as writer:
        return {str(u): str(s) for u, s in writer.select("StrugglePrediction", ("userId", "predictionStatus"))}


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_predict_py_answers_by_default_features_and_says_why(platform: str, options: tuple[str, ...]) -> None:
    argv = [sys.executable, os.path.join(ROOT, "predict.py"), *options, "--database-url", platform, "weak", "osmosis"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    answer = read_output(done.stdout)
    assert (answer["degraded"], answer["degraded_code"]) == (TRACKING_OFF, "tracking_off")
    assert answer["reasoning"].startswith("This learner has switched performance tracking off: this is a default")
    assert answer["confidence"] <= 0.2
    assert answer["features"]["data_quality"] == 0
    assert answer["indicators"] == []
    assert TRACKING_OFF in done.stderr


@pytest.mark.slow
def test_the_service_answers_the_same(platform: str, tmp_path: Path) -> None:
    pair = {"user_id": "weak", "objective_id": "osmosis"}
    with serving(tmp_path / "log", DATABASE_URL=platform, STRUGGLE_MODEL="rules") as url:
        single = httpx.post(f"{url}/predict", json=pair).json()
        (of_batch,) = httpx.post(f"{url}/predict/batch", json={"pairs": [pair]}).json()["predictions"]
    assert single["degraded"] == of_batch["degraded"] == TRACKING_OFF


@pytest.mark.slow
def test_the_service_generates_nothing_and_dismisses_what_is_open(platform: str, tmp_path: Path) -> None:
    settings = {"STRUGGLE_WRITER_URL": platform, "STRUGGLE_TOKEN": "t", "STRUGGLE_MODEL": "rules"}
    headers = {"Authorization": "Bearer t"}
    with serving(tmp_path / "log", DATABASE_URL=platform, **settings) as url:
        made = httpx.post(f"{url}/predictions/generate", json={"user_id": "weak"}, headers=headers, timeout=30)
    assert made.status_code == 201, made.text
    assert made.json()["predictions"] == []
    assert statuses(platform) == {"weak": "DISMISSED", "strong": "PENDING"}


@pytest.mark.slow
def test_one_by_one_and_many_at_once_alike(platform: str) -> None:
    with db.connect(platform) as client:
        rows = client.read("weak", "osmosis", None, WINDOW)
        single = StruggleFeatureExtractor(client, None).extract("weak", "osmosis")
        past = LearnerHistory(rows.learner, rows.as_of_ms, rows.is_now)
        (many,) = features_facing(past, [rows.objective], None)
    assert single.to_dict() == many.to_dict()
    assert single.degraded == SENTENCES["tracking_off"]


@pytest.mark.slow
def test_the_batch_writes_no_line_and_dismisses_what_is_open(platform: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    counts = night(platform, FIRST_NIGHT_MS + DAY_MS, "--output", str(out))
    assert (counts["learners"], counts["tracking_off"], counts["written"], counts["dismissed"]) == (2, 1, 1, 1)
    assert {read_output(line)["user_id"] for line in out.read_text().splitlines()} == {"strong"}
    assert statuses(platform) == {"weak": "DISMISSED", "strong": "PENDING"}
    assert night(platform, FIRST_NIGHT_MS + 2 * DAY_MS)["dismissed"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "varchar(5)", "smallint", "bit(1)"])
def test_a_switch_is_off_in_whatever_column_it_is_kept(postgres_databases: Databases, kind: str) -> None:
    url = postgres_databases.with_tables()
    fill(url)
    night(url, FIRST_NIGHT_MS)
    off = "'false'" if kind in ("text", "varchar(5)") else "'0'"
    with open_writer(url) as writer:
        column = f'ALTER TABLE {writer.table("User")} ALTER "performanceTrackingEnabled"'
        writer.execute(f"{column} DROP DEFAULT")
        writer.execute(f"{column} DROP NOT NULL")
        writer.execute(f"{column} TYPE {kind} USING NULL")
        writer.execute(f"""UPDATE {writer.table("User")} SET "performanceTrackingEnabled" = {off} WHERE id = 'weak'""")
    assert record(url, None, FIRST_NIGHT_MS + DAY_MS, dry_run=False, quiet=True)["dismissed"] == 1
    assert statuses(url) == {"weak": "DISMISSED", "strong": "PENDING"}


@pytest.mark.slow
@pytest.mark.parametrize("stored", ["false", "f", "0", 0, 0.0])
def test_a_switch_is_off_however_sqlite_holds_it(sqlite_url: str, stored: float | int | str) -> None:
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
    fill(sqlite_url)
    night(sqlite_url, FIRST_NIGHT_MS)
    with open_writer(sqlite_url) as writer:
        sql = f'UPDATE {writer.table("User")} SET "performanceTrackingEnabled" = ? WHERE id = ?'
        writer.execute(sql, [stored, "weak"])
    assert record(sqlite_url, None, FIRST_NIGHT_MS + DAY_MS, dry_run=False, quiet=True)["dismissed"] == 1
    assert statuses(sqlite_url) == {"weak": "DISMISSED", "strong": "PENDING"}


@pytest.mark.slow
@pytest.mark.parametrize("dry_run", [True, False])
def test_outcomes_are_not_judged_and_open_predictions_dismissed(platform: str, dry_run: bool) -> None:
    with open_writer(platform) as writer:
        writer.insert("Card", ("id", "courseId", "objectiveId"), [("of-osmosis", "physiology", "osmosis")])
        fields = ("id", "userId", "cardId", "rating", "reviewedAt")
        wrong = [
            (f"{u}{n}", u, "of-osmosis", "AGAIN", MISSION_DAY * DAY_MS + n)
            for n in range(4)
            for u in ("weak", "strong")
        ]
        writer.insert("Review", fields, wrong)
        ((row_id,),) = writer.select("StrugglePrediction", ("id",), "userId", ["weak"])
        fields = ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt")
        writer.insert("PredictionFeedback", fields, [("f", row_id, "weak", "HELPFUL", True, FIRST_NIGHT_MS)])
    counts = record(platform, None, (MISSION_DAY + 1) * DAY_MS, dry_run=dry_run, quiet=True)
    assert counts["by learner"] == 0
    assert counts["by answers"] == 1
    if dry_run:
        assert statuses(platform) == {"weak": "PENDING", "strong": "PENDING"}
    else:
        assert counts["dismissed"] == 1
        assert statuses(platform)["weak"] == "DISMISSED"
        assert statuses(platform)["strong"] in ("MISSED", "CONFIRMED")


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["includeInAnalytics", "performanceTrackingEnabled"])
def test_who_does_not_take_part_is_out_of_training_tables_and_monitoring(database: str, switch: str) -> None:
    fill(database)
    with open_writer(database) as writer:
        writer.update("User", "strong", **{switch: False})
    with db.connect(database) as client:
        learners = list(client.stream_learners(FIRST_NIGHT_MS, None))
        objectives = client.read_objectives()
        assert stored_predictions.opted_out(client) == {"strong"}
    assert [rows.learner.id for rows in learners if teaches(rows.learner)] == ["weak"]
    assert set(labelled_examples(learners, objectives, None).learner.tolist()) <= {"weak"}


@pytest.mark.slow
def test_a_table_without_the_switches_has_them_on(database: str) -> None:
    with open_writer(database) as writer:
        users = writer.table("User")
        for switch in ("includeInAnalytics", "performanceTrackingEnabled", "behavioralAnalysisEnabled"):
            writer.execute(f'ALTER TABLE {users} DROP COLUMN "{switch}"')
    fill(database)
    assert night(database, FIRST_NIGHT_MS)["written"] == 2
    with db.connect(database) as client:
        assert stored_predictions.opted_out(client) == frozenset()
    record(database, None, FIRST_NIGHT_MS + 60_000, dry_run=False, quiet=True)
    assert set(statuses(database).values()) == {"PENDING"}
