"""A prediction as steps: from the probability before any feature is looked at to the answer, a bar per feature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scripts.pages.marks import Mark, Picture, line, picture, rectangle, scale
from scripts.pages.templates import percent, signed

SHOWN = 12
WIDTH = 220


class Factor(NamedTuple):
    """One feature's part. points: its share of the probability minus the base."""

    text: str
    name: str
    points: float


class Step(NamedTuple):
    """A line of the picture. points: signed percentage points, or the probability of the first and the last line."""

    text: str
    name: str
    points: str
    bar: Picture


def steps(base: float, factors: Sequence[Factor], probability: float, absent: Factor | None = None) -> list[Step]:
    """The lines: the base, the strongest factors in their order, the sum of the others, and the answer.

    absent: what stands for all features without data, after the others.
    """
    shown, others = list(factors[:SHOWN]), factors[SHOWN:]
    if others:
        many = f"{len(others)} weaker features together" if len(others) > 1 else "one weaker feature"
        shown.append(Factor(many, "", sum(each.points for each in others)))
    if absent is not None:
        shown.append(absent)
    ends = [base]
    for each in shown:
        ends.append(ends[-1] + each.points)
    low, high = min(0.0, *ends), max(1.0, *ends)
    found = [Step("before any feature is looked at", "", percent(base), _bar(low, high, 0.0, base, "whole"))]
    for each, start, end in zip(shown, ends, ends[1:]):
        kind = "raises" if each.points > 0 else "lowers"
        found.append(Step(each.text, each.name, signed(100 * each.points, 1), _bar(low, high, start, end, kind)))
    return [*found, Step("the prediction", "", percent(probability), _bar(low, high, 0.0, probability, "whole"))]


def _bar(low: float, high: float, start: float, end: float, kind: str) -> Picture:
    x = scale(low, high, 2, WIDTH - 2)

    def marks() -> Iterator[Mark]:
        for edge in (0.0, 0.5, 1.0):
            yield line("grid", x(edge), 0, x(edge), 20)
        left, right = sorted((x(start), x(end)))
        yield rectangle(f"bar {kind}", left, 4, max(right - left, 1.5), 12)

    return picture("step", WIDTH, 20, f"from {percent(start)} to {percent(end)}", marks())
