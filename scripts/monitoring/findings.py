"""What a period's figures show by themselves. Intervals that are examined together are widened so that all of them hold
at once: at the usual level for what stands below an alert, and at a stricter one for what makes an alert by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml.evaluation.bootstrap import Learners
from ml.evaluation.drift import FeatureDrift
from ml.evaluation.figures import BOOTSTRAP, Evaluation, Figure, mean_figure, proportion_figure
from ml.evaluation.metrics import BINS, Floats, Integers, ReliabilityBin
from ml.evaluation.of_ten import DIMENSION
from ml.evaluation.slices import Slice, natural_groups
from scripts.monitoring.attainable import within_reach
from scripts.monitoring.targets import WITHIN_POINTS, Finding, Target, finding, sufficient

RISK_LEVEL = DIMENSION
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


def degraded_figure(degraded: Floats, learners: Integers, bootstrap: int) -> Figure:
    """The share of degraded predictions.

    What makes a prediction degraded is a fault of the house, not a trait of a learner. Where all rows agree, so that no
    resemblance of a learner's rows can be seen, each row counts by itself: 0 of 16,000 is a share near 0, whosever the
    rows are.
    """
    rows = np.ones(len(degraded))
    figure = proportion_figure(degraded, rows, Learners(learners, bootstrap, 0))
    if figure.value in (0.0, 1.0) and figure.low is not None:
        alone = proportion_figure(degraded, rows, Learners(np.arange(len(degraded)), bootstrap, 0))
        return figure._replace(low=alone.low, high=alone.high)
    return figure


def overall_findings(
    evaluation: Evaluation, degraded: Figure, targets: Mapping[str, Target], minimum: int
) -> Iterator[Finding]:
    """Accuracy, recall, the calibration gap and the share degraded, over all predictions of the period."""
    figures = {name: evaluation.figure(name) for name in ("accuracy", "recall", "calibration_gap")}
    for name, figure in {**figures, "degraded": degraded}.items():
        shown = finding(figure, targets.get(name), "", minimum)
        if shown:
            yield shown


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


def calibration_findings(rows: KnownOutcomes, evaluation: Evaluation, minimum: int, level: float) -> Iterator[Finding]:
    """Bins whose struggle rate lies, at this level, more than ten points from the mean probability."""
    together = 1.0 - (1.0 - level) / max(len(evaluation.reliability), 1)
    for each, rate in bins_with_intervals(rows, evaluation, together):
        said = each.mean_probability
        target = Target("struggle_rate", said - WITHIN_POINTS, said + WITHIN_POINTS, True)
        shown = finding(rate, target, f"predicted {each.low:.2f} to {each.high:.2f}", minimum)
        if shown:
            yield shown


def slice_findings(
    rows: KnownOutcomes,
    dimensions: Mapping[str, Sequence[object]],
    within: Sequence[Slice],
    targets: Mapping[str, Target],
    minimum: int,
    threshold: float,
    level: float,
) -> dict[str, list[Finding]]:
    """Dimension -> what its slices show at this level, each dimension by itself: the calibration gap, and, but for
    slices that depend on the prediction itself, accuracy and recall."""
    found: dict[str, list[Finding]] = {}
    for dimension, values in dimensions.items():
        large = [
            each.value
            for each in within
            if each.dimension == dimension and sufficient(each.evaluation.figure("accuracy"), minimum)
        ]
        if len(large) < 2:  # a single slice is the whole period, which has been judged
            continue
        names, place = natural_groups(values)
        together = 1.0 - (1.0 - level) / len(large)
        for value in large:
            here = rows.where(place == names.index(value))
            where = f"{dimension}: {value}"
            gap = _figure("calibration_gap", here, together, threshold)
            aims = within_reach(targets, here.probabilities, threshold, gap)
            judged = [("calibration_gap", gap)]
            if dimension not in _CUT_BY_THE_ANSWER:
                judged = [(name, _figure(name, here, together, threshold)) for name in _SLICE_FIGURES] + judged
            told = [
                shown
                for name, figure in judged
                if (shown := finding(figure, aims.get(name), where, minimum)) is not None
            ]
            if told:
                found.setdefault(dimension, []).extend(told)
    return found


def _figure(name: str, rows: KnownOutcomes, level: float, threshold: float) -> Figure:
    who = Learners(rows.learners, BOOTSTRAP, 0)
    every = np.ones_like(rows.labels)
    if name == "calibration_gap":
        return mean_figure(rows.probabilities - rows.labels, who, level)
    flagged = (rows.probabilities >= threshold).astype(np.float64)
    if name == "recall":
        return proportion_figure(flagged * rows.labels, rows.labels, who, level)
    return proportion_figure((flagged == rows.labels).astype(np.float64), every, who, level)


def drift_finding(drift: FeatureDrift, n: int) -> Finding:
    """A feature whose distribution has changed by more than chance explains and by enough to matter."""
    means = (drift.mean_before, drift.mean_after)
    moved = f"mean from {means[0]:.2f} to {means[1]:.2f}, " if means[0] is not None and means[1] is not None else ""
    before, after = (f"{share * 100:.0f} %" for share in (drift.missing_before, drift.missing_after))
    message = (
        f"{drift.feature} has drifted by {drift.distance:.3f} since the period before; chance explains up to "
        f"{drift.limit:.3f} ({moved}missing from {before} to {after})"
    )
    return Finding("drift", drift.feature, drift.distance, drift.limit, None, n, message)
