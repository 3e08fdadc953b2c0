"""The figures of a probabilistic forecast, each a pure function of labels (0 or 1) and probabilities (0..1).

Figures that scikit-learn also computes equal its values to within 1e-12 (tests/ml/test_evaluation.py). A figure that
the labels cannot determine is None: there is no AUC with one outcome, no recall without struggles, and no calibration
line through one point.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.study import scales

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BINS = 10
"""Equal-count bins of the reliability diagram and of the calibration error."""

_SMALLEST = float(np.finfo(np.float64).eps)
"""scikit-learn clips here too: a certain prediction that fails costs 36, not infinity."""

_STEEPEST = 1e3
"""A calibration slope beyond this has no maximum: the probabilities separate the labels."""


class ReliabilityBin(NamedTuple):
    """One bin of the reliability diagram: the mean probability and the share that struggled."""

    low: float
    high: float
    mean_probability: float
    struggle_rate: float
    n: int


class CalibrationLine(NamedTuple):
    """logit P(struggled) = intercept + slope * logit(probability); a calibrated forecast has 0 and 1."""

    slope: float
    intercept: float


def logit(probabilities: Floats) -> Floats:
    """Log odds, finite for 0 and 1 too."""
    clipped = np.clip(probabilities, _SMALLEST, 1.0 - _SMALLEST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def logistic(logits: Floats, bound: float = 700.0) -> Floats:
    """1 / (1 + e^-x) of every logit; logits further than `bound` from 0 are cut to it."""
    from scipy.special import expit  # it takes 0.15 s to import, and the figures of labels need none

    return np.asarray(expit(np.clip(logits, -bound, bound)))


def log_losses(labels: Floats, probabilities: Floats) -> Floats:
    """Each row's negative log likelihood, in nats."""
    clipped = np.clip(probabilities, _SMALLEST, 1.0 - _SMALLEST)
    return np.where(labels > 0, -np.log(clipped), -np.log1p(-clipped))


def logit_losses(labels: Floats, logits: Floats) -> Floats:
    """The same from logits; it is exact however far from 0 they are."""
    return np.asarray(np.logaddexp(0.0, logits) - labels * logits)


def squared_errors(labels: Floats, probabilities: Floats) -> Floats:
    """Each row's part of the Brier score."""
    return np.asarray((probabilities - labels) ** 2)


def roc_auc(labels: Floats, probabilities: Floats) -> float | None:
    """Probability that a struggle is ranked above a non-struggle, ties counting half; None if all have one outcome."""
    struggles = float(labels.sum())
    others = len(labels) - struggles
    if not struggles or not others:
        return None
    _, tie, ties = np.unique(probabilities, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(ties) - (ties - 1) / 2.0
    rank_sum = float(mean_rank[tie][labels > 0].sum())
    return (rank_sum - struggles * (struggles + 1) / 2.0) / (struggles * others)


def grouped_roc_auc(labels: Floats, probabilities: Floats, groups: Integers) -> float | None:
    """The AUC over pairs of rows within a group; None if no group has both outcomes."""
    won = pairs = 0.0
    for group in np.unique(groups):
        inside = groups == group
        auc = roc_auc(labels[inside], probabilities[inside])
        if auc is not None:
            struggles = float(labels[inside].sum())
            of_group = struggles * (float(inside.sum()) - struggles)
            won, pairs = won + auc * of_group, pairs + of_group
    return won / pairs if pairs else None


def reliability(labels: Floats, probabilities: Floats, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Equal-count bins between quantiles; equal probabilities share a bin, so there may be fewer bins."""
    if not len(labels):
        return ()
    edges = np.percentile(probabilities, np.linspace(0.0, 100.0, bins + 1))
    place = np.searchsorted(edges[1:-1], probabilities)
    counts = np.bincount(place, minlength=bins)
    struggles = np.bincount(place, weights=labels, minlength=bins)
    mass = np.bincount(place, weights=probabilities, minlength=bins)
    return tuple(
        ReliabilityBin(float(edges[k]), float(edges[k + 1]), float(mass[k] / n), float(struggles[k] / n), int(n))
        for k, n in enumerate(counts)
        if n
    )


def calibration_error(diagram: tuple[ReliabilityBin, ...]) -> float | None:
    """ECE: the bins' distance from the diagonal, weighted by their counts."""
    n = sum(each.n for each in diagram)
    return sum(each.n * abs(each.mean_probability - each.struggle_rate) for each in diagram) / n if n else None


def calibration_noise_floor(diagram: tuple[ReliabilityBin, ...]) -> float | None:
    """The ECE that a perfectly calibrated forecast of this size shows by chance: mean |N(0, p(1-p)/n)| per bin.

    Rows count as independent; learners with many rows raise the true floor somewhat.
    """
    n = sum(each.n for each in diagram)
    if not n:
        return None
    spread = (each.n * sqrt(each.mean_probability * (1 - each.mean_probability) / each.n) for each in diagram)
    return sqrt(2.0 / pi) * sum(spread) / n


def calibration_line(labels: Floats, probabilities: Floats) -> CalibrationLine | None:
    """Cox's recalibration line by maximum likelihood; None where no finite maximum exists."""
    struggles = float(labels.sum())
    x = logit(probabilities)
    if not 0 < struggles < len(labels) or x.min() == x.max():
        return None
    # A standardised predictor keeps Newton's steps well scaled whatever the spread of the probabilities.
    centre, scale = float(x.mean()), float(x.std())
    z = (x - centre) / scale
    rate = struggles / len(labels)
    a, b = scales.logit(rate), 0.0
    deviance = float(logit_losses(labels, a + b * z).sum())
    for _ in range(100):
        fitted = logistic(a + b * z)
        weight = fitted * (1.0 - fitted)
        score_a, score_b = float((labels - fitted).sum()), float(((labels - fitted) * z).sum())
        h_aa, h_ab, h_bb = float(weight.sum()), float((weight * z).sum()), float((weight * z * z).sum())
        determinant = h_aa * h_bb - h_ab * h_ab
        if determinant <= 1e-12 * h_aa * h_bb:
            return None
        step_a = (h_bb * score_a - h_ab * score_b) / determinant
        step_b = (h_aa * score_b - h_ab * score_a) / determinant
        # Far from the maximum a full Newton step may overshoot: halve it until the likelihood rises.
        while (ahead := float(logit_losses(labels, a + step_a + (b + step_b) * z).sum())) > deviance * (1.0 + 1e-12):
            step_a, step_b = step_a / 2.0, step_b / 2.0
        a, b, deviance = a + step_a, b + step_b, ahead
        if abs(step_a) + abs(step_b) < 1e-9 * (1.0 + abs(a) + abs(b)):
            return CalibrationLine(b / scale, a - b / scale * centre)
        if abs(b) > _STEEPEST:
            return None
    return None


def share(numerator: Floats, denominator: Floats) -> float | None:
    """The ratio of the two sums; None where the divisor is 0."""
    over = float(denominator.sum())
    return float(numerator.sum()) / over if over else None
