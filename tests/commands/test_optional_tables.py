"""Tables that an app may lack: scripts that write look up what is there; the current app has no feedback table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.places import HOUSE
from tests.support.app_shapes import ask, insert, run
from tests.support.study_database import DAY_MS, MINUTE_MS, NOW_MS

PREDICTED_MS = NOW_MS - DAY_MS
MADE = {"learningObjectiveId": "o", "predictedStruggleProbability": 0.8, "predictionConfidence": 0.7}
OURS = ("prediction_feedbacks", "struggle_indicators", "struggle_predictions")


@pytest.fixture
def app(app_database: str) -> str:
    """The app's own database: a learner with a prediction, a sign and three answers since; and another learner."""
    insert(app_database, "User", [{"id": "u"}, {"id": "other"}])
    insert(app_database, "Course", [{"id": "c", "userId": "u"}])
    insert(app_database, "Lecture", [{"id": "l", "userId": "u", "courseId": "c"}])
    insert(app_database, "LearningObjective", [{"id": "o", "lectureId": "l"}])
    insert(app_database, "Card", [{"id": "k", "courseId": "c", "objectiveId": "o"}])
    answers = [
        {"id": f"r{n}", "userId": "u", "cardId": "k", "rating": "AGAIN", "reviewedAt": PREDICTED_MS + n * MINUTE_MS}
        for n in range(1, 4)
    ]
    insert(app_database, "Review", answers)
    dates = {"predictionDate": PREDICTED_MS, "predictedAt": PREDICTED_MS}
    insert(
        app_database,
        "StrugglePrediction",
        [{"id": "p", "userId": "u", **MADE, **dates}, {"id": "p2", "userId": "other", **MADE, **dates}],
    )
    sign = {"id": "i", "userId": "u", "learningObjectiveId": "o", "predictionId": "p", "severity": "HIGH"}
    insert(app_database, "StruggleIndicator", [{**sign, "indicatorType": "LOW_RETENTION"}])
    return app_database


def script(url: str, name: str, *words: str) -> dict[str, dict[str, int]]:
    """The JSON object of a script that ended well."""
    command = [sys.executable, os.path.join(HOUSE, "scripts", name), *words, "--database-url", url, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def without(url: str, *tables: str) -> None:
    """As an app whose schema never had them; its foreign keys go with them."""
    cascade = " CASCADE" if url.startswith("postgres") else ""
    run(url, *(f'DROP TABLE "{table}"{cascade}' for table in tables))


@pytest.mark.slow
def test_outcomes_are_recorded_where_the_app_has_no_feedback_table(app: str) -> None:
    assert script(app, "record_outcomes.py", "--as-of", "2025-03-03T11:06:40Z")["confirmed"] == 1
    assert ask(app, 'SELECT "id", "predictionStatus" FROM struggle_predictions ORDER BY 1') == [
        ("p", "CONFIRMED"),
        ("p2", "PENDING"),
    ]


@pytest.mark.slow
def test_a_learner_is_forgotten_where_the_app_has_no_feedback_table(app: str) -> None:
    removed = script(app, "forget_learner.py", "u")["removed"]
    assert removed == {"prediction_feedbacks": 0, "struggle_indicators": 1, "struggle_predictions": 1}
    assert ask(app, 'SELECT "id" FROM struggle_predictions') == [("p2",)]


@pytest.mark.slow
@pytest.mark.parametrize("absent", [("struggle_indicators",), ("struggle_indicators", "struggle_predictions")])
def test_neither_asks_for_a_table_that_is_not_there(app: str, absent: tuple[str, ...]) -> None:
    without(app, *absent)
    decided = script(app, "record_outcomes.py", "--as-of", "2025-03-03T11:06:40Z")["confirmed"]
    assert decided == int("struggle_predictions" not in absent)
    removed = script(app, "forget_learner.py", "u")["removed"]
    assert removed == {table: int(table == "struggle_predictions" and table not in absent) for table in OURS}


def batch(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, os.path.join(HOUSE, "scripts", "predict_batch.py"), "--database-url", url]
    command += ["--store", "--objectives", "all", "--as-of", "2025-03-03T11:06:40Z", "--json", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.slow
def test_a_batch_stores_predictions_without_a_table_for_their_signs(app: str) -> None:
    without(app, "struggle_indicators")
    done = batch(app)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["written"] == 1
    assert json.loads(done.stdout)["refused"] == 0


@pytest.mark.slow
def test_a_batch_that_has_nowhere_to_store_says_so(app: str) -> None:
    without(app, "struggle_indicators", "struggle_predictions")
    done = batch(app)
    assert done.returncode == 78
    assert "no table 'struggle_predictions'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_week_without_the_feedback_table_is_a_quiet_week(app: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": app, "MODELS_DIR": str(tmp_path / "models"), "PYTHON": sys.executable}
    weekly = os.path.join(HOUSE, "scripts", "weekly_retrain.sh")
    done = subprocess.run([weekly], env=environment, cwd="/", capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ask(app, 'SELECT "predictionStatus" FROM struggle_predictions WHERE "id" = \'p\'') == [("CONFIRMED",)]
