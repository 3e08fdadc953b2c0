"""The points of an answer's factors sum to the probability minus the base, whatever the factors are."""

from __future__ import annotations

from math import fsum

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.model import StrugglePredictionModel
from ml.scoring import rules
from ml.scoring.prediction import Prediction, factors_of
from ml.scoring.scorecard import SavedModel, Scorecard, Table
from ml.scoring.trained import predict
from ml.study.scales import logistic, probability_of, risen_per_logit
from tests.golden import SHIPPED
from tests.support.outputs import read_output
from tests.support.running_predict import ran

KNOWN = FeatureVector.of(dict.fromkeys(FEATURE_NAMES, 0.5), 0)
PARTS = st.lists(st.one_of(st.just(0.0), st.floats(-4, 4), st.floats(-1e-9, 1e-9)), max_size=len(FEATURES))
WIDE = st.lists(st.floats(-40, 40), min_size=len(FEATURES), max_size=len(FEATURES))
KNOWN_OR_NOT = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
VECTORS = st.lists(KNOWN_OR_NOT, min_size=len(FEATURES), max_size=len(FEATURES)).map(
    lambda values: FeatureVector.of(dict(zip(FEATURE_NAMES, values)), 0)
)
SUMS_TO = 1e-12


def check(prediction: Prediction) -> None:
    points = [factor.points for factor in prediction.factors]
    assert sum(points) == pytest.approx(prediction.probability - prediction.base, abs=SUMS_TO)
    for factor in prediction.factors:
        assert factor.points * factor.contribution >= 0  # both towards a struggle, or both away from it
    assert points == sorted(points, key=lambda each: -abs(each))


@given(st.floats(-12, 12), PARTS)
@example(0.0, [])
@example(-0.5, [3.0, -3.0])  # the probability is the base, and no factor is without effect
@example(0.3, [2.0, -2.0, 1e-13])
@example(800.0, [5.0, -9.0])  # both probabilities are 1
@example(-800.0, [30.0])
@example(1.0, [1e-4, 1e-9])
@example(12.0, [-24.0])
def test_points_sum_to_the_probability_minus_the_base(intercept: float, parts: list[float]) -> None:
    logit = intercept + sum(parts)
    for probability in (logistic(logit), probability_of(logit)):
        factors = factors_of(KNOWN, parts, intercept, probability)
        check(Prediction(probability, 0.5, (0.0, 1.0), factors, intercept, "", "m", "model"))


@given(st.floats(-3, 3), WIDE)
def test_points_sum_where_the_logit_is_bounded(intercept: float, values: list[float]) -> None:
    tables = [Table((), [value], (), -value) for value in values]
    check(predict(SavedModel("m", Scorecard(intercept, tables), (), {}, 0.65), KNOWN))


@settings(max_examples=60, deadline=None)
@given(VECTORS)
def test_points_of_both_models_sum(features: FeatureVector) -> None:
    check(rules.predict(features))
    check(StrugglePredictionModel.load(SHIPPED).predict(features))


def test_a_degraded_answer_sums_with_what_was_not_read_in_its_base() -> None:
    partly = FeatureVector.of({"ability": 0.2, "retention_score": 0.3}, 0, degraded="cut short")
    for features in (partly, FeatureVector.of({}, 0, degraded="cut short")):
        for prediction in (rules.predict(features), StrugglePredictionModel.load(SHIPPED).predict(features)):
            check(prediction)


def test_a_short_way_and_a_long_one_agree_where_they_meet() -> None:
    for start in (-3.0, 0.0, 2.0):
        for length in (0.99e-4, 1.01e-4):
            way = risen_per_logit(logistic(start), logistic(start + length), length)
            middle = logistic(start + length / 2)
            assert way == pytest.approx(middle * (1 - middle), abs=1e-9)


@pytest.mark.parametrize("arguments", [(), ("--as-of", "2025-10-10T09:00:00Z"), ("--model", "rules")])
def test_the_printed_points_sum(arguments: tuple[str, ...]) -> None:
    answer = read_output(ran("--demo", *arguments, "demo-learner", "action-potentials").stdout)
    assert answer["schema_version"] == 2
    assert fsum(factor["points"] for factor in answer["factors"]) == pytest.approx(
        answer["probability"] - answer["base"], abs=SUMS_TO
    )
    assert answer["base"] == pytest.approx(logistic(answer["intercept"]), abs=SUMS_TO)
