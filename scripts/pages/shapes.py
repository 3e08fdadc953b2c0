"""What one feature adds, as a picture: the curve, the spread of the bagged models, and where the training rows lay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from ml.features.feature import Feature
from ml.scoring.scorecard import Deviations, Table
from scripts.cli.model_card import RowsOfFeature
from scripts.pages.marks import Mark, Picture, area, curve, dot, label, line, picture, rectangle, scale
from scripts.pages.own_units import in_own_unit
from scripts.pages.templates import number, percent, signed

GRID = 101
TENTHS = 10
NO_DATA = "no data"
FEW = 0.002
"""A bin with a smaller share of the rows does not stretch the scale."""
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Logits at the upper end of a picture: few, so that two pictures are easily compared."""
_JUST = 1e-9
"""A value this little above an edge belongs to the next segment."""


class Own(NamedTuple):
    """A learner's value of a feature; None is no data."""

    value: float | None


class Part(NamedTuple):
    """One feature's part in a model. slope: that of the calibration. spread, rows: None where nothing tells of them."""

    feature: Feature
    table: Table
    slope: float
    spread: Deviations | None
    rows: RowsOfFeature | None

    def at(self, value: float | None) -> float:
        """What the feature adds to the logit at a value."""
        return self.slope * self.table.at(value)

    def between(self, value: float | None) -> tuple[float, float]:
        """The least and the most that the model and its bagged models add at a value."""
        apart = [0.0, *(self.spread.at(value) if self.spread is not None else ())]
        return self.at(value) + self.slope * min(apart), self.at(value) + self.slope * max(apart)

    @property
    def reach(self) -> float:
        """The largest change of the logit in either direction."""
        return reach_of(self.table, self.slope)

    @property
    def usual_reach(self) -> float:
        """The same where training rows lay; the whole reach where nothing tells of them."""
        if self.rows is None:
            return self.reach
        bins = self.rows.bins
        values = [
            (place + part) / len(bins)
            for place, share in enumerate(bins)
            if share >= FEW
            for part in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
        without = [None] if self.rows.absent >= FEW else []
        return max((abs(edge) for value in (*values, *without) for edge in self.between(value)), default=0.0)


class Row(NamedTuple):
    """A line of the table below a picture: a range of values, what is added there, its spread, and who was there."""

    where: str
    adds: str
    spread: str
    rows: str


def reach_of(table: Table, slope: float) -> float:
    """The largest change of the logit that the table makes in either direction."""
    values = [table.at(step / (GRID - 1)) for step in range(GRID)] + [table.missing]
    return slope * max(abs(value) for value in values)


def stops(table: Table, more: Sequence[float] = ()) -> Sequence[float]:
    """The values through which the line is drawn: both ends of every segment, so that steps stay steps.

    more: further edges at which something steps.
    """
    found = [0.0]
    for low, high in pairwise([0.0, *sorted({edge for edge in (*table.edges, *more) if 0 < edge < 1}), 1.0]):
        found += [min(high, low + _JUST), high]
    return found


def shape(part: Part, own: Own | None = None) -> Picture:
    """The picture, on the smallest of a few scales that holds the curve where training rows lay, and the own value."""
    reach = max(part.usual_reach, 0.0 if own is None else abs(part.at(own.value)))
    furthest = next((each for each in SCALES if each >= reach), reach)
    width, height, left, strip, foot = 280, 190, 40, 26, 20
    x = scale(0, 1, left + 14, width - 8)
    y = scale(-furthest, furthest, height - foot - strip - 4, 12)
    ground = height - foot
    # where a curve leaves the picture, it is drawn up to the edge and no further
    grid = [step / (GRID - 1) for step in range(GRID)] if part.reach > furthest else []

    def marks() -> Iterator[Mark]:
        if part.rows is not None:
            most = max(part.rows.absent, *part.rows.bins) or 1.0
            step = 1 / len(part.rows.bins)
            for place, found in enumerate(part.rows.bins):
                tall, start = strip * found / most, place * step
                told = f"{_range(part.feature, start, start + step)}: {percent(found, 1)} of the training visits"
                yield rectangle("density", x(start) + 0.5, ground - tall, x(step) - x(0) - 1, tall, told)
            tall = strip * part.rows.absent / most
            told = f"{NO_DATA}: {percent(part.rows.absent, 1)} of the training visits"
            yield rectangle("density", left, ground - tall, 8, tall, told)
        yield line("rule", left, y(0), width - 8, y(0))
        for logit in (furthest, 0.0, -furthest):
            yield label("tick end", left - 4, y(logit) + 4, signed(logit, 1 if furthest >= 1 else 2))
        for value, kind in ((0, "tick"), (1, "tick end")):
            yield label(kind, x(value), height - 4, in_own_unit(part.feature, value))
        if part.spread is not None:
            places = stops(part.table, (*part.spread.edges, *grid))
            edge = [(x(value), y(part.between(value)[1])) for value in places]
            edge += [(x(value), y(part.between(value)[0])) for value in reversed(places)]
            yield area("spread", edge)
            low, high = part.between(None)
            yield line("whisker thick absent", left + 4, y(low), left + 4, y(high))
        yield dot("dot absent", left + 4, y(part.at(None)), 3.5, f"{NO_DATA}: {number(part.at(None))}")
        for piece in _within(part, stops(part.table, grid), furthest):
            yield curve("line", ((x(value), y(part.at(value))) for value in piece))
        if own is not None:
            at = left + 4.0 if own.value is None else x(own.value)
            yield line("own", at, 8, at, ground)
            yield dot("dot own", at, y(part.at(own.value)), 5, f"this learner: {_own(part, own)}")

    return picture("shape", width, height, _told(part, own), marks())


def _within(part: Part, values: Sequence[float], furthest: float) -> Iterator[Sequence[float]]:
    """The runs of values at which the curve lies in the picture."""
    for inside, run in groupby(values, key=lambda value: abs(part.at(value)) <= furthest):
        if inside:
            yield list(run)


def rows_of_shape(part: Part) -> Iterator[Row]:
    """The picture in numbers, a tenth of the range per line."""
    for place in range(TENTHS):
        low, high = place / TENTHS, (place + 1) / TENTHS
        share = None if part.rows is None else _share(part.rows.bins, low, high)
        yield _row(part, _range(part.feature, low, high), (low + high) / 2, share)
    yield _row(part, NO_DATA, None, None if part.rows is None else part.rows.absent)


def _row(part: Part, where: str, value: float | None, share: float | None) -> Row:
    low, high = part.between(value)
    spread = f"{signed(low, 2)} to {signed(high, 2)}" if part.spread is not None else ""
    return Row(where, signed(part.at(value), 2), spread, "" if share is None else percent(share, 1))


def _share(bins: Sequence[float], low: float, high: float) -> float:
    return min(1.0, sum(found for place, found in enumerate(bins) if low <= (place + 0.5) / len(bins) < high))


def _range(feature: Feature, low: float, high: float) -> str:
    start, end = in_own_unit(feature, low), in_own_unit(feature, high)
    return f"about {start}" if start == end else f"{start} to {end}"


def _own(part: Part, own: Own) -> str:
    value = NO_DATA if own.value is None else in_own_unit(part.feature, own.value)
    return f"{value}, which adds {signed(part.at(own.value), 2)}"


def _told(part: Part, own: Own | None) -> str:
    """The picture in words, for a screen reader."""
    start, end = in_own_unit(part.feature, 0), in_own_unit(part.feature, 1)
    told = f"What this feature adds: {part.feature.meaning}. {signed(part.at(0.0), 2)} at {start},"
    told += f" {signed(part.at(0.5), 2)} in the middle, {signed(part.at(1.0), 2)} at {end},"
    told += f" and {signed(part.at(None), 2)} without data."
    return told if own is None else f"{told} This learner: {_own(part, own)}."
