"""A trained model's answers to many feature vectors at once: the numbers of ml/scoring/trained.py, but no sentences.

Table look-ups and the sums over bags run over whole columns. Each operation is the same as in ml/scoring/scorecard.py
and ml/scoring/trained.py, and in the same order, so that the results are equal to the last bit
(tests/commands/test_batch.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.scoring.scorecard import LOGIT_BOUND, Deviations, SavedModel, Table
from ml.scoring.trained import INTERVAL_SPREADS, STATED_DOUBT, confidence_of, mean_square
from ml.study.scales import probability_of

POSITION = {name: position for position, name in enumerate(FEATURE_NAMES)}


class PlainPrediction(NamedTuple):
    """A prediction without its sentences; all four numbers are in 0..1."""

    probability: float
    confidence: float
    low: float
    high: float


class ManyAtOnce:
    """One trained model, whose tables are arranged for whole columns of values."""

    def __init__(self, saved: SavedModel) -> None:
        self._saved = saved
        card = saved.scorecard
        slope, offset = card.calibration
        self._slope = slope
        self._intercept = slope * card.intercept + offset
        self._tables = [(j, _Lookup(table)) for j, table in enumerate(card.tables) if not _is_flat_zero(table)]
        self._stated = [j for j, table in enumerate(card.tables) if table.stated]
        self._spread = [(j, _Departures(each)) for j, each in enumerate(card.spread) if any(each.rows)]

    def judge(self, vectors: Sequence[FeatureVector]) -> list[PlainPrediction]:
        """The model's answer to each vector, in their order."""
        if not vectors:
            return []
        vectors = [self._saved.scorecard.seen(vector) for vector in vectors]
        columns, missing = _columns(vectors)
        contributions = np.zeros((len(vectors), len(FEATURE_NAMES)))
        for j, lookup in self._tables:
            contributions[:, j] = self._slope * lookup.at(columns[j], missing[j])
        # Python's own sum: from 3.12 on it carries a correction that numpy's does not
        logits = [self._intercept + sum(row) for row in contributions.tolist()]
        bags = self._bags(columns, missing, logits)
        return [
            self._answer(vector, logit, bag_logits, row)
            for vector, logit, bag_logits, row in zip(vectors, logits, bags, contributions)
        ]

    def _bags(
        self, columns: NDArray[np.float64], missing: NDArray[np.bool_], logits: Sequence[float]
    ) -> Iterable[list[float]]:
        intercepts = self._saved.scorecard.bag_intercepts
        totals = np.tile(np.array(intercepts, np.float64), (len(logits), 1))
        for j, departures in self._spread:
            totals += departures.at(columns[j], missing[j])
        each: list[list[float]] = (np.array(logits)[:, None] + self._slope * totals).tolist()
        return each

    def _answer(
        self, vector: FeatureVector, logit: float, bag_logits: Sequence[float], contributions: NDArray[np.float64]
    ) -> PlainPrediction:
        card = self._saved.scorecard
        if abs(logit) > LOGIT_BOUND:
            score = card.score(vector)
            logit, bag_logits = score.logit, card.bag_logits(vector, score.logit)
            stated = card.stated_part(score.contributions)
        else:
            stated = sqrt(sum(c * c for c in contributions[self._stated].tolist())) if self._stated else 0.0
        spread = sqrt(mean_square(bag_logits, logit) + (STATED_DOUBT * stated) ** 2)
        reach = INTERVAL_SPREADS * sqrt(spread**2 + self._saved.level_spread(vector) ** 2)
        probability = probability_of(logit)
        return PlainPrediction(
            probability,
            confidence_of(probability, spread, vector),
            probability_of(logit - reach),
            probability_of(logit + reach),
        )


class _Lookup:
    """Table.at over a column."""

    def __init__(self, table: Table) -> None:
        self._edges = np.array(table.edges, np.float64)
        self._values = np.array(table.values, np.float64)
        self._slopes = np.array(table.slopes, np.float64) if table.slopes else None
        self._missing = table.missing

    def at(self, column: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.float64]:
        segment = np.searchsorted(self._edges, column, side="left")
        found = self._values[segment]
        if self._slopes is not None:
            found = found + self._slopes[segment] * column
        return np.where(missing, self._missing, found)


class _Departures:
    """Deviations.at over a column: one row of bags per entry."""

    def __init__(self, deviations: Deviations) -> None:
        self._edges = np.array(deviations.edges, np.float64)
        self._rows = np.array(deviations.rows, np.float64).reshape(-1, deviations.bags)

    def at(self, column: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.float64]:
        row = np.where(missing, len(self._edges) + 1, np.searchsorted(self._edges, column, side="left"))
        return self._rows[row]


def _columns(vectors: Sequence[FeatureVector]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(values, missing), each len(FEATURE_NAMES) x n."""
    columns = np.array([vector.values for vector in vectors], np.float64).T.copy()
    missing = np.zeros(columns.shape, np.bool_)
    for n, vector in enumerate(vectors):
        missing[[POSITION[name] for name in vector.defaulted], n] = True
    return columns, missing


def _is_flat_zero(table: Table) -> bool:
    return not (any(table.values) or any(table.slopes) or table.missing)
