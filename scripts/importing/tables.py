"""The rows that an import writes, table by table, in the fields of the platform's models.

Instants are milliseconds since 1970; the writer converts them to the database's form. Fields not named here keep the
database's defaults, because a log has neither schedules nor complexities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scripts.importing.answer_log import AnswerLog
from scripts.importing.study import DayMetric, Review, Validation, Visit, card_id

OWNER_ID = "import"
"""Owns the course, and is no learner: an objective's mastery level speaks of its owner, and the log knows none."""
COURSE_ID = "import:course"
LECTURE_ID = "import:lecture"
PROMPT_PREFIX = "posttest:"

Row = tuple[object, ...]


class Table(NamedTuple):
    """Rows of one model. updated: the fields to update where a row with that id already exists."""

    model: str
    fields: tuple[str, ...]
    rows: Iterable[Row]
    updated: tuple[str, ...] = ()


def course_tables(log: AnswerLog) -> Iterator[Table]:
    """The content and learners of a log: one course with one lecture, objectives with their cards, and learners."""
    began: dict[str, int] = {}
    first_met: dict[str, int] = {}
    cards: dict[str, str] = {}
    tested: dict[str, None] = {}
    for answer in log.answers:
        began[answer.learner_id] = min(answer.at_ms, began.get(answer.learner_id, answer.at_ms))
        first_met[answer.skill_id] = min(answer.at_ms, first_met.get(answer.skill_id, answer.at_ms))
        cards[card_id(answer.skill_id, answer.item_id)] = answer.skill_id
        if answer.kind == "posttest":
            tested[answer.skill_id] = None
    yield Table("Course", ("id", "userId", "name"), [(COURSE_ID, OWNER_ID, "Imported answers")])
    yield Table(
        "Lecture",
        ("id", "userId", "courseId", "title", "topicTags"),
        [(LECTURE_ID, OWNER_ID, COURSE_ID, "Imported answers", [])],
    )
    yield Table("User", ("id", "createdAt"), began.items())
    yield Table(
        "LearningObjective",
        ("id", "lectureId", "objective", "createdAt"),
        [(skill, LECTURE_ID, f"Skill {skill}", at_ms) for skill, at_ms in first_met.items()],
    )
    yield Table(
        "Card",
        ("id", "courseId", "lectureId", "objectiveId"),
        [(card, COURSE_ID, LECTURE_ID, skill) for card, skill in cards.items()],
    )
    yield Table(
        "ValidationPrompt",
        ("id", "objectiveId", "conceptName"),
        [(PROMPT_PREFIX + skill, skill, f"Skill {skill}") for skill in tested],
    )


def sessions(visits: Iterable[Visit]) -> Table:
    """A study session for each visit."""
    return Table(
        "StudySession",
        ("id", "userId", "startedAt", "completedAt", "durationMs", "reviewsCompleted", "newCardsStudied"),
        [
            (
                visit.id,
                visit.learner_id,
                visit.started_at_ms,
                visit.completed_at_ms,
                visit.completed_at_ms - visit.started_at_ms,
                len(visit.reviews),
                visit.new_cards,
            )
            for visit in visits
        ],
        ("completedAt", "durationMs", "reviewsCompleted", "newCardsStudied"),
    )


def reviews(rows: Iterable[tuple[Review, str]]) -> Table:
    """Reviews, each with the id of its session."""
    return Table(
        "Review",
        ("id", "userId", "cardId", "sessionId", "rating", "reviewedAt"),
        [
            (review.id, review.learner_id, review.card_id, session, review.rating, review.at_ms)
            for review, session in rows
        ],
    )


def metrics(days: Iterable[DayMetric]) -> Table:
    """Daily performance metrics."""
    return Table(
        "PerformanceMetric",
        (
            *("id", "userId", "learningObjectiveId", "date", "retentionScore"),
            *("reviewCount", "correctReviews", "incorrectReviews"),
        ),
        [
            (
                day.id,
                day.learner_id,
                day.objective_id,
                day.date_ms,
                day.retention_score,
                day.correct + day.incorrect,
                day.correct,
                day.incorrect,
            )
            for day in days
        ],
        ("retentionScore", "reviewCount", "correctReviews", "incorrectReviews"),
    )


def responses(scores: Iterable[Validation]) -> Table:
    """Validation responses."""
    return Table(
        "ValidationResponse",
        ("id", "promptId", "userId", "score", "respondedAt"),
        [
            (score.id, PROMPT_PREFIX + score.objective_id, score.learner_id, score.score, score.responded_at_ms)
            for score in scores
        ],
        ("score", "respondedAt"),
    )
