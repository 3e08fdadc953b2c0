"""The comparison of two versions as one self-contained page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ml.features.feature import Feature
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import Table
from scripts.pages.marks import Mark, Picture, curve, dot, label, line, picture, scale
from scripts.pages.shapes import reach_of, stops
from scripts.pages.templates import number, render, signed
from scripts.versions.comparison import SHOWN, Comparison, Difference

NO_DATA = "no data"


class Pair(NamedTuple):
    """A feature with the two curves that the versions draw for it."""

    feature: Feature
    difference: Difference
    picture: Picture


def page(found: Comparison) -> str:
    """The whole page as HTML. Raises ModuleNotFoundError where Jinja is not installed."""
    shown = found.differences[:SHOWN]
    cards = [each.saved.scorecard for each in (found.first, found.second)]
    tables = [
        [(card.tables[place], card.calibration[0]) for card in cards]
        for place in (FEATURE_NAMES.index(each.feature.name) for each in shown)
    ]
    furthest = max((reach_of(table, slope) for pair in tables for table, slope in pair), default=1.0)
    return render(
        "versions/compare.html",
        found=found,
        pairs=[Pair(each.feature, each, _picture(each, pair, furthest)) for each, pair in zip(shown, tables)],
        more=len(found.differences) - len(shown),
    )


def _picture(found: Difference, tables: list[tuple[Table, float]], furthest: float) -> Picture:
    width, height, left = 280, 162, 30
    x, y = scale(0, 1, left + 14, width - 8), scale(-furthest, furthest, height - 24, 12)

    def marks() -> Iterator[Mark]:
        yield line("rule", left, y(0), width - 8, y(0))
        for logit in (furthest, 0.0, -furthest):
            yield label("tick", 0, y(logit) + 4, signed(logit, 1))
        for value in (0, 1):
            yield label("tick middle", x(value), height - 3, str(value))
        for kind, (table, slope) in zip(("first", "second"), tables):
            yield dot(
                f"dot {kind}", left + 4, y(slope * table.missing), 3.5, f"{NO_DATA}: {number(slope * table.missing)}"
            )
            yield curve(f"line {kind}", ((x(value), y(slope * table.at(value))) for value in stops(table)))

    where = NO_DATA if found.where is None else f"a value of {found.where:.2f}"
    told = f"two curves for {found.feature.meaning}; they lie furthest apart at {where}"
    return picture("shape", width, height, told, marks())
