"""By how many logits the answers of a group lie above what was expected of them, and how much groups usually differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.metrics import Floats

PRIOR_VARIANCE = 1.0
"""Squared logits: how far a group's shift may lie from 0 before its answers are seen."""
STEPS = 12
WITHIN_HALF = 0.6745
"""Half of a normal distribution lies within this many standard deviations of its mean."""
USUAL_SPREAD, LEAST_SPREAD, MOST_SPREAD = 0.8, 0.3, 2.0
ENOUGH_GROUPS = 10
"""The spread is estimated where there are at least this many groups; for fewer, USUAL_SPREAD is taken."""


class Beside(NamedTuple):
    """For each answer, the shift of its group as the group's other answers tell it, and the shift's variance."""

    means: Floats
    variances: Floats


class Shifts(NamedTuple):
    """The shift of each group. residuals, information: of each answer, at the shifted probability."""

    of_group: Floats
    group: NDArray[np.int64]
    residuals: Floats
    information: Floats

    def of_each(self) -> Floats:
        """The shift of each answer's group."""
        return self.of_group[self.group]

    def without(self, part: NDArray[np.int64]) -> Beside:
        """The shifts without the answers of the same group that are in the same part of it: one Newton step back.

        part: each answer's part, such as its learner.
        """
        key, inside = np.unique(self.group * (int(part.max(initial=0)) + 1) + part, return_inverse=True)
        residual = np.bincount(inside, self.residuals, len(key))[inside]
        whole = np.bincount(self.group, self.information, len(self.of_group))[self.group]
        rest = whole - np.bincount(inside, self.information, len(key))[inside]
        variances = 1.0 / (np.maximum(rest, 0.0) + 1.0 / PRIOR_VARIANCE)
        return Beside(self.of_each() - variances * residual, variances)


def shifts_of(logits: Floats, wrong: NDArray[np.bool_], group: NDArray[np.int64]) -> Shifts:
    """The likeliest shift of each group under a normal prior; logits: those of the expected wrong answers."""
    count = int(group.max(initial=-1)) + 1
    found = np.zeros(count)
    for _ in range(STEPS):
        p = _logistic(logits + found[group])
        slope = np.bincount(group, wrong - p, count) - found / PRIOR_VARIANCE
        found += np.clip(slope / (np.bincount(group, p * (1.0 - p), count) + 1.0 / PRIOR_VARIANCE), -1.0, 1.0)
    p = _logistic(logits + found[group])
    return Shifts(found, group, wrong - p, p * (1.0 - p))


def shifted(logits: Floats, wrong: NDArray[np.bool_]) -> Floats:
    """The logits, moved together so that as many answers are expected to be wrong as were."""
    level = shifts_of(logits, wrong, np.zeros(len(logits), dtype=np.int64)).of_group
    return logits + float(level.sum())


def ordinary_spread(
    logits: Floats,
    wrong: NDArray[np.bool_],
    groups: Sequence[NDArray[np.int64]],
    uncertain: Floats | None = None,
    least: float = LEAST_SPREAD,
) -> float:
    """The standard deviation, in logits, by which ordinary groups differ beyond chance; at least `least`.

    It is chosen so that half of the groups lie within WITHIN_HALF of their standard deviations. uncertain: by answer,
    the variance of a shift that all answers of its group share.
    """
    if len(groups) < ENOUGH_GROUPS:
        return USUAL_SPREAD
    p = _logistic(logits)
    residuals, information = wrong - p, p * (1.0 - p)
    excess = np.abs([residuals[rows].sum() for rows in groups])
    known = np.array([information[rows].sum() for rows in groups])
    shared = np.array([0.0 if uncertain is None else uncertain[rows[0]] for rows in groups])
    low, high = least, MOST_SPREAD
    for _ in range(30):
        middle = 0.5 * (low + high)
        typical = float(np.median(excess / np.sqrt(known + known**2 * (middle**2 + shared))))
        low, high = (middle, high) if typical > WITHIN_HALF else (low, middle)
    return 0.5 * (low + high)


def _logistic(logits: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
