"""The learner bootstrap: whole learners are resampled, since the visits of one learner resemble each other.

Intervals are studentised (bootstrap-t; Davison & Hinkley 1997, ch. 5): each resample has its own standard error,
computed from the learners' influence values, so that all resamples are one matrix product.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from ml.evaluation.metrics import Floats, Integers

UNITS = 1000
"""More learners than this are merged at random into this many units, which stay independent and keep matrices small."""

_TINY = 1e-12


class Interval(NamedTuple):
    """Bounds of a two-sided confidence interval."""

    low: float
    high: float


class Learners:
    """Which rows belong together. `code` numbers the learner of each row, `unit` what is resampled."""

    def __init__(self, ids: object, resamples: int, seed: int) -> None:
        self.code = numbered(np.asarray(ids))
        self.count = int(self.code.max()) + 1 if len(self.code) else 0
        self.resamples = resamples
        self.seed = seed
        self.units = min(self.count, UNITS)
        if self.count > UNITS:
            merged = np.random.default_rng([seed, 1]).permutation(self.count) % UNITS
            self.unit: Integers = merged[self.code].astype(np.int64)
        else:
            self.unit = self.code

    def totals(self, values: Floats) -> Floats:
        """The sum over each unit's rows."""
        return np.bincount(self.unit, weights=values, minlength=self.units).astype(np.float64)

    @property
    def draws(self) -> Floats:
        """How often each resample (row) contains each unit (column)."""
        return draws(self.units, self.resamples, self.seed)


def numbered(ids: npt.NDArray[Any]) -> Integers:
    """The ids as numbers 0, 1, 2, ... in their order."""
    if ids.dtype.kind in "iu" and len(ids) and ids.min() >= 0 and ids.max() < 10 * len(ids):
        present = np.zeros(int(ids.max()) + 1, dtype=np.int64)  # small numbers need no sorting
        present[ids] = 1
        return np.asarray((np.cumsum(present) - 1)[ids])
    return np.asarray(np.unique(ids, return_inverse=True)[1], dtype=np.int64)


@lru_cache(maxsize=4)
def draws(units: int, resamples: int, seed: int) -> Floats:
    """[resample, unit]: how often the unit is drawn; there are as many draws as units, with replacement."""
    rng = np.random.default_rng([seed, 2])
    drawn = rng.multinomial(units, np.full(units, 1.0 / units), size=resamples).astype(np.float64)
    drawn.flags.writeable = False
    return drawn


def studentised(
    centre: float, error: float, centres: Floats, errors: Floats, level: float, units: int
) -> Interval | None:
    """The studentised interval around `centre`, from resampled centres and errors; Student's where they degenerate."""
    if not np.isfinite(error) or error < 0.0:
        return None
    if error < _TINY * (1.0 + abs(centre)):
        return Interval(centre, centre)
    tail = (1.0 - level) / 2.0
    usable = np.isfinite(centres) & np.isfinite(errors) & (errors > 1e-3 * error)
    if usable.mean() < 0.98 or usable.sum() * tail < 5.0:
        reach = student(1.0 - tail, units - 1.0) * error
        return Interval(centre - reach, centre + reach)
    pivots = (centres[usable] - centre) / errors[usable]
    low, high = np.quantile(pivots, [tail, 1.0 - tail], method="weibull")
    return Interval(centre - float(high) * error, centre - float(low) * error)


def student(quantile: float, degrees: float) -> float:
    """The quantile of Student's t distribution, with at least one degree of freedom."""
    return float(stdtrit(max(degrees, 1.0), quantile))
