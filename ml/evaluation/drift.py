"""Have the features changed between two periods by more than chance explains, and by enough to matter?

The distance of two distributions is sum((p - q)^2 / mean(p, q)) over their bins, with a bin of their own for missing
values. To second order it is the population stability index, but it is finite where a bin is empty. A fixed limit on it
means nothing (PSI exceeds 0.1 without any drift in 87 % of runs at n = 50), so each distance is compared with the
distances that the same learners show by chance, and only rows of a like kind are compared (of the same length of
history): a platform whose learners have all answered more than before has not drifted. What chance does comes from a
centred learner bootstrap, in which the largest distance over all features counts. Where no feature has drifted, one
report out of twenty then shows a change beyond chance; an alert needs more, by as much as its share of false alarms
asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml.evaluation.bootstrap import UNITS, draws
from ml.evaluation.metrics import Floats, Integers

CELLS = 200
"""Values 0..1 are kept as counts in this many cells; one more cell counts the missing ones."""

BINS = 10
MATERIAL = 0.1
"""The distance that a shift of a normal distribution by a third of its standard deviation makes; less is ignored."""

FEWEST_OF_A_STRATUM = 20
"""A stratum with fewer rows in either period is left out of the comparison."""

Cells = npt.NDArray[np.uint8]


class FeatureDrift(NamedTuple):
    """One feature in both periods.

    `by_chance` is the mean distance without drift, `limit` its family-wise 95 %, and `proof` the distance that an alert
    needs, which chance exceeds in as few reports as an alert's share of false alarms allows.
    """

    feature: str
    distance: float
    by_chance: float
    limit: float
    proof: float
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

    @property
    def proven(self) -> bool:
        """Whether the change is enough for an alert by itself."""
        return self.drifted and self.distance > self.proof

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {**self._asdict(), "beyond_chance": self.beyond_chance, "drifted": self.drifted}


class FeatureCounts:
    """A sample of the features, kept as rows stream by: a byte for each value."""

    def __init__(self, features: Sequence[str]) -> None:
        self.features = tuple(features)
        self.rows = 0
        self._parts: list[tuple[Integers, Cells, Integers]] = []

    def add(self, learners: Integers, values: Floats, strata: Integers | None = None) -> None:
        """learners[i]: 0, 1, 2, ...; values[i]: each feature's value 0..1, NaN where it is missing.

        strata[i]: a number of the row, such as that of its history's length; only rows of one number are compared.
        """
        if not len(learners):
            return
        missing = np.isnan(values)
        cells = np.where(missing, CELLS, np.clip(np.where(missing, 0.0, values) * CELLS, 0, CELLS - 1))
        of_one = np.zeros(len(learners), dtype=np.int64) if strata is None else strata
        self._parts.append((learners % UNITS, cells.astype(np.uint8), of_one))
        self.rows += len(learners)

    def sample(self) -> Sample:
        """Everything that was added."""
        units, cells, strata = zip(*self._parts)
        return Sample(np.concatenate(units), np.concatenate(cells), np.concatenate(strata))


class Sample(NamedTuple):
    """Rows of features. unit: whom a row belongs to, many learners to one unit; cells: [row, feature]."""

    unit: Integers
    cells: Cells
    stratum: Integers

    def kept(self, strata: Integers) -> Sample:
        """The rows of these strata."""
        rows = np.isin(self.stratum, strata)
        return Sample(self.unit[rows], self.cells[rows], self.stratum[rows])


def feature_drift(
    before: FeatureCounts, after: FeatureCounts, *, risk: float = 0.05, bootstrap: int = 1000, seed: int = 0
) -> tuple[FeatureDrift, ...]:
    """Each feature's distance between the periods, the farthest beyond chance first; none where nothing is comparable.

    Only strata that both periods have are compared, and the rows before are weighted so that each stratum has the share
    that it has after. The same learner must have the same number in both. Raises ValueError where either period is
    empty.
    """
    if not before.rows or not after.rows or before.features != after.features:
        raise ValueError("drift needs the same features in two periods with rows")
    samples = [before.sample(), after.sample()]
    strata = _in_both(*samples)
    if not len(strata):
        return ()
    samples = [each.kept(strata) for each in samples]
    weights = [_like(*samples), np.ones(len(samples[1].unit))]
    units = max(int(each.unit.max()) + 1 for each in samples)
    counts = [
        np.stack([_sums(column, weight, CELLS + 1) for column in each.cells.T])
        for each, weight in zip(samples, weights)
    ]
    binned: list[list[Floats]] = [[], []]
    starts, columns = [], 0
    for feature in range(len(before.features)):
        bins = _bins(counts[0][feature] + counts[1][feature])
        bin_of = np.searchsorted(bins, np.arange(CELLS + 1), side="right") - 1
        for each, weight, found_so_far in zip(samples, weights, binned):
            address = each.unit * len(bins) + bin_of[each.cells[:, feature]]
            found_so_far.append(_sums(address, weight, units * len(bins)).reshape(units, -1))
        starts.append(columns)
        columns += len(bins)
    tables = [np.concatenate(each, axis=1) for each in binned]
    rows = [_sums(each.unit, weight, units) for each, weight in zip(samples, weights)]
    shares = [each.sum(axis=0) / of_unit.sum() for each, of_unit in zip(tables, rows)]
    middle = np.maximum((shares[0] + shares[1]) / 2.0, 1e-300)  # a bin that both lack weighs nothing
    distance = np.add.reduceat((shares[1] - shares[0]) ** 2 / middle, starts)
    drawn = draws(units, bootstrap, seed)
    chance = [_by_chance(drawn, *each) for each in zip(tables, rows, shares)]
    # Resampled shares vary by (units - 1) / units of what new learners would.
    by_chance = np.add.reduceat((chance[1] - chance[0]) ** 2 / middle, starts, axis=1) * (units / max(units - 1.0, 1.0))
    typical = np.maximum(by_chance.mean(axis=0), 1e-15)
    largest = (by_chance / typical).max(axis=1)
    limit, proof = float(np.quantile(largest, 0.95, method="weibull")), max(_quantile(largest, 1.0 - risk), 1.0)
    found = (
        FeatureDrift(
            name,
            float(distance[k]),
            float(typical[k]),
            float(typical[k]) * limit,
            float(typical[k]) * max(proof, limit),
            _mean(counts[0][k]),
            _mean(counts[1][k]),
            float(counts[0][k, CELLS] / counts[0][k].sum()),
            float(counts[1][k, CELLS] / counts[1][k].sum()),
        )
        for k, name in enumerate(before.features)
    )
    # Where the same learners did the same in both periods, chance moves nothing, and the limit is 0.
    return tuple(sorted(found, key=lambda each: -each.distance / max(each.limit, 1e-15)))


def _sums(place: npt.NDArray[np.integer[Any]], weight: Floats, places: int) -> Floats:
    return np.bincount(place, weights=weight, minlength=places).astype(np.float64)


def _in_both(before: Sample, after: Sample) -> Integers:
    """The strata that have enough rows in both; a single stratum is compared however small."""
    sizes = [dict(zip(*np.unique(each.stratum, return_counts=True))) for each in (before, after)]
    common = [each for each in sizes[0] if each in sizes[1]]
    if len(set(sizes[0]) | set(sizes[1])) > 1:
        common = [each for each in common if min(sizes[0][each], sizes[1][each]) >= FEWEST_OF_A_STRATUM]
    return np.array(common, dtype=np.int64)


def _like(before: Sample, after: Sample) -> Floats:
    """The weights of the rows before under which each stratum has its share of the rows after."""
    _, place, sizes = np.unique(before.stratum, return_inverse=True, return_counts=True)
    wanted = np.unique(after.stratum, return_counts=True)[1]
    weight = (wanted / len(after.stratum)) / (sizes / len(before.stratum))
    return np.asarray(weight[place])


def _quantile(largest: Floats, level: float) -> float:
    """A quantile of the largest ratio, also far beyond the resamples: that of the Gumbel distribution with its moments,
    which maxima of many features follow, and never less than the resamples' own."""
    scale = float(largest.std()) * 6.0**0.5 / np.pi
    far = float(largest.mean()) - 0.5772 * scale - scale * float(np.log(-np.log(level)))
    return float(max(far, np.quantile(largest, min(level, 0.995), method="weibull")))


def _bins(counts: Floats) -> Integers:
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


def _mean(counts: Floats) -> float | None:
    known = counts[:CELLS]
    return float(((np.arange(CELLS) + 0.5) / CELLS * known).sum() / known.sum()) if known.sum() else None
