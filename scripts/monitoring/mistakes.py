"""The predictions of a period that were furthest from what happened."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scripts.monitoring.columns import Codes, Predictions, how_far_off
from scripts.monitoring.visits import Mask

WORST = 8
"""How many false positives, and how many false negatives, are shown one by one."""


class Mistake(NamedTuple):
    """A prediction that its outcome contradicts; size is its distance from the outcome, 0..1.

    Of several predictions of one visit, the one that counts (scripts/monitoring/visits.py).
    """

    size: float
    prediction_id: str
    learner_id: str
    objective_id: str
    probability: float
    struggled: bool
    predicted_at_ms: int


def worst_mistakes(period: Predictions, counts: Mask, codes: Codes) -> tuple[Mistake, ...]:
    """The largest mistakes of a period: false positives, then misses; of different visits, and at most one for each
    learner and objective."""
    rows, learners, objectives = period.rows, codes.learners.names, codes.objectives.names
    size = np.where(counts, how_far_off(rows), 0.0)
    found = []
    for struggled in (False, True):
        wrong = np.flatnonzero((rows.outcome == struggled) & (size > 0.5))
        ranked = sorted(wrong.tolist(), key=lambda place: (-size[place], period.far_off[place]))
        met: set[tuple[int, int]] = set()
        for place in ranked:
            where = int(rows.learner[place]), int(rows.objective[place])
            if where in met:
                continue
            met.add(where)
            found.append(
                Mistake(
                    float(size[place]),
                    period.far_off[place],
                    learners[where[0]],
                    objectives[where[1]],
                    float(rows.probability[place]),
                    struggled,
                    int(rows.at_ms[place]),
                )
            )
            if len(met) == WORST:
                break
    return tuple(found)
