"""A monitoring report as one self-contained HTML page: no script, and nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from ml.evaluation.drift import FeatureDrift
from ml.evaluation.figures import Figure
from ml.evaluation.slices import Slice
from ml.features.vector import FEATURES
from scripts.monitoring import charts
from scripts.monitoring.charts import bounds
from scripts.monitoring.columns import PROBABILITY
from scripts.monitoring.distributions import beside_training
from scripts.monitoring.findings import RISK_LEVEL
from scripts.monitoring.next_steps import next_steps
from scripts.monitoring.report import CANNOT_SEE, OfPage, Report
from scripts.monitoring.targets import BELOW, INSUFFICIENT, MEETS, Target, standing, sufficient
from scripts.pages.marks import Picture
from scripts.pages.templates import number, render

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
FACTS = (
    ("calibration_gap", "Mean probability minus struggle rate (calibrated: 0)"),
    ("calibration_slope", "Slope of the calibration line (calibrated: 1)"),
    ("calibration_intercept", "Intercept of the calibration line (calibrated: 0)"),
    ("log_loss", "Log-loss"),
)
COLUMNS = (
    ("struggle_rate", "struggled", None),
    ("accuracy", "accuracy", (0.0, 1.0)),
    ("recall", "recall", (0.0, 1.0)),
    ("auc", "AUC", None),
    ("calibration_gap", "calibration gap", (-0.3, 0.3)),
)
"""Figure, title, and the range of the bar of a slice's cell; None: the cell has no bar."""
DRIFT_SHOWN = 14
BESIDE_SHOWN = 9

_MEANINGS = {PROBABILITY: "predicted probability of a struggle", **{each.name: each.meaning for each in FEATURES}}


class Tile(NamedTuple):
    """One figure of the whole period. tone: good, bad, or nothing."""

    title: str
    standing: str
    tone: str
    value: str
    bounds: str
    bar: Picture
    foot: str


class Cell(NamedTuple):
    """One figure of a slice; an empty value has the reason in its place."""

    value: str
    bounds: str
    bar: Picture | None
    reason: str


class Drift(NamedTuple):
    """One feature's change, with the words of the feature table and as a bar."""

    meaning: str
    change: FeatureDrift
    bar: Picture


def page(report: Report) -> str:
    """The whole page. Raises ModuleNotFoundError where Jinja is not installed."""
    drift = list(_drift(report.drift))
    extra = report.of_page or OfPage({}, {}, None, False)
    beside = beside_training(extra.distributions, extra.training)
    return render(
        "monitoring/page.html",
        report=report,
        status_kind=report.status if report.status in ("ok", "alert") else "other",
        tiles=list(_tiles(report)),
        reliability=charts.reliability(report.calibration),
        cannot_see=CANNOT_SEE,
        expected=[
            (name, each.value, bounds(each), found.value, bounds(found))
            for name, each in report.expected.items()
            for found in (report.evaluation.figure(name),)
        ],
        facts=[(title, _with_bounds(report.evaluation.figure(name))) for name, title in FACTS],
        trends=list(_trends(report)) if any(week.evaluation.n for week in report.weeks) else [],
        titles=extra.titles,
        next_steps=next_steps(report, extra.keeps_evidence),
        trained_on=0 if extra.training is None else extra.training.n,
        beside=beside[:BESIDE_SHOWN],
        further_beside=beside[BESIDE_SHOWN:],
        moved=sum(each.drifted for each in report.drift),
        drift=drift[:DRIFT_SHOWN],
        further_drift=drift[DRIFT_SHOWN:],
        columns=[title for _, title, _ in COLUMNS],
        slices=[
            (dimension, [(each, list(_cells(report, each))) for each in alike])
            for dimension, alike in groupby(report.slices, key=lambda each: each.dimension)
        ],
        mistakes=[
            ("Predicted to struggle, but did not", [each for each in report.mistakes if not each.struggled]),
            ("Not predicted to struggle, but did", [each for each in report.mistakes if each.struggled]),
        ],
    )


def _tiles(report: Report) -> Iterator[Tile]:
    for name, title, low, high in TILES:
        yield _tile(report, name, title, report.evaluation.figure(name), low, high)
    yield _tile(report, "degraded", "Degraded answers", report.degraded, 0.0, 0.2)


def _tile(report: Report, name: str, title: str, figure: Figure, low: float, high: float) -> Tile:
    target = report.targets.get(name)
    stands = standing(figure, target, report.minimum)
    size = f"n = {figure.n:,}"
    reach = report.attainable.get(name)
    if reach is not None:
        size = f"calibrated probabilities would give {number(reach)}; {size}"
    return Tile(
        title=title,
        standing=stands,
        tone={MEETS: "good", BELOW: "bad"}.get(stands, ""),
        value=number(figure.value),
        bounds=bounds(figure),
        bar=charts.interval_bar(figure, low, high, target, 210),
        foot=figure.reason or (f"target {target}; {size}" if target else size),
    )


def _trends(report: Report) -> Iterator[tuple[str, Picture]]:
    for name, title, low, high in TRENDS:
        yield title, charts.trend(report.weeks, name, title, low, high, report.targets.get(name))


def _drift(drift: Sequence[FeatureDrift]) -> Iterator[Drift]:
    most = charts.drift_scale(drift)
    for each in drift:
        yield Drift(_MEANINGS[each.feature], each, charts.drift_bar(each, most))


def _cells(report: Report, each: Slice) -> Iterator[Cell]:
    for name, _, drawn in COLUMNS:
        if name == "recall" and each.dimension == RISK_LEVEL:  # 0 or 1 by construction
            yield Cell("", "", None, number(None))
            continue
        figure = each.evaluation.figure(name)
        if figure.value is None or not sufficient(figure, report.minimum):
            yield Cell("", "", None, number(None) if figure.value is None else INSUFFICIENT)
            continue
        target: Target | None = report.targets.get(name) if name == "calibration_gap" else None
        bar = charts.interval_bar(figure, *drawn, target) if drawn else None
        yield Cell(number(figure.value), bounds(figure), bar, "")


def _with_bounds(figure: Figure) -> str:
    return f"{number(figure.value)} {bounds(figure)}".rstrip()
