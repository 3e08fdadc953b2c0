"""Visits: one learner's answers on one objective with no gap over an hour, and what the platform says of each.

The definition is the platform's own and is written here once: labelled examples, difficulty tables and recorded
outcomes all judge a visit through `Visit.struggled`, and an answer through ml/study/correctness.py.
"""

from __future__ import annotations

from ml.study.correctness import GOOD, correct_ratings
from ml.study.history import VISIT_GAP_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml import ports

GRADES = frozenset(("AGAIN", "HARD", "GOOD", "EASY"))
"""A review whose rating is any other text is no answer."""
JUDGED_ANSWERS = 5
"""The first answers of a visit that its judgement looks at."""
FEWEST_ANSWERS = 3
"""A visit with fewer graded answers, and no validation score, is not judged at all."""
PERFORMANCE_BELOW = 0.65
"""This is two wrong answers or more, whether three, four or five are judged."""
VALIDATION_BELOW = 0.60


class Visit:
    """A visit of one objective, or a run of validation prompts on it that stands outside any visit.

    answers: graded answers in all (of a run of prompts: the prompts). judged, wrong: the first up-to-five of them;
    which answers are wrong is the setting's to say (ml/study/correctness.py).
    validation: mean validation score 0..1 given during the visit, or None. repeat: the learner had met the
    objective before.
    """

    __slots__ = ("answers", "judged", "last_ms", "objective_id", "repeat", "scores", "started_ms", "wrong")

    def __init__(self, objective_id: str, started_ms: int, repeat: bool) -> None:
        self.objective_id = objective_id
        self.started_ms = started_ms
        self.last_ms = started_ms
        self.repeat = repeat
        self.answers = 0
        self.judged = 0
        self.wrong = 0
        self.scores: list[float] = []

    @property
    def validation(self) -> float | None:
        """Mean validation score, or None where none was given."""
        return sum(self.scores) / len(self.scores) if self.scores else None

    @property
    def prompted(self) -> bool:
        """Whether this is a run of validation prompts alone."""
        return self.answers == 0

    def struggled(self, below: float | None = None) -> bool | None:
        """The platform's outcome, or None where the visit labels nothing.

        Where a validation score was given it decides (below 60 %); else performance over the first up-to-five
        answers does (below 65 %). `below` replaces both thresholds. The platform's third rule, three AGAIN, is counted
        among the same five answers and adds nothing: three wrong of five are 40 %.
        """
        score = self.validation
        if score is not None:
            return score < (VALIDATION_BELOW if below is None else below)
        if self.answers < FEWEST_ANSWERS:
            return None
        return 1.0 - self.wrong / self.judged < (PERFORMANCE_BELOW if below is None else below)


def visits_of(
    reviews: Sequence[ports.Review], validations: Sequence[ports.Validation] = (), correct_from: str = GOOD
) -> list[Visit]:
    """Every visit in the order of its start; both sources run oldest first.

    A validation given between two answers of a visit belongs to that visit; any other opens or extends a run of
    prompts of its own (a test that follows the last answer is a question asked anew). Rows without an objective or
    a score belong to no visit.
    """
    correct = correct_ratings(correct_from)
    visits: list[Visit] = []
    of_objective: dict[str, list[Visit]] = {}
    for review in reviews:
        objective_id = review.objective_id
        if objective_id is None or review.rating not in GRADES:
            continue
        at_ms = review.reviewed_at_ms
        earlier = of_objective.setdefault(objective_id, [])
        if not earlier or at_ms - earlier[-1].last_ms > VISIT_GAP_MS:
            earlier.append(Visit(objective_id, at_ms, bool(earlier)))
            visits.append(earlier[-1])
        visit = earlier[-1]
        visit.last_ms = at_ms
        visit.answers += 1
        if visit.judged < JUDGED_ANSWERS:
            visit.judged += 1
            visit.wrong += review.rating not in correct
    runs: dict[str, Visit] = {}
    for validation in validations:
        objective_id, score, at_ms = validation.objective_id, validation.score, validation.responded_at_ms
        if objective_id is None or score is None:
            continue
        around = next((v for v in of_objective.get(objective_id, ()) if v.started_ms < at_ms <= v.last_ms), None)
        if around is None:
            around = runs.get(objective_id)
            if around is None or at_ms - around.last_ms > VISIT_GAP_MS:
                met = any(v.started_ms < at_ms for v in of_objective.get(objective_id, ()))
                around = runs[objective_id] = Visit(objective_id, at_ms, met)
                visits.append(around)
            around.last_ms = at_ms
        around.scores.append(min(1.0, max(0.0, score)))
    visits.sort(key=lambda visit: visit.started_ms)  # stable: answers stay in their own order
    return visits
