"""Which predictions of a batch are flagged, where there is a capacity: as many as a tutor has time for.

The most likely ones are, of equal ones those of the first learner and then of the first objective by their ids. A
prediction from default features says nothing about its learner, and is never flagged. Only the whole batch knows which
these are, so the lines are read again at its end, and each says then whether it is flagged.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

import numpy as np

from ml.evaluation.expected_counts import CountSums


class Flagged(NamedTuple):
    """The flagged lines of a batch: their places, their lowest probability (None where there is none), and their sums.

    sums: None where nothing is known of how many will struggle, because the rules predicted.
    """

    places: frozenset[int]
    least: float | None
    sums: CountSums | None


def most_likely(lines: Iterable[bytes], capacity: int) -> Flagged:
    """The flagged ones of these lines."""
    chosen = heapq.nsmallest(capacity, _candidates(lines))
    if not chosen:
        return Flagged(frozenset(), None, None)
    p, low, high = (np.array(column) for column in zip(*((-each[0], *each[4]) for each in chosen)))
    by_rules = any(each[5] == "rules" for each in chosen)
    sums = None if by_rules else CountSums.of(p, low, high)
    return Flagged(frozenset(each[3] for each in chosen), -chosen[-1][0], sums)


def _candidates(lines: Iterable[bytes]) -> Iterator[tuple[float, str, str, int, tuple[float, float], str]]:
    for place, line in enumerate(lines):
        told = json.loads(line)
        if not told["degraded"]:
            low, high = told["interval"]
            yield -told["probability"], told["user_id"], told["objective_id"], place, (low, high), told["source"]


def marked(lines: Iterable[bytes], flagged: Flagged) -> Iterator[bytes]:
    """The lines, each with `flagged`."""
    for place, line in enumerate(lines):
        yield line.rstrip(b"\n")[:-1] + (
            b', "flagged": true}\n' if place in flagged.places else b', "flagged": false}\n'
        )


def copy_marked(lines: IO[bytes], target: IO[bytes], capacity: int) -> Flagged:
    """Writes all lines of a file to another one, marked; returns which are flagged."""
    lines.seek(0)
    found = most_likely(lines, capacity)
    lines.seek(0)
    target.writelines(marked(lines, found))
    return found
