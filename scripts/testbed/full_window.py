"""A learner who has studied with flash cards every day for ten weeks, beside the demo learner, and fills the window.

A prediction uses the newest 3,000 answers (ml.study.history.WINDOW). The demo learner has 360; a diligent learner has
more than the window after some weeks, and a prediction for such a learner reads and replays all of it.
"""

from __future__ import annotations

from db.demo import NOW_MS
from db.writing.open import Writer

FULL_LEARNER, FULL_OBJECTIVE = "full-window-learner", "full-objective-0"
DAYS, VISITS_PER_DAY, ANSWERS_PER_VISIT = 75, 11, 5
"""4,125 answers: some more than the window holds."""
OBJECTIVES, CARDS_PER_OBJECTIVE = 300, 10
_COURSE, _LECTURE = "full-course", "full-lecture"
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000


def add_full_learner(writer: Writer) -> None:
    """Adds the learner with a course of their own to a database that holds the demo learner."""
    writer.insert("User", ("id", "createdAt"), [(FULL_LEARNER, NOW_MS - (DAYS + 1) * _DAY_MS)])
    writer.insert("Course", ("id", "userId", "name"), [(_COURSE, FULL_LEARNER, "Flash cards")])
    writer.insert(
        "Lecture",
        ("id", "userId", "courseId", "title", "topicTags"),
        [(_LECTURE, FULL_LEARNER, _COURSE, "All cards", ["flash cards"])],
    )
    writer.insert(
        "LearningObjective",
        ("id", "lectureId", "objective", "complexity", "masteryLevel"),
        [(_objective(n), _LECTURE, f"Objective {n}", "INTERMEDIATE", "BEGINNER") for n in range(OBJECTIVES)],
    )
    writer.insert(
        "Card",
        ("id", "courseId", "lectureId", "objectiveId", "reviewCount"),
        [
            (_card(n, card), _COURSE, _LECTURE, _objective(n), 4)
            for n in range(OBJECTIVES)
            for card in range(CARDS_PER_OBJECTIVE)
        ],
    )
    _add_study(writer)


def _add_study(writer: Writer) -> None:
    """Adds a session of five answers and a daily metric for each visit to an objective."""
    reviews: list[tuple[object, ...]] = []
    sessions: list[tuple[object, ...]] = []
    metrics: list[tuple[object, ...]] = []
    for visit in range(DAYS * VISITS_PER_DAY):
        objective, day_ms = visit % OBJECTIVES, (NOW_MS // _DAY_MS - DAYS + visit // VISITS_PER_DAY) * _DAY_MS
        began_ms = day_ms + (6 * 60 + visit % VISITS_PER_DAY * 75) * _MINUTE_MS
        session = f"full-session-{visit}"
        for nth in range(ANSWERS_PER_VISIT):
            card = _card(objective, (visit // OBJECTIVES + nth) % CARDS_PER_OBJECTIVE)
            rating = ("GOOD", "AGAIN", "GOOD", "HARD", "EASY", "GOOD", "AGAIN")[(visit + 3 * nth) % 7]
            at_ms = began_ms + nth * _MINUTE_MS
            reviews.append((f"full-review-{visit}-{nth}", FULL_LEARNER, card, session, rating, 8000, at_ms))
        took_ms = (ANSWERS_PER_VISIT + 1) * _MINUTE_MS
        sessions.append((session, FULL_LEARNER, began_ms, began_ms + took_ms, took_ms, ANSWERS_PER_VISIT, 0))
        metrics.append((f"full-metric-{visit}", FULL_LEARNER, _objective(objective), day_ms, 0.6, took_ms, 5, 3, 2))
    writer.insert("Review", ("id", "userId", "cardId", "sessionId", "rating", "timeSpentMs", "reviewedAt"), reviews)
    writer.insert(
        "StudySession",
        ("id", "userId", "startedAt", "completedAt", "durationMs", "reviewsCompleted", "newCardsStudied"),
        sessions,
    )
    writer.insert(
        "PerformanceMetric",
        (
            *("id", "userId", "learningObjectiveId", "date", "retentionScore", "studyTimeMs"),
            *("reviewCount", "correctReviews", "incorrectReviews"),
        ),
        metrics,
    )


def _objective(n: int) -> str:
    return f"full-objective-{n}"


def _card(objective: int, card: int) -> str:
    return f"full-card-{objective}-{card}"
