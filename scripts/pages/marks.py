"""Charts as lists of lines, dots and texts, which pages/chart.html draws as SVG in the stylesheet's colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

Scale = Callable[[float], float]


class Mark(NamedTuple):
    """One SVG element. title: the text that appears when the pointer rests on it."""

    tag: str
    attributes: Mapping[str, str]
    text: str = ""
    title: str = ""


class Picture(NamedTuple):
    """A chart that scales with its column; screen readers read its label."""

    kind: str
    width: int
    height: int
    label: str
    marks: Sequence[Mark]


def picture(kind: str, width: int, height: int, label: str, marks: Iterable[Mark]) -> Picture:
    """A picture of all these marks; later ones are drawn over earlier ones."""
    return Picture(kind, width, height, label, tuple(marks))


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """Maps low..high to start..end; values outside are clamped."""
    return lambda value: start + (end - start) * min(1.0, max(0.0, (value - low) / (high - low)))


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Mark:
    """A straight line."""
    return Mark("line", {"class": kind, "x1": _at(x1), "y1": _at(y1), "x2": _at(x2), "y2": _at(y2)})


def rectangle(kind: str, x: float, y: float, width: float, height: float, title: str = "") -> Mark:
    """A bar."""
    place = {"x": _at(x), "y": _at(y), "width": _at(max(width, 0.0)), "height": _at(height), "rx": "2"}
    return Mark("rect", {"class": kind, **place}, title=title)


def dot(kind: str, x: float, y: float, radius: float, title: str = "") -> Mark:
    """A circle."""
    return Mark("circle", {"class": kind, "cx": _at(x), "cy": _at(y), "r": _at(radius)}, title=title)


def curve(kind: str, points: Iterable[tuple[float, float]]) -> Mark:
    """A line through points."""
    return Mark("polyline", {"class": kind, "points": _points(points)})


def area(kind: str, points: Iterable[tuple[float, float]]) -> Mark:
    """A filled polygon."""
    return Mark("polygon", {"class": kind, "points": _points(points)})


def label(kind: str, x: float, y: float, text: str, turned: bool = False) -> Mark:
    """A text. turned: whether it runs upwards."""
    place = {"class": kind, "x": _at(x), "y": _at(y)}
    return Mark("text", {**place, "transform": f"rotate(-90 {_at(x)} {_at(y)})"} if turned else place, text)


def _at(length: float) -> str:
    return f"{length:.1f}"


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
