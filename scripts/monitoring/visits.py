"""Which stored predictions count: one for each visit, however many of them spoke of it.

A nightly batch predicts a visit again every night until it takes place, and the visit decides all these predictions.
The latest before the visit counts, which is the one that the learner was last helped by. Likewise only the latest of a
learner's open predictions of an objective counts where their figures are estimated in advance.

record_outcomes.py notes with each outcome which visit decided it. Where that is unknown, predictions of one learner and
objective that follow each other and have one outcome are taken for predictions of one visit if their outcomes were
recorded in one run, or, where no run is known, if less than two days lie between them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.evaluation.metrics import Floats, Integers
from ml.study.history import DAY_MS

UNKNOWN = -1
"""An instant that is not known."""

_ONE_VISIT_WITHIN_MS = 2 * DAY_MS

Mask = npt.NDArray[np.bool_]


class Spoken(NamedTuple):
    """Of what the stored predictions spoke, and what came of it: one row each.

    outcome: 1, 0, or NaN while it is open. recorded_ms and visit_ms: when the outcome was recorded, and when the visit
    that decided it began; UNKNOWN where that is not stored.
    """

    learner: Integers
    objective: Integers
    at_ms: Integers
    outcome: Floats
    recorded_ms: Integers
    visit_ms: Integers


def counted(spoken: Spoken) -> Mask:
    """Whether each prediction is the one that counts for its visit, or for its objective while it is open."""
    is_open = np.isnan(spoken.outcome)
    order = np.lexsort((spoken.at_ms, is_open, spoken.objective, spoken.learner))
    this, following = order[:-1], order[1:]

    def same(values: npt.NDArray[np.generic]) -> Mask:
        return np.asarray(values[this] == values[following])

    of_one_place = same(spoken.learner) & same(spoken.objective) & same(is_open)
    known = (spoken.visit_ms[this] != UNKNOWN) & (spoken.visit_ms[following] != UNKNOWN)
    run_known = (spoken.recorded_ms[this] != UNKNOWN) | (spoken.recorded_ms[following] != UNKNOWN)
    pause_ms = spoken.at_ms[following] - spoken.at_ms[this]
    near = (pause_ms > 0) & (pause_ms < _ONE_VISIT_WITHIN_MS)  # rows of one instant are not of two runs of a batch
    likely = same(spoken.outcome) & np.where(run_known, same(spoken.recorded_ms), near)
    one_visit = np.where(known, same(spoken.visit_ms), likely)
    superseded = of_one_place & (is_open[this] | one_visit)
    found = np.ones(len(order), dtype=np.bool_)
    found[this[superseded]] = False
    return found
