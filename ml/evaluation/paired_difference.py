"""Two models on the same rows: the paired difference of a figure, with learner-bootstrap bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ml.evaluation import metrics
from ml.evaluation.auc_intervals import auc_difference_interval
from ml.evaluation.bootstrap import Interval, Learners
from ml.evaluation.figures import BOOTSTRAP, LEVEL, THRESHOLD, Ids, forecast
from ml.evaluation.metrics import Floats
from ml.evaluation.proportion_intervals import ratio_interval


class Difference(NamedTuple):
    """The challenger's figure minus the champion's. low..high is two-sided; lower and upper are one-sided bounds."""

    value: float | None
    low: float | None
    high: float | None
    lower: float | None
    upper: float | None
    n: int
    learners: int
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {key: each for key, each in self._asdict().items() if key != "reason" or each}


def paired_difference(
    labels: Sequence[float] | Floats,
    champion: Sequence[float] | Floats,
    challenger: Sequence[float] | Floats,
    learners: Ids,
    *,
    metric: str = "log_loss",
    threshold: float = THRESHOLD,
    level: float = LEVEL,
    bootstrap: int = BOOTSTRAP,
    seed: int = 0,
) -> Difference:
    """How the challenger's figure differs from the champion's on the same rows. Both give probabilities in 0..1.

    metric: log_loss, brier, accuracy, recall, auc or ece. `upper < 0` on log_loss is the one-sided proof that the
    challenger is better; `lower > -margin` on recall, that it is not worse beyond the margin. Raises ValueError for
    another metric or for inputs that evaluate would refuse.
    """
    y, before = forecast(labels, champion)
    _, after = forecast(labels, challenger)
    if len(learners) != len(y):
        raise ValueError("labels and learners must have the same length")
    who = Learners(learners, bootstrap, seed)
    if metric == "auc":
        return _auc_difference(y, before, after, who, level)
    if metric == "ece":
        return _ece_difference(y, before, after, who, level)
    if metric not in _ROWWISE:
        raise ValueError(f"no paired difference of {metric!r}")
    rows = y if metric == "recall" else np.ones_like(y)
    change = (_ROWWISE[metric](y, after, threshold) - _ROWWISE[metric](y, before, threshold)) * rows
    nothing = "nobody struggled" if metric == "recall" else "no predictions"
    value, n = metrics.share(change, rows), int(rows.sum())
    return _difference(value, lambda at: ratio_interval(change, rows, who, at), n, who, level, nothing)


_ROWWISE: dict[str, Callable[[Floats, Floats, float], Floats]] = {
    "log_loss": lambda y, p, _: metrics.log_losses(y, p),
    "brier": lambda y, p, _: metrics.squared_errors(y, p),
    "accuracy": lambda y, p, threshold: ((p >= threshold) == (y > 0)).astype(np.float64),
    "recall": lambda y, p, threshold: (p >= threshold).astype(np.float64),
}


def _auc_difference(y: Floats, before: Floats, after: Floats, who: Learners, level: float) -> Difference:
    earlier, later = metrics.roc_auc(y, before), metrics.roc_auc(y, after)
    value = later - earlier if earlier is not None and later is not None else None
    return _difference(
        value,
        lambda at: auc_difference_interval(y, before, after, who, at),
        len(y),
        who,
        level,
        "needs struggles and non-struggles",
    )


def _ece_difference(y: Floats, before: Floats, after: Floats, who: Learners, level: float) -> Difference:
    """Percentile bootstrap over fixed bins: the noise that inflates an ECE inflates both and cancels."""
    errors = [metrics.calibration_error(metrics.reliability(y, p)) for p in (before, after)]
    if errors[0] is None or errors[1] is None:
        return _difference(None, lambda _: None, 0, who, level, "no predictions")
    draws = who.draws
    rows = draws @ who.totals(np.ones_like(y))
    resampled = [np.abs(draws @ _gaps_by_bin(y, p, who)).sum(axis=1) / rows for p in (before, after)]
    change = resampled[1] - resampled[0]

    def interval(at: float) -> Interval | None:
        if who.units < 2:
            return None
        low, high = np.quantile(change, [(1.0 - at) / 2.0, (1.0 + at) / 2.0])
        return Interval(float(low), float(high))

    return _difference(errors[1] - errors[0], interval, len(y), who, level, "")


def _gaps_by_bin(y: Floats, p: Floats, who: Learners) -> Floats:
    """[unit, bin]: the sum of probability minus label."""
    edges = np.percentile(p, np.linspace(0.0, 100.0, metrics.BINS + 1))
    place = np.searchsorted(edges[1:-1], p)
    sums = np.bincount(who.unit * metrics.BINS + place, weights=p - y, minlength=who.units * metrics.BINS)
    return sums.reshape(who.units, metrics.BINS).astype(np.float64)


def _difference(
    value: float | None,
    interval: Callable[[float], Interval | None],
    n: int,
    who: Learners,
    level: float,
    nothing: str,
) -> Difference:
    if value is None:
        return Difference(None, None, None, None, None, n, who.count, nothing)
    two_sided, one_sided = interval(level), interval(2.0 * level - 1.0)
    if two_sided is None or one_sided is None:
        return Difference(value, None, None, None, None, n, who.count, "an interval needs two learners")
    return Difference(value, two_sided.low, two_sided.high, one_sided.low, one_sided.high, n, who.count)
