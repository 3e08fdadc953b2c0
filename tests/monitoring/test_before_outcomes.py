"""Figures that are estimated before outcomes are known, and what they cannot see."""

from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.before_outcomes import ESTIMATED, estimates, resemblance
from ml.evaluation.deviations import Reference
from ml.evaluation.metrics import roc_auc


def test_the_estimates_are_the_means_over_all_outcomes() -> None:
    rng = np.random.default_rng(3)
    p, learners = rng.beta(1.5, 2.0, 60), np.arange(60)
    flagged = p >= 0.4
    drawn = rng.random((20_000, 60)) < p
    found = estimates(p, learners, 0.4, 0.0)
    realised = {
        "accuracy": (drawn == flagged).mean(axis=1),
        "precision": drawn[:, flagged].mean(axis=1),
        "recall": (drawn & flagged).sum(axis=1) / drawn.sum(axis=1),
        "auc": np.array([roc_auc(each.astype(float), p) for each in drawn[:3000]]),
    }
    for name, values in realised.items():
        figure = found[name]
        assert figure.value == pytest.approx(values.mean(), abs=0.01), name
        assert figure.low is not None
        assert figure.high is not None
        assert 0.93 < ((values >= figure.low) & (values <= figure.high)).mean() < 0.97, name


def test_learners_who_resemble_each_other_widen_the_intervals() -> None:
    rng = np.random.default_rng(4)
    p, learners = rng.beta(1.5, 2.0, 400), np.repeat(np.arange(20), 20)
    alone, alike = (estimates(p, learners, 0.5, each) for each in (0.0, 0.2))
    known = estimates(p, learners, 0.5, 0.0, Reference(0.0, 1.0, 0.3, 0.2))
    for name, wider in [("precision", alike), *((name, known) for name in ESTIMATED)]:
        low, high = wider[name].low or 0, wider[name].high or 0
        assert low < (alone[name].low or 0) < (alone[name].high or 0) < high, name


def test_resemblance_is_that_of_the_outcomes() -> None:
    rng = np.random.default_rng(5)
    learners = np.repeat(np.arange(500), 6)
    p = np.full(3000, 0.4)
    independent = (rng.random(3000) < p).astype(float)
    shared = (rng.random(500)[learners] < p).astype(float)
    assert resemblance(independent, p, learners) < 0.03
    assert resemblance(shared, p, learners) == pytest.approx(1.0, abs=0.15)
    assert resemblance(independent, p, np.arange(3000)) == 0.0
    assert resemblance(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)) == 0.0


@pytest.mark.parametrize("p", [[], [0.0], [1.0], [0.0, 0.0], [0.3], [1.0, 0.0]])
def test_what_cannot_be_estimated_has_a_reason(p: list[float]) -> None:
    for figure in estimates(np.array(p), np.arange(len(p)), 0.5, 0.0).values():
        assert figure.low is not None or figure.reason
        assert figure.value is None or 0.0 <= figure.value <= 1.0
