"""The charts of a monitoring report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ml.evaluation.drift import MATERIAL, FeatureDrift
from ml.evaluation.figures import Figure
from scripts.monitoring.findings import CalibrationBin
from scripts.monitoring.report import Week
from scripts.monitoring.targets import WITHIN_POINTS, Target
from scripts.pages.marks import Mark, Picture, area, curve, dot, label, line, picture, rectangle, scale
from scripts.pages.templates import day, number, percent

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def reliability(bins: Sequence[CalibrationBin]) -> Picture:
    """Predicted probability against observed rate: points with intervals, the diagonal and ten points around it."""
    size, left, top = 380, 72, 12
    x, y = scale(0, 1, left, left + size), scale(0, 1, top + size, top)

    def marks() -> Iterator[Mark]:
        w = WITHIN_POINTS
        corners = ((0, 0), (0, w), (1 - w, 1), (1, 1), (1, 1 - w), (w, 0))
        yield area("band", ((x(a), y(b)) for a, b in corners))
        for tick in SHARES:
            yield line("grid", x(tick), y(0), x(tick), y(1))
            yield line("grid", x(0), y(tick), x(1), y(tick))
            yield label("tick middle", x(tick), top + size + 18, percent(tick))
            yield label("tick end", left - 8, y(tick) + 4, percent(tick))
        yield line("diagonal", x(0), y(0), x(1), y(1))
        yield label("axis middle", left + size / 2, top + size + 40, "predicted probability of a struggle")
        yield label("axis middle", 14, top + size / 2, "share that struggled", turned=True)
        most = max((each.bin.n for each in bins), default=1)
        for each in bins:
            at_x, rate = x(each.bin.mean_probability), each.rate
            if rate.low is not None and rate.high is not None:
                yield line("whisker", at_x, y(rate.low), at_x, y(rate.high))
            predicted, struggled = percent(each.bin.mean_probability, 1), percent(each.bin.struggle_rate, 1)
            told = f"predicted {predicted}, struggled {struggled} {bounds(rate)}, n = {each.bin.n:,}"
            yield dot("dot", at_x, y(each.bin.struggle_rate), 3.5 + 3.5 * (each.bin.n / most) ** 0.5, told)

    return picture("reliability", left + size + 24, top + size + 50, "reliability diagram", marks())


def interval_bar(figure: Figure, low: float, high: float, target: Target | None, width: int = 150) -> Picture:
    """A dot with its whisker on a scale from low to high; the range that meets the target is shaded."""
    x = scale(low, high, 4, width - 4)

    def marks() -> Iterator[Mark]:
        if target is not None:
            start = x(low if target.at_least is None else target.at_least)
            end = x(high if target.at_most is None else target.at_most)
            yield rectangle("wanted", start, 3, end - start, 12)
        yield line("rule", 4, 9, width - 4, 9)
        if figure.low is not None and figure.high is not None:
            yield line("whisker thick", x(figure.low), 9, x(figure.high), 9)
        if figure.value is not None:
            yield dot("dot", x(figure.value), 9, 4)

    return picture("interval", width, 18, f"{number(figure.value)} {bounds(figure)}".rstrip(), marks())


def trend(weeks: Sequence[Week], name: str, title: str, low: float, high: float, target: Target | None) -> Picture:
    """One figure week by week, with its interval as a band."""
    width, height, left, top, bottom = 330, 170, 38, 10, 24
    x = scale(0, max(len(weeks) - 1, 1), left + 10, width - 20)
    y = scale(low, high, height - bottom, top)

    def marks() -> Iterator[Mark]:
        for step in range(5):
            tick = low + (high - low) * step / 4
            yield line("grid", left, y(tick), width, y(tick))
            yield label("tick end", left - 6, y(tick) + 4, f"{tick:.2f}".replace("-", "\N{MINUS SIGN}"))
        for limit in (target.at_least, target.at_most) if target else ():
            if limit is not None and low <= limit <= high:
                yield line("target", left, y(limit), width, y(limit))
        figures = [(place, week, week.evaluation.figure(name)) for place, week in enumerate(weeks)]
        known = [(x(place), figure) for place, _, figure in figures if figure.low is not None]
        if len(known) > 1:
            edge = [(at, y(each.high or 0.0)) for at, each in known]
            edge += [(at, y(each.low or 0.0)) for at, each in reversed(known)]
            yield area("spread", edge)
        for at, alone in known if len(known) == 1 else ():
            yield line("whisker", at, y(alone.low or 0.0), at, y(alone.high or 0.0))
        promised = [(x(place), y(value)) for place, _, value in _promised(weeks, name)]
        if len(promised) > 1:
            yield curve("line expected", promised)
        for place, each, value in _promised(weeks, name):
            told = f"week of {day(weeks[place].start_ms)}: {number(value)} {bounds(each)} was promised"
            yield dot("dot expected", x(place), y(value), 3, told)
        yield curve("line", ((x(place), y(each.value)) for place, _, each in figures if each.value is not None))
        every = max(1, (len(weeks) + 3) // 4)
        for place, week, figure in figures:
            if figure.value is not None:
                told = f"week of {day(week.start_ms)}: {number(figure.value)} {bounds(figure)}, n = {figure.n:,}"
                yield dot("dot", x(place), y(figure.value), 3.5, told)
            if (len(weeks) - 1 - place) % every == 0:
                yield label("tick middle", x(place), height - 6, day(week.start_ms)[5:])

    return picture("trend", width, height, f"{title} by week. {_weeks_told(weeks, name)}", marks())


def _weeks_told(weeks: Sequence[Week], name: str) -> str:
    """The chart in words, for a screen reader."""
    promised = {place: value for place, _, value in _promised(weeks, name)}
    told = []
    for place, week in enumerate(weeks):
        said = f"{day(week.start_ms)}: {number(week.evaluation.figure(name).value)}"
        told.append(said + (f", promised {number(promised[place])}" if place in promised else ""))
    return "; ".join(told)


def _promised(weeks: Sequence[Week], name: str) -> list[tuple[int, Figure, float]]:
    """By the number of the week, what its probabilities promised of a figure."""
    found = [(place, week.expected.get(name)) for place, week in enumerate(weeks)]
    return [(place, each, each.value) for place, each in found if each is not None and each.value is not None]


def drift_bar(drift: FeatureDrift, most: float, width: int = 320) -> Picture:
    """A distance as a bar from 0 to most.

    The tick marks what chance explains, the dashed line where it would matter.
    """
    x = scale(0, most, 2, width - 2)
    kind = "bar bad" if drift.drifted else "bar notable" if drift.beyond_chance else "bar"
    matters = drift.by_chance + MATERIAL
    marks = [
        rectangle(kind, 2, 4, max(x(drift.distance) - 2, 1), 12),
        line("chance", x(drift.limit), 1, x(drift.limit), 19),
        line("target", x(matters), 0, x(matters), 20),
    ]
    told = (
        f"distance {number(drift.distance)}; chance explains up to {number(drift.limit)},"
        f" and it matters from {number(matters)}"
    )
    return picture("drift", width, 20, told, marks)


def drift_scale(drift: Sequence[FeatureDrift]) -> float:
    """The distance at the right end of all drift bars of a page."""
    return max((1.1 * max(each.distance, each.limit, each.by_chance + MATERIAL) for each in drift), default=MATERIAL)


def bounds(figure: Figure) -> str:
    """The interval in brackets, or nothing."""
    return "" if figure.low is None else f"[{number(figure.low)}, {number(figure.high)}]"
