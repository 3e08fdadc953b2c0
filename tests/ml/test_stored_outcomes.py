"""Which stored predictions may teach, and that none is counted twice."""

from __future__ import annotations

import numpy as np
import pytest

from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.study.outcome_mark import in_force, marked
from ml.training.examples import ExampleSet, LabelledVisit
from ml.training.stored_outcomes import StoredOutcome, usable, with_stored
from scripts.cli.human_times import moment_ms

AT = 1_750_000_000_000
HOUR = 3_600_000


def outcome(features: object, intervened: bool = False) -> StoredOutcome:
    return StoredOutcome("u", "o", AT, True, intervened, features)


def stored_vector(**known: float) -> dict[str, object]:
    return FeatureVector.of(known, AT).marked_with("m", "model").to_dict()


def test_a_stored_vector_teaches_with_its_defaulted_features_missing() -> None:
    found = usable([outcome(stored_vector(retention_score=0.3, days_until_exam=0.9))])
    row = dict(zip(FEATURE_NAMES, found.examples.X[0].tolist()))
    assert row["retention_score"] == 0.3
    assert row["days_until_exam"] == 0.9
    assert np.isnan(row["workload_level"])
    assert found.examples.y.tolist() == [1]
    assert not found.left_out


@pytest.mark.parametrize(
    ("features", "intervened", "reason"),
    [
        ({**stored_vector(retention_score=0.3), "degraded": "database down"}, False, "degraded"),
        (stored_vector(retention_score=0.3), True, "intervened"),
        (None, False, "no features stored"),
        ("text", False, "no features stored"),
        ({}, False, "no features stored"),
        ({**stored_vector(retention_score=0.3), "retention_score": 7}, False, "unreadable features"),
        (stored_vector(), False, "unreadable features"),
    ],
)
def test_what_must_not_teach_is_left_out_and_counted(features: object, intervened: bool, reason: str) -> None:
    found = usable([outcome(features, intervened)])
    assert len(found.examples) == 0
    assert found.left_out == {reason: 1}


def test_an_outcome_by_another_rule_does_not_teach_before_it_is_judged_again() -> None:
    left = outcome(stored_vector(retention_score=0.3))._replace(in_force=False)
    found = usable([left, left._replace(in_force=True)])
    assert len(found.examples) == 1
    assert found.left_out == {"decided by another rule: record_outcomes --again": 1}


@pytest.mark.parametrize(
    ("mark", "stands"),
    [
        (None, {}),
        ({"by": "answers", "correct_from": "GOOD", "struggled": True}, {"GOOD"}),
        ({"by": "answers", "correct_from": "HARD", "struggled": True}, {"HARD"}),
        ({"by": "answers", "correct_from": "HARD", "struggled": False}, {"GOOD", "HARD"}),  # the app has changed it
        ({"by": "validation", "correct_from": "GOOD", "struggled": True}, {"GOOD", "HARD"}),
        ({"by": "learner", "struggled": True}, {"GOOD", "HARD"}),
        ({"by": "app", "correct_from": "GOOD", "struggled": True}, {"GOOD", "HARD"}),
        ({"by": "answers", "struggled": True}, {}),
        ({"by": ["answers"]}, {}),
        ("answers", {}),
    ],
)
def test_an_outcome_stands_under_the_rule_that_decided_it(mark: object, stands: set[str]) -> None:
    features = {**stored_vector(retention_score=0.3), **({} if mark is None else {"outcome": mark})}
    assert {setting for setting in ("GOOD", "HARD") if in_force(features, setting, True)} == set(stands)
    assert not in_force(None, "GOOD", True)
    assert len(usable([outcome(features)]).examples) == 1, "the mark is no feature"


def test_a_row_that_holds_a_mark_alone_has_no_features() -> None:
    assert usable([outcome(marked(None, "answers", "GOOD", True))]).left_out == {"no features stored": 1}
    assert marked("text", "answers", "GOOD", True) == "text"


def test_a_feature_of_another_version_is_passed_over() -> None:
    stored = {**stored_vector(retention_score=0.3), "feature_of_tomorrow": 0.5}
    stored["defaulted"] = [*stored["defaulted"], "another"]  # type: ignore[misc]
    assert len(usable([outcome(stored)]).examples) == 1


def test_a_visit_that_was_predicted_counts_once() -> None:
    stored = usable([outcome(stored_vector(retention_score=0.3))])
    visits = [LabelledVisit("u", "o", AT + shift, True, 3, False) for shift in (-HOUR, HOUR, 400 * HOUR)]
    visits.append(LabelledVisit("u", "other", AT + HOUR, True, 3, False))
    history = ExampleSet.of(visits, np.full((4, len(FEATURE_NAMES)), 0.5))
    both = with_stored(history, stored, 14 * 24 * HOUR)
    assert sorted(both.as_of_ms.tolist()) == sorted([AT - HOUR, AT + 400 * HOUR, AT + HOUR, AT])


@pytest.mark.parametrize("struggled", [True, None])
def test_a_visit_before_which_somebody_intervened_teaches_nothing(struggled: bool | None) -> None:
    told = StoredOutcome("u", "o", AT, struggled, True, stored_vector(retention_score=0.3))
    visits = [LabelledVisit("u", "o", AT + shift, True, 3, False) for shift in (-HOUR, HOUR, 400 * HOUR)]
    both = with_stored(ExampleSet.of(visits, np.full((3, len(FEATURE_NAMES)), 0.5)), usable([told]), 14 * 24 * HOUR)
    assert both.as_of_ms.tolist() == [AT - HOUR, AT + 400 * HOUR]


@pytest.mark.slow
def test_times_as_people_write_them() -> None:
    now = moment_ms("2026-11-23T12:00:00Z", 0)
    assert moment_ms("7 days ago", now) == now - 7 * 24 * HOUR
    assert moment_ms("2026-11-22", now) == now - 36 * HOUR
    with pytest.raises(ValueError, match="is not a time"):
        moment_ms("rubbish", now)
