"""Old predictions go with what belongs to them, only when it is asked for, and nothing younger goes."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from db.writing.open import open_writer
from ml.study.history import DAY_MS
from scripts.retention import retention
from tests.support.app_shapes import ask, run
from tests.support.outputs import read_output

TABLES = ("prediction_feedbacks", "struggle_indicators", "struggle_predictions")
AGES = {"old": 401, "young": 399}
"""Name of a prediction -> days since it was made."""


@pytest.fixture
def platform(database: str) -> str:
    with open_writer(database) as writer:
        at_ms = {name: writer.now_ms() - days * DAY_MS for name, days in AGES.items()}
        writer.insert(
            "StrugglePrediction",
            (
                *("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence"),
                *("predictedAt", "predictionDate"),
            ),
            # the day that a prediction is about decides nothing
            [(name, "u", "o", 0.8, 0.5, at, at_ms["young" if name == "old" else "old"]) for name, at in at_ms.items()],
        )
        writer.insert(
            "StruggleIndicator",
            ("id", "userId", "learningObjectiveId", "predictionId", "indicatorType", "severity", "detectedAt"),
            [
                (f"{of}-{when}", "u", "o", of if of in AGES else None, "LOW_RETENTION", "HIGH", at)
                for of in ("old", "young", "none")
                for when, at in at_ms.items()
            ],
        )
        writer.insert(
            "PredictionFeedback",
            ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt"),
            [(f"on-{of}", of, "u", "HELPFUL", True, at_ms["young"]) for of in AGES],
        )
    return database


def ran(url: str, *options: str) -> dict[str, Any]:
    ended = CliRunner().invoke(retention, ["--database-url", url, "--older-than", "400", "--json", *options])
    assert ended.exit_code == 0, ended.output
    found: dict[str, Any] = read_output(ended.stdout)
    return found


def stored(url: str) -> dict[str, list[str]]:
    return {table: [row[0] for row in ask(url, f"SELECT id FROM {table} ORDER BY id")] for table in TABLES}


def test_it_only_counts_until_it_is_told_to_delete(platform: str) -> None:
    before = stored(platform)
    counted = ran(platform)
    assert not counted["removed"]
    assert counted["rows"] == {"prediction_feedbacks": 1, "struggle_indicators": 4, "struggle_predictions": 1}
    assert stored(platform) == before

    removed = ran(platform, "--delete")
    assert removed["removed"]
    assert removed["rows"] == counted["rows"]
    assert stored(platform) == {
        "prediction_feedbacks": ["on-young"],
        "struggle_indicators": ["none-young", "young-young"],
        "struggle_predictions": ["young"],
    }
    assert set(ran(platform, "--delete")["rows"].values()) == {0}


def test_a_table_that_an_app_lacks_has_no_old_rows(platform: str) -> None:
    run(platform, "DROP TABLE prediction_feedbacks")
    assert ran(platform)["rows"] == {"prediction_feedbacks": 0, "struggle_indicators": 4, "struggle_predictions": 1}
    run(platform, "DROP TABLE struggle_predictions")
    assert ran(platform, "--delete")["rows"]["struggle_predictions"] == 0


def test_people_are_told_that_nothing_is_removed_yet(platform: str) -> None:
    said = CliRunner().invoke(retention, ["--database-url", platform, "--older-than", "400"])
    assert "1 row would be removed from struggle_predictions\n" in said.stdout
    assert said.stderr == "Nothing is removed yet: --delete removes these rows.\n"


@pytest.mark.parametrize("days", ["0", "-1", "a year"])
def test_an_age_is_a_number_of_days(platform: str, days: str) -> None:
    assert CliRunner().invoke(retention, ["--database-url", platform, "--older-than", days]).exit_code == 2
