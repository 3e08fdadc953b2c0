"""What changed since an earlier prediction: the difference, since when, and exactly which factors made it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml.answer import answer, stored_features
from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.scoring.change import judged_before
from ml.scoring.scorecard import SavedModel, Scorecard, Table
from ml.study.history import DAY_MS
from ml.wording.choice import language
from ml.wording.rewording import reworded
from tests.golden import SHIPPED

NOW_MS = 1_760_605_200_000
KNOWN_OR_NOT = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
VALUES = st.lists(KNOWN_OR_NOT, min_size=len(FEATURES), max_size=len(FEATURES))
MODELS = (StrugglePredictionModel.load(SHIPPED), StrugglePredictionModel.load("rules"))
SHIPPED_MODEL = MODELS[0]


class Row(NamedTuple):
    """A stored prediction."""

    predicted_at_ms: int
    probability: float | None
    features: object


def vector(values: list[float | None], at_ms: int = NOW_MS, degraded: str = "") -> FeatureVector:
    return FeatureVector.of(dict(zip(FEATURE_NAMES, values)), at_ms, degraded)


def stored(model: StrugglePredictionModel, features: FeatureVector) -> Row:
    """The row that the batch or the route makes."""
    prediction = model.predict(features)
    return Row(features.extracted_at_ms, prediction.probability, stored_features(features, prediction))


def check(model: StrugglePredictionModel, before: FeatureVector, now: FeatureVector) -> list[str]:
    row, prediction = stored(model, before), model.predict(now)
    change = model.change([row], now, prediction)
    assert change is not None
    assert change.difference == prediction.probability - row.probability  # type: ignore[operator]
    assert change.factors is not None
    told = change.to_dict()
    assert told["since"] == iso(before.extracted_at_ms)
    points = [factor.points for factor in change.factors]
    assert sum(points) == pytest.approx(change.difference, abs=1e-12)
    for factor in change.factors:
        assert (factor.before, factor.value) == (before.known(factor.feature), now.known(factor.feature))
    return [factor.feature for factor in change.factors]


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES)
def test_the_factors_of_a_change_sum_to_it(before: list[float | None], now: list[float | None]) -> None:
    for model in MODELS:
        check(model, vector(before, NOW_MS - DAY_MS), vector(now))


WIDE = st.lists(st.floats(-30, 30), min_size=len(FEATURES), max_size=len(FEATURES))


@settings(max_examples=100, deadline=None)
@given(WIDE, st.lists(st.sampled_from([0.2, 0.8]), min_size=len(FEATURES), max_size=len(FEATURES)), st.floats(-9, 9))
@example([-30.0] * len(FEATURES), [0.2] * len(FEATURES), 0.0)
def test_they_sum_where_the_logit_is_bounded(steps: list[float], now: list[float], intercept: float) -> None:
    tables = [Table((0.5,), [0.0, step], (), 0.0) for step in steps]
    model = StrugglePredictionModel(SavedModel("m", Scorecard(intercept, tables), (), {}, 0.65))
    check(model, vector([0.2] * len(FEATURES), 0), vector(list(now)))


def test_equal_features_make_no_factor() -> None:
    values: list[float | None] = [0.5] * len(FEATURES)
    assert check(SHIPPED_MODEL, vector(values, NOW_MS - 1), vector(values)) == []
    moved = [1.0 if name == "prerequisite_gap_count" else 0.5 for name in FEATURE_NAMES]
    assert check(SHIPPED_MODEL, vector(values, NOW_MS - 1), vector(list(moved))) == ["prerequisite_gap_count"]


def changed(row: Row, **fields: object) -> Row:
    assert isinstance(row.features, dict)
    return row._replace(features={**row.features, **fields})


def test_another_model_or_other_features_tell_the_difference_alone() -> None:
    before, now = vector([0.5] * len(FEATURES), NOW_MS - DAY_MS), vector([0.9] * len(FEATURES))
    row, prediction = stored(SHIPPED_MODEL, before), SHIPPED_MODEL.predict(now)
    assert row.probability is not None
    for other in (
        changed(row, model_version="another"),
        changed(row, model_version=None),
        changed(row, prerequisite_gap_count=0.9),  # not what the probability was made from
        changed(row, no_such_feature=0.5),  # of a later version
        changed(row, ability="high"),
        row._replace(features=None),
        row._replace(features="broken"),
    ):
        change = SHIPPED_MODEL.change([other], now, prediction)
        assert change is not None
        assert change.factors is None
        assert change.to_dict()["factors"] is None
        assert change.difference == prediction.probability - row.probability
    told = SHIPPED_MODEL.change([changed(row, model_version="another")], now, prediction)
    assert told is not None
    assert told.since.model_version == "another"


def test_a_row_of_version_1_still_tells_what_made_the_change() -> None:
    """Its features hold neither levels nor names; its factors are not looked at."""
    before, now = vector([0.5] * len(FEATURES), NOW_MS - DAY_MS), vector([0.9] * len(FEATURES))
    row, prediction = stored(SHIPPED_MODEL, before), SHIPPED_MODEL.predict(now)
    old = before.marked_with(prediction.model_version, prediction.source).to_dict()
    change = SHIPPED_MODEL.change([row._replace(features=old)], now, prediction)
    assert change is not None
    assert change.factors


def test_default_estimates_are_no_judgements() -> None:
    now = vector([0.9] * len(FEATURES))
    row = stored(SHIPPED_MODEL, vector([], NOW_MS - DAY_MS, "the database cannot be reached"))
    assert SHIPPED_MODEL.change([row], now, SHIPPED_MODEL.predict(now)) is None
    fine = stored(SHIPPED_MODEL, vector([0.5] * len(FEATURES), NOW_MS - DAY_MS))
    lost = vector([], NOW_MS, "the database cannot be reached")
    assert SHIPPED_MODEL.change([fine], lost, SHIPPED_MODEL.predict(lost)) is None
    assert SHIPPED_MODEL.change([], now, SHIPPED_MODEL.predict(now)) is None


@pytest.mark.parametrize("probability", [None, -0.1, 1.5, float("nan"), True])
def test_what_is_no_probability_is_no_judgement(probability: float | None) -> None:
    assert judged_before([Row(NOW_MS - 1, probability, None)], NOW_MS) is None


def state(days: int, probability: object = 0.3) -> dict[str, object]:
    return {"predicted_at": iso(NOW_MS - days * DAY_MS), "probability": probability, "model_version": "m"}


def test_the_newest_judgement_before_as_of_counts_be_it_a_row_or_an_earlier_state_of_one() -> None:
    later = Row(NOW_MS + DAY_MS, 0.9, {"earlier": [state(9, 0.1), state(5, 0.2), state(-1, 0.8)]})
    older = Row(NOW_MS - 3 * DAY_MS, 0.4, {"model_version": "m"})
    oldest = Row(NOW_MS - 7 * DAY_MS, 0.6, {})
    cases = (
        ([later, older, oldest], 0.4),
        ([later, oldest], 0.2),
        ([later], 0.2),
        ([older, oldest], 0.4),
        ([older._replace(features={"degraded": "yes", "earlier": [state(4)]}), oldest], 0.3),
        ([oldest._replace(predicted_at_ms=NOW_MS)], None),  # of the same moment: this prediction itself
        ([Row(NOW_MS + 1, 0.5, {"earlier": [state(0), 5, {"predicted_at": "x", "probability": 0.1}, None]})], None),
        ([Row(NOW_MS + 1, 0.5, {"earlier": "none"})], None),
        ([], None),
    )
    for rows, expected in cases:
        found = judged_before(rows, NOW_MS)
        assert (None if found is None else found.probability) == expected


@pytest.mark.parametrize("version", ["x" * 10_000, "one\u202e", "\x1b[2J", 7, None])
def test_what_can_be_no_version_is_not_repeated(version: object) -> None:
    found = judged_before([Row(NOW_MS - DAY_MS, 0.4, {"model_version": version})], NOW_MS)
    assert found is not None
    assert (found.probability, found.model_version) == (0.4, None)


@pytest.mark.parametrize("model_version", ["pretrained-1", "another"])
def test_other_languages_and_readers_get_other_words_and_the_same_numbers(model_version: str) -> None:
    now = vector([0.9] * len(FEATURES))
    row = changed(stored(SHIPPED_MODEL, vector([0.5] * len(FEATURES), NOW_MS - DAY_MS)), model_version=model_version)
    prediction = SHIPPED_MODEL.predict(now)
    told = answer("u", "o", now, prediction, change=SHIPPED_MODEL.change([row], now, prediction))
    english: Any = told["change"]
    for code, audience, words in (("de", "teacher", "Prozentpunkte"), ("de", "learner", "als am 15.10.2025")):
        other: Any = reworded(told, language(code, audience))["change"]
        assert words in other["text"]
        assert other["stored_text"] == english["text"]
        assert {**other, "text": "", "stored_text": "", "factors": None} == {
            **english,
            "text": "",
            "factors": None,
            "stored_text": "",
        }
        for factor, was in zip(other["factors"] or (), english["factors"] or (), strict=True):
            assert {**factor, "text": was["text"], "stored_text": ""} == {**was, "stored_text": ""}
            assert (factor["stored_text"], factor["text"] != was["text"]) == (was["text"], True)


def test_a_change_is_told_in_words() -> None:
    before = vector([0.5] * len(FEATURES), NOW_MS - DAY_MS)
    row = stored(SHIPPED_MODEL, before)
    for value in (1.0, 0.0):
        now = vector([value if name == "prerequisite_gap_count" else 0.5 for name in FEATURE_NAMES])
        change = SHIPPED_MODEL.change([row], now, SHIPPED_MODEL.predict(now))
        assert change is not None
        assert change.factors
        way = "more" if change.difference > 0 else "less"
        assert change.text.startswith(f"{round(100 * abs(change.difference))} percentage point")
        assert f" {way} than on 2025-10-15, above all because {change.factors[0].text}" in change.text
    same = SHIPPED_MODEL.change([row], vector([0.5] * len(FEATURES)), SHIPPED_MODEL.predict(before))
    assert same is not None
    assert same.text == "about as much as on 2025-10-15"
