"""Which objectives' results predict another's: correlations over learners who met one of them before the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ml.storage.difficulty_table import EVERYBODY, FOLDS
from ml.study.visits import FEWEST_ANSWERS, Visit

Numbers = TypeVar("Numbers", int, NDArray[np.int64])

EARLIER_OBJECTIVES = 64
"""Only so many of the latest objectives met before are paired, which bounds the work per visit."""
RELATED = 16
PREDECESSORS = 3
_SCALE = 64
"""Accuracies are counted in 64ths, which are whole numbers, so that a fold is subtracted exactly."""
_MERGE_AT = 2_000_000
_FOLD_BITS = (FOLDS - 1).bit_length()
_EARLIER_BITS = 32
"""A key holds, from its highest bits down, the objective's number, the earlier one's and the fold."""


class PairCounts:
    """Sums over learners, by (objective, earlier objective, fold): n, x, y, xy, xx, yy.

    x: smoothed accuracy on the earlier objective up to then; y: accuracy of the first judged visit of the objective.
    """

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._ids: list[str] = []
        self._keys: list[NDArray[np.int64]] = []
        self._sums: list[NDArray[np.int64]] = []
        self._pending = 0

    def add(self, fold: int, visits: list[Visit]) -> None:
        """Counts one learner's visits, oldest first."""
        met: dict[int, tuple[int, int]] = {}  # objective -> answers, wrong, in the order last met
        keys: list[int] = []
        xs: list[int] = []
        ys: list[int] = []
        for visit in visits:
            if visit.prompted:
                continue
            number = self._number.get(visit.objective_id)
            if number is None:
                number = self._number[visit.objective_id] = len(self._ids)
                self._ids.append(visit.objective_id)
            if not visit.repeat and visit.answers >= FEWEST_ANSWERS and met:
                y = round(_SCALE * visit.accuracy)
                for earlier in list(met)[-EARLIER_OBJECTIVES:]:
                    answers, wrong = met[earlier]
                    keys.append(_key(number, earlier, fold))
                    xs.append(round(_SCALE * (answers - wrong + 1) / (answers + 2)))
                    ys.append(y)
            answers, wrong = met.pop(number, (0, 0))
            met[number] = answers + visit.judged, wrong + visit.wrong
        if keys:
            x, y_ = np.array(xs, np.int64), np.array(ys, np.int64)
            self._keys.append(np.array(keys, np.int64))
            self._sums.append(np.stack([np.ones_like(x), x, y_, x * y_, x * x, y_ * y_], axis=1))
            self._pending += len(keys)
            if self._pending > _MERGE_AT:
                self._merge()

    def _merge(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not self._keys:
            return np.zeros(0, np.int64), np.zeros((0, 6), np.int64)
        keys, sums = np.concatenate(self._keys), np.concatenate(self._sums)
        order = np.argsort(keys, kind="stable")
        keys, sums = keys[order], sums[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        keys, sums = keys[starts], np.add.reduceat(sums, starts, axis=0)
        self._keys, self._sums, self._pending = [keys], [sums], 0
        return keys, sums

    def relations(self, crowds: Sequence[Sequence[int]]) -> Iterator[tuple[str, int, list[list[object]], list[str]]]:
        """(Objective id, fold left out or EVERYBODY, [[related id, weight], ...], predecessor ids), ordered by id.

        crowds: folds that are left out together. A fold that contributed nothing to an objective has no entry of its
        own, and the one of everybody is used for it.
        """
        keys, sums = self._merge()
        names = np.argsort(np.argsort(np.array(self._ids)))  # ties go by id, so that no learner's presence decides them
        target = keys >> _EARLIER_BITS + _FOLD_BITS
        earlier, fold = (keys >> _FOLD_BITS) & ((1 << _EARLIER_BITS) - 1), keys & ((1 << _FOLD_BITS) - 1)
        # The same pair met the other way round, in the same fold.
        other_way = _key(earlier, target, fold)
        at = np.minimum(np.searchsorted(keys, other_way), max(0, len(keys) - 1))
        backward = np.where(keys[at] == other_way, sums[at, 0], 0) if len(keys) else np.zeros(0, np.int64)
        starts = np.searchsorted(target, np.arange(len(self._ids) + 1))
        for objective_id in sorted(self._ids):
            number = self._number[objective_id]
            rows = slice(starts[number], starts[number + 1])
            if rows.start == rows.stop:
                continue
            partners, position = np.unique(earlier[rows], return_inverse=True)
            by_fold = np.zeros((FOLDS, len(partners), 7), np.int64)
            by_fold[fold[rows], position, :6] = sums[rows]
            by_fold[fold[rows], position, 6] = backward[rows]
            total = by_fold.sum(axis=0)
            for crowd in crowds:
                by_fold[crowd] = by_fold[crowd].sum(axis=0)
            contributing = [int(f) for f in np.flatnonzero(by_fold.any(axis=(1, 2)))]
            for left_out in (*contributing, EVERYBODY):
                counts = total if left_out == EVERYBODY else total - by_fold[left_out]
                weights, predecessors = _strongest(counts, partners, names[partners])
                yield (
                    objective_id,
                    left_out,
                    [[self._ids[j], w] for j, w in weights],
                    [self._ids[j] for j in predecessors],
                )


def _key(number: Numbers, earlier: Numbers, fold: Numbers) -> Numbers:
    return (number << _EARLIER_BITS + _FOLD_BITS) | (earlier << _FOLD_BITS) | fold


def _strongest(
    counts: NDArray[np.int64], partners: NDArray[np.int64], names: NDArray[np.int64]
) -> tuple[list[tuple[int, float]], list[int]]:
    n, x, y, xy, xx, yy, backward = (counts[:, field].astype(float) for field in range(7))
    some = np.maximum(n, 1.0)
    covariance = xy / some - x / some * (y / some)
    spread = np.sqrt(np.maximum(0.0, xx / some - (x / some) ** 2) * np.maximum(0.0, yy / some - (y / some) ** 2))
    weight = np.clip(covariance / np.maximum(spread, 1.0), 0.0, 1.0) * n / (n + 30.0)
    share_before = (n + 1.0) / (n + backward + 2.0)
    precedence = weight * np.clip((share_before - 0.4) * 2.0, 0.0, 1.0)
    order = np.lexsort((names, -weight))[:RELATED]
    first = np.lexsort((names, -precedence))[:PREDECESSORS]
    return (
        [(int(partners[i]), round(float(weight[i]), 4)) for i in order if weight[i] > 0.005],
        [int(partners[i]) for i in first if precedence[i] > 0.02],
    )
