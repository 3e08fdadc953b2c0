"""The pictures of a cohort's report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.pages.marks import Mark, Picture, area, curve, dot, label, line, picture, rectangle, scale
from scripts.pages.templates import percent

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def probability_bar(probability: float, low: float, high: float) -> Picture:
    """A probability as a dot with its interval, on a scale from 0 to 1."""
    width = 150
    x = scale(0, 1, 5, width - 5)
    marks = [
        line("rule", 5, 9, width - 5, 9),
        line("whisker thick", x(low), 9, x(high), 9),
        dot("dot", x(probability), 9, 4.5),
    ]
    told = f"{percent(probability)}, between {percent(low)} and {percent(high)}"
    return picture("interval", width, 18, told, marks)


def length_bar(value: float, most: float, told: str) -> Picture:
    """A number as a bar beside others; most: the largest of them."""
    width = 150
    x = scale(0, most or 1.0, 0, width - 4)
    return picture("interval", width, 16, told, [rectangle("bar", 2, 2, max(x(value), 1.0), 12)])


def trend(weeks: Sequence[Mapping[str, Any]]) -> Picture:
    """The share of struggles week by week with its interval as a band, and what had been predicted as a dashed line."""
    width, height, left, top, bottom = 640, 230, 64, 14, 30
    x = scale(0, max(len(weeks) - 1, 1), left + 16, width - 24)
    y = scale(0, 1, height - bottom, top)

    def marks() -> Iterator[Mark]:
        for tick in TICKS:
            yield line("grid", left, y(tick), width, y(tick))
            yield label("tick end", left - 6, y(tick) + 4, percent(tick))
        known = [(x(place), week) for place, week in enumerate(weeks) if week["low"] is not None]
        if len(known) > 1:
            edge = [(at, y(week["high"])) for at, week in known]
            yield area("spread", edge + [(at, y(week["low"])) for at, week in reversed(known)])
        for at, week in known:
            yield line("whisker", at, y(week["low"]), at, y(week["high"]))
        told = [(x(p), y(w["mean_probability"])) for p, w in enumerate(weeks) if w["mean_probability"] is not None]
        yield curve("diagonal outline", told)
        shown = [(x(p), y(w["struggled"])) for p, w in enumerate(weeks) if w["struggled"] is not None]
        yield curve("line", shown)
        every = max(1, (len(weeks) + 7) // 8)
        for place, week in enumerate(weeks):
            if week["struggled"] is not None:
                text = f"week of {week['start'][:10]}: {percent(week['struggled'])} of {week['visits']:,} visits"
                yield dot("dot", x(place), y(week["struggled"]), 4, text)
            if (len(weeks) - 1 - place) % every == 0:
                yield label("tick middle", x(place), height - 8, week["start"][5:10])

    known = [f"{week['start'][:10]}: {percent(week['struggled'])}" for week in weeks if week["struggled"] is not None]
    return picture("weeks", width, height, f"Share of visits that were a struggle. {'; '.join(known)}", marks())
