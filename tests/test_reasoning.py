"""Reasons in words: one sentence, the strongest one to three factors, nothing said that is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.features import FEATURE_NAMES, FEATURES, FeatureVector
from ml.prediction import Factor
from ml.reasoning import factors_of, reasoning_of
from ml.wording import WORDS, clause

VALUES = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
VECTORS = st.lists(VALUES, min_size=len(FEATURES), max_size=len(FEATURES)).map(
    lambda values: FeatureVector.of(dict(zip(FEATURE_NAMES, values)), 0)
)
CONTRIBUTIONS = st.lists(st.floats(-3, 3), min_size=len(FEATURES), max_size=len(FEATURES))


def contributions(**named: float) -> list[float]:
    return [named.get(name, 0.0) for name in FEATURE_NAMES]


def one_sentence(text: str) -> bool:
    return text[0].isupper() and text.endswith(".") and ". " not in text and "\n" not in text and "?" not in text


@given(VECTORS, CONTRIBUTIONS, st.floats(0.001, 0.999), st.sampled_from(["", "timed out after 4.0 s. Really!\nYes."]))
def test_a_reasoning_is_one_sentence_with_one_to_three_reasons(
    features: FeatureVector, parts: list[float], probability: float, degraded: str
) -> None:
    factors = factors_of(features, parts)
    text = reasoning_of(probability, factors, degraded)
    assert one_sentence(text), text
    assert f"{int(100 * probability + 1e-9)} %" in text
    named, rest = 0, text
    for factor in sorted(factors, key=lambda factor: -len(factor.text)):
        if factor.value is not None and factor.text in rest:
            named, rest = named + 1, rest.replace(factor.text, "", 1)
    too_little = "too little is on record" in text
    assert named == 0 if degraded or too_little else 1 <= named <= 3


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


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
@pytest.mark.parametrize("value", [0.0, 0.37, 0.5, 1.0])
@pytest.mark.parametrize("raises", [True, False])
def test_every_feature_has_a_clause_with_its_number(feature: object, value: float, raises: bool) -> None:
    text = clause(feature.name, value, raises, feature.meaning)
    assert feature.name in WORDS
    assert any(character.isdigit() for character in text) or "last answer" in text
    assert "." not in text
    assert not set("{}[]|#") & set(text)
    assert len(text) < 120


def test_none_at_all_is_not_called_only() -> None:
    assert clause("review_lapse_rate", 0.0, False, "") == "0 % of the answers on this objective were AGAIN"
    assert clause("review_lapse_rate", 0.1, False, "") == "only 10 % of the answers on this objective were AGAIN"


def test_a_feature_without_words_of_its_own_is_named_by_its_meaning() -> None:
    text = clause("new_feature", 0.37, True, "share of cards met on paper; 1 = all")
    assert text == "share of cards met on paper stands at 37 %"


def test_a_high_risk_is_explained_by_what_raises_it() -> None:
    features = FeatureVector.of({"prerequisite_gap_count": 1, "retention_score": 0.3, "workload_level": 0.2}, 0)
    factors = factors_of(features, contributions(prerequisite_gap_count=1.5, retention_score=1.0, workload_level=-0.9))
    assert reasoning_of(0.92, factors) == (
        "High risk of struggling (92 %): none of the stated prerequisites is mastered (0 %) and "
        "retention in this course is low (30 %)."
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


def test_a_degraded_answer_says_that_it_is_a_default() -> None:
    factors = [Factor("retention_score", 0.1, 2.0, "retention in this course is low (10 %)")]
    text = reasoning_of(0.16, factors, "the database did not answer within 4 seconds.")
    assert text == (
        "We could not read the study records (the database did not answer within 4 seconds): "
        "this is a default estimate of 16 %."
    )


def test_seventy_per_cent_is_high_wherever_it_is_printed() -> None:
    assert reasoning_of(0.6999, []).startswith("Medium risk of struggling (69 %)")
    assert reasoning_of(0.7, []).startswith("High risk of struggling (70 %)")
