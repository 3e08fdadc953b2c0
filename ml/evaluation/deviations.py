"""How far judged visits lie beyond what a model promised, and beyond what a platform asks: one Deviation per cause.

A model's own probabilities are the yardstick wherever they can be: the outcome of each visit is compared with the
probability that was given for it, so that a week with harder objectives is no deviation. Every error allows for the
resemblance of a learner's visits, and is never below that of independent ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ml.evaluation.accumulated_evidence import Deviation
from ml.evaluation.bootstrap import numbered
from ml.evaluation.metrics import Floats, Integers, logistic, logit

OFFSET_ALLOWED, SLOPE_ALLOWED, AUC_ALLOWED = 0.10, 0.05, 0.01
"""What is too small to act on: in logits, in the slope of the calibration line, and in AUC. To the first two, the
standard errors of what they are compared with are added in squares."""

UNKNOWN_OF_A_LEARNER = 0.5
"""SD in logits of what a model does not know of a learner. The same learners return each week, so that the mean of
theirs moves the offset by this over the root of their number, for as long as they stay; that much is allowed."""

_FARTHEST = 5.0
"""Logits beyond which a probability weighs no more in the slope."""

Z95 = 1.96


class Reference(NamedTuple):
    """The calibration line of a model as measured at its training, with the half-widths of its 95 % intervals."""

    intercept: float
    slope: float
    intercept_within: float
    slope_within: float


CALIBRATED = Reference(0.0, 1.0, 0.0, 0.0)


class Visits(NamedTuple):
    """Judged visits, one row each: the outcome 0 or 1, the probability, and the number of the learner."""

    labels: Floats
    probabilities: Floats
    learners: Integers


def reference_of(card: Mapping[str, object]) -> Reference | None:
    """The calibration line that a model's card states, or None."""
    evaluation = card.get("evaluation")
    figures = evaluation.get("figures") if isinstance(evaluation, dict) else None
    if not isinstance(figures, dict):
        return None
    found: list[float] = []
    for name in ("calibration_intercept", "calibration_slope"):
        figure = figures.get(name)
        stated = [figure.get(key) for key in ("value", "low", "high")] if isinstance(figure, dict) else []
        numbers = [float(each) for each in stated if isinstance(each, float | int) and np.isfinite(each)]
        if len(numbers) != 3:
            return None
        found += [numbers[0], (numbers[2] - numbers[1]) / 2.0]
    intercept, intercept_within, slope, slope_within = found
    return Reference(intercept, slope, intercept_within, slope_within) if slope > 0.0 else None


def calibration_deviations(visits: Visits, reference: Reference) -> dict[str, Deviation]:
    """too_low: more struggles than the probabilities say, beyond what is allowed; too_high: fewer. In logits."""
    if not len(visits.labels):
        return {}
    learners = int(visits.learners.max()) + 1 if len(visits.learners) else 0
    unknown = UNKNOWN_OF_A_LEARNER / max(_count(visits.learners), 1) ** 0.5
    allowed = (OFFSET_ALLOWED**2 + (reference.intercept_within / Z95) ** 2 + unknown**2) ** 0.5
    promised = reference.intercept + reference.slope * logit(visits.probabilities)
    found = {}
    for name, sign in (("too_low", 1.0), ("too_high", -1.0)):
        expected = logistic(promised + sign * allowed)
        ones = np.ones_like(expected)
        found[name] = _score(sign * (visits.labels - expected), expected * (1.0 - expected), ones, visits.learners)
    return found if learners else {}


def separation_deviation(visits: Visits, reference: Reference) -> Deviation | None:
    """How much flatter the outcomes are than the probabilities say, beyond what is allowed, as a slope.

    The slope is taken around a centre at which a shift of all outcomes moves it least.
    """
    if not len(visits.labels):
        return None
    said = logit(visits.probabilities)
    promised = logistic(reference.intercept + reference.slope * said)
    weight = promised * (1.0 - promised)
    far = np.clip(said, -_FARTHEST, _FARTHEST)
    centre = float((weight * far).sum() / weight.sum())
    away = far - centre
    allowed = (SLOPE_ALLOWED**2 + (reference.slope_within / Z95) ** 2) ** 0.5
    expected = logistic(reference.intercept + reference.slope * said - allowed * away)
    weight = expected * (1.0 - expected)
    if not float((weight * away * away).sum()) > 0.0:
        return None
    return _score(-(visits.labels - expected), weight, away, visits.learners)


def share_deviation(hits: Floats, learners: Integers, bound: float, at_most: bool = False) -> Deviation | None:
    """How far the share of hits (0 or 1 per row) lies on the wrong side of its bound."""
    n = len(hits)
    if not n:
        return None
    p = float(hits.mean())
    variance = max(bound * (1.0 - bound), p * (1.0 - p)) / n
    if not variance > 0.0:
        return None
    residual = hits - p
    inflated = _inflation(residual, np.full(n, max(p * (1.0 - p), 1e-12)), learners)
    beyond = p - bound if at_most else bound - p
    return Deviation(beyond, (variance * inflated) ** 0.5, float(_count(learners) - 1))


class Sharpness(NamedTuple):
    """The AUC that probabilities promise, with its standard error over learners."""

    auc: float
    error: float
    learners: int


def sharpness(probabilities: Floats, learners: Integers) -> Sharpness | None:
    """How well the probabilities would rank outcomes if they were right: no outcome is needed for it."""
    p = np.asarray(probabilities)
    count = _count(learners)
    positive, negative = float(p.sum()), float((1.0 - p).sum())
    if count < 2 or not positive > 0.0 or not negative > 0.0:
        return None
    below, above = ranked(p, 1.0 - p), ranked(-p, p)
    auc = float((p * below).sum() / (positive * negative))
    influence = p * (below / negative - auc) / positive + (1.0 - p) * (above / positive - auc) / negative
    of_learner = np.bincount(numbered(learners), weights=influence)
    return Sharpness(auc, float(np.sqrt(count / (count - 1.0) * (of_learner**2).sum())), count)


def ranked(values: Floats, weights: Floats) -> Floats:
    """For each row the weight of the rows with a smaller value, and half the weight of those with the same."""
    _, tie = np.unique(values, return_inverse=True)
    mass = np.bincount(tie, weights=weights)
    return np.asarray((np.cumsum(mass) - mass / 2.0)[tie])


def _score(residual: Floats, weight: Floats, direction: Floats, learners: Integers) -> Deviation:
    """One step of a logistic regression from what is allowed, in one direction."""
    information = float((weight * direction * direction).sum())
    beyond = float((residual * direction).sum()) / information
    left = residual * direction - beyond * weight * direction * direction
    inflated = _inflation(left, weight * direction * direction, learners)
    return Deviation(beyond, (inflated / information) ** 0.5, float(_count(learners) - 1))


def _inflation(residual: Floats, variance: Floats, learners: Integers) -> float:
    """By how much the resemblance of a learner's rows inflates the variance of the sum; at least 1."""
    of_learner = np.bincount(numbered(learners), weights=residual)
    count = max(len(of_learner), 2)
    return max(1.0, count / (count - 1.0) * float((of_learner**2).sum()) / float(variance.sum()))


def _count(learners: Integers) -> int:
    return len(np.unique(learners))
