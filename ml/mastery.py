"""Levels in numbers: mastery 0..1 and complexity 0.3..0.9, and how well a learner masters an objective.

The levels are the platform's own. masteryLevel is a column without a date that speaks of the objective's owner; any
other learner's mastery, and any mastery in the past, is told by that learner's dated rows.
"""

from __future__ import annotations

from ml.correctness import is_correct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports
    from ml.learner_summary import LearnerSummary

MASTERY = {"NOT_STARTED": 0.0, "BEGINNER": 0.25, "INTERMEDIATE": 0.5, "ADVANCED": 0.75, "MASTERED": 1.0}
COMPLEXITY = {"BASIC": 0.3, "INTERMEDIATE": 0.6, "ADVANCED": 0.9}
MASTERED_FROM = 0.7
"""Mastery below this counts as unmastered."""

NEWEST_ANSWERS = 10
NEWEST_SCORES = 3
SCORE_WEIGHT = 3
"""One validation score weighs as much as three answers: the platform settles an outcome on either."""


def mean(scores: list[float]) -> float | None:
    """The mean, or None of nothing."""
    return sum(scores) / len(scores) if scores else None


def bounded(score: object) -> float | None:
    """A stored score held to 0..1; None where it is no finite number."""
    if isinstance(score, bool) or not isinstance(score, (int, float)) or score != score or abs(score) == _INFINITY:
        return None
    return float(min(1, max(0, score)))


def prerequisite_mastery(prerequisite: ports.Prerequisite, summary: LearnerSummary) -> float:
    """How well the learner masters the prerequisite, 0..1; one never started is 0.

    The owner's masteryLevel when as_of is now; else, and where the level is unknown or still at its default
    NOT_STARTED, what the dated rows show.
    """
    past = summary.past
    if past.is_now and prerequisite.owner_id == past.learner.id:
        stated = MASTERY.get(prerequisite.mastery_level or "")
        if stated:
            return stated
    return shown_mastery(prerequisite.objective_id, summary)


def shown_mastery(objective_id: str, summary: LearnerSummary) -> float:
    """Mastery 0..1 as the newest answers and validation scores on an objective show it; 0 without any.

    One wrong answer is added to what was seen, so that two right answers are not yet mastery and three are. Where
    there are neither answers nor scores, daily retention stands in for them.
    """
    answers = summary.reviews_of(objective_id)[-NEWEST_ANSWERS:]
    scores = summary.validation_scores_of(objective_id)[-NEWEST_SCORES:]
    if not answers and not scores:
        scores = summary.retention_scores_of(objective_id)[-NEWEST_SCORES:]
    correct_from = summary.past.correct_from
    right = sum(is_correct(answer.rating, correct_from) for answer in answers) + SCORE_WEIGHT * sum(scores)
    return right / (len(answers) + SCORE_WEIGHT * len(scores) + 1)


_INFINITY = float("inf")
