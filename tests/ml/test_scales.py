"""One logistic function and its inverse, one loss and one logarithmic scale, equal wherever they are worked out."""

from __future__ import annotations

import ast
from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from ml.evaluation import metrics
from ml.evaluation.slices import answers_told
from ml.features.feature import FULL_HISTORY, grows
from ml.scoring import trained
from ml.scoring.scorecard import LOGIT_BOUND
from ml.study.scales import logistic, logit, probability_of
from ml.training.prior import logistic as of_training
from tests.house.test_house import ROOT

LOGITS = np.concatenate([np.random.default_rng(0).normal(0.0, 5.0, 5000), [-699.0, -36.0, -0.0, 0.0, 36.0, 700.0, 1e9]])


def test_training_and_prediction_share_one_logistic_function_to_the_last_bit() -> None:
    alone = [logistic(x) for x in LOGITS.tolist()]
    assert metrics.logistic(LOGITS).tolist() == alone == expit(LOGITS).tolist()
    assert of_training is metrics.logistic
    assert metrics.logistic(np.array([-1e9, 1e9])).tolist() == pytest.approx(
        [logistic(-1e9), logistic(1e9)], abs=1e-300
    )
    bounded = [logistic(max(-LOGIT_BOUND, min(LOGIT_BOUND, x))) for x in LOGITS.tolist()]
    assert metrics.logistic(LOGITS, LOGIT_BOUND).tolist() == bounded


def test_the_probability_of_an_answer_is_the_logistic_function_but_for_its_last_digit() -> None:
    assert trained.probability_of is probability_of
    for x in LOGITS.tolist():
        found, expected = probability_of(x), logistic(x)
        assert found == pytest.approx(expected, rel=4e-16), x
        assert x < 0 or found == expected


@given(st.floats(1e-12, 1.0 - 1e-12))
def test_logit_is_the_inverse_in_both_worlds(probability: float) -> None:
    assert logistic(logit(probability)) == pytest.approx(probability, rel=1e-12)
    assert metrics.logit(np.array([probability]))[0] == pytest.approx(logit(probability), rel=1e-9, abs=1e-15)


def test_the_log_loss_of_a_logit_is_that_of_its_probability() -> None:
    inner = LOGITS[np.abs(LOGITS) < 30.0]
    for label in (0.0, 1.0):
        y = np.full(len(inner), label)
        np.testing.assert_allclose(metrics.logit_losses(y, inner), metrics.log_losses(y, expit(inner)), rtol=1e-3)
    assert metrics.logit_losses(np.array([0.0, 1.0]), np.array([1000.0, -1000.0])).tolist() == [1000.0, 1000.0]
    assert metrics.log_losses(np.array([1.0]), np.array([0.25]))[0] == pytest.approx(log(4.0))


def test_a_number_of_answers_comes_back_from_its_feature() -> None:
    amounts = [0, 1, 19, 20, 399, FULL_HISTORY - 1, FULL_HISTORY, 10_000]
    told = answers_told(np.array([*(grows(amount, FULL_HISTORY) for amount in amounts), float("nan"), 7.0, -7.0]))
    assert told.tolist()[:8] == [0, 1, 19, 20, 399, FULL_HISTORY - 1, FULL_HISTORY, FULL_HISTORY]
    assert np.isnan(told[8])
    assert told.tolist()[9:] == [FULL_HISTORY, 0]


@pytest.mark.slow
def test_no_other_place_spells_the_logistic_function_its_inverse_or_the_scale_of_a_history() -> None:
    """Whoever calls exp or expit, or divides by 1 - x inside a log, writes one of them anew."""
    found = []
    for folder in ("ml", "db", "scripts"):
        for path in sorted(Path(ROOT, folder).rglob("*.py")):
            if "reference" in path.parts:  # programs of others' libraries
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
                argument = ast.unparse(node.args[0]) if isinstance(node, ast.Call) and node.args else ""
                if called in ("exp", "expit", "log_expit", "logaddexp") or (called == "log" and "/ (1" in argument):
                    found.append(f"{path.relative_to(ROOT)}: {called}")
                if called in ("log1p", "expm1", "grows") and "2000" in ast.unparse(node):
                    found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    evaluation = {  # beside e-values, densities and sums of logarithms; one is the logistic function without scipy
        "accumulated_evidence": ["exp", "logaddexp"],
        "evidence": ["exp", "exp"],
        "expected_counts": ["exp", "exp", "exp"],
        "metrics": ["expit", "logaddexp"],
        "poisson_binomial": ["exp", "exp", "logaddexp"],
    }
    assert found == [
        *[f"ml/evaluation/{module}.py: {call}" for module, calls in evaluation.items() for call in calls],
        *["ml/study/scales.py: log", *["ml/study/scales.py: exp"] * 3],
    ]
