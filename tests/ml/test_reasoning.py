"""Reasons in words: one sentence, the strongest one to three factors, nothing said that is not known."""

from __future__ import annotations

from math import fsum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.features.feature import Feature, grows
from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.scoring.prediction import Factor, reasoning_of
from ml.scoring.prediction import factors_of as all_factors_of
from ml.study.degraded import SENTENCES
from ml.study.scales import logistic
from tests.golden_sentences import LOGARITHMIC

VALUES = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
VECTORS = st.lists(VALUES, min_size=len(FEATURES), max_size=len(FEATURES)).map(
    lambda values: FeatureVector.of(dict(zip(FEATURE_NAMES, values)), 0)
)
CONTRIBUTIONS = st.lists(st.floats(-3, 3), min_size=len(FEATURES), max_size=len(FEATURES))


BY_NAME = {feature.name: feature for feature in FEATURES}


def contributions(**named: float) -> list[float]:
    return [named.get(name, 0.0) for name in FEATURE_NAMES]


def factors_of(features: FeatureVector, parts: list[float]) -> list[Factor]:
    return all_factors_of(features, parts, 0.0, logistic(fsum(parts)))


def one_sentence(text: str) -> bool:
    return text[0].isupper() and text.endswith(".") and ". " not in text and "\n" not in text and "?" not in text


@pytest.mark.slow
@given(VECTORS, CONTRIBUTIONS, st.floats(0.001, 0.999), st.sampled_from(["", "timed out after 4.0 s. Really!\nYes."]))
def test_a_reasoning_is_one_sentence_with_one_to_three_reasons(
    features: FeatureVector, parts: list[float], probability: float, degraded: str
) -> None:
    factors = factors_of(features, parts)
    text = reasoning_of(probability, factors, degraded)
    assert one_sentence(text), text
    assert (f"{int(100 * probability + 1e-9)} %" if probability >= 0.01 else "less than 1 %") in text
    named, rest = 0, text
    for factor in sorted(factors, key=lambda factor: -len(factor.text)):
        if factor.value is not None and factor.text in rest:
            named, rest = named + 1, rest.replace(factor.text, "", 1)
    too_little = "too little is on record" in text
    assert named == 0 if degraded or too_little else 1 <= named <= 3


@pytest.mark.slow
@given(VECTORS, CONTRIBUTIONS, st.floats(0.001, 0.999))
def test_what_is_not_known_is_never_given_as_a_reason(
    features: FeatureVector, parts: list[float], probability: float
) -> None:
    factors = factors_of(features, parts)
    text = reasoning_of(probability, factors)
    for factor in factors:
        if factor.value is None:
            assert factor.feature in features.defaulted
            assert factor.text not in text
            assert factor.text.startswith("there is no record of")


@pytest.mark.slow
@given(VECTORS, CONTRIBUTIONS)
def test_factors_keep_every_contribution_and_run_from_the_strongest(
    features: FeatureVector, parts: list[float]
) -> None:
    factors = factors_of(features, parts)
    strengths = [abs(factor.contribution) for factor in factors]
    assert strengths == sorted(strengths, reverse=True)
    assert sorted(factor.contribution for factor in factors if factor.contribution) == sorted(filter(None, parts))
    for factor in factors:
        assert factor.value == features.known(factor.feature)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(feature=st.sampled_from(FEATURES), value=st.floats(0, 1), raises=st.booleans())
def test_a_clause_is_one_line_without_marks_of_its_pattern(feature: Feature, value: float, raises: bool) -> None:
    text = feature.clause(value, raises)
    assert not set("{}[]|#+.\n") & set(text)
    assert "  " not in text
    assert text == text.strip()
    assert len(text) < 130


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(feature=st.sampled_from(FEATURES), value=st.floats(0, 1), raises=st.booleans())
def test_only_is_said_of_little_alone_and_never_against_the_sign(feature: Feature, value: float, raises: bool) -> None:
    text, other = feature.clause(value, raises), feature.clause(value, not raises)
    if "only " not in text:
        return
    assert "only " not in other
    assert feature.direction, "a feature that may work either way is never called little"
    number, _, unit = text.partition("only ")[2].partition(" ")
    assert 0 < int(number) < (10 if not unit.startswith("%") else 65 if raises else 25)
    said_inversely = feature.name in ("prerequisite_gap_count", "prerequisite_mastery_gap")
    little_raises = (feature.direction < 0) != said_inversely
    assert raises == little_raises


@pytest.mark.parametrize(
    ("feature", "value", "raises", "text"),
    [
        ("validation_score", 0.38, False, "recent validation scores average 38 %"),
        ("validation_score", 0.38, True, "recent validation scores average only 38 %"),
        ("overall_accuracy", 0.89, True, "this learner's overall accuracy is estimated at 89 %"),
        (
            "predecessors_unseen",
            0.67,
            False,
            "67 % of the objectives that usually come before this one have not been met yet",
        ),
        (
            "cognitive_load_indicator",
            0.001,
            True,
            "the study load of the last 24 hours was less than 1 % of a full day",
        ),
        ("answers_of_history", 0.7747, True, "360 answers are on record"),
        (
            "visit_struggle_residual",
            0.501,
            True,
            "earlier visits were a struggle about as often as expected of an average learner",
        ),
        ("time_since_any", 1.0, True, "the last answer on any objective was given 60 or more days ago"),
        (
            "objective_offset",
            0.6,
            False,
            "answers on this objective are right 10 percentage points more often than the learner's ability suggests",
        ),
        ("workload_level", 0.02, False, "only 1 objective is pending in missions"),
        ("workload_level", 0.02, True, "1 objective is pending in missions"),
        ("objective_wrong_streak", 0.2, True, "the last answer on this objective was wrong"),
    ],
)
def test_a_clause_is_true_for_either_sign(feature: str, value: float, raises: bool, text: str) -> None:
    assert BY_NAME[feature].clause(value, raises) == text


def test_an_amount_comes_back_from_its_logarithmic_scale() -> None:
    for name, full in LOGARITHMIC.items():
        if name.startswith("time_"):
            continue
        for amount in (1, 2, 3, full // 2, full - 1):
            text = BY_NAME[name].clause(grows(amount, full), True)
            assert f"{amount:,} " in text, text
            assert (" has " in text or " is " in text or "learner are" in text) == (amount == 1), text


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_absence_is_said_in_words_that_stand_alone(feature: Feature) -> None:
    text = feature.absence()
    assert text.startswith("there is no record of ")
    assert "the same" not in text
    assert not set(".;#") & set(text)


def test_a_high_risk_is_explained_by_what_raises_it() -> None:
    features = FeatureVector.of({"prerequisite_gap_count": 1, "retention_score": 0.3, "workload_level": 0.2}, 0)
    factors = factors_of(features, contributions(prerequisite_gap_count=1.5, retention_score=1.0, workload_level=-0.9))
    assert reasoning_of(0.92, factors) == (
        "High risk of struggling (92 %): none of the stated prerequisites is mastered (0 %) and "
        "retention in this course is only 30 %."
    )


def test_a_low_risk_is_explained_by_what_lowers_it() -> None:
    features = FeatureVector.of({"retention_score": 0.85, "content_complexity": 0.9}, 0)
    factors = factors_of(features, contributions(retention_score=-0.5, content_complexity=0.8))
    assert reasoning_of(0.12, factors) == "Low risk of struggling (12 %): retention in this course is 85 %."


def test_a_level_that_every_reason_speaks_against_says_so() -> None:
    features = FeatureVector.of({"content_complexity": 0.9}, 0)
    factors = factors_of(features, contributions(content_complexity=0.8))
    assert reasoning_of(0.12, factors) == (
        "Low risk of struggling (12 %), although the material is advanced (complexity 90 %)."
    )


def test_three_reasons_are_three_subjects() -> None:
    features = FeatureVector.of(
        {"prerequisite_gap_count": 1, "prerequisite_mastery_gap": 1, "retention_score": 0.3, "days_until_exam": 0.9}, 0
    )
    factors = factors_of(
        features,
        contributions(
            prerequisite_gap_count=1.5, prerequisite_mastery_gap=1.4, retention_score=1.0, days_until_exam=0.5
        ),
    )
    text = reasoning_of(0.9, factors)
    assert text.count("prerequisites") == 1
    assert "9 days" in text


def test_nothing_known_is_said_plainly() -> None:
    assert reasoning_of(0.45, factors_of(FeatureVector.of({}, 0), contributions())) == (
        "Medium risk of struggling (45 %): too little is on record to name a reason."
    )


def test_reasons_that_hardly_weigh_are_not_called_missing_records() -> None:
    factors = [Factor("ability", 0.5, 0.001, "estimated ability is 50 % (50 % is average)")]
    assert reasoning_of(0.45, factors) == "Medium risk of struggling (45 %): no single reason stands out."


def test_a_degraded_answer_says_that_it_is_a_default() -> None:
    factors = [Factor("retention_score", 0.1, 2.0, "retention in this course is low (10 %)")]
    text = reasoning_of(0.16, factors, "the database did not answer within 4 seconds.")
    assert text == (
        "We could not read the study records (the database did not answer within 4 seconds): "
        "this is a default estimate of 16 %."
    )


def test_our_own_sentences_stand_in_the_middle_of_one() -> None:
    assert reasoning_of(0.49, [], SENTENCES["database_unreachable"]) == (
        "We could not read the study records (the database cannot be reached): this is a default estimate of 49 %."
    )


def test_seventy_per_cent_is_high_wherever_it_is_printed() -> None:
    assert reasoning_of(0.6999, []).startswith("Medium risk of struggling (69 %)")
    assert reasoning_of(0.7, []).startswith("High risk of struggling (70 %)")
