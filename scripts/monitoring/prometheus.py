"""A monitoring report in Prometheus' text format, for the node exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ml.evaluation.figures import Evaluation, Figure
from scripts.monitoring.alerts import CAUSES
from scripts.monitoring.report import Report

PREFIX = "struggle_predictor"

_HELP = {
    "accuracy": "Share of predictions on the right side of the operating threshold.",
    "recall": "Share of struggles that were predicted.",
    "precision": "Share of predicted struggles that happened.",
    "auc": "Probability that a struggle is ranked above a non-struggle.",
    "brier": "Mean squared error of the probability.",
    "log_loss": "Mean negative log likelihood in nats.",
    "calibration_slope": "Slope of the calibration line; 1 is calibrated.",
    "calibration_gap": "Mean probability minus struggle rate.",
    "struggle_rate": "Share of predictions after which the learner struggled.",
    "ece": "Expected calibration error over ten equal-count bins.",
}


def exposition(report: Report) -> str:
    """One gauge per figure, with its bounds as further gauges. A figure without a value is left out."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from _gauge("predictions", "Predictions stored in the period.", [("", report.predictions)])
    yield from _gauge(
        "outcomes_known", "Predictions of the period whose outcome is known.", [("", report.evaluation.n)]
    )
    yield from _gauge("alerts", "Alerts raised by the last report.", [("", len(report.alerts))])
    raised = {alert.cause for alert in report.alerts}
    by_cause = [(_labels(cause=cause), int(cause in raised)) for cause in CAUSES]
    yield from _gauge("alert", "1 where the last report has an alert of this cause, else 0.", by_cause)
    yield from _gauge("period_end_seconds", "End of the period, Unix time.", [("", report.until_ms / 1000)])
    judged: list[tuple[str, Evaluation]] = [("", report.evaluation)]
    judged += [(_labels(dimension=each.dimension, value=each.value), each.evaluation) for each in report.slices]
    for name, text in _HELP.items():
        yield from _figure(name, text, [(labels, evaluation.figure(name)) for labels, evaluation in judged])
        sizes = [(labels, evaluation.figure(name).n) for labels, evaluation in judged]
        yield from _gauge(f"{name}_rows", f"Rows behind {name}.", sizes)
    threshold = report.levels.operating_threshold
    yield from _gauge("operating_threshold", "Predictions count as ones of struggle from it.", [("", threshold)])
    known = [(_labels(figure=name), value) for name, value in report.attainable.items() if value is not None]
    yield from _gauge("attainable", "What perfectly calibrated probabilities would give at the threshold.", known)
    yield from _figure("degraded", "Share of predictions that rest on default features.", [("", report.degraded)])
    floor = report.evaluation.ece_noise_floor
    if floor is not None:
        yield from _gauge("ece_noise_floor", "ECE of a calibrated forecast of this size.", [("", floor)])
    distances = [(_labels(feature=each.feature), each.distance) for each in report.drift]
    limits = [(_labels(feature=each.feature), each.limit) for each in report.drift]
    yield from _gauge("drift", "Distance of the feature's distribution from the period before.", distances)
    yield from _gauge("drift_by_chance", "Largest such distance that chance explains.", limits)


def _figure(name: str, text: str, figures: Sequence[tuple[str, Figure]]) -> Iterator[str]:
    for suffix, part, meaning in (("", "value", text), ("_low", "low", "Lower"), ("_high", "high", "Upper")):
        samples = [(labels, getattr(figure, part)) for labels, figure in figures]
        known = [(labels, value) for labels, value in samples if value is not None]
        yield from _gauge(name + suffix, f"{meaning} 95 % bound of {name}." if suffix else meaning, known)


def _gauge(name: str, text: str, samples: Sequence[tuple[str, float]]) -> Iterator[str]:
    if samples:
        yield f"# HELP {PREFIX}_{name} {text}"
        yield f"# TYPE {PREFIX}_{name} gauge"
        yield from (f"{PREFIX}_{name}{labels} {value!r}" for labels, value in samples)


def _labels(**values: str) -> str:
    pairs = (f'{key}="{_escaped(value)}"' for key, value in values.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
