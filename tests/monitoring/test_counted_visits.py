"""scripts/monitor.py counts a visit once, whatever number of predictions spoke of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from db.writing.open import open_writer
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso
from ml.study.outcome_mark import marked
from scripts.benchmarks.monitor import PREDICTION_FIELDS, UNTIL_MS
from scripts.monitor import monitor
from scripts.monitoring.visits import UNKNOWN, Spoken, counted
from scripts.record_outcomes import record_outcomes
from tests.support.outputs import read_output

DAY_MS = 86_400_000
START_MS = UNTIL_MS - 6 * DAY_MS
FIELDS = (*PREDICTION_FIELDS, "actualOutcomeRecordedAt")
OPEN = float("nan")


def counting(*rows: tuple[int, int, int, float, int, int]) -> list[bool]:
    """(learner, objective, at in days, outcome, recorded in days, visit in days) -> whether each counts."""
    columns = list(zip(*rows))
    days = [
        np.array([each if each == UNKNOWN else each * DAY_MS for each in columns[place]], dtype=np.int64)
        for place in (2, 4, 5)
    ]
    learner, objective = (np.array(columns[place], dtype=np.int64) for place in (0, 1))
    found = counted(Spoken(learner, objective, days[0], np.array(columns[3]), days[1], days[2]))
    return [bool(each) for each in found]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(0, 0, 1, 1.0, 9, 5), (0, 0, 2, 1.0, 9, 5), (0, 0, 3, 1.0, 9, 5)], [False, False, True]),
        ([(0, 0, 3, 1.0, 9, 5), (0, 0, 1, 1.0, 9, 5), (0, 0, 2, 1.0, 9, 5)], [True, False, False]),
        ([(0, 0, 1, 1.0, 9, 2), (0, 0, 3, 1.0, 9, 5)], [True, True]),  # two visits, recorded in one run
        ([(0, 0, 1, 1.0, 9, 5), (0, 0, 2, 0.0, 9, 5)], [False, True]),  # the learner's word on one of them
        ([(0, 0, 1, 1.0, 9, 5), (1, 0, 1, 1.0, 9, 5), (0, 1, 1, 1.0, 9, 5)], [True, True, True]),
        ([(0, 0, 1, 1.0, 9, UNKNOWN), (0, 0, 6, 1.0, 9, UNKNOWN)], [False, True]),
        ([(0, 0, 1, 1.0, 8, UNKNOWN), (0, 0, 2, 1.0, 9, UNKNOWN)], [True, True]),
        ([(0, 0, 1, 1.0, 9, UNKNOWN), (0, 0, 2, 0.0, 9, UNKNOWN)], [True, True]),
        ([(0, 0, 1, 1.0, UNKNOWN, UNKNOWN), (0, 0, 2, 1.0, UNKNOWN, UNKNOWN)], [False, True]),
        ([(0, 0, 1, 1.0, UNKNOWN, UNKNOWN), (0, 0, 4, 1.0, UNKNOWN, UNKNOWN)], [True, True]),
        ([(0, 0, 1, 1.0, UNKNOWN, UNKNOWN), (0, 0, 1, 1.0, UNKNOWN, UNKNOWN)], [True, True]),
        ([(0, 0, 1, OPEN, UNKNOWN, UNKNOWN), (0, 0, 6, OPEN, UNKNOWN, UNKNOWN)], [False, True]),
        ([(0, 0, 1, 1.0, 9, 5), (0, 0, 2, OPEN, UNKNOWN, UNKNOWN)], [True, True]),
    ],
)
def test_the_latest_prediction_of_a_visit_counts(
    rows: list[tuple[int, int, int, float, int, int]], expected: list[bool]
) -> None:
    assert counting(*rows) == expected


def nightly(batches: int, with_mark: bool) -> list[tuple[object, ...]]:
    """120 visits, each predicted by so many nightly batches; the last one is wrong of every tenth."""
    found: list[tuple[object, ...]] = []
    vector = FeatureVector.of(dict.fromkeys(FEATURE_NAMES, 0.4), UNTIL_MS).marked_with("v1", "model").to_dict()
    for visit in range(120):
        struggled = visit % 3 == 0
        for night in range(batches):
            said = struggled != (visit % 10 == 0 or night < batches - 1)
            at_ms = START_MS + night * DAY_MS
            features = marked(vector, "answers", "GOOD", struggled, UNTIL_MS - 1000) if with_mark else vector
            row = (f"p{visit}-{night}", f"learner-{visit % 40}", f"objective-{visit}", 0.9 if said else 0.1, 0.7)
            found.append((*row, features, at_ms, at_ms, struggled, False, UNTIL_MS - 10 if with_mark else None))
    return found


def report(tmp_path: Path, rows: list[tuple[object, ...]], name: str) -> Any:
    url = f"file:{tmp_path}/{name}.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        writer.insert("StrugglePrediction", FIELDS, rows)
    done = CliRunner().invoke(
        monitor, ["--database-url", url, "--as-of", iso(UNTIL_MS), "--bootstrap", "200", "--json"]
    )
    return read_output(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("with_mark", [True, False])
def test_one_visit_judged_by_three_batches_counts_once(tmp_path: Path, with_mark: bool) -> None:
    thrice = report(tmp_path, nightly(3, with_mark), "thrice")
    once = report(tmp_path, nightly(1, with_mark), "once")
    assert (thrice["predictions"], thrice["outcomes_known"], thrice["visits_judged"]) == (360, 360, 120)
    assert thrice["decisions"]["0.5"] == once["decisions"]["0.5"]
    assert thrice["decisions"]["0.5"]["accuracy"]["value"] == pytest.approx(0.9)
    assert [week["n"] for week in thrice["weeks"] if week["n"]] == [120]


@pytest.mark.slow
def test_the_worst_mistakes_are_of_different_visits(tmp_path: Path) -> None:
    mistakes = report(tmp_path, nightly(3, True), "worst")["mistakes"]
    places = [(each["learner_id"], each["objective_id"]) for each in mistakes]
    assert len(places) == len(set(places)) == 12  # eight false positives and all four misses
    assert {each["prediction_id"][-2:] for each in mistakes} == {"-2"}


def test_record_outcomes_notes_the_visit_that_decided(tmp_path: Path) -> None:
    url = f"file:{tmp_path}/noted.sqlite3"
    reviews = [
        (f"r{visit}-{card}", "u", "u", f"c{card}", "AGAIN", START_MS + visit * DAY_MS + card * 60_000)
        for visit in (1, 3)
        for card in range(3)
    ]
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        writer.insert("User", ("id", "email"), [("u", "u@example.org")])
        writer.insert("Course", ("id", "userId", "name"), [("k", "u", "K")])
        writer.insert("Lecture", ("id", "userId", "courseId", "title"), [("l", "u", "k", "L")])
        writer.insert("LearningObjective", ("id", "lectureId", "objective"), [("o", "l", "O")])
        writer.insert("Card", ("id", "objectiveId", "courseId"), [(f"c{card}", "o", "k") for card in range(3)])
        writer.insert("Review", ("id", "userId", "sessionId", "cardId", "rating", "reviewedAt"), reviews)
        writer.insert(
            "StrugglePrediction",
            (*PREDICTION_FIELDS, "predictionStatus"),
            [
                (f"p{night}", "u", "o", 0.6, 0.7, {}, START_MS + at, START_MS + at, None, False, "PENDING")
                for night, at in enumerate((0, DAY_MS // 2, 2 * DAY_MS))
            ],
        )
    done = CliRunner().invoke(record_outcomes, ["--database-url", url, "--as-of", iso(UNTIL_MS), "--quiet"])
    assert done.exit_code == 0, done.output
    with open_writer(url) as writer:
        stored = writer.select("StrugglePrediction", ("id", "featureVector"), "userId", ["u"])
    visits: dict[str, Any] = {str(each): features for each, features in stored}
    first, second = START_MS + DAY_MS, START_MS + 3 * DAY_MS
    assert {each: features["outcome_visit_ms"] for each, features in visits.items()} == {
        "p0": first,
        "p1": first,
        "p2": second,
    }
