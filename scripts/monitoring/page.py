"""A monitoring report as one self-contained HTML page: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from ml.evaluation.figures import Figure
from ml.evaluation.slices import Slice
from ml.instants import iso
from scripts.monitoring import charts
from scripts.monitoring.alerts import RISK_LEVELS
from scripts.monitoring.charts import bounds, number
from scripts.monitoring.columns import Mistake
from scripts.monitoring.report import Report
from scripts.monitoring.style import STYLE
from scripts.monitoring.targets import BELOW, INSUFFICIENT, MEETS, sufficient, verdict

TILES = (
    ("accuracy", "Accuracy", 0.0, 1.0),
    ("recall", "Recall of struggles", 0.0, 1.0),
    ("precision", "Precision", 0.0, 1.0),
    ("auc", "AUC", 0.5, 1.0),
    ("brier", "Brier score", 0.0, 0.3),
    ("calibration_slope", "Calibration slope", 0.0, 2.0),
    ("calibration_gap", "Calibration gap", -0.3, 0.3),
)
TRENDS = (
    ("accuracy", "Accuracy", 0.4, 1.0),
    ("recall", "Recall", 0.0, 1.0),
    ("precision", "Precision", 0.0, 1.0),
    ("auc", "AUC", 0.5, 1.0),
    ("brier", "Brier score", 0.0, 0.3),
    ("calibration_gap", "Calibration gap", -0.2, 0.2),
)
DRIFT_SHOWN = 14
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(report: Report) -> str:
    """The whole page."""
    period = f"{_minute(report.since_ms)} to {_minute(report.until_ms)} UTC"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>Struggle predictions, {period}</title><style>{STYLE}</style></head><body><main>"
        f"{''.join(_sections(report, period))}</main></body></html>\n"
    )


def _sections(report: Report, period: str) -> Iterator[str]:
    kind = report.status if report.status in ("ok", "alert") else "other"
    yield f'<header><h1>Struggle predictions</h1><span class="status {kind}">{report.status}</span>'
    yield f'<span class="muted">{period}</span></header>'
    if report.alerts:
        listed = "".join(f"<li>{escape(alert.message)}</li>" for alert in report.alerts)
        yield f'<section class="alerts"><h2>To act on</h2><ul>{listed}</ul></section>'
    if not report.predictions:
        yield "<section><h2>Nothing to judge</h2><p>No prediction was stored in this period.</p></section>"
    else:
        yield _counts(report)
        yield f'<div class="tiles">{"".join(_tiles(report))}</div>'
    if report.evaluation.n:
        yield _calibration(report)
    if any(week.evaluation.n for week in report.weeks):
        yield _trends(report)
    if report.predictions:
        yield _drift(report)
    if report.slices:
        yield _slices(report)
    if report.mistakes:
        yield _mistakes(report)
    yield "<footer>Intervals are 95 %, over learners. "
    yield "An alert needs the whole interval on the wrong side of its target.</footer>"


def _counts(report: Report) -> str:
    struggles = f"; {report.evaluation.struggles:,} of them were struggles" if report.sufficient else ""
    return (
        f"<p>{report.predictions:,} predictions for {report.learners:,} learners. {report.evaluation.n:,} outcomes are "
        f"known so far{struggles}.</p>"
    )


def _tiles(report: Report) -> Iterator[str]:
    for name, title, low, high in TILES:
        figure = report.evaluation.figure(name)
        yield _tile(report, name, title, figure, low, high)
    ece, floor = report.evaluation.figure("ece"), report.evaluation.ece_noise_floor
    yield (
        f'<div class="tile"><div class="name"><span>Calibration error (ECE)</span></div>'
        f'<div class="value">{number(ece.value)}</div><div class="foot">noise floor {number(floor)}: what a perfectly '
        f"calibrated forecast would show; n = {ece.n:,}</div></div>"
    )
    yield _tile(report, "degraded", "Degraded answers", report.degraded, 0.0, 0.2)


def _tile(report: Report, name: str, title: str, figure: Figure, low: float, high: float) -> str:
    target = report.targets.get(name)
    judged = verdict(figure, target, report.minimum)
    tone = {MEETS: "good", BELOW: "bad"}.get(judged, "")
    value = number(figure.value) if figure.value is not None else "–"  # noqa: RUF001
    foot = figure.reason or (f"target {target}; n = {figure.n:,}" if target else f"n = {figure.n:,}")
    return (
        f'<div class="tile"><div class="name"><span>{title}</span><span class="{tone}">{judged}</span></div>'
        f'<div class="value">{value} <small>{bounds(figure)}</small></div>'
        f'{charts.interval_bar(figure, low, high, target, 210)}<div class="foot">{escape(foot)}</div></div>'
    )


def _calibration(report: Report) -> str:
    facts = [
        ("Mean probability minus struggle rate (calibrated: 0)", report.evaluation.figure("calibration_gap")),
        ("Slope of the calibration line (calibrated: 1)", report.evaluation.figure("calibration_slope")),
        ("Its intercept (calibrated: 0)", report.evaluation.figure("calibration_intercept")),
        ("Log-loss", report.evaluation.figure("log_loss")),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{number(each.value)} {bounds(each)}</dd>" for name, each in facts)
    return (
        "<section><h2>Does a probability mean what it says?</h2>"
        '<p class="note">Each point is a tenth of the predictions. On the dashed line, of those said to struggle with '
        "30 % probability, 30 % did; the shaded band is ten points around it.</p>"
        f'<div class="pair"><div>{charts.reliability(report.calibration)}</div><dl>{listed}</dl></div></section>'
    )


def _trends(report: Report) -> str:
    weeks = report.weeks
    pictures = "".join(
        f"<div><h3>{title}</h3>{charts.trend(weeks, name, low, high, report.targets.get(name))}</div>"
        for name, title, low, high in TRENDS
    )
    note = "Calendar weeks from Monday, by the day of the prediction; the first and the last may be cut short."
    return f'<section><h2>Week by week</h2><p class="note">{note}</p><div class="row">{pictures}</div></section>'


def _drift(report: Report) -> str:
    note = (
        "How far each feature, and the probability itself, has moved since the period before. The black tick is as "
        "far as chance carries a feature of these learners; beyond it and beyond the dashed line it matters."
    )
    body = f"<p>{escape(report.drift_note[:1].upper() + report.drift_note[1:])}.</p>"
    if report.drift:
        moved = sum(each.drifted for each in report.drift)
        found = (
            f"{moved} of {len(report.drift)} moved by enough to matter." if moved else "None moved by enough to matter."
        )
        body = body.replace("</p>", f" {found}</p>")
        body += charts.drift_bars(report.drift[:DRIFT_SHOWN])
    rest = report.drift[DRIFT_SHOWN:]
    if rest:
        body += f"<details><summary>{len(rest)} further features</summary>{charts.drift_bars(rest)}</details>"
    return f'<section><h2>Drift</h2><p class="note">{note}</p>{body}</section>'


def _slices(report: Report) -> str:
    rows = []
    for dimension, each_of in groupby(report.slices, key=lambda each: each.dimension):
        rows.append(f'<tr class="first"><td colspan="7">{escape(dimension)}</td></tr>')
        rows += [_slice(report, each) for each in each_of]
    titles = ("struggled", "accuracy", "recall", "AUC", "calibration gap")
    heads = "<th></th><th class=n>n</th>" + "".join(f"<th>{title}</th>" for title in titles)
    return (
        '<section><h2>For whom, and with which model</h2><p class="note">Read the intervals: a slice with few learners '
        "may lie anywhere within its own. No recall within a risk level: the level itself decides it.</p>"
        '<div class="scroll">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _slice(report: Report, each: Slice) -> str:
    judged = each.evaluation
    gap = judged.figure("calibration_gap")
    by_answer = each.dimension == RISK_LEVELS  # recall within a risk level is 0 or 1 by construction
    cells = [
        _cell(report, judged.figure("struggle_rate"), None),
        _cell(report, judged.figure("accuracy"), (0.0, 1.0)),
        '<span class="muted">–</span>' if by_answer else _cell(report, judged.figure("recall"), (0.0, 1.0)),  # noqa: RUF001
        _cell(report, judged.figure("auc"), None),
        _cell(report, gap, (-0.3, 0.3), "calibration_gap"),
    ]
    listed = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><td>{escape(each.value)}</td><td class="n">{judged.n:,}</td>{listed}</tr>'


def _cell(report: Report, figure: Figure, drawn: tuple[float, float] | None, target: str | None = None) -> str:
    if not sufficient(figure, report.minimum) or figure.value is None:
        return f'<span class="muted">{INSUFFICIENT if figure.value is not None else "–"}</span>'  # noqa: RUF001
    text = f'<span class="figure">{number(figure.value)} <span class="muted">{bounds(figure)}</span></span>'
    if drawn is None:
        return text
    return f"{charts.interval_bar(figure, *drawn, report.targets.get(target) if target else None)}<br>{text}"


def _mistakes(report: Report) -> str:
    missed = "".join(_mistake(report, each) for each in report.mistakes if each.struggled)
    false = "".join(_mistake(report, each) for each in report.mistakes if not each.struggled)
    nothing = '<p class="muted">None in this period.</p>'
    return (
        '<section><h2>The worst mistakes</h2><p class="note">The predictions that their outcome contradicts most, with '
        'what spoke for them.</p><div class="row">'
        f"<div><h3>Said to struggle, and did not</h3>{false or nothing}</div>"
        f"<div><h3>Not said to struggle, and did</h3>{missed or nothing}</div></div></section>"
    )


def _mistake(report: Report, each: Mistake) -> str:
    reason = report.reasons.get(each.prediction_id)
    listed = "".join(f"<li>{escape(text)}</li>" for text in reason.texts) if reason else ""
    origin = f'<span class="muted">({escape(reason.origin)})</span>' if reason else ""
    return (
        f'<div class="mistake"><b>{each.probability:.1%}</b> learner <code>{escape(each.learner_id)}</code>, objective '
        f"<code>{escape(each.objective_id)}</code>, <span class=muted>{_minute(each.predicted_at_ms)}</span>"
        f"<ul>{listed}</ul>{origin}</div>"
    )


def _minute(instant_ms: int) -> str:
    return iso(instant_ms)[:16].replace("T", " ")
