"""FeatureVector: what it holds of what is known, and the way to JSON and back."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml.errors import InvalidFeatures
from ml.features.feature import Feature
from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.instants import iso, parse_iso

AT_MS = 1_740_832_496_789
AT = "2025-03-01T12:34:56.789Z"
VALUES = st.one_of(st.none(), st.floats(), st.floats(0, 1))
KNOWN = st.dictionaries(st.sampled_from([*FEATURE_NAMES, "no feature"]), VALUES)


def test_names_and_their_order_are_those_of_the_shipped_model() -> None:
    """The order in which a model file lays its tables down; a change makes every saved model unsuited."""
    assert tuple(feature.name for feature in FEATURES) == FEATURE_NAMES
    assert len(set(FEATURE_NAMES)) == 51
    assert hashlib.sha256(" ".join(FEATURE_NAMES).encode()).hexdigest()[:12] == "6c3f38ed7f34"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_record_has_every_word_that_a_page_or_an_answer_shows(feature: Feature) -> None:
    assert 0 <= feature.neutral <= 1
    assert feature.direction in (-1, 0, 1)
    for text in (feature.meaning, feature.unit, feature.ends, feature.source, feature.subject, feature.absence()):
        assert text
        assert text == " ".join(text.split())
    assert "the same" not in feature.meaning.replace("the same cards", ""), "a meaning is read alone"
    assert "|" not in feature.meaning + feature.unit + feature.ends + feature.source, "they are cells of a table"
    assert feature.source.endswith(".")


def test_what_is_not_known_is_neutral_and_named() -> None:
    vector = FeatureVector.of({"ability": 0.25, "recent_accuracy": None, "overall_accuracy": math.nan}, AT_MS)
    assert vector.ability == vector.known("ability") == 0.25
    assert vector.defaulted == frozenset(FEATURE_NAMES) - {"ability"}
    assert vector.known("recent_accuracy") is None
    assert list(vector.values) == [0.25 if f.name == "ability" else f.neutral for f in FEATURES]
    assert vector.data_quality == 1 - (len(FEATURES) - 1) / len(FEATURES)
    assert (vector.extracted_at_ms, vector.degraded, vector.model_version, vector.source) == (AT_MS, "", None, None)
    assert FeatureVector.of({}, AT_MS, "timed out").degraded == "timed out"
    assert FeatureVector(vector.values, vector.defaulted, AT_MS).degraded == ""


@pytest.mark.parametrize(
    ("given_value", "held"),
    [(0, 0.0), (1, 1.0), (1.0, 1.0), (0.3, 0.3), (-0.001, 0.0), (1.001, 1.0), (math.inf, 1.0), (-math.inf, 0.0)],
)
def test_values_are_held_to_0_and_1(given_value: float, held: float) -> None:
    for vector in (
        FeatureVector.of({"ability": given_value}, AT_MS),
        FeatureVector.of({}, AT_MS).joined_by({"ability": given_value}),
    ):
        assert vector.known("ability") == held
        assert isinstance(vector.ability, float)


def test_minus_zero_is_printed_as_zero() -> None:
    for vector in (FeatureVector.of({"ability": -0.0}, 0), FeatureVector.of({}, 0).joined_by({"ability": -0.0})):
        assert str(vector.ability) == "0.0"


@pytest.mark.slow
@given(KNOWN, KNOWN)
def test_joining_is_of_both_the_later_value_outranking(first: dict[str, float], second: dict[str, float]) -> None:
    stated = {name: value for name, value in second.items() if value is not None and value == value}
    joined = FeatureVector.of(first, AT_MS, "why").joined_by(second)
    both = FeatureVector.of({**first, **stated}, AT_MS, "why")
    assert (joined.values, joined.defaulted, joined.data_quality) == (both.values, both.defaulted, both.data_quality)
    assert (joined.extracted_at_ms, joined.degraded) == (AT_MS, "why")


def test_joining_keeps_what_the_addition_does_not_know() -> None:
    before = FeatureVector.of({"ability": 0.25, "overall_accuracy": 0.5}, AT_MS, "why")
    after = before.joined_by(
        {"no feature": 0.9, "ability": None, "overall_accuracy": math.nan, "retention_score": 0.75}
    )
    assert after.known("ability") == 0.25
    assert after.known("overall_accuracy") == 0.5
    assert after.known("retention_score") == 0.75
    assert after.defaulted == before.defaulted - {"retention_score"}
    assert (after.extracted_at_ms, after.degraded) == (AT_MS, "why")
    assert before.known("retention_score") is None  # a vector never changes


def test_a_name_that_is_no_feature_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"^speed$"):
        _ = FeatureVector.of({}, AT_MS).speed


def test_a_judged_vector_is_the_same_but_for_the_models_name() -> None:
    before = FeatureVector.of({"ability": 0.25}, AT_MS, "why")
    after = before.marked_with("v7", "model")
    assert (after.model_version, after.source) == ("v7", "model")
    assert (after.values, after.defaulted, after.extracted_at_ms, after.degraded) == (
        before.values,
        before.defaulted,
        AT_MS,
        "why",
    )


def test_the_dictionary_holds_every_feature_then_what_retraining_needs() -> None:
    vector = FeatureVector.of(dict.fromkeys(FEATURE_NAMES[2:], 0.125), AT_MS, "why").marked_with("v7", "model")
    expected = {
        **{feature.name: 0.125 if place >= 2 else feature.neutral for place, feature in enumerate(FEATURES)},
        "data_quality": 1 - 2 / len(FEATURES),
        "extracted_at": AT,
        "defaulted": sorted(FEATURE_NAMES[:2]),
        "degraded": "why",
        "model_version": "v7",
        "source": "model",
    }
    assert vector.to_dict() == expected
    assert list(vector.to_dict()) == list(expected)


@pytest.mark.slow
@given(KNOWN, st.sampled_from(["", "timed out"]), st.sampled_from([None, ("v7", "rules")]))
def test_the_way_to_json_and_back_loses_nothing(
    known: dict[str, float], degraded: str, judge: tuple[str, str] | None
) -> None:
    vector = FeatureVector.of(known, AT_MS, degraded)
    if judge:
        vector = vector.marked_with(*judge)
    back = FeatureVector.from_dict(json.loads(json.dumps(vector.to_dict())))
    assert all(getattr(back, name) == getattr(vector, name) for name in FeatureVector.__slots__)


def test_reading_back_keeps_numbers_and_marks_the_rest() -> None:
    stored = {"ability": 1, "overall_accuracy": 0, "recent_accuracy": None, "retention_score": 0.75}
    back = FeatureVector.from_dict({**stored, "defaulted": ["retention_score"], "extracted_at": AT, "degraded": "why"})
    assert (back.known("ability"), back.known("overall_accuracy")) == (1.0, 0.0)
    assert back.defaulted == frozenset(FEATURE_NAMES) - {"ability", "overall_accuracy"}
    assert back.retention_score == 0.5  # neutral: whatever stood there was no measurement
    assert (back.extracted_at_ms, back.degraded, back.model_version, back.source) == (AT_MS, "why", None, None)


def test_a_vector_that_knows_nothing_comes_back_as_one() -> None:
    back = FeatureVector.from_dict(FeatureVector.of({}, AT_MS, "why").to_dict())
    assert back.defaulted == frozenset(FEATURE_NAMES)


def test_a_bare_mapping_needs_the_instant_and_a_stored_instant_outranks_it() -> None:
    assert FeatureVector.from_dict({"ability": 0.25}, 7).extracted_at_ms == 7
    assert FeatureVector.from_dict({"extracted_at": AT}, 7).extracted_at_ms == AT_MS
    assert FeatureVector.from_dict({"extracted_at": 5, "defaulted": None}, 7).extracted_at_ms == 7
    assert FeatureVector.from_dict({}, 7).degraded == ""


@pytest.mark.parametrize("judge", [{"model_version": "v7"}, {"source": "model"}, {"model_version": "", "source": "x"}])
def test_half_a_judge_is_none(judge: dict[str, str]) -> None:
    back = FeatureVector.from_dict(judge, 7)
    assert (back.model_version, back.source) == (None, None)


def test_a_judge_is_read_back_as_text() -> None:
    back = FeatureVector.from_dict({"model_version": 7, "source": "rules"}, 7)
    assert (back.model_version, back.source) == ("7", "rules")


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"speed": 0.5}, "unknown feature 'speed'"),
        ({"speed": 0.5, "pace": 1, "ability": 0.5}, "unknown feature 'pace'"),
        ({"speed": 0.5, 7: 1}, "unknown feature 7"),
        ({"defaulted": "ability"}, "defaulted must be a list of feature names"),
        ({"defaulted": ["ability", "speed"]}, "defaulted must be a list of feature names"),
        ({"defaulted": {"ability": 1}}, "defaulted must be a list of feature names"),
        ({"ability": 1.0001}, "feature ability must be a number from 0 to 1"),
        ({"ability": -0.0001}, "feature ability must be a number from 0 to 1"),
        ({"ability": math.nan}, "feature ability must be a number from 0 to 1"),
        ({"ability": True}, "feature ability must be a number from 0 to 1"),
        ({"ability": "0.5"}, "feature ability must be a number from 0 to 1"),
        ({"extracted_at": "yesterday"}, "not an ISO 8601 instant, such as 2026-11-16T03:00:00Z: 'yesterday'"),
    ],
)
def test_what_is_no_vector_is_refused_with_the_reason(stored: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidFeatures) as refused:
        FeatureVector.from_dict(stored, AT_MS)
    assert str(refused.value) == said


def test_no_instant_at_all_is_refused() -> None:
    with pytest.raises(InvalidFeatures) as refused:
        FeatureVector.from_dict({"ability": 0.5})
    assert str(refused.value) == "extracted_at must be an ISO 8601 instant"


FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The first and the last instant of the years 1 to 9999."""


@given(st.integers(FIRST_MS, LAST_MS))
@example(FIRST_MS)
@example(LAST_MS)
@example(-1)
def test_an_instant_is_written_as_datetime_writes_it(instant_ms: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + instant_ms * timedelta(milliseconds=1)
    assert iso(instant_ms) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parse_iso(iso(instant_ms)) == instant_ms


@pytest.mark.parametrize("instant_ms", [FIRST_MS - 1, LAST_MS + 1, 10**30, -(10**30)])
def test_an_instant_beyond_the_calendar_is_refused(instant_ms: int) -> None:
    with pytest.raises(OverflowError):
        iso(instant_ms)
