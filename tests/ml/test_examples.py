"""Labelled examples: the platform's visits and labels, and features equal to those of a prediction at that moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.reading.rows import LearnerRows, ObjectiveRows, ReviewRow, StudyRows
from ml.extractor import StruggleFeatureExtractor
from ml.features.vector import FEATURE_NAMES
from ml.storage.difficulty_table import DifficultyTable
from ml.study import history as history_module
from ml.study.history import HOUR_MS, StudyHistory
from ml.training import examples
from ml.training.difficulty_build import build_difficulty_table
from ml.training.examples import TrainingExample, features_at, joined, labelled_examples, labelled_visits
from tests.support.history_builder import AS_OF_MS, OBJECTIVE, ago, answers, objective, study_rows, validation
from tests.support.history_strategies import INSTANTS, REVIEWS

OBJECTIVES = {
    name: ObjectiveRows(objective(name), (), ()) for name in ("objective", "prerequisite", "another", "a", "b", "c")
}


def learner(reviews: Sequence[ReviewRow] = (), name: str = "learner", **sources: object) -> LearnerRows:
    rows = study_rows(reviews=reviews, learner=name, **sources).learner  # type: ignore[arg-type]
    assert isinstance(rows, LearnerRows)
    return rows


class NoRecords:
    """Enough of a client to build an extractor; features_of never reads."""

    def now(self) -> int:
        raise AssertionError("ml has no clock")

    read = aread = objectives_of_topic = now


@pytest.mark.parametrize(
    ("ratings", "struggled", "at_60"),
    [
        ("GG", None, None),
        ("GGG", False, False),
        ("GGA", False, False),
        ("GAA", True, True),
        ("GGGA", False, False),
        ("GGAA", True, True),
        ("GGGAA", True, False),  # 60 %: below 65, not below 60
        ("GGGGAAAA", False, False),  # only the first five are looked at
        ("AAAGG", True, True),
        ("HHAEE", True, True),
        ("HEGGA", True, False),
    ],
)
def test_labels_follow_the_platforms_definition(ratings: str, struggled: bool | None, at_60: bool | None) -> None:
    for below, expected in ((None, struggled), (0.6, at_60)):
        found = labelled_visits(learner(answers(ratings)), below)
        assert [visit.struggled for visit in found] == ([] if expected is None else [expected])


def test_labels_follow_the_deployments_setting() -> None:
    (found,) = labelled_visits(learner(answers("HHAEE")), None, "HARD")
    assert not found.struggled


def test_a_visit_is_predicted_at_its_first_answer() -> None:
    first, second = answers("GGG", 5), answers("GAAG", 2)
    found = labelled_visits(learner(first + second))
    assert [(v.as_of_ms, v.answers, v.struggled) for v in found] == [(ago(5), 3, False), (ago(2), 4, True)]


def test_order_only_answers_ten_minutes_apart_allow_five_others_in_between() -> None:
    mine = answers("GGG", 5, apart_ms=HOUR_MS, order_only=True)
    assert [visit.answers for visit in labelled_visits(learner(mine))] == [3]
    assert labelled_visits(learner(answers("GGG", 5, apart_ms=HOUR_MS + 1, order_only=True))) == []


@pytest.mark.parametrize(("score", "struggled"), [(0.0, True), (0.59, True), (0.6, False), (1.0, False)])
def test_a_validation_score_labels_at_its_own_time(score: float, struggled: bool) -> None:
    found = labelled_visits(learner(answers("GG", 3), validations=[validation(score, 1)]))
    assert [(v.as_of_ms, v.struggled, v.validated) for v in found] == [(ago(1), struggled, True)]


def test_a_validation_within_a_visit_judges_the_visit() -> None:
    reviews = answers("GGGG", 3, apart_ms=HOUR_MS)
    found = labelled_visits(learner(reviews, validations=[validation(0.2, 3 - 1.5 / 24)]))
    assert [(v.as_of_ms, v.struggled, v.answers) for v in found] == [(ago(3), True, 4)]


def test_a_half_is_a_threshold_of_its_own() -> None:
    rows = learner(validations=[validation(0.5, 1)])
    assert [labelled_visits(rows, below)[0].struggled for below in (None, 0.5, 0.51)] == [True, False, True]


HISTORIES = st.tuples(
    REVIEWS, st.lists(st.tuples(st.sampled_from(sorted(OBJECTIVES)), st.floats(0, 1), INSTANTS), max_size=4)
)


@pytest.mark.slow
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(HISTORIES)
@pytest.mark.parametrize("narrow", [False, True])
def test_walking_a_history_gives_what_a_prediction_at_each_moment_gives(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    narrow: bool,
    drawn: tuple[list[ReviewRow], list[tuple[str, float, int]]],
) -> None:
    """Also where the window cuts the history (narrow), and with a difficulty table."""
    reviews, scores = drawn
    prompts = [validation(score, 0, name)._replace(responded_at_ms=at_ms) for name, score, at_ms in scores]
    rows = learner(reviews, validations=prompts)
    path = os.fspath(tmp_path / "table.sqlite3")
    build_difficulty_table(
        path, [rows, learner(answers("AGAGA", 9), "other"), learner(answers("AA"), "third")], AS_OF_MS
    )
    table = DifficultyTable.open(path)
    with monkeypatch.context() as patched:
        if narrow:
            patched.setattr(history_module.Window, "reviews", 7)
            patched.setattr(history_module.Window, "validations", 1)
        visits = labelled_visits(rows)
        walked = features_at(rows, visits, OBJECTIVES, table)
        extractor = StruggleFeatureExtractor(NoRecords(), table)
        for visit, vector in zip(visits, walked):
            study = StudyRows(visit.as_of_ms, False, rows, OBJECTIVES[visit.objective_id], ())
            assert extractor.features_of(StudyHistory.before(study)).to_dict() == vector.to_dict()
    table.close()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(REVIEWS, st.integers(0, 40))
def test_flipping_every_later_outcome_changes_no_features_of_an_example(reviews: list[ReviewRow], days: int) -> None:
    rows = learner(reviews)
    flipped = [
        row._replace(rating="GOOD" if row.rating == "AGAIN" else "AGAIN")
        if row.reviewed_at_ms >= ago(days) and row.rating in ("AGAIN", "HARD", "GOOD", "EASY")
        else row
        for row in rows.reviews
    ]
    visits = [visit for visit in labelled_visits(rows) if visit.as_of_ms <= ago(days)]
    before = features_at(rows, visits, OBJECTIVES, None)
    after = features_at(learner(flipped), visits, OBJECTIVES, None)
    assert [vector.values for vector in before] == [vector.values for vector in after]


def test_deleting_a_learners_rows_from_the_source_does_not_change_that_learners_examples(tmp_path: Path) -> None:
    everyone = [
        learner(answers("AGGA", 9, "a") + answers("GGGA"[n % 3 :] + "GA", 7, "b") + answers("AGG", 5, "c"), f"n{n}")
        for n in range(40)
    ]
    found = []
    for name, source in (("all", everyone), ("without", everyone[1:])):
        path = os.fspath(tmp_path / name)
        build_difficulty_table(path, source, AS_OF_MS)
        with closing(DifficultyTable.open(path)) as table:
            found.append(labelled_examples(everyone[:1], OBJECTIVES, table))
    assert len(found[0]) == 3
    np.testing.assert_array_equal(found[0].X, found[1].X)
    assert np.isfinite(found[0].X[:, FEATURE_NAMES.index("expected_struggle")]).all()


def test_parts_joined_are_the_examples_of_all_at_once() -> None:
    everyone = [learner(answers("AGGA", 9, "a"), "n" * n) for n in (1, 9, 4)] + [learner(answers("G"), "none")]
    parts = [labelled_examples([one], OBJECTIVES, None) for one in everyone]
    whole = labelled_examples(everyone, OBJECTIVES, None)
    assert list(whole.learner) == ["n", "n" * 9, "n" * 4]
    for one, other in zip(joined(parts), whole):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert [column.dtype for column in joined([])] == [column.dtype for column in labelled_examples((), {}, None)]


def test_learners_out_of_analytics_and_unknown_objectives_make_no_examples() -> None:
    rows = learner(answers("GGG"))
    hidden = rows._replace(learner=rows.learner._replace(include_in_analytics=False))
    assert len(labelled_examples([hidden], OBJECTIVES, None)) == 0
    assert len(labelled_examples([rows], {}, None)) == 0


def test_public_records_carry_the_same_features() -> None:
    found = labelled_examples([learner(answers("GGA", 9) + answers("AAG", 2))], OBJECTIVES, None)
    public = found.training_examples()
    assert [type(example) for example in public] == [TrainingExample, TrainingExample]
    np.testing.assert_array_equal([examples.row_of(example.features) for example in public], found.X)  # type: ignore[arg-type]
    assert [(e.user_id, e.objective_id, e.struggled) for e in public] == [
        ("learner", OBJECTIVE, False),
        ("learner", OBJECTIVE, True),
    ]
    assert [example.recorded_at for example in public] == [ago(9), ago(2)]
