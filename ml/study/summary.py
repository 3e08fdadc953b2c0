"""What depends on the learner alone and not on the objective faced, computed once per LearnerHistory.

Mastery is computed here too. masteryLevel is a column without a date that describes the objective's owner; any other
learner's mastery, and any mastery in the past, is computed from that learner's dated rows.
"""

from __future__ import annotations

from bisect import bisect_left

from ml.study.correctness import correct_ratings, is_correct
from ml.study.history import DAY_MS
from ml.study.scales import MASTERY, bounded, mean
from ml.study.visits import GRADES, Visit, are_apart, visits_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from ml import ports
    from ml.study.history import LearnerHistory

    _Holds: TypeAlias = Callable[[ports.Review | ports.Metric | ports.Validation | ports.Mastery], bool]
    _Scored: TypeAlias = Iterable[tuple[str | None, object]]

RECENT_MS = 30 * DAY_MS
FEWEST_TO_COMPARE = 6
"""With fewer measurements than this, three in either half, no decline is worked out."""
NEWEST_ANSWERS = 300
LEVEL_ANSWERS = 100
FEWEST_FOR_LEVEL = 3
RECENT_VISITS = 20
RECENT_RUNS = 5
MOST_IN_RUNS = 200
MASTERY_ANSWERS = 10
MASTERY_SCORES = 3
SCORE_WEIGHT = 3
"""One validation score weighs as much as three answers, since the platform decides an outcome by either."""


class LearnerSummary:
    """The learner's graded answers by objective, and a Topic per course; each is computed when it is first used."""

    __slots__ = ("_by_objective", "_retention", "_topics", "_validation", "past")

    def __init__(self, past: LearnerHistory) -> None:
        self.past = past
        by_objective: dict[str | None, list[ports.Review]] = {}
        for review in past.reviews:
            if review.rating in GRADES:
                answers = by_objective.get(review.objective_id)
                if answers is None:
                    answers = by_objective[review.objective_id] = []
                answers.append(review)
        self._by_objective = by_objective
        self._validation: dict[str | None, list[float]] | None = None
        self._retention: dict[str | None, list[float]] | None = None
        self._topics: dict[tuple[str | None, str | None], Topic] = {}

    def after(self, past: LearnerHistory, answers: Sequence[ports.Review]) -> LearnerSummary:
        """The summary of a history to which only these correct answers on one objective have been added at the end."""
        later = object.__new__(LearnerSummary)
        later.past, later._validation, later._retention = past, self._validation, self._retention
        objective_id, course_id = answers[0].objective_id, answers[0].course_id
        later._by_objective = {**self._by_objective}
        later._by_objective[objective_id] = [*self._by_objective.get(objective_id, ()), *answers]
        later._topics = {}
        for key, topic in self._topics.items():
            if key != (course_id, None) and (key[0] is not None or key[1] != objective_id):
                later._topics[key] = topic
            elif (known := topic.after(past, answers, _holds(*key))) is not None:
                later._topics[key] = known
        return later

    def reviews_of(self, objective_id: str) -> Sequence[ports.Review]:
        """The learner's graded answers on one objective, oldest first."""
        return self._by_objective.get(objective_id, ())

    def validation_scores_of(self, objective_id: str) -> list[float]:
        """The learner's validation scores (0..1) on one objective, oldest first."""
        if self._validation is None:
            self._validation = _grouped((row.objective_id, row.score) for row in self.past.validations)
        return self._validation.get(objective_id, [])

    def retention_scores_of(self, objective_id: str) -> list[float]:
        """The learner's daily retention (0..1) on one objective, oldest first."""
        if self._retention is None:
            self._retention = _grouped((row.objective_id, row.retention_score) for row in self.past.metrics)
        return self._retention.get(objective_id, [])

    def topic(self, objective: ports.Objective) -> Topic:
        """The learner's work in the objective's course, or on the objective alone where its course is unknown."""
        course_id = objective.course_id
        key = (course_id, objective.id if course_id is None else None)
        if key not in self._topics:
            self._topics[key] = Topic(self.past, _holds(*key))
        return self._topics[key]

    def recent_answers(self) -> list[ports.Review]:
        """The graded answers of the newest five runs on any objective, at most 200; a gap over an hour ends a run."""
        run: list[ports.Review] = []
        gaps, later_ms = 0, None
        for review in reversed(self.past.reviews):
            if later_ms is not None and are_apart(review.reviewed_at_ms, later_ms):
                gaps += 1
            if gaps == RECENT_RUNS or len(run) == MOST_IN_RUNS:
                break
            later_ms = review.reviewed_at_ms
            if review.rating in GRADES:
                run.append(review)
        return run


def _holds(course_id: str | None, objective_id: str | None) -> _Holds:
    """Which rows belong to the topic: those of the course, or where that is unknown, of the objective."""
    if course_id is None:
        return lambda row: row.objective_id == objective_id
    return lambda row: row.course_id == course_id


def prerequisite_mastery(prerequisite: ports.Prerequisite, summary: LearnerSummary) -> float:
    """How well the learner masters the prerequisite, 0..1; a prerequisite that was never started is 0.

    Where as_of is now, the owner's masteryLevel is used. For anybody else, for the past, and where the level is unknown
    or still at its default NOT_STARTED, mastery is computed from the dated rows.
    """
    past = summary.past
    if past.is_now and prerequisite.owner_id == past.learner.id:
        stated = MASTERY.get(prerequisite.mastery_level or "")
        if stated:
            return stated
    return shown_mastery(prerequisite.objective_id, summary)


def shown_mastery(objective_id: str, summary: LearnerSummary) -> float:
    """Mastery 0..1 as the newest answers and validation scores on an objective show it; 0 without any.

    One wrong answer is added to those on record, so that two correct answers are not yet mastery and three are. Where
    there are neither answers nor scores, daily retention is used in their place.
    """
    answers = summary.reviews_of(objective_id)[-MASTERY_ANSWERS:]
    scores = summary.validation_scores_of(objective_id)[-MASTERY_SCORES:]
    if not answers and not scores:
        scores = summary.retention_scores_of(objective_id)[-MASTERY_SCORES:]
    correct_from = summary.past.correct_from
    return mastery_of(sum(is_correct(answer.rating, correct_from) for answer in answers), len(answers), scores)


def mastery_of(right: int, answers: int, scores: Sequence[float]) -> float:
    """Mastery 0..1 from the number of correct answers, that of all answers, and validation scores.

    >>> mastery_of(3, 3, []), mastery_of(0, 0, [1.0])
    (0.75, 0.75)
    """
    return (right + SCORE_WEIGHT * sum(scores)) / (answers + SCORE_WEIGHT * len(scores) + 1)


class Topic:
    """The learner's work in one topic area. Scores are 0..1, None without data.

    retention: mean daily retention of the last 30 days, else the share of correct answers in that time. decline: how
    much lower the newer half of those measurements is than the older half. level: share of the newest hundred answers
    that were correct, else the mean present mastery of what was started. level_answers: the number of answers on record
    for the level, at most a hundred; below three it rests on masteries. struggles: whether each of the newest twenty
    visits with an outcome was a struggle (from the newest 300 answers). last_studied_ms: the last answer, or the end of
    the last day with a metric, before as_of.
    """

    __slots__ = (
        *("_measured", "_newest", "_recent", "_visits"),
        *("decline", "last_studied_ms", "level", "level_answers", "retention", "struggles"),
    )

    def __init__(self, past: LearnerHistory, holds: _Holds) -> None:
        # Order-only answers are dated in a calendar of their own: their thirty days end with the last of them.
        end_ms = past.reviews[-1].reviewed_at_ms if past.order_only else past.as_of_ms
        metrics = [row for row in past.metrics if holds(row)]
        recent = [
            score
            for row in metrics
            if row.date_ms >= end_ms - RECENT_MS and (score := bounded(row.retention_score)) is not None
        ]
        self._measured = bool(recent)
        if not recent:
            since = bisect_left(past.reviews, end_ms - RECENT_MS, key=lambda review: review.reviewed_at_ms)
            correct = correct_ratings(past.correct_from)
            recent = [
                float(review.rating in correct)
                for review in past.reviews[since:]
                if review.rating in GRADES and holds(review)
            ]
        self._recent = recent
        self.retention = mean(recent)
        self.decline = _decline(recent)
        self._newest = newest = _newest_answers(past, holds)
        self.level_answers = min(LEVEL_ANSWERS, len(newest))
        self.level = _level(newest[-LEVEL_ANSWERS:], past, holds)
        scored = [row for row in past.validations if bounded(row.score) is not None and holds(row)]
        visits = visits_of(newest, scored, past.correct_from)
        self.struggles = _struggles(visits)
        self._visits: list[Visit] | None = visits
        """None where only the newest ones are known."""
        ends = [min(row.date_ms + DAY_MS, past.as_of_ms) for row in metrics[-1:]]
        ends += next(([review.reviewed_at_ms] for review in reversed(past.reviews) if holds(review)), [])
        self.last_studied_ms = max(ends, default=None)

    def after(self, past: LearnerHistory, answers: Sequence[ports.Review], holds: _Holds) -> Topic | None:
        """The topic once these correct answers on one of its objectives have followed on all other rows.

        None where they could change more than the end, so that it must be computed anew.
        """
        if self._visits is None:
            return None
        objective_id = str(answers[0].objective_id)
        visits = list(self._visits)
        place = next((n for n in range(len(visits) - 1, -1, -1) if _is_visit(visits[n], objective_id)), None)
        visit = None if place is None else visits[place]
        if visit is not None and place is not None and not visit.is_over(answers[0].reviewed_at_ms):
            prompts = [each for each in visits if each.prompted and each.objective_id == objective_id]
            if any(each.last_ms > visit.last_ms for each in prompts):
                return None  # the visit, which goes on, takes them in
            visit = visits[place] = visit.copy()
        for answer in answers:
            if visit is None or visit.is_over(answer.reviewed_at_ms):
                visit = Visit(objective_id, answer.reviewed_at_ms, visit is not None, answer.card_id)
                visits.append(visit)
            visit.take(answer.reviewed_at_ms, 1.0)
        later = object.__new__(Topic)
        later._measured, later._recent, later._visits = self._measured, self._recent, visits
        later._newest = [*self._newest, *answers]
        if beyond := max(0, len(later._newest) - NEWEST_ANSWERS):
            certain = _certain_after(later._newest[:beyond], visits)
            if certain is None:
                return None
            later._newest, later._visits, visits = later._newest[beyond:], None, certain
        if not self._measured:
            later._recent = [*self._recent, *[1.0] * len(answers)]
        later.retention, later.decline = mean(later._recent), _decline(later._recent)
        later.level_answers = min(LEVEL_ANSWERS, len(later._newest))
        later.level = _level(later._newest[-LEVEL_ANSWERS:], past, holds)
        later.struggles = _struggles(visits)
        later.last_studied_ms = max(self.last_studied_ms or 0, answers[-1].reviewed_at_ms)
        return later


def _is_visit(visit: Visit, objective_id: str) -> bool:
    return visit.objective_id == objective_id and not visit.prompted


def _certain_after(lost: Sequence[ports.Review], visits: list[Visit]) -> list[Visit] | None:
    """The visits that begin after all those that lose their first answers, because newer answers have come.

    None where these visits could say something about the newest ones: where they hold validation scores, which would
    then belong to other visits, or where too few visits follow.
    """
    last_ms = lost[-1].reviewed_at_ms
    objectives = {answer.objective_id for answer in lost}
    shorter = [
        visit
        for visit in visits
        if visit.started_ms <= last_ms and visit.objective_id in objectives and not visit.prompted
    ]
    if any(visit.scores for visit in shorter):
        return None
    end_ms = max([visit.last_ms for visit in shorter], default=last_ms)
    certain = [visit for visit in visits if visit.started_ms > end_ms]
    return certain if len(_struggles(certain)) == RECENT_VISITS else None


def _decline(scores: list[float]) -> float | None:
    """How much the mean of the newer half lies below that of the older half; None for fewer than six scores.

    The halves are taken by count; no line is fitted. One more lapse then moves the decline by at most twice what it
    moves the mean, so that a model needs no special weight to keep an early lapse from looking like progress.
    """
    if len(scores) < FEWEST_TO_COMPARE:
        return None
    newer = len(scores) // 2
    older = len(scores) - newer
    return max(0.0, sum(scores[:older]) / older - sum(scores[older:]) / newer)


def _newest_answers(past: LearnerHistory, holds: _Holds) -> list[ports.Review]:
    newest: list[ports.Review] = []
    for review in reversed(past.reviews):
        if review.rating in GRADES and holds(review):
            newest.append(review)
            if len(newest) == NEWEST_ANSWERS:
                break
    newest.reverse()
    return newest


def _level(answers: list[ports.Review], past: LearnerHistory, holds: _Holds) -> float | None:
    if len(answers) >= FEWEST_FOR_LEVEL:
        correct = correct_ratings(past.correct_from)
        return mean([float(answer.rating in correct) for answer in answers])
    # An objective at NOT_STARTED, the column's default, shows nothing of what its owner could do.
    started = [MASTERY.get(row.mastery_level or "", 0.0) for row in past.masteries if holds(row)]
    return mean([level for level in started if level])


def _struggles(visits: list[Visit]) -> list[bool]:
    labels: list[bool] = []
    for visit in reversed(visits):
        label = visit.struggled()
        if label is not None:
            labels.append(label)
            if len(labels) == RECENT_VISITS:
                break
    labels.reverse()
    return labels


def _grouped(scored: _Scored) -> dict[str | None, list[float]]:
    groups: dict[str | None, list[float]] = {}
    for objective_id, score in scored:
        held = bounded(score)
        if held is not None:
            groups.setdefault(objective_id, []).append(held)
    return groups
