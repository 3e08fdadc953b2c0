"""The curve that a feature's table draws: how far it reaches, and through which values it goes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ml.scoring.scorecard import Table

GRID = 101


def reach_of(table: Table, slope: float) -> float:
    """The largest change of the logit that the table makes in either direction."""
    values = [table.at(step / (GRID - 1)) for step in range(GRID)] + [table.missing]
    return slope * max(abs(value) for value in values)


def stops(table: Table) -> Sequence[float]:
    """The values through which the line is drawn: both ends of every segment, so that steps stay steps."""
    found = [0.0]
    for low, high in pairwise([0.0, *[edge for edge in table.edges if 0 < edge < 1], 1.0]):
        found += [min(high, low + 1e-9), high]
    return found
