"""Intervals of proportions and means over rows that belong to learners.

Proportions: Wilson's interval at the effective sample size, which allows for clustering by learner (Korn & Graubard
1998), which also holds near 0 and 1, where a bootstrap has nothing to resample. Means: the studentised learner
bootstrap.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from ml.evaluation.bootstrap import Interval, Learners, student, studentised
from ml.evaluation.metrics import Floats

_TINY = 1e-12


def proportion_interval(numerator: Floats, denominator: Floats, learners: Learners, level: float) -> Interval | None:
    """Wilson's interval of sum(numerator) / sum(denominator), both 0 or 1 per row; None where the denominator is 0.

    The clustering shrinks n to p(1-p) / variance, never beyond n itself; the quantile is Student's at the effective
    number of learners. Where all rows agree, no clustering can be seen, and each learner counts as one row.
    """
    hits = np.bincount(learners.code, weights=numerator, minlength=learners.count)
    rows = np.bincount(learners.code, weights=denominator, minlength=learners.count)
    n = float(rows.sum())
    if not n:
        return None
    present = int((rows > 0).sum())
    effective = n * n / float((rows * rows).sum())
    p = float(hits.sum()) / n
    if present < 2:
        return None
    residuals = hits - p * rows
    variance = present / (present - 1.0) * float((residuals * residuals).sum()) / (n * n)
    size = min(n, p * (1.0 - p) / variance) if variance > _TINY / n and 0.0 < p < 1.0 else effective
    z = student((1.0 + level) / 2.0, effective - 1.0)
    centre = (p + z * z / (2.0 * size)) / (1.0 + z * z / size)
    half = z / (1.0 + z * z / size) * sqrt(p * (1.0 - p) / size + z * z / (4.0 * size * size))
    # p lies inside, to the last digit
    return Interval(max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))


def ratio_interval(numerator: Floats, denominator: Floats, learners: Learners, level: float) -> Interval | None:
    """Bootstrap-t interval of sum(numerator) / sum(denominator): a mean loss, a mean difference."""
    sample = _ratio_sample(numerator, denominator, learners)
    return studentised(*sample, level, learners.units) if sample else None


def _ratio_sample(
    numerator: Floats, denominator: Floats, learners: Learners
) -> tuple[float, float, Floats, Floats] | None:
    num, den = learners.totals(numerator), learners.totals(denominator)
    whole = float(den.sum())
    if learners.units < 2 or whole <= 0.0:
        return None
    ratio = float(num.sum()) / whole
    error = sqrt(learners.units / (learners.units - 1.0) * float(((num - ratio * den) ** 2).sum())) / whole
    sums = learners.draws @ np.column_stack((num, den, num * num, num * den, den * den))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sums[:, 0] / sums[:, 1]
        squares = sums[:, 2] - 2.0 * ratios * sums[:, 3] + ratios * ratios * sums[:, 4]
        correction = learners.units / (learners.units - 1.0)
        errors = np.sqrt(np.maximum(squares, 0.0) * correction) / sums[:, 1]
    return ratio, error, ratios, errors
