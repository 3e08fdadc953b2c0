"""A model as one page: its shape functions, and the reliability diagram of its card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ml.features.feature import Feature
from ml.features.vector import FEATURES
from ml.model import StrugglePredictionModel
from ml.scoring.scorecard import Table
from ml.study.correctness import IN_WORDS
from scripts.cli.model_card import SHOWN, Measured, measured, short
from scripts.pages.marks import Mark, Picture, curve, dot, label, line, picture, scale
from scripts.pages.reliability import reliability
from scripts.pages.shapes import reach_of, stops
from scripts.pages.templates import number, render, signed, with_separators

NO_PART = 1e-3
"""A table that moves the logit by less than this is not drawn."""


class Shape(NamedTuple):
    """One feature with the picture of its table."""

    feature: Feature
    stated: bool
    picture: Picture


def page(model: StrugglePredictionModel, card: Mapping[str, Any]) -> str:
    """The whole page as HTML.

    Raises:
        ValueError: The model is the rules, which have no tables.
        ModuleNotFoundError: Jinja is not installed.
    """
    saved = model.saved
    if saved is None:
        raise ValueError("the rules have no tables")
    slope = saved.scorecard.calibration[0]
    tables = [
        (reach, feature, table)
        for feature, table in zip(FEATURES, saved.scorecard.tables)
        if (reach := reach_of(table, slope)) > NO_PART
    ]
    tables.sort(key=lambda each: -each[0])
    furthest = tables[0][0] if tables else 1.0
    drawn = {feature.name for _, feature, _ in tables}
    found, problem = _measured(card)
    return render(
        "pages/model.html",
        version=model.model_version,
        sources=with_separators(short("; ".join(saved.sources))),
        correct=IN_WORDS[saved.correct_from],
        shapes=[Shape(each, table.stated, _shape(each, table, slope, furthest)) for _, each, table in tables],
        silent=[feature for feature in FEATURES if feature.name not in drawn],
        measured=found,
        problem=problem,
        figures=[(title, _interval(found.figures[name])) for name, title in SHOWN.items()] if found else [],
        reliability=reliability(found.bins) if found else None,
    )


def _measured(card: Mapping[str, Any]) -> tuple[Measured | None, str]:
    """What the card says, or a sentence on why there is no diagram."""
    if not card:
        return None, "There is no card beside the model, and so there is no reliability diagram."
    try:
        return measured(card), ""
    except (KeyError, TypeError, ValueError):
        return None, "The card has no reliability diagram that can be drawn."


def _shape(feature: Feature, table: Table, slope: float, furthest: float) -> Picture:
    width, height, left = 280, 162, 30
    x, y = scale(0, 1, left + 14, width - 8), scale(-furthest, furthest, height - 24, 12)

    def marks() -> Iterator[Mark]:
        yield line("rule", left, y(0), width - 8, y(0))
        for logit in (furthest, 0.0, -furthest):
            yield label("tick", 0, y(logit) + 4, signed(logit, 1))
        for value in (0, 1):
            yield label("tick middle", x(value), height - 3, str(value))
        absent = slope * table.missing
        yield dot("dot absent", left + 4, y(absent), 3.5, f"no data: {number(absent)}")
        yield curve("line", ((x(value), y(slope * table.at(value))) for value in stops(table)))

    return picture("shape", width, height, f"what this feature adds: {feature.meaning}", marks())


def _interval(figure: tuple[float | None, float | None, float | None]) -> str:
    value, low, high = figure
    between = "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
    return number(value) + between
