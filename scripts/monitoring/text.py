"""A monitoring report for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ml.evaluation.figures import Evaluation, Figure
from ml.instants import iso
from scripts.cli.counted import counted
from scripts.monitoring.report import CANNOT_SEE, Report
from scripts.monitoring.targets import standing

HEADLINES = (
    "accuracy",
    "recall",
    "precision",
    "auc",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_gap",
    "struggle_rate",
)
DRIFT_SHOWN = 8
FINDINGS_SHOWN = 6


def table(report: Report) -> str:
    """The whole report as text."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"Predictions from {_day(report.since_ms)} to {_day(report.until_ms)}: {report.status}"
    if not report.predictions:
        yield "No prediction was stored in this period; there is nothing to judge."
        yield from _alerts(report)
        return
    made = f"{counted(report.predictions, 'prediction')} for {counted(report.learners, 'learner')}"
    yield f"{made}; {counted(report.judged, 'outcome is known', 'outcomes are known')}"
    if report.judged != report.evaluation.n:
        yield f"They were decided in {counted(report.evaluation.n, 'visit')}, and each visit counts once"
    yield f"An answer counts as correct from {report.correct_from} upwards"
    yield f"A prediction counts as one of struggle from {report.levels.operating_threshold} ({report.levels.origin})"
    yield from _alerts(report)
    yield ""
    named = [(name, report.evaluation.figure(name)) for name in HEADLINES] + [("degraded", report.degraded)]
    yield from _columns(
        [("figure", "value", "95 % interval", "n", "target", "calibrated", "")]
        + [
            (
                name.replace("_", " "),
                _number(figure.value),
                _interval(figure),
                f"{figure.n:,}",
                str(report.targets.get(name, "")),
                _number(report.attainable[name]) if name in report.attainable else "",
                standing(figure, report.targets.get(name), report.minimum),
            )
            for name, figure in named
        ]
        + [_ece_row(report.evaluation)]
    )
    yield from _before_outcomes(report)
    if report.slices:
        yield ""
        yield from _columns(_slice_rows(report))
    yield from (f"{each[:1].upper()}{each[1:]}" for each in report.of_each_level)
    for dimension, count in report.too_small.items():
        yield f"{dimension}: {counted(count, 'slice is', 'slices are')} too small to be shown"
    yield ""
    yield f"Drift: {report.drift_note}"
    if report.drift:
        yield from _columns(_drift_rows(report))


def _alerts(report: Report) -> Iterator[str]:
    for alert in report.alerts:
        yield f"ALERT: {alert.message}."
        yield f"  What to do: {alert.next_step}"
        for finding in alert.findings[:FINDINGS_SHOWN]:
            yield f"  - {finding.message}"
        further = len(alert.findings) - FINDINGS_SHOWN
        if further > 0:
            yield f"  - and {counted(further, 'further finding')} (--json has them all)"


def _before_outcomes(report: Report) -> Iterator[str]:
    """What the probabilities say of predictions that await their outcome, beside the figures realised so far."""
    if not any(figure.value is not None for figure in report.expected.values()):
        return
    yield ""
    awaiting = counted(report.awaiting, "prediction awaits its outcome", "predictions await their outcome")
    yield f"{awaiting}. {CANNOT_SEE}"
    yield from _columns(
        [("figure", "estimated", "95 % interval", "realised so far", "95 % interval")]
        + [
            (name, _number(figure.value), _interval(figure), _number(realised.value), _interval(realised))
            for name, figure in report.expected.items()
            for realised in (report.evaluation.figure(name),)
        ]
    )


def _ece_row(evaluation: Evaluation) -> tuple[str, ...]:
    figure = evaluation.figure("ece")
    return (
        "ece",
        _number(figure.value),
        f"noise floor {_number(evaluation.ece_noise_floor)}",
        f"{figure.n:,}",
        "",
        "",
        "",
    )


def _slice_rows(report: Report) -> Iterator[tuple[str, ...]]:
    yield ("slice", "n", "struggled", "accuracy", "recall", "AUC", "calibration gap")
    for each in report.slices:
        figures = [each.evaluation.figure(name) for name in ("struggle_rate", "accuracy", "recall", "auc")]
        cells = [_with_interval(figure, report.minimum) for figure in figures]
        gap = _with_interval(each.evaluation.figure("calibration_gap"), report.minimum)
        yield (f"{each.dimension}: {each.value}", f"{each.evaluation.n:,}", *cells, gap)


def _drift_rows(report: Report) -> Iterator[tuple[str, ...]]:
    yield ("feature", "distance", "chance explains", "mean before", "now", "missing before", "now", "")
    for each in report.drift[:DRIFT_SHOWN]:
        yield (
            each.feature,
            _number(each.distance),
            _number(each.limit),
            _number(each.mean_before),
            _number(each.mean_after),
            f"{each.missing_before:.1%}",
            f"{each.missing_after:.1%}",
            "drifted" if each.drifted else "beyond chance, but small" if each.beyond_chance else "",
        )


def _columns(rows: Sequence[tuple[str, ...]] | Iterator[tuple[str, ...]]) -> Iterator[str]:
    held = list(rows)
    widths = [max(len(row[column]) for row in held) for column in range(len(held[0]))]
    for row in held:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _with_interval(figure: Figure, minimum: int) -> str:
    if figure.n < minimum or figure.value is None:
        return f"- (n {figure.n:,})"
    return f"{_number(figure.value)} {_interval(figure)}".rstrip()


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return figure.reason if figure.value is None else ""
    return f"[{_number(figure.low)}, {_number(figure.high)}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _day(instant_ms: int) -> str:
    return iso(instant_ms)[:16].replace("T", " ")
