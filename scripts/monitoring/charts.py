"""The pictures of a monitoring report, as inline SVG that takes its colours from the page's style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from ml.evaluation.drift import MATERIAL, FeatureDrift
from ml.evaluation.figures import Figure
from ml.instants import iso
from scripts.monitoring.alerts import CalibrationBin
from scripts.monitoring.report import Week
from scripts.monitoring.targets import WITHIN_POINTS, Target

Scale = Callable[[float], float]


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """Maps low..high to start..end, clamped."""
    return lambda value: start + (end - start) * min(1.0, max(0.0, (value - low) / (high - low)))


def svg(width: int, height: int, label: str, parts: Iterator[str]) -> str:
    """A picture that scales with its column and reads itself aloud."""
    shape = f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}"'
    return f'<svg {shape} style="max-width:{width}px">{"".join(parts)}</svg>'


def reliability(bins: Sequence[CalibrationBin]) -> str:
    """Predicted probability against observed rate: points with intervals, the diagonal and ten points around it."""
    size, left, top = 380, 46, 12
    x, y = scale(0, 1, left, left + size), scale(0, 1, top + size, top)

    def parts() -> Iterator[str]:
        w = WITHIN_POINTS
        corners = ((0, 0), (0, w), (1 - w, 1), (1, 1), (1, 1 - w), (w, 0))
        yield f'<polygon class="band" points="{_points(corners, x, y)}"/>'
        for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
            yield _line("grid", x(tick), y(0), x(tick), y(1)) + _line("grid", x(0), y(tick), x(1), y(tick))
            yield _text(x(tick), top + size + 18, f"{tick:.0%}", "tick middle")
            yield _text(left - 8, y(tick) + 4, f"{tick:.0%}", "tick end")
        yield _line("diagonal", x(0), y(0), x(1), y(1))
        yield _text(left + size / 2, top + size + 40, "predicted probability of struggling", "axis middle")
        middle = top + size / 2
        yield f'<g transform="rotate(-90 12 {middle})">{_text(12, middle, "struggled", "axis middle")}</g>'
        most = max((each.bin.n for each in bins), default=1)
        for each in bins:
            at_x, rate = x(each.bin.mean_probability), each.rate
            if rate.low is not None and rate.high is not None:
                yield _line("whisker", at_x, y(rate.low), at_x, y(rate.high))
            told = (
                f"predicted {each.bin.mean_probability:.1%}, struggled {each.bin.struggle_rate:.1%} {bounds(rate)}, "
                f"n = {each.bin.n}"
            )
            radius = 3.5 + 3.5 * (each.bin.n / most) ** 0.5
            yield f'<circle class="dot" cx="{at_x:.1f}" cy="{y(each.bin.struggle_rate):.1f}" r="{radius:.1f}">'
            yield f"<title>{told}</title></circle>"

    return svg(left + size + 24, top + size + 50, "reliability diagram", parts())


def interval_bar(figure: Figure, low: float, high: float, target: Target | None, width: int = 150) -> str:
    """A dot with its whisker on a rule from low to high; what the target asks for is shaded."""
    x = scale(low, high, 4, width - 4)

    def parts() -> Iterator[str]:
        if target is not None:
            wanted = (
                low if target.at_least is None else target.at_least,
                high if target.at_most is None else target.at_most,
            )
            start, end = x(wanted[0]), x(wanted[1])
            yield f'<rect class="wanted" x="{start:.1f}" y="3" width="{max(end - start, 0):.1f}" height="12" rx="2"/>'
        yield _line("rule", 4, 9, width - 4, 9)
        if figure.low is not None and figure.high is not None:
            yield _line("whisker thick", x(figure.low), 9, x(figure.high), 9)
        if figure.value is not None:
            yield f'<circle class="dot" cx="{x(figure.value):.1f}" cy="9" r="4"/>'

    return svg(width, 18, f"{number(figure.value)} {bounds(figure)}", parts())


def trend(weeks: Sequence[Week], name: str, low: float, high: float, target: Target | None) -> str:
    """One figure week by week, with its interval as a band."""
    width, height, left, top, bottom = 330, 170, 38, 10, 24
    x = scale(0, max(len(weeks) - 1, 1), left + 10, width - 20)
    y = scale(low, high, height - bottom, top)

    def parts() -> Iterator[str]:
        for step in range(5):
            tick = low + (high - low) * step / 4
            yield _line("grid", left, y(tick), width, y(tick)) + _text(left - 6, y(tick) + 4, f"{tick:.2f}", "tick end")
        for limit in (target.at_least, target.at_most) if target else ():
            if limit is not None and low <= limit <= high:
                yield _line("target", left, y(limit), width, y(limit))
        figures = [(place, week, week.evaluation.figure(name)) for place, week in enumerate(weeks)]
        known = [(x(place), figure) for place, _, figure in figures if figure.low is not None]
        if len(known) > 1:
            edge = [(at, y(each.high or 0.0)) for at, each in known]
            edge += [(at, y(each.low or 0.0)) for at, each in reversed(known)]
            yield f'<polygon class="spread" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in edge)}"/>'
        for at, alone in known if len(known) == 1 else ():
            yield _line("whisker", at, y(alone.low or 0.0), at, y(alone.high or 0.0))
        valued = [(x(place), y(each.value)) for place, _, each in figures if each.value is not None]
        yield f'<polyline class="line" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in valued)}"/>'
        every = max(1, (len(weeks) + 3) // 4)
        for place, week, figure in figures:
            if figure.value is not None:
                told = f"week of {iso(week.start_ms)[:10]}: {number(figure.value)} {bounds(figure)}, n = {figure.n}"
                yield f'<circle class="dot" cx="{x(place):.1f}" cy="{y(figure.value):.1f}" r="3.5">'
                yield f"<title>{told}</title></circle>"
            if (len(weeks) - 1 - place) % every == 0:
                yield _text(x(place), height - 6, iso(week.start_ms)[5:10], "tick middle")

    return svg(width, height, f"{name} by week", parts())


def drift_bars(drift: Sequence[FeatureDrift]) -> str:
    """Distances as bars; the tick on each is what chance explains, the dashed line what would matter."""
    left, width, row = 250, 900, 24
    most = max(2.0 * MATERIAL, *(1.1 * max(each.distance, each.limit) for each in drift))
    x = scale(0, most, left, width - 60)
    height = row * len(drift) + 30

    def parts() -> Iterator[str]:
        for place, each in enumerate(drift):
            top = place * row + 4
            kind = "bar bad" if each.drifted else "bar notable" if each.beyond_chance else "bar"
            yield _text(left - 10, top + 13, each.feature.replace("_", " "), "label end")
            length = max(x(each.distance) - left, 1)
            yield f'<rect class="{kind}" x="{left}" y="{top + 3}" width="{length:.1f}" height="12" rx="2">'
            yield f"<title>{escape(drift_words(each))}</title></rect>"
            yield _line("chance", x(each.limit), top, x(each.limit), top + 18)
            yield _text(max(x(each.distance), x(each.limit)) + 6, top + 13, f"{each.distance:.3f}", "tick")
        bottom = row * len(drift) + 8
        yield _line("target", x(MATERIAL), 0, x(MATERIAL), bottom)
        yield _text(x(MATERIAL), bottom + 14, f"matters from {MATERIAL}", "tick middle")

    return svg(width, height, "feature drift", parts())


def drift_words(drift: FeatureDrift) -> str:
    """What has changed, in a sentence."""
    return (
        f"{drift.feature}: mean {number(drift.mean_before)} before, {number(drift.mean_after)} now; "
        f"missing {drift.missing_before:.1%} before, {drift.missing_after:.1%} now; chance explains {drift.limit:.3f}"
    )


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "–" if value is None else f"{value:.3f}".replace("-", "−")  # noqa: RUF001 - typographic dashes


def bounds(figure: Figure) -> str:
    """The interval in brackets, or nothing."""
    return "" if figure.low is None else f"[{number(figure.low)}, {number(figure.high)}]"


def _points(corners: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    return " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in corners)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
