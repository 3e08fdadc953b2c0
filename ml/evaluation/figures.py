"""How good a set of predictions was: each figure with its interval and number of rows, or the reason why it is absent.

scripts/evaluate_model.py, scripts/monitor.py and ml/evaluation/promotion.py share it. The figures are computed in
metrics.py, their intervals in proportion_intervals.py, auc_intervals.py and calibration_intervals.py, all by the
learner bootstrap of bootstrap.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml.evaluation import metrics
from ml.evaluation.auc_intervals import auc_interval
from ml.evaluation.bootstrap import Interval, Learners
from ml.evaluation.calibration_intervals import calibration_intervals
from ml.evaluation.metrics import Floats, Integers, ReliabilityBin
from ml.evaluation.proportion_intervals import proportion_interval, ratio_interval
from ml.study.scales import PLATFORM

Ids = Sequence[object] | npt.NDArray[Any]

LEVEL = 0.95
BOOTSTRAP = 1000
THRESHOLD = 0.5
UNBOUNDED = Interval(-np.inf, np.inf)
LEAST_FOR_RANKING = 10
"""Struggles, and as many other rows, below which an interval of the AUC would hold the truth too rarely."""
TOO_FEW = f"too few: an interval needs {LEAST_FOR_RANKING} struggles and {LEAST_FOR_RANKING} others"


class Figure(NamedTuple):
    """One figure. low..high: its interval. n, learners: what it rests on. reason: why any of these is None."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    learners: int
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """The JSON form; reason only where there is one."""
        return {key: each for key, each in self._asdict().items() if key != "reason" or each}


class Evaluation(NamedTuple):
    """All figures of one set of predictions.

    figures: struggle_rate, auc, log_loss, brier, ece, calibration_slope, calibration_intercept and calibration_gap
    (mean probability minus struggle rate). decisions: per threshold (0.4, 0.5, 0.7 and the chosen one) accuracy,
    recall, precision and flagged (share of rows at or above it). `threshold` is the chosen one. The ECE has no
    interval: `ece_noise_floor` is what a perfectly calibrated forecast of this size would show.
    """

    n: int
    struggles: int
    learners: int
    threshold: float
    figures: Mapping[str, Figure]
    decisions: Mapping[float, Mapping[str, Figure]]
    reliability: tuple[ReliabilityBin, ...]
    ece_noise_floor: float | None

    def figure(self, name: str) -> Figure:
        """A figure by its name; accuracy, recall, precision and flagged are those at the chosen threshold."""
        return self.figures.get(name) or self.decisions[self.threshold][name]

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {
            "n": self.n,
            "struggles": self.struggles,
            "learners": self.learners,
            "threshold": self.threshold,
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "decisions": {
                str(threshold): {name: figure.to_dict() for name, figure in at.items()}
                for threshold, at in self.decisions.items()
            },
            "reliability": [each._asdict() for each in self.reliability],
            "ece_noise_floor": self.ece_noise_floor,
        }


def evaluate(
    labels: Sequence[float] | Floats,
    probabilities: Sequence[float] | Floats,
    learners: Ids,
    *,
    threshold: float = THRESHOLD,
    level: float = LEVEL,
    bootstrap: int = BOOTSTRAP,
    seed: int = 0,
    comparable: Integers | None = None,
) -> Evaluation:
    """Compare predictions with outcomes. Row i: labels[i] 0 or 1 (bool will do), probabilities[i] 0..1, learners[i].

    comparable: a number of each row, where the AUC may only compare rows of one number (ml/training/learner_groups.py).
    The same input and seed give the same answer. bootstrap=0 gives figures without intervals. Empty, one-class and
    one-learner inputs give None with a reason. Raises ValueError where lengths differ or values are out of range.
    """
    y, p = forecast(labels, probabilities)
    if len(learners) != len(y):
        raise ValueError("labels and learners must have the same length")
    who = Learners(learners, bootstrap, seed)
    thresholds = sorted({PLATFORM.medium_from, THRESHOLD, PLATFORM.high_from, threshold})
    diagram = metrics.reliability(y, p)
    return Evaluation(
        n=len(y),
        struggles=int(y.sum()),
        learners=who.count,
        threshold=threshold,
        figures=_forecast_figures(y, p, diagram, who, level, comparable),
        decisions={each: _decision_figures(y, (p >= each).astype(np.float64), who, level) for each in thresholds},
        reliability=diagram,
        ece_noise_floor=metrics.calibration_noise_floor(diagram),
    )


def forecast(labels: Sequence[float] | Floats, probabilities: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    """Returns labels and probabilities as arrays of floats.

    Raises ValueError where a label is not 0 or 1 or a probability not in 0..1.
    """
    y = np.asarray(labels, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise ValueError("labels and probabilities must be flat and have the same length")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("labels must be 0 or 1")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError("probabilities must be numbers from 0 to 1")
    return y, p


def _forecast_figures(
    y: Floats,
    p: Floats,
    diagram: tuple[ReliabilityBin, ...],
    who: Learners,
    level: float,
    comparable: Integers | None,
) -> dict[str, Figure]:
    n, no_ranking = len(y), "needs struggles and non-struggles"
    auc = metrics.roc_auc(y, p) if comparable is None else metrics.grouped_roc_auc(y, p, comparable)
    enough = min(int(y.sum()), n - int(y.sum())) >= LEAST_FOR_RANKING
    ranked = auc_interval(y, p, auc, who, level, comparable) if auc is not None and enough and who.resamples else None
    ranking = _figure(auc, ranked, who, n, no_ranking)
    if auc is not None and not enough:
        ranking = ranking._replace(reason=TOO_FEW)
    line = metrics.calibration_line(y, p) if n else None
    slope, intercept = calibration_intervals(y, p, line, who, level) if line and who.resamples else (None, None)
    ece = metrics.calibration_error(diagram)
    no_interval = "no interval: compare with its noise floor" if n else "no predictions"
    no_line = no_ranking if auc is None else "no finite line: the probabilities are all equal or separate the outcomes"
    return {
        "struggle_rate": proportion_figure(y, np.ones_like(y), who, level),
        "auc": ranking,
        "log_loss": mean_figure(metrics.log_losses(y, p), who, level, Interval(0.0, np.inf)),
        "brier": mean_figure(metrics.squared_errors(y, p), who, level, Interval(0.0, 1.0)),
        "ece": Figure(ece, None, None, n, who.count, no_interval),
        "calibration_slope": _figure(line.slope if line else None, slope, who, n, no_line),
        "calibration_intercept": _figure(line.intercept if line else None, intercept, who, n, no_line),
        "calibration_gap": mean_figure(p - y, who, level, Interval(-1.0, 1.0)),
    }


def _decision_figures(y: Floats, flagged: Floats, who: Learners, level: float) -> dict[str, Figure]:
    every = np.ones_like(y)
    return {
        "accuracy": proportion_figure((flagged == y).astype(np.float64), every, who, level),
        "recall": proportion_figure(flagged * y, y, who, level, "nobody struggled"),
        "precision": proportion_figure(flagged * y, flagged, who, level, "no prediction at or above the threshold"),
        "flagged": proportion_figure(flagged, every, who, level),
    }


def mean_figure(values: Floats, who: Learners, level: float = LEVEL, possible: Interval = UNBOUNDED) -> Figure:
    """The mean over all rows with its interval, which is cut off at the possible values."""
    every = np.ones_like(values)
    interval = ratio_interval(values, every, who, level) if who.resamples else None
    figure = _figure(metrics.share(values, every), interval, who, len(values), "no predictions")
    if interval is None:
        return figure
    if interval.low == interval.high:
        return figure._replace(low=None, high=None, reason="every row agrees: there is no spread to judge by")
    return figure._replace(low=max(interval.low, possible.low), high=min(interval.high, possible.high))


def proportion_figure(
    hits: Floats, rows: Floats, who: Learners, level: float = LEVEL, nothing: str = "no predictions"
) -> Figure:
    """sum(hits) / sum(rows), both 0 or 1 per row, with its interval, n, and the number of learners with such rows."""
    interval = proportion_interval(hits, rows, who, level) if who.resamples else None
    among = int(np.count_nonzero(np.bincount(who.code, weights=rows))) if who.count else 0
    figure = _figure(metrics.share(hits, rows), interval, who, int(rows.sum()), nothing)
    return figure._replace(learners=among)


def _figure(value: float | None, interval: Interval | None, who: Learners, n: int, nothing: str) -> Figure:
    if value is None:
        return Figure(None, None, None, n, who.count, nothing)
    if interval is None:
        why = "an interval needs two learners" if who.resamples else "no intervals asked for"
        return Figure(value, None, None, n, who.count, why)
    return Figure(value, interval.low, interval.high, n, who.count)
