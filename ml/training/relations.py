"""Which objectives' results predict another's: correlations over learners who met one of them before the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ml.storage.difficulty_table import EVERYBODY, FOLDS
from ml.study.visits import FEWEST_ANSWERS, Visit

Numbers = TypeVar("Numbers", int, NDArray[np.int64])

Met = dict[str, tuple[int, int]]
"""The objectives that a learner has met, in the order last met, with the number of judged answers and of wrong ones."""
Weights = list[list[object]]
"""[related id, weight 0..1] pairs."""

EARLIER_OBJECTIVES = 64
"""Only so many of the latest objectives met before are paired, which bounds the work per visit."""
RELATED = 16
PREDECESSORS = 3
PAIR_SUMS, BACKWARD = 7, 6
"""The number of sums of a pair in ObjectivePairs, and the place of the last among them."""
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

    def add(self, fold: int, visits: list[Visit], met: Met | None = None, sign: int = 1) -> None:
        """Counts one learner's visits, oldest first.

        Args:
            fold: the learner's.
            visits: those to count.
            met: what the learner had met before them; it is left as it is. None is nothing.
            sign: 1; -1 takes back what was counted before.
        """
        met = dict(met or {})
        keys: list[int] = []
        xs: list[int] = []
        ys: list[int] = []
        for visit in visits:
            if visit.prompted:
                continue
            if not visit.repeat and visit.answers >= FEWEST_ANSWERS and met:
                number = self._number_of(visit.objective_id)
                y = round(_SCALE * visit.accuracy)
                for earlier in list(met)[-EARLIER_OBJECTIVES:]:
                    answers, wrong = met[earlier]
                    keys.append(_key(number, self._number_of(earlier), fold))
                    xs.append(round(_SCALE * (answers - wrong + 1) / (answers + 2)))
                    ys.append(y)
            meet(met, visit)
        if keys:
            x, y_ = np.array(xs, np.int64), np.array(ys, np.int64)
            self._keys.append(np.array(keys, np.int64))
            self._sums.append(sign * np.stack([np.ones_like(x), x, y_, x * y_, x * x, y_ * y_], axis=1))
            self._pending += len(keys)
            if self._pending > _MERGE_AT:
                self._merge()

    def _number_of(self, objective_id: str) -> int:
        number = self._number.get(objective_id)
        if number is None:
            number = self._number[objective_id] = len(self._ids)
            self._ids.append(objective_id)
        return number

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

    def of_objectives(self) -> Iterator[tuple[str, ObjectivePairs]]:
        """The sums of each objective that is part of a pair, ordered by id."""
        keys, sums = self._merge()
        target, earlier, fold = _parts(keys)
        reverse = _key(earlier, target, fold)
        # The same pair met the other way round, in the same fold: it counts for both, and may be all that one has.
        at = np.minimum(np.searchsorted(keys, reverse), max(0, len(keys) - 1))
        there = keys[at] == reverse
        backward = np.where(there, sums[at, 0], 0)
        only_backward = np.zeros((int(np.count_nonzero(~there)), PAIR_SUMS), np.int64)
        only_backward[:, BACKWARD] = sums[~there, 0]
        keys = np.concatenate([keys, reverse[~there]])
        sums = np.concatenate([np.column_stack([sums, backward]), only_backward])
        order = np.argsort(keys, kind="stable")
        keys, sums = keys[order], sums[order]
        target, earlier, fold = _parts(keys)
        starts = np.searchsorted(target, np.arange(len(self._ids) + 1))
        for objective_id in sorted(self._ids):
            number = self._number[objective_id]
            rows = slice(starts[number], starts[number + 1])
            if rows.start < rows.stop:
                partners, position = np.unique(earlier[rows], return_inverse=True)
                ids = [self._ids[partner] for partner in partners]
                yield objective_id, ObjectivePairs(ids, position, fold[rows], sums[rows])


class ObjectivePairs(NamedTuple):
    """What is known of one objective and those met before it, in one row per other objective and fold.

    partners: ids of the other objectives. position, fold: of each row, its place in `partners` and its fold. sums: of
    each row n, x, y, xy, xx, yy, and how many learners met the pair the other way round.
    """

    partners: list[str]
    position: NDArray[np.int64]
    fold: NDArray[np.int64]
    sums: NDArray[np.int64]

    def plus(self, other: ObjectivePairs) -> ObjectivePairs:
        """The sums of both; rows in which nothing is left are dropped."""
        partners = list(dict.fromkeys([*self.partners, *other.partners]))
        place = {partner: number for number, partner in enumerate(partners)}
        moved = np.array([place[partner] for partner in other.partners], np.int64)[other.position]
        keys = np.concatenate([self.position, moved]) * FOLDS + np.concatenate([self.fold, other.fold])
        keys, at = np.unique(keys, return_inverse=True)
        sums = np.zeros((len(keys), PAIR_SUMS), np.int64)
        np.add.at(sums, at, np.concatenate([self.sums, other.sums]))
        left = sums.any(axis=1)
        return ObjectivePairs(partners, keys[left] // FOLDS, keys[left] % FOLDS, sums[left])


def relations_of(pairs: ObjectivePairs, crowds: Sequence[Sequence[int]]) -> Iterator[tuple[int, Weights, list[str]]]:
    """(Fold left out or EVERYBODY, [[related id, weight], ...], predecessor ids) of one objective.

    crowds: folds that are left out together. A fold that contributed nothing to the objective has no entry of its own,
    and the one of everybody is used for it.
    """
    met_before = pairs.sums[:, 0] > 0
    position, fold, sums = pairs.position[met_before], pairs.fold[met_before], pairs.sums[met_before]
    if not len(position):
        return
    present = np.unique(position).tolist()
    present.sort(key=pairs.partners.__getitem__)  # ties go by id, so that no learner's presence decides them
    ids = [pairs.partners[partner] for partner in present]
    place = np.zeros(len(pairs.partners), np.int64)
    place[present] = np.arange(len(present))
    by_fold = np.zeros((FOLDS, len(present), PAIR_SUMS), np.int64)
    by_fold[fold, place[position]] = sums
    total = by_fold.sum(axis=0)
    for crowd in crowds:
        by_fold[crowd] = by_fold[crowd].sum(axis=0)
    contributing = np.flatnonzero(by_fold.any(axis=(1, 2)))
    weight, precedence = _strengths(np.concatenate([total - by_fold[contributing], total[np.newaxis]]))
    strongest = np.argsort(-weight, axis=1, kind="stable")[:, :RELATED]
    first = np.argsort(-precedence, axis=1, kind="stable")[:, :PREDECESSORS]
    for row, left_out in enumerate((*contributing.tolist(), EVERYBODY)):
        related = [[ids[i], round(float(weight[row, i]), 4)] for i in strongest[row] if weight[row, i] > 0.005]
        yield left_out, related, [ids[i] for i in first[row] if precedence[row, i] > 0.02]


def meet(met: Met, visit: Visit) -> None:
    """Notes a visit among what the learner has met, as the latest."""
    if not visit.prompted:
        answers, wrong = met.pop(visit.objective_id, (0, 0))
        met[visit.objective_id] = answers + visit.judged, wrong + visit.wrong


def _key(number: Numbers, earlier: Numbers, fold: Numbers) -> Numbers:
    return (number << _EARLIER_BITS + _FOLD_BITS) | (earlier << _FOLD_BITS) | fold


def _parts(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The number of the objective, that of the earlier one, and the fold."""
    folds, numbers = (1 << _FOLD_BITS) - 1, (1 << _EARLIER_BITS) - 1
    return keys >> _EARLIER_BITS + _FOLD_BITS, (keys >> _FOLD_BITS) & numbers, keys & folds


def _strengths(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How well each partner's result predicts the objective's, and how surely it comes before it; both 0..1."""
    n, x, y, xy, xx, yy, backward = (counts[..., field].astype(float) for field in range(PAIR_SUMS))
    some = np.maximum(n, 1.0)
    covariance = xy / some - x / some * (y / some)
    spread = np.sqrt(np.maximum(0.0, xx / some - (x / some) ** 2) * np.maximum(0.0, yy / some - (y / some) ** 2))
    weight = np.clip(covariance / np.maximum(spread, 1.0), 0.0, 1.0) * n / (n + 30.0)
    share_before = (n + 1.0) / (n + backward + 2.0)
    return weight, weight * np.clip((share_before - 0.4) * 2.0, 0.0, 1.0)
