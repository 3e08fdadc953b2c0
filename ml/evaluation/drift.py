"""Have the features changed between two periods by more than chance explains, and by enough to matter?

The distance of two distributions is sum((p - q)^2 / mean(p, q)) over their bins, with a bin of their own for missing
values. To second order it is the population stability index, but it is finite where a bin is empty. A fixed limit on it
means nothing (PSI exceeds 0.1 without any drift in 87 % of runs at n = 50), so each distance is compared with the
distances that the same learners show by chance. These come from a centred learner bootstrap, in which the largest
distance over all features counts. Where no feature has drifted, one report out of twenty then raises a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.evaluation.bootstrap import UNITS, draws
from ml.evaluation.metrics import Floats, Integers

CELLS = 200
"""Values 0..1 are kept as counts in this many cells; one more cell counts the missing ones."""

BINS = 10
MATERIAL = 0.1
"""The distance that a shift of a normal distribution by a third of its standard deviation makes; less is ignored."""

Counts = npt.NDArray[np.int32]


class FeatureDrift(NamedTuple):
    """One feature in both periods. `by_chance` is the mean distance without drift, `limit` its family-wise 95 %."""

    feature: str
    distance: float
    by_chance: float
    limit: float
    mean_before: float | None
    mean_after: float | None
    missing_before: float
    missing_after: float

    @property
    def beyond_chance(self) -> bool:
        """Whether chance would make such a distance in fewer than one report out of twenty."""
        return self.distance > self.limit

    @property
    def drifted(self) -> bool:
        """Whether the change is beyond chance and large enough to matter."""
        return self.beyond_chance and self.distance - self.by_chance >= MATERIAL

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {**self._asdict(), "beyond_chance": self.beyond_chance, "drifted": self.drifted}


class FeatureCounts:
    """Distributions of the features by learner, counted as rows stream by; many learners share a unit."""

    def __init__(self, features: Sequence[str]) -> None:
        self.features = tuple(features)
        self.rows = 0
        self._counts: Counts = np.zeros((64, len(self.features), CELLS + 1), dtype=np.int32)
        self._units = 0

    def add(self, learners: Integers, values: Floats) -> None:
        """learners[i]: 0, 1, 2, ...; values[i]: each feature's value 0..1, NaN where it is missing."""
        if not len(learners):
            return
        units = learners % UNITS
        self._units = max(self._units, int(units.max()) + 1)
        while len(self._counts) < self._units:
            self._counts = np.concatenate((self._counts, np.zeros_like(self._counts)))
        missing = np.isnan(values)
        cells = np.where(missing, CELLS, np.clip(np.where(missing, 0.0, values) * CELLS, 0, CELLS - 1)).astype(np.intp)
        place = (units[:, None] * len(self.features) + np.arange(len(self.features))) * (CELLS + 1) + cells
        np.add.at(self._counts.reshape(-1), place.reshape(-1), np.int32(1))  # another type would be 70 times slower
        self.rows += len(learners)

    def by_unit(self, units: int) -> Counts:
        """[unit, feature, cell] for so many units."""
        held = self._counts[: min(units, len(self._counts))]
        if len(held) == units:
            return held
        return np.concatenate((held, np.zeros((units - len(held), *held.shape[1:]), dtype=np.int32)))

    @property
    def units(self) -> int:
        """The number of the last unit that has rows, plus one."""
        return self._units


def feature_drift(
    before: FeatureCounts, after: FeatureCounts, *, bootstrap: int = 1000, seed: int = 0
) -> tuple[FeatureDrift, ...]:
    """Each feature's distance between the periods, the farthest beyond chance first.

    The same learner must have the same number in both. Raises ValueError where either period is empty.
    """
    if not before.rows or not after.rows or before.features != after.features:
        raise ValueError("drift needs the same features in two periods with rows")
    units = max(before.units, after.units)
    cells = [period.by_unit(units) for period in (before, after)]
    totals = [each.sum(axis=0) for each in cells]
    binned = [np.empty((units, 0)), np.empty((units, 0))]
    starts = []
    for feature in range(len(before.features)):
        bins = _bins(totals[0][feature] + totals[1][feature])
        starts.append(binned[0].shape[1])
        binned = [
            np.concatenate((done, np.add.reduceat(each[:, feature], bins, axis=1)), axis=1)
            for done, each in zip(binned, cells)
        ]
    shares = [each.sum(axis=0) / period.rows for each, period in zip(binned, (before, after))]
    middle = np.maximum((shares[0] + shares[1]) / 2.0, 1e-300)  # a bin that both lack weighs nothing
    distance = np.add.reduceat((shares[1] - shares[0]) ** 2 / middle, starts)
    drawn = draws(units, bootstrap, seed)
    rows = [each[:, 0].sum(axis=1).astype(np.float64) for each in cells]
    chance = [_by_chance(drawn, *each) for each in zip(binned, rows, shares)]
    # Resampled shares vary by (units - 1) / units of what new learners would.
    by_chance = np.add.reduceat((chance[1] - chance[0]) ** 2 / middle, starts, axis=1) * (units / max(units - 1.0, 1.0))
    typical = np.maximum(by_chance.mean(axis=0), 1e-15)
    largest = float(np.quantile((by_chance / typical).max(axis=1), 0.95, method="weibull"))
    found = (
        FeatureDrift(
            name,
            float(distance[k]),
            float(typical[k]),
            float(typical[k]) * largest,
            _mean(totals[0][k]),
            _mean(totals[1][k]),
            float(totals[0][k, CELLS] / before.rows),
            float(totals[1][k, CELLS] / after.rows),
        )
        for k, name in enumerate(before.features)
    )
    # Where the same learners did the same in both periods, chance moves nothing, and the limit is 0.
    return tuple(sorted(found, key=lambda each: -each.distance / max(each.limit, 1e-15)))


def _bins(counts: Counts) -> Integers:
    """The starts of about ten bins of equal count, where a value that many rows share has its own, then the missing."""
    known = counts[:CELLS].cumsum()
    if not known[-1]:
        return np.array([0, CELLS], dtype=np.int64)
    edges = np.searchsorted(known, np.arange(1, BINS) * known[-1] / BINS) + 1
    return np.unique(np.concatenate(([0], edges[edges < CELLS], [CELLS]))).astype(np.int64)


def _by_chance(drawn: Floats, binned: Floats, rows: Floats, shares: Floats) -> Floats:
    """How far each resample's shares (columns) fall from the true ones; a resample without rows has distance 0."""
    drawn_rows = drawn @ rows
    resampled = drawn @ binned / np.maximum(drawn_rows, 1.0)[:, None]
    return np.where(drawn_rows[:, None] > 0, resampled - shares, 0.0)


def _mean(counts: Counts) -> float | None:
    known = counts[:CELLS]
    return float(((np.arange(CELLS) + 0.5) / CELLS * known).sum() / known.sum()) if known.sum() else None
