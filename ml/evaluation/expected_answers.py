"""What the estimates expected of each answer before it was given: the ability then, and how hard the card is.

The probability of a wrong answer is logistic(hardness - ability). Nothing of the answer itself, or of anything that
this learner did after it, is in it. What the learner has done on the very objective counts no more than what was done
elsewhere: else a learner who is stuck would soon be expected to be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ml.study.correctness import correct_ratings
from ml.study.estimates import LearnerEstimates, difficulty_facing
from ml.study.visits import GRADES, are_apart

if TYPE_CHECKING:
    from ml.study.difficulty import Difficulties
    from ml.study.history import LearnerHistory


class ExpectedAnswer(NamedTuple):
    """One answer and what was expected of it, in logits.

    order_only: as in ports.Review. opens: whether the learner had not answered the card within the hour before.
    ability: of the learner; variance: how uncertain it was. hardness: of the card for other learners;
    objective_hardness: of its objective.
    """

    objective_id: str
    card_id: str
    at_ms: int
    order_only: bool
    wrong: bool
    opens: bool
    ability: float
    variance: float
    hardness: float
    objective_hardness: float


def expected_answers(past: LearnerHistory, table: Difficulties | None) -> Iterator[ExpectedAnswer]:
    """The graded answers of the learner's window that belong to an objective, oldest first.

    table: the deployment's difficulties, without what this learner did; None where there are none.
    """
    correct = correct_ratings(past.correct_from)
    difficulty = difficulty_facing(past, (), (), table, past.correct_from)
    estimates = LearnerEstimates(difficulty, past.correct_from)
    scores = iter(past.validations)
    score = next(scores, None)
    last_ms: dict[str, int] = {}
    for review in past.reviews:
        at_ms, objective_id, card_id = review.reviewed_at_ms, review.objective_id, review.card_id
        while score is not None and score.responded_at_ms <= at_ms:
            estimates.observe_validation(score)
            score = next(scores, None)
        if objective_id is not None and review.rating in GRADES:
            before_ms = last_ms.get(card_id)
            last_ms[card_id] = at_ms
            ability, variance = estimates.strength.logit, estimates.strength.variance
            yield ExpectedAnswer(
                objective_id,
                card_id,
                at_ms,
                review.order_only,
                review.rating not in correct,
                before_ms is None or are_apart(before_ms, at_ms),
                ability,
                variance,
                difficulty.of_card(objective_id, card_id)[0],
                difficulty.objectives.get(objective_id, difficulty.totals).error_logit,
            )
        estimates.observe(review)
