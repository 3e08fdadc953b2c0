"""The chance of this many wrong answers or more, each with its own probability: the Poisson-binomial distribution.

Up to EXACT_UP_TO answers the chance is exact, by adding one answer after the other. Beyond, it is Daniels' saddlepoint
approximation for counts (1987, Tail Probability Approximations, his second continuity correction). From there on its
relative error is below one in a hundred for chances above 1e-12, and below one in ten for smaller ones.

Answers to one card, or of one learner on one objective, share what made them hard. `at_least_where_shared` allows for
that: all of them are shifted together, by an amount that is drawn from a normal distribution with a known spread.
"""

from __future__ import annotations

from math import erfc, exp, sinh, sqrt

import numpy as np

from ml.evaluation.metrics import Floats

EXACT_UP_TO = 600
_STEPS = np.linspace(-5.0, 5.0, 41)
_WEIGHTS = np.exp(-0.5 * _STEPS * _STEPS)
_WEIGHTS /= _WEIGHTS.sum()


def at_least(probabilities: Floats, count: int) -> float:
    """P(X >= count), where X is the number of events with these probabilities (0..1) that happen, independently.

    >>> round(at_least(np.array([0.5, 0.5, 0.2]), 2), 6), at_least(np.array([0.5]), 0), at_least(np.array([0.5]), 2)
    (0.35, 1.0, 0.0)
    """
    return float(_at_least(np.atleast_2d(probabilities), count)[0])


def at_least_where_shared(logits: Floats, spread: float, count: int) -> float:
    """P(X >= count) for events of these logits, all moved by one normal amount of mean 0 and standard deviation spread.

    A spread of 0 gives at_least(logistic(logits), count).
    """
    if spread <= 0.0:
        return at_least(_logistic(logits), count)
    moved = logits[np.newaxis, :] + spread * _STEPS[:, np.newaxis]
    return min(1.0, float(_WEIGHTS @ _at_least(_logistic(moved), count)))


def _at_least(probabilities: Floats, count: int) -> Floats:
    """P(X >= count) for each row of probabilities."""
    rows, events = probabilities.shape
    if count <= 0:
        return np.ones(rows)
    if count > events:
        return np.zeros(rows)
    if events > EXACT_UP_TO:
        return np.array([_saddlepoint(row, count) for row in probabilities])
    reached = np.zeros((rows, count + 1))  # the last column takes in every number from count on
    reached[:, 0] = 1.0
    for happens in probabilities.T[:, :, np.newaxis]:
        moved = reached[:, :-1] * happens
        reached[:, :-1] *= 1.0 - happens
        reached[:, 1:] += moved
    return reached[:, -1]


def _saddlepoint(probabilities: Floats, count: int) -> float:
    inside = probabilities[(probabilities > 0.0) & (probabilities < 1.0)]
    count -= int((probabilities >= 1.0).sum())
    if count <= 0 or count > len(inside):
        return float(count <= 0)
    target = count - 0.5
    odds = np.log(inside) - np.log1p(-inside)
    low, high = -60.0, 60.0
    for _ in range(60):  # the tilt at which target is the mean; the mean grows with it
        tilt = 0.5 * (low + high)
        low, high = (tilt, high) if float(_logistic(odds + tilt).sum()) < target else (low, tilt)
    tilted = _logistic(odds + tilt)
    variance = float((tilted * (1.0 - tilted)).sum())
    if abs(tilt) < 1e-4:
        return _normal_tail((target - float(inside.sum())) / sqrt(variance))
    cumulant = float(np.logaddexp(np.log1p(-inside), np.log(inside) + tilt).sum())
    signed = sqrt(max(0.0, 2.0 * (tilt * target - cumulant))) * (1.0 if tilt > 0.0 else -1.0)
    density = exp(-0.5 * signed * signed) / sqrt(2.0 * np.pi)
    found = _normal_tail(signed) + density * (1.0 / (2.0 * sinh(0.5 * tilt) * sqrt(variance)) - 1.0 / signed)
    return min(1.0, max(0.0, found))


def _normal_tail(z: float) -> float:
    return 0.5 * erfc(z / sqrt(2.0))


def _logistic(logits: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))  # which does not overflow
