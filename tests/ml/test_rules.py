"""The rule-based model: levels exactly as the platform defines them, and a probability that moves within them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.features.vector import FEATURES, PLATFORM_FEATURES, FeatureVector
from ml.scoring import rules
from ml.study.history import StudyHistory
from ml.study.scales import PLATFORM
from tests.support.features import platform_features
from tests.support.history_builder import (
    ACTION_POTENTIALS,
    UPPER_LIMB,
    answers,
    known_scenario,
    prerequisite,
    study,
    study_rows,
)

FINE = {
    "retention_score": 0.9,
    "prerequisite_gap_count": 0.0,
    "complexity_mismatch": 0.0,
    "historical_struggle_score": 0.0,
    "content_type_mismatch": 0.0,
    "cognitive_load_indicator": 0.0,
}
VALUES = st.one_of(st.none(), st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 1.0]), st.floats(0, 1))
KNOWN = st.fixed_dictionaries({feature.name: VALUES for feature in PLATFORM_FEATURES})


def vector(known: dict[str, float | None], degraded: str = "") -> FeatureVector:
    return FeatureVector.of(known, 0, degraded)


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("retention_score", 0.71, "LOW"),
        ("retention_score", 0.7, "MEDIUM"),
        ("retention_score", 0.5, "MEDIUM"),
        ("retention_score", 0.499, "HIGH"),
        ("retention_score", 0.0, "HIGH"),
        ("prerequisite_gap_count", 0.19, "LOW"),
        ("prerequisite_gap_count", 0.2, "MEDIUM"),
        ("prerequisite_gap_count", 0.499, "MEDIUM"),
        ("prerequisite_gap_count", 0.5, "HIGH"),
        ("complexity_mismatch", 0.6, "LOW"),
        ("complexity_mismatch", 0.601, "HIGH"),
        ("historical_struggle_score", 0.7, "LOW"),
        ("historical_struggle_score", 0.701, "HIGH"),
        ("content_type_mismatch", 0.5, "LOW"),
        ("content_type_mismatch", 0.501, "MEDIUM"),
        ("content_type_mismatch", 1.0, "MEDIUM"),
        ("cognitive_load_indicator", 0.7, "LOW"),
        ("cognitive_load_indicator", 0.701, "MEDIUM"),
        ("cognitive_load_indicator", 1.0, "MEDIUM"),
    ],
)
def test_each_rule_at_its_mark(name: str, value: float, level: str) -> None:
    assert rules.predict(vector({**FINE, name: value})).risk_level == level


@pytest.mark.slow
@given(KNOWN)
def test_the_probability_lies_in_the_rules_own_level(known: dict[str, float | None]) -> None:
    features = vector(known)
    prediction = rules.predict(features)
    level, _ = rules.level_of(features)
    assert prediction.risk_level == level == PLATFORM.of(prediction.probability)
    bottom, top = rules.BANDS[level]
    assert bottom - 1e-12 <= prediction.probability <= top + 1e-12
    assert 0 <= prediction.interval[0] <= prediction.probability <= prediction.interval[1] <= 1


@pytest.mark.parametrize(
    ("level", "name", "values"),
    [
        ("HIGH", "retention_score", {0.0: 1.0, 0.25: 0.5, 0.45: 0.1}),
        ("HIGH", "prerequisite_gap_count", {0.5: 0.0, 0.75: 0.5, 1.0: 1.0}),
        ("HIGH", "complexity_mismatch", {0.7: 0.25, 0.8: 0.5, 1.0: 1.0}),
        ("HIGH", "historical_struggle_score", {0.85: 0.5, 1.0: 1.0}),
        ("MEDIUM", "retention_score", {0.7: 0.0, 0.6: 0.5, 0.5: 1.0}),
        ("MEDIUM", "prerequisite_gap_count", {0.2: 0.0, 0.35: 0.5}),
        ("MEDIUM", "content_type_mismatch", {0.75: 0.5, 1.0: 1.0}),
        ("MEDIUM", "cognitive_load_indicator", {0.85: 0.5, 1.0: 1.0}),
    ],
)
def test_a_trigger_says_how_far_past_its_mark_the_feature_went(
    level: str, name: str, values: dict[float, float]
) -> None:
    for value, excess in values.items():
        assert rules.level_of(vector({**FINE, name: value})) == (level, {name: pytest.approx(excess, abs=1e-12)})


def test_every_rule_of_the_level_is_named_and_none_of_a_lower_one() -> None:
    level, triggers = rules.level_of(vector({**FINE, "retention_score": 0.6, "cognitive_load_indicator": 0.9}))
    assert (level, set(triggers)) == ("MEDIUM", {"retention_score", "cognitive_load_indicator"})
    level, triggers = rules.level_of(vector({**FINE, "retention_score": 0.6, "complexity_mismatch": 0.9}))
    assert (level, set(triggers)) == ("HIGH", {"complexity_mismatch"})


@given(st.sampled_from(PLATFORM_FEATURES))
def test_a_defaulted_feature_triggers_no_rule(feature: object) -> None:
    assert rules.level_of(vector({})) == ("LOW", {})
    assert rules.level_of(vector({**FINE, feature.name: None})) == ("LOW", {})


@pytest.mark.slow
@given(KNOWN)
def test_contributions_and_intercept_sum_to_the_logit(known: dict[str, float | None]) -> None:
    prediction = rules.predict(vector(known))
    total = prediction.intercept + sum(factor.contribution for factor in prediction.factors)
    assert total == pytest.approx(math.log(prediction.probability / (1 - prediction.probability)), abs=1e-12)


@pytest.mark.slow
@given(
    KNOWN,
    st.sampled_from([feature for feature in PLATFORM_FEATURES if feature.direction]),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_probability_is_monotone_in_each_feature(
    known: dict[str, float | None], feature: object, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    before = rules.predict(vector({**known, feature.name: low})).probability
    after = rules.predict(vector({**known, feature.name: high})).probability
    assert (after - before) * feature.direction >= -1e-12


def test_the_probability_moves_within_a_level_with_every_one_of_the_fifteen() -> None:
    for feature in PLATFORM_FEATURES:
        probabilities = {
            rules.predict(vector({**FINE, "retention_score": 0.2, feature.name: value})).probability
            for value in (0.1, 0.3)
        }
        assert len(probabilities) == 2, feature.name


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("AHGE", min_size=1, max_size=6), st.integers(1, 40), st.sampled_from(["objective", "b", "p"])
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda visit: visit[1:],
    ),
    st.data(),
)
def test_more_lapses_never_lower_the_risk(visits: list[tuple[str, int, str]], data: st.DataObject) -> None:
    reviews = [row for ratings, day, name in visits for row in answers(ratings, day, name)]
    place = data.draw(st.integers(0, len(reviews) - 1))
    lapsed = [row._replace(rating="AGAIN") if at == place else row for at, row in enumerate(reviews)]

    def risk(rows: list[object]) -> float:
        history = study(reviews=rows, prerequisites=[prerequisite("p", None, None)])
        return rules.predict(vector(platform_features(history))).probability

    assert risk(lapsed) >= risk(reviews) - 1e-12


def test_the_same_features_give_the_same_answer() -> None:
    features = vector({**FINE, "retention_score": 0.6})
    first, second = rules.predict(features), rules.predict(features)
    assert (first.probability, first.confidence, first.interval, first.reasoning) == (
        second.probability,
        second.confidence,
        second.interval,
        second.reasoning,
    )
    assert (first.source, first.model_version) == ("rules", rules.MODEL_VERSION)


def test_the_known_scenario_is_high_and_names_the_prerequisite_gap() -> None:
    features = vector(platform_features(StudyHistory.before(known_scenario(ACTION_POTENTIALS))))
    prediction = rules.predict(features)
    assert prediction.probability > 0.7
    assert prediction.confidence > 0.75
    assert any(factor.feature.startswith("prerequisite") for factor in prediction.factors[:2])
    assert "prerequisites" in " and ".join(prediction.reasoning.split(", ")[:2])


def test_the_mastered_objective_is_low() -> None:
    prediction = rules.predict(vector(platform_features(StudyHistory.before(known_scenario(UPPER_LIMB)))))
    assert prediction.risk_level == "LOW"


class TestConfidence:
    def test_a_new_learner_is_judged_with_little_confidence(self) -> None:
        assert rules.predict(vector(platform_features(study()))).confidence <= rules.UNSTUDIED_CONFIDENCE
        stated = study_rows(prerequisites=[prerequisite()])
        assert rules.predict(vector(platform_features(StudyHistory.before(stated)))).confidence <= 0.35

    def test_a_degraded_answer_claims_at_most_a_fifth(self) -> None:
        assert rules.predict(vector({}, "timed out")).confidence <= 0.2
        assert rules.predict(vector(FINE, "timed out")).confidence <= 0.2
        assert "timed out" in rules.predict(vector(FINE, "timed out")).reasoning

    def test_more_features_with_data_raise_it_and_narrow_the_interval(self) -> None:
        known: dict[str, float | None] = {"retention_score": 0.8}
        before = rules.predict(vector(known))
        for name, value in FINE.items():
            known[name] = value
        after = rules.predict(vector(known))
        assert after.confidence > before.confidence
        width_before = math.log(before.interval[1] / (1 - before.interval[1])) - math.log(
            before.interval[0] / (1 - before.interval[0])
        )
        width_after = math.log(after.interval[1] / (1 - after.interval[1])) - math.log(
            after.interval[0] / (1 - after.interval[0])
        )
        assert width_after < width_before

    def test_is_the_root_of_the_known_share_of_the_strain(self) -> None:
        half = [*rules.STUDY[:2], "prerequisite_gap_count"]  # shares of 0.2, 0.2 and 0.1
        assert rules.confidence_of(vector(dict.fromkeys(half, 0.5))) == pytest.approx(0.9 * math.sqrt(0.5))

    def test_a_second_rule_that_agrees_takes_away_a_quarter_of_the_doubt_and_one_alone_none(self) -> None:
        everything = vector({feature.name: 0.5 for feature in FEATURES})
        assert rules.confidence_of(everything) == rules.confidence_of(everything, 1) == pytest.approx(0.9)
        assert rules.confidence_of(everything, 2) == rules.confidence_of(everything, 3) == pytest.approx(0.925)

    def test_rises_to_three_quarters_just_below_twenty_answers(self) -> None:
        everything = {feature.name: 0.5 for feature in FEATURES}
        for answers_of_history, confidence in (
            (0.0, 0.9),  # daily metrics are all there is
            (rules.ENOUGH_HISTORY / 2, 0.55),
            (math.nextafter(rules.ENOUGH_HISTORY, 0), 0.75),
            (rules.ENOUGH_HISTORY, 0.9),
        ):
            known = vector({**everything, "answers_of_history": answers_of_history})
            assert rules.confidence_of(known) == pytest.approx(confidence)

    def test_few_answers_hold_it_down(self) -> None:
        everything = {feature.name: 0.9 for feature in FEATURES if feature.direction < 0} | FINE
        few = rules.predict(vector({**everything, "answers_of_history": 0.15})).confidence
        many = rules.predict(vector({**everything, "answers_of_history": 0.8})).confidence
        assert few < 0.55 < many


@pytest.mark.slow
@given(KNOWN)
def test_the_confidence_is_a_share(known: dict[str, float | None]) -> None:
    assert 0 < rules.predict(vector(known)).confidence < 1


def test_the_shares_of_the_strain_sum_to_one_and_cover_the_fifteen() -> None:
    assert sum(share for share, _ in rules.STRAIN.values()) == pytest.approx(1, abs=1e-12)
    assert list(rules.STRAIN) == [feature.name for feature in PLATFORM_FEATURES]
    assert 2 * rules.STRAIN["retention_decline_rate"][0] < rules.STRAIN["retention_score"][0]
