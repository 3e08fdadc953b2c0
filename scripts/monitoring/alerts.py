"""The alerts of a report. Intervals that are examined together are widened so that all of them hold at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from ml.evaluation.bootstrap import Learners
from ml.evaluation.drift import FeatureDrift
from ml.evaluation.figures import BOOTSTRAP, LEVEL, Evaluation, Figure, mean_figure, proportion_figure
from ml.evaluation.metrics import BINS, Floats, Integers, ReliabilityBin
from ml.evaluation.slices import Slice, natural_groups
from scripts.monitoring.attainable import within_reach
from scripts.monitoring.targets import WITHIN_POINTS, Alert, Target, alert, sufficient

RISK_LEVEL = "risk level"
INTERVENTION = "intervention"
_SLICE_FIGURES = ("accuracy", "recall")
_CUT_BY_THE_ANSWER = (RISK_LEVEL, INTERVENTION)
"""The prediction itself decides these slices, so their recall says nothing about the model. Their calibration does."""


class KnownOutcomes(NamedTuple):
    """Predictions whose outcome is known, one row each."""

    labels: Floats
    probabilities: Floats
    learners: Integers

    def where(self, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> KnownOutcomes:
        """The rows that a mask selects."""
        return KnownOutcomes(self.labels[rows], self.probabilities[rows], self.learners[rows])


class CalibrationBin(NamedTuple):
    """A bin of the reliability diagram with the figure of its struggle rate."""

    bin: ReliabilityBin
    rate: Figure


def overall_alerts(
    evaluation: Evaluation, degraded: Figure, targets: Mapping[str, Target], minimum: int
) -> Iterator[Alert]:
    """Accuracy, recall, the calibration gap and the share degraded, over all predictions of the period."""
    figures = {name: evaluation.figure(name) for name in ("accuracy", "recall", "calibration_gap")}
    for name, figure in {**figures, "degraded": degraded}.items():
        raised = alert(figure, targets.get(name), "", minimum)
        if raised:
            yield raised


def bins_with_intervals(rows: KnownOutcomes, evaluation: Evaluation, level: float) -> tuple[CalibrationBin, ...]:
    """The reliability diagram's bins, each with an interval of its struggle rate."""
    edges = np.percentile(rows.probabilities, np.linspace(0.0, 100.0, BINS + 1)) if evaluation.n else np.zeros(BINS + 1)
    place = np.searchsorted(edges[1:-1], rows.probabilities)
    found = []
    for each, number in zip(evaluation.reliability, np.unique(place)):
        here = rows.where(place == number)
        rate = proportion_figure(here.labels, np.ones_like(here.labels), Learners(here.learners, 1, 0), level)
        found.append(CalibrationBin(each, rate))
    return tuple(found)


def calibration_alerts(rows: KnownOutcomes, evaluation: Evaluation, minimum: int) -> Iterator[Alert]:
    """Bins whose struggle rate is proven to lie more than ten points from the mean probability."""
    together = 1.0 - (1.0 - LEVEL) / max(len(evaluation.reliability), 1)
    for each, rate in bins_with_intervals(rows, evaluation, together):
        said = each.mean_probability
        target = Target("struggle_rate", said - WITHIN_POINTS, said + WITHIN_POINTS, True)
        raised = alert(rate, target, f"predicted {each.low:.2f} to {each.high:.2f}", minimum)
        if raised:
            yield raised


def slice_alerts(
    rows: KnownOutcomes,
    whole: Evaluation,
    dimensions: Mapping[str, Sequence[object]],
    within: Sequence[Slice],
    targets: Mapping[str, Target],
    minimum: int,
) -> Iterator[Alert]:
    """Alerts on accuracy and recall of each slice.

    For slices that depend on the prediction itself, on the calibration gap. A target that the whole period misses is
    not reported again for each slice.
    """
    judged = (*_SLICE_FIGURES, "calibration_gap")
    by_itself = {name: target._replace(attainable=None) for name, target in targets.items()}
    told = {name for name in judged if alert(whole.figure(name), targets.get(name), "", minimum)}
    for dimension, values in dimensions.items():
        large = [
            each.value
            for each in within
            if each.dimension == dimension and sufficient(each.evaluation.figure("accuracy"), minimum)
        ]
        if len(large) < 2:  # a single slice is the whole period, which has been judged
            continue
        names, place = natural_groups(values)
        looked_at = ("calibration_gap",) if dimension in _CUT_BY_THE_ANSWER else _SLICE_FIGURES
        for value, name in product(large, looked_at):
            if name not in told:
                here = rows.where(place == names.index(value))
                level = 1.0 - (1.0 - LEVEL) / len(large)
                figure, where = _figure(name, here, level, whole.threshold), f"{dimension}: {value}"
                raised = alert(figure, by_itself.get(name), where, minimum)
                if raised:
                    gap = _figure("calibration_gap", here, level, whole.threshold)
                    aims = within_reach(targets, here.probabilities, whole.threshold, gap)
                    raised = alert(figure, aims.get(name), where, minimum)
                if raised:
                    yield raised


def _figure(name: str, rows: KnownOutcomes, level: float, threshold: float) -> Figure:
    who = Learners(rows.learners, BOOTSTRAP, 0)
    every = np.ones_like(rows.labels)
    if name == "calibration_gap":
        return mean_figure(rows.probabilities - rows.labels, who, level)
    flagged = (rows.probabilities >= threshold).astype(np.float64)
    if name == "recall":
        return proportion_figure(flagged * rows.labels, rows.labels, who, level)
    return proportion_figure((flagged == rows.labels).astype(np.float64), every, who, level)


def drift_alert(drift: FeatureDrift, n: int) -> Alert:
    """The alert for a feature whose distribution has changed by more than chance explains and by enough to matter."""
    means = (drift.mean_before, drift.mean_after)
    moved = f"mean from {means[0]:.2f} to {means[1]:.2f}, " if means[0] is not None and means[1] is not None else ""
    before, after = (f"{share * 100:.0f} %" for share in (drift.missing_before, drift.missing_after))
    message = (
        f"{drift.feature} has drifted by {drift.distance:.3f} since the period before; chance explains up to "
        f"{drift.limit:.3f} ({moved}missing from {before} to {after})"
    )
    return Alert("drift", drift.feature, drift.distance, drift.limit, None, n, message)
