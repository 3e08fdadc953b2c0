"""Intervals of the AUC and of the difference of two AUCs, over rows that belong to learners.

An AUC counts pairs; with W[g, h] = the pairs that unit g's struggles win against unit h's others, the AUC and DeLong's
influence values of every resample are matrix products with W.
"""

from __future__ import annotations

import numpy as np

from ml.evaluation.bootstrap import Interval, Learners, student, studentised
from ml.evaluation.metrics import Floats, Integers, logistic, logit

AUC_GRID = 1024
"""Resampled AUCs see the probabilities through at most this many quantiles; the AUC itself is exact."""


def auc_interval(
    labels: Floats,
    probabilities: Floats,
    auc: float,
    learners: Learners,
    level: float,
    groups: Integers | None = None,
) -> Interval | None:
    """Bootstrap-t interval of the AUC on the logit scale; the errors are DeLong's, summed within learners.

    groups: a number of each row, where only rows of one group are compared with each other.
    """
    if learners.units < 2:
        return None
    struggles, others = learners.totals(labels), learners.totals(1.0 - labels)
    if not 0.0 < auc < 1.0:
        # Perfect ranking has no variance to resample: a learner counts as one of the rarer class.
        size = float(min((struggles > 0).sum(), (others > 0).sum()))
        z = student((1.0 + level) / 2.0, size - 1.0)
        bound = z * z / (size + z * z)
        return Interval(1.0 - bound, 1.0) if auc == 1.0 else Interval(0.0, bound)
    everyone = np.ones((1, learners.units))
    if groups is None:
        wins = _wins(labels, probabilities, learners)
        centre, influence = _auc_sample(wins, struggles, others, everyone)
        centres, influences = _auc_sample(wins, struggles, others, learners.draws)
    else:
        pairs = _GroupedPairs(labels, probabilities, learners, groups)
        centre, influence = pairs.sample(everyone)
        centres, influences = pairs.sample(learners.draws)
    error = _unit_error(everyone, influence)
    errors = _unit_error(learners.draws, influences)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale, scales = centre * (1.0 - centre), centres * (1.0 - centres)
        interval = studentised(
            float(logit(np.array(auc))),
            float(error[0] / scale[0]),
            logit(centres) + (logit(np.array(auc)) - logit(centre)),
            errors / scales,
            level,
            learners.units,
        )
    if interval is None:
        return None
    return Interval(*logistic(np.array(interval)).tolist())


def _wins(labels: Floats, probabilities: Floats, learners: Learners, other: Floats | None = None) -> Floats:
    """[g, h] = how often a struggle of unit g is ranked above a non-struggle of unit h, ties counting half.

    other: 1 for each row that counts as a non-struggle; by default, all that are no struggle.
    """
    grid = np.unique(probabilities)
    if len(grid) > AUC_GRID:
        grid = np.unique(np.quantile(probabilities, np.linspace(0.0, 1.0, AUC_GRID + 1)[1:]))
    place = np.minimum(np.searchsorted(grid, probabilities), len(grid) - 1)
    cells = learners.units * len(grid)
    address = learners.unit * len(grid) + place
    struggles = np.bincount(address, weights=labels, minlength=cells).reshape(learners.units, -1)
    others = np.bincount(address, weights=1.0 - labels if other is None else other, minlength=cells).reshape(
        learners.units, -1
    )
    return np.asarray(struggles @ (np.cumsum(others, axis=1) - others / 2.0).T)


def _auc_sample(wins: Floats, struggles: Floats, others: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """The AUC of each resample, and the influence of each unit on it."""
    positive, negative = draws @ struggles, draws @ others
    with np.errstate(divide="ignore", invalid="ignore"):
        beaten = draws @ wins.T / negative[:, None]  # [b, g]: mass of non-struggles that g's struggles outrank
        beating = draws @ wins / positive[:, None]  # [b, h]: mass of struggles that outrank h's non-struggles
        auc = (draws * beaten).sum(axis=1) / positive
        influence = (beaten - auc[:, None] * struggles) / positive[:, None]
        influence += (beating - auc[:, None] * others) / negative[:, None]
    return auc, influence


class _GroupedPairs:
    """The pairs of rows within groups: how many there are of each two units, and how often the struggle is above."""

    def __init__(self, labels: Floats, probabilities: Floats, learners: Learners, groups: Integers) -> None:
        self.wins = np.zeros((learners.units, learners.units))
        struggles, others = [], []
        for group in np.unique(groups):
            y, outside = np.where(groups == group, labels, 0.0), groups != group
            not_y = np.where(outside, 0.0, 1.0 - labels)
            self.wins += _wins(y, probabilities, learners, not_y)
            struggles.append(learners.totals(y))
            others.append(learners.totals(not_y))
        self.struggles, self.others = np.column_stack(struggles), np.column_stack(others)

    def sample(self, draws: Floats) -> tuple[Floats, Floats]:
        """The AUC of each resample, and the influence of each unit on it."""
        struggles, others = draws @ self.struggles, draws @ self.others  # [resample, group]
        pairs = (struggles * others).sum(axis=1)
        beaten, beating = draws @ self.wins.T, draws @ self.wins
        with np.errstate(divide="ignore", invalid="ignore"):
            auc = (draws * beaten).sum(axis=1) / pairs
            of_unit = others @ self.struggles.T + struggles @ self.others.T
            influence = (beaten + beating - auc[:, None] * of_unit) / pairs[:, None]
        return auc, influence


def _unit_error(draws: Floats, influence: Floats) -> Floats:
    units = draws.shape[1]
    return np.asarray(np.sqrt(np.einsum("bu,bu,bu->b", draws, influence, influence) * units / (units - 1.0)))


def auc_difference_interval(
    labels: Floats, before: Floats, after: Floats, learners: Learners, level: float
) -> Interval | None:
    """Bootstrap-t interval of AUC(after) - AUC(before) on the same rows; None if all rows have one outcome."""
    struggles, others = learners.totals(labels), learners.totals(1.0 - labels)
    if learners.units < 2 or not struggles.any() or not others.any():
        return None
    wins = [_wins(labels, probabilities, learners) for probabilities in (before, after)]

    def difference(draws: Floats) -> tuple[Floats, Floats]:
        (auc, influence), (later_auc, later_influence) = (_auc_sample(w, struggles, others, draws) for w in wins)
        return later_auc - auc, _unit_error(draws, later_influence - influence)

    centre, error = difference(np.ones((1, learners.units)))
    return studentised(float(centre[0]), float(error[0]), *difference(learners.draws), level, learners.units)
