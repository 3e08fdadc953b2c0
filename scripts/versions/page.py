"""The comparison of two versions as one self-contained page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ml.features.feature import Feature
from ml.features.vector import FEATURE_NAMES
from scripts.cli.model_card import rows_of
from scripts.pages.marks import Mark, Picture, curve, dot, label, line, picture, rectangle, scale
from scripts.pages.own_units import in_own_unit
from scripts.pages.shapes import NO_DATA, SCALES, Part, stops
from scripts.pages.templates import number, percent, render, signed
from scripts.versions.comparison import SHOWN, Comparison, Difference


class Pair(NamedTuple):
    """A feature with the two curves that the versions draw for it."""

    feature: Feature
    difference: Difference
    picture: Picture


def page(found: Comparison) -> str:
    """The whole page as HTML. Raises ModuleNotFoundError where Jinja is not installed."""
    shown = found.differences[:SHOWN]
    return render(
        "versions/compare.html",
        found=found,
        pairs=[Pair(each.feature, each, _picture(each, _parts(found, each.feature))) for each in shown],
        where_of=where_of,
        has_rows=rows_of(found.second.card) is not None or rows_of(found.first.card) is not None,
        more=len(found.differences) - len(shown),
    )


def _parts(found: Comparison, feature: Feature) -> Sequence[Part]:
    """The feature in both versions, with the training rows of the second, else of the first."""
    place = FEATURE_NAMES.index(feature.name)
    rows = rows_of(found.second.card) or rows_of(found.first.card)
    there = None if rows is None else rows.features[feature.name]
    cards = [each.saved.scorecard for each in (found.first, found.second)]
    return [Part(feature, card.tables[place], card.calibration[0], None, there) for card in cards]


def _picture(found: Difference, parts: Sequence[Part]) -> Picture:
    width, height, left, strip, foot = 280, 190, 40, 26, 20
    reach = max(*(part.reach for part in parts), abs(found.first), abs(found.second))
    furthest = next((each for each in SCALES if each >= reach), reach)
    x, y = scale(0, 1, left + 14, width - 8), scale(-furthest, furthest, height - foot - strip - 4, 12)
    ground, rows = height - foot, parts[0].rows

    def marks() -> Iterator[Mark]:
        if rows is not None:
            most = max(rows.absent, *rows.bins) or 1.0
            wide = x(1 / len(rows.bins)) - x(0)
            for place, share in enumerate(rows.bins):
                tall = strip * share / most
                told = f"{percent(share, 1)} of the training visits"
                yield rectangle("density", x(0) + place * wide + 0.5, ground - tall, wide - 1, tall, told)
            tall = strip * rows.absent / most
            yield rectangle("density", left, ground - tall, 8, tall, f"{NO_DATA}: {percent(rows.absent, 1)}")
        yield line("rule", left, y(0), width - 8, y(0))
        for logit in (furthest, 0.0, -furthest):
            yield label("tick end", left - 4, y(logit) + 4, signed(logit, 1 if furthest >= 1 else 2))
        for value, kind in ((0, "tick"), (1, "tick end")):
            yield label(kind, x(value), height - 4, in_own_unit(found.feature, value))
        for kind, part in zip(("first", "second"), parts):
            yield dot(f"dot {kind}", left + 4, y(part.at(None)), 3.5, f"{NO_DATA}: {number(part.at(None))}")
            yield curve(f"line {kind}", ((x(value), y(part.at(value))) for value in stops(part.table)))

    told = f"Two curves for {found.feature.meaning}. They lie furthest apart at {where_of(found)}:"
    return picture("shape", width, height, f"{told} {signed(found.first)} and {signed(found.second)}.", marks())


def where_of(found: Difference) -> str:
    """The value at which the curves lie furthest apart, in the feature's own unit."""
    return NO_DATA if found.where is None else in_own_unit(found.feature, found.where)
