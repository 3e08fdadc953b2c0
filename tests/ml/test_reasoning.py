"""Reasons in words: one sentence, the strongest one to three factors, nothing said that is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.scoring.absence_wording import ABSENT, absence
from ml.scoring.prediction import Factor
from ml.scoring.reasons import factors_of, reasoning_of
from ml.scoring.wording import WORDS, clause
from ml.study.degraded import SENTENCES

VALUES = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
VECTORS = st.lists(VALUES, min_size=len(FEATURES), max_size=len(FEATURES)).map(
    lambda values: FeatureVector.of(dict(zip(FEATURE_NAMES, values)), 0)
)
CONTRIBUTIONS = st.lists(st.floats(-3, 3), min_size=len(FEATURES), max_size=len(FEATURES))


WITHOUT_A_DIGIT = ("last answer", "as good as", "as often as", "less than a", "is today", "no ", "not above")
"""Amounts that are said in words alone."""


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
    assert any(character.isdigit() for character in text) or any(word in text for word in WITHOUT_A_DIGIT)
    assert "." not in text
    assert not set("{}[]|#") & set(text)
    assert len(text) < 120


def test_none_at_all_is_not_called_only() -> None:
    assert clause("review_lapse_rate", 0.0, False, "") == "0 % of the answers on this objective were AGAIN"
    assert clause("review_lapse_rate", 0.1, False, "") == "only 10 % of the answers on this objective were AGAIN"


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        ("objective_support", 0.0, "no other learners have met this objective"),
        ("objective_support", 1.0, "1000 or more other learners have met this objective"),
        ("objective_visits", 0.0, "no visits to this objective came before"),
        ("workload_level", 0.02, "1 objective is pending in missions"),
        ("workload_level", 1.0, "50 or more objectives are pending in missions"),
        ("days_until_exam", 1.0, "the next exam is today"),
        ("days_until_exam", 0.999, "the next exam is less than a day away"),
        ("days_until_exam", 0.0, "no exam is less than 90 days away"),
        ("days_since_last_study", 0.0, "this course was last studied less than a day ago"),
        ("time_since_any", 1.0, "the last answer on anything was 60 days or more ago"),
        ("cognitive_load_indicator", 0.0, "there was no study in the last 24 hours"),
        ("cognitive_load_indicator", 0.1, "the study load of the last 24 hours was light (10 % of a full day)"),
        ("complexity_mismatch", 0.0, "the material is not above the learner's level"),
        ("retention_score", 0.95, "retention in this course is 95 %"),
        ("retention_decline_rate", 0.0, "retention has not fallen in a month (0 %)"),
        ("historical_struggle_score", 0.1, "earlier work in this course was seldom a struggle (10 %)"),
        ("overall_accuracy", 0.97, "97 % of all answers were right"),
        ("visit_struggle_residual", 0.5, "earlier visits were a struggle as often as others'"),
        ("objective_wrong_streak", 1.0, "on this objective the last 5 or more answers were wrong"),
        ("ability", 0.498, "estimated ability is at the average (50 %)"),
    ],
)
def test_a_clause_is_true_at_the_ends_of_the_scale(feature: str, value: float, text: str) -> None:
    assert clause(feature, value, True, "").replace("only ", "") == text


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
@pytest.mark.parametrize("value", [0.0, 0.95, 1.0])
@pytest.mark.parametrize("raises", [True, False])
def test_neither_nothing_nor_nearly_everything_is_called_only(feature: object, value: float, raises: bool) -> None:
    text = clause(feature.name, value, raises, feature.meaning)
    assert not any(f"only {amount}" in text for amount in ("0 ", "no ", "95 %", "100 %"))
    assert "or more" not in text or "only" not in text


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_absence_is_said_in_words_that_stand_alone(feature: object) -> None:
    assert feature.name in ABSENT
    text = absence(feature.name, feature.meaning)
    assert text.startswith("there is no record of ")
    assert "the same" not in text.partition("on the same cards")[0]
    assert not set(".;#") & set(text)


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


def test_our_own_sentences_stand_in_the_middle_of_one() -> None:
    assert reasoning_of(0.49, [], SENTENCES["database_unreachable"]) == (
        "We could not read the study records (the database cannot be reached): this is a default estimate of 49 %."
    )


def test_seventy_per_cent_is_high_wherever_it_is_printed() -> None:
    assert reasoning_of(0.6999, []).startswith("Medium risk of struggling (69 %)")
    assert reasoning_of(0.7, []).startswith("High risk of struggling (70 %)")
