"""StudyHistory: what one learner had done up to one moment, and the one place where everything later is removed.

Every prediction, training row and batch score passes through `StudyHistory.before`. It drops each row dated at or after
`as_of`, cuts every source to the same window, and blanks the columns that describe the present when `as_of` is past.
This module also says what plans mean: how long an exam lasts, what it covers, and which objectives a mission names.
"""

from __future__ import annotations

from bisect import bisect_left

from ml.study.correctness import GOOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from ml import ports

    Row = TypeVar("Row")
    Derived = TypeVar("Derived")

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

UNDER_WAY = ("PENDING", "IN_PROGRESS")
"""The statuses of a mission that is still to be studied."""


class Window:
    """How many of the newest rows of each source one prediction uses; the same in training, batch and prediction."""

    __slots__ = ()
    reviews = 3000
    metrics = 1000
    sessions = 50
    validations = 200
    patterns = 100
    events = 200
    exams = 50
    missions = 50
    outcomes = 200
    masteries = 500
    prerequisites = 200
    cards = 200


WINDOW = Window()


class LearnerHistory:
    """What one learner had done before `as_of_ms`, oldest first; it is immutable.

    `is_now` tells whether as_of is the present: only then do columns without a date (mastery levels, card
    schedules, the profile, pending missions) describe the learner at as_of, and only then are they kept.
    `correct_from` is the setting that says which of its answers count as correct (ml/study/correctness.py).
    `of_rows` holds what follows from the learner's rows alone, for as long as a caller keeps them.
    """

    __slots__ = (
        "_derived",
        "as_of_ms",
        "correct_from",
        "events",
        "exams",
        "is_now",
        "learner",
        "masteries",
        "metrics",
        "missions",
        "of_rows",
        "outcomes",
        "patterns",
        "profile",
        "reviews",
        "sessions",
        "validations",
    )

    def __init__(
        self,
        rows: ports.LearnerRows,
        as_of_ms: int,
        is_now: bool,
        correct_from: str = GOOD,
        of_rows: dict[object, object] | None = None,
    ) -> None:
        """of_rows: what earlier histories of the same rows, none of them cut by as_of, have left for later ones."""
        consents = rows.learner.behavioral_analysis_enabled
        self.learner = rows.learner
        self.as_of_ms = as_of_ms
        self.is_now = is_now
        self.correct_from = correct_from
        self.reviews = _before(rows.reviews, lambda review: review.reviewed_at_ms, as_of_ms, WINDOW.reviews)
        # A daily row speaks for its whole day: seen from within that day it would tell of answers still to come,
        # unless that day is today, whose row holds only what has happened.
        days_end_ms = as_of_ms if is_now else as_of_ms - DAY_MS + 1
        self.metrics = _before(rows.metrics, lambda metric: metric.date_ms, days_end_ms, WINDOW.metrics)
        self.sessions = _before(rows.sessions, lambda session: session.started_at_ms, as_of_ms, WINDOW.sessions)
        self.validations = _before(rows.validations, lambda v: v.responded_at_ms, as_of_ms, WINDOW.validations)
        self.outcomes = _before(rows.outcomes, lambda outcome: outcome.recorded_at_ms, as_of_ms, WINDOW.outcomes)
        self.patterns = (
            _before(rows.patterns, lambda pattern: pattern.last_seen_at_ms, as_of_ms, WINDOW.patterns)
            if consents
            else ()
        )
        self.events = (
            _before(rows.events, lambda event: event.timestamp_ms, as_of_ms, WINDOW.events) if consents else ()
        )
        self.exams = rows.exams  # plans: an exam ahead is known before its date
        self.profile = rows.profile if is_now and consents else None
        self.missions = rows.missions if is_now else ()
        self.masteries = rows.masteries if is_now else ()
        self._derived: dict[object, object] = {}
        self.of_rows = of_rows

    def once(self, derive: Callable[[LearnerHistory], Derived]) -> Derived:
        """Computes derive(self) once and keeps it, because what depends on the learner alone serves every objective."""
        if derive not in self._derived:
            self._derived[derive] = derive(self.bare())
        return self._derived[derive]  # type: ignore[return-value]

    def bare(self) -> LearnerHistory:
        """The same history without what was derived from it.

        What is derived may refer to it, and still ends with its history: in a circle the two would wait for Python's
        garbage collector, with thousands of rows.
        """
        bare = object.__new__(LearnerHistory)
        for name in LearnerHistory.__slots__:
            setattr(bare, name, getattr(self, name))
        bare._derived = {}
        return bare

    def but(self, **rows: object) -> LearnerHistory:
        """The same history with other rows in the sources that are named, each cut to its window."""
        changed = self.bare()
        changed.of_rows = None
        for source, held in rows.items():
            newest: int = getattr(WINDOW, source)
            setattr(changed, source, held[-newest:])  # type: ignore[index]
        return changed

    def deriving(self, derive: Callable[[LearnerHistory], Derived], derived: Derived) -> None:
        """Keeps what `once` would compute, for a caller who has made it in another way."""
        self._derived[derive] = derived

    @property
    def order_only(self) -> bool:
        """Whether the answers' times only give their order, so that the gaps between them mean nothing."""
        return bool(self.reviews) and self.reviews[-1].order_only


class StudyHistory:
    """One learner's history and the objective that is faced: all that a feature may look at."""

    __slots__ = ("cards", "objective", "past", "prerequisites")

    def __init__(self, past: LearnerHistory, rows: ports.ObjectiveRows) -> None:
        self.past = past
        self.objective = rows.objective
        # A stated prerequisite of itself states nothing; a real graph holds such loops. Where one is stated twice, the
        # stronger statement, which comes first, holds.
        stated: dict[str, ports.Prerequisite] = {}
        for row in rows.prerequisites:
            if row.objective_id != rows.objective.id:
                stated.setdefault(row.objective_id, row)
        self.prerequisites = tuple(stated.values())
        self.cards = rows.cards if past.is_now else ()

    def but(self, past: LearnerHistory, prerequisites: tuple[ports.Prerequisite, ...]) -> StudyHistory:
        """The same objective, faced with another history and with prerequisites in another state."""
        changed = object.__new__(StudyHistory)
        changed.past, changed.objective, changed.cards = past, self.objective, self.cards
        changed.prerequisites = prerequisites
        return changed

    @classmethod
    def before(
        cls, rows: ports.StudyRows, correct_from: str = GOOD, of_rows: dict[object, object] | None = None
    ) -> StudyHistory:
        """The history as of rows.as_of_ms, even if the client returned later rows."""
        return cls(LearnerHistory(rows.learner, rows.as_of_ms, rows.is_now, correct_from, of_rows), rows.objective)


def _before(rows: Sequence[Row], instant_ms: Callable[[Row], int], as_of_ms: int, newest: int) -> Sequence[Row]:
    """The newest rows dated strictly before as_of_ms; rows run oldest first."""
    end = bisect_left(rows, as_of_ms, key=instant_ms)
    return rows[max(0, end - newest) : end]


def lasts_until_ms(exam: ports.Exam) -> int:
    """The instant from which the exam is over; one dated at midnight lasts that whole day."""
    return exam.date_ms + (DAY_MS if exam.date_ms % DAY_MS == 0 else 1)


def covers(exam: ports.Exam, objective: ports.Objective) -> bool:
    """Whether the exam is on the objective's course, or names that course or one of its lecture's topic tags."""
    if exam.course_id is not None and exam.course_id == objective.course_id:
        return True
    topics = {topic.casefold() for topic in (*objective.topic_tags, objective.course_name) if topic}
    return any(str(topic).casefold() in topics for topic in exam.coverage_topics)


def objectives_of(mission: ports.Mission) -> list[str]:
    """Ids of the objectives that a mission still names; empty where the mission is not under way."""
    if mission.status not in UNDER_WAY or not isinstance(mission.objectives, list):
        return []
    return [named for entry in mission.objectives if (named := objective_named(entry))]


def objective_named(entry: object) -> str | None:
    """The objective that a mission's entry names, as `objectiveId`, `objective.id` or `id`; None if it is completed."""
    if not isinstance(entry, dict) or entry.get("completed") is True:
        return None
    nested = entry.get("objective")
    named = entry.get("objectiveId") or (nested.get("id") if isinstance(nested, dict) else None) or entry.get("id")
    return str(named) if named else None
