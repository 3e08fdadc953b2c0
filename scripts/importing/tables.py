"""The rows that an import writes, table by table, in the fields of the platform's models.

Instants are milliseconds since 1970; the writer converts them to the database's form. Fields not named here keep the
database's defaults, because a log has neither schedules nor complexities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from scripts.importing.staging import Skill
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


def course() -> Iterator[Table]:
    """One course with one lecture, in which all objectives of imported logs are."""
    yield Table("Course", ("id", "userId", "name"), [(COURSE_ID, OWNER_ID, "Imported answers")])
    yield Table(
        "Lecture",
        ("id", "userId", "courseId", "title", "topicTags"),
        [(LECTURE_ID, OWNER_ID, COURSE_ID, "Imported answers", [])],
    )


def objectives(skills: Mapping[str, Skill]) -> Iterator[Table]:
    """Objectives, and prompts for those that a posttest asks for."""
    yield Table(
        "LearningObjective",
        ("id", "lectureId", "objective", "createdAt"),
        [(name, LECTURE_ID, f"Skill {name}", skill.first_met_ms) for name, skill in skills.items()],
    )
    yield Table(
        "ValidationPrompt",
        ("id", "objectiveId", "conceptName"),
        [(PROMPT_PREFIX + name, name, f"Skill {name}") for name, skill in skills.items() if skill.is_tested],
    )


def cards(items: Iterable[tuple[str, str]]) -> Table:
    """Cards, from each skill with each of its items, once."""
    return Table(
        "Card",
        ("id", "courseId", "lectureId", "objectiveId"),
        ((card_id(skill, item), COURSE_ID, LECTURE_ID, skill) for skill, item in items),
    )


def learners(began_ms: Iterable[tuple[str, int]]) -> Table:
    """Learners, each with the instant of their first row."""
    return Table("User", ("id", "createdAt"), began_ms)


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
        ("id", "userId", "cardId", "sessionId", "rating", "timeSpentMs", "reviewedAt"),
        [
            (review.id, review.learner_id, review.card_id, session, review.rating, review.spent_ms, review.at_ms)
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
