"""What a learner did in the weeks that the report looks back on: answers with what was expected of them, and visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.expected_answers import expected_answers
from ml.study.history import LearnerHistory
from ml.study.visits import visits_of

if TYPE_CHECKING:
    from ml.study.difficulty import Difficulties

Visit = tuple[int, str, bool]
"""A visit that can be judged: its start, its objective, and whether it was a struggle."""


class Answered(NamedTuple):
    """Answers as columns, because a large class has millions. expected: ability, variance and both hardnesses."""

    objective_ids: list[str]
    card_ids: list[str]
    wrong: NDArray[np.bool_]
    opens: NDArray[np.bool_]
    expected: NDArray[np.float64]


NOTHING = Answered([], [], np.empty(0, np.bool_), np.empty(0, np.bool_), np.empty((0, 4)))


def answered(
    past: LearnerHistory, table: Difficulties | None, since_ms: int, within: frozenset[str] | None
) -> Answered:
    """The learner's answers since then; where their times only give the order, all of the window."""
    found = [
        each
        for each in expected_answers(past, table)
        if (each.at_ms >= since_ms or each.order_only) and (within is None or each.objective_id in within)
    ]
    if not found:
        return NOTHING
    return Answered(
        [each.objective_id for each in found],
        [each.card_id for each in found],
        np.array([each.wrong for each in found]),
        np.array([each.opens for each in found]),
        np.array([(each.ability, each.variance, each.hardness, each.objective_hardness) for each in found]),
    )


def judged_visits(past: LearnerHistory, since_ms: int, within: frozenset[str] | None) -> list[Visit]:
    """The learner's visits since then; none where the times of the answers only give the order."""
    return [
        (visit.started_ms, visit.objective_id, struggled)
        for visit in (() if past.order_only else visits_of(past.reviews, past.validations, past.correct_from))
        if visit.started_ms >= since_ms
        and (within is None or visit.objective_id in within)
        and (struggled := visit.struggled()) is not None
    ]
