"""The demo learner: six weeks of study from which every version of the predictor must predict correctly.

Strong in anatomy (85 % retention), weak in physiology (30 %); an exam in physiology in seven days; and the ADVANCED
objective `action-potentials` ahead, whose only prerequisite `membrane-transport` was never started. The risk of a
struggle is HIGH there, and LOW for the mastered `anatomy-upper-limb`. Everything is made from the constants below, so
that db/demo.sqlite3 can be made again at any time: `python -m scripts.create_database --demo`.
"""

from __future__ import annotations

from db.tables.ddl import qualified
from db.tables.models import DEMO_CLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from db.writing.open import Writer

NOW_MS = 1_760_605_200_000  # 2025-10-16T09:00:00Z, where the demo database's clock stands
LEARNER = "demo-learner"
WEEKS = 6
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS

COURSES = {"anatomy": "Anatomy", "physiology": "Physiology"}
LECTURES = {
    "anatomy-limbs": ("anatomy", "The limbs", 1, ["anatomy", "limbs"]),
    "anatomy-head": ("anatomy", "Head and neck", 2, ["anatomy", "head"]),
    "physiology-cells": ("physiology", "Cells and membranes", 1, ["physiology", "cells"]),
    "physiology-organs": ("physiology", "Heart and kidney", 3, ["physiology", "organs"]),
}
OBJECTIVES = {
    "anatomy-upper-limb": ("anatomy-limbs", "Name the nerves of the upper limb", "INTERMEDIATE", "MASTERED"),
    "anatomy-skull": ("anatomy-head", "Name the bones of the skull", "BASIC", "ADVANCED"),
    "membrane-transport": ("physiology-cells", "Describe transport across membranes", "BASIC", "NOT_STARTED"),
    "action-potentials": ("physiology-cells", "Explain how action potentials arise", "ADVANCED", "NOT_STARTED"),
    "physiology-cardiac-cycle": ("physiology-organs", "Describe the cardiac cycle", "INTERMEDIATE", "BEGINNER"),
    "physiology-renal-filtration": ("physiology-organs", "Explain renal filtration", "INTERMEDIATE", "BEGINNER"),
}
"""lecture, text, complexity, mastery of the demo learner, who owns them."""

PREREQUISITES = (("action-potentials", "membrane-transport"),)
CARDS_OF_AN_OBJECTIVE = 8
CLASSMATES = ("demo-classmate-1", "demo-classmate-2", "demo-classmate-3", "demo-classmate-4")

_STRONG = "GGGAGGGEGGGEGAGGGGGH"  # 17 of 20: 85 %, as the app counts: HARD is not correct
_WEAK = "AAGAAGAAGA"  # 3 of 10: 30 %
_RATINGS = {"A": "AGAIN", "H": "HARD", "G": "GOOD", "E": "EASY"}
_STUDIED = (  # objective, answers, days before now in each week
    ("anatomy-upper-limb", _STRONG, 2),
    ("anatomy-skull", _STRONG, 4),
    ("physiology-cardiac-cycle", _WEAK, 3),
    ("physiology-renal-filtration", _WEAK, 5),
)
_CLASS_ANSWERS = {
    "anatomy-upper-limb": "GGAGG",
    "anatomy-skull": "GGGGG",
    "membrane-transport": "GGGAG",
    "action-potentials": "AGAAG",
    "physiology-cardiac-cycle": "GAGAG",
    "physiology-renal-filtration": "AGGAA",
}


def load_demo(writer: Writer) -> None:
    """Fills the empty tables with the demo learner and sets the database's clock to NOW_MS for good."""
    _load_content(writer)
    _load_own_study(writer)
    _load_circumstances(writer)
    _load_earlier_predictions(writer)
    _load_classmates(writer)
    clock = qualified(DEMO_CLOCK, writer.schema())
    writer.execute(f'CREATE TABLE {clock} ("now" BIGINT NOT NULL)')
    writer.execute(f'INSERT INTO {clock} ("now") VALUES (?)', (NOW_MS,))


def _load_content(writer: Writer) -> None:
    joined_ms = NOW_MS - 8 * 7 * _DAY_MS
    learners = [(LEARNER, "demo@example.org", "Demo Learner", joined_ms)]
    learners += [(classmate, f"{classmate}@example.org", classmate, joined_ms) for classmate in CLASSMATES]
    writer.insert("User", ("id", "email", "name", "createdAt"), learners)
    writer.insert("Course", ("id", "userId", "name"), [(course, LEARNER, name) for course, name in COURSES.items()])
    writer.insert(
        "Lecture",
        ("id", "userId", "courseId", "title", "weekNumber", "topicTags"),
        [(lecture, LEARNER, *about) for lecture, about in LECTURES.items()],
    )
    last_studied = {objective: _day_ms(days_ago) for objective, _, days_ago in _STUDIED}
    writer.insert(
        "LearningObjective",
        (
            *("id", "lectureId", "objective", "complexity", "masteryLevel"),
            *("lastStudiedAt", "totalStudyTimeMs", "weaknessScore", "isHighYield", "createdAt"),
        ),
        [
            (
                *(name, *about, last_studied.get(name)),
                *(WEEKS * 25 * _MINUTE_MS if name in last_studied else 0, _weakness(name)),
                *(name == "action-potentials", joined_ms),
            )
            for name, about in OBJECTIVES.items()
        ],
    )
    writer.insert(
        "ObjectivePrerequisite",
        ("id", "objectiveId", "prerequisiteId", "strength"),
        [(f"{objective}-needs-{earlier}", objective, earlier, 1.0) for objective, earlier in PREREQUISITES],
    )


def _weakness(objective: str) -> float:
    return {"anatomy-upper-limb": 0.1, "anatomy-skull": 0.15}.get(objective, 0.7)


def _load_own_study(writer: Writer) -> None:
    reviews: list[tuple[object, ...]] = []
    metrics: list[tuple[object, ...]] = []
    sessions: list[tuple[object, ...]] = []
    for week in range(WEEKS):
        for objective, answers, days_ago in _STUDIED:
            day_ms = _day_ms(7 * week + days_ago)
            session = f"session-{objective}-{week}"
            reviews += _answers(LEARNER, objective, answers, day_ms + 8 * _HOUR_MS, session)
            correct = answers.count("G") + answers.count("E")
            metrics.append(
                (
                    *(f"metric-{objective}-{week}", LEARNER, objective, day_ms, correct / len(answers)),
                    *(len(answers) * _MINUTE_MS, len(answers), correct, len(answers) - correct),
                )
            )
            started_ms, took_ms = day_ms + 8 * _HOUR_MS, (len(answers) + 2) * _MINUTE_MS
            new_cards = CARDS_OF_AN_OBJECTIVE if week == WEEKS - 1 else 0
            sessions.append((session, LEARNER, started_ms, started_ms + took_ms, took_ms, len(answers), new_cards))
    writer.insert("Review", _REVIEW_FIELDS, reviews)
    writer.insert(
        "PerformanceMetric",
        (
            *("id", "userId", "learningObjectiveId", "date", "retentionScore"),
            *("studyTimeMs", "reviewCount", "correctReviews", "incorrectReviews"),
        ),
        metrics,
    )
    writer.insert(
        "StudySession",
        ("id", "userId", "startedAt", "completedAt", "durationMs", "reviewsCompleted", "newCardsStudied"),
        sessions,
    )
    writer.insert("Card", _CARD_FIELDS, [card for objective in OBJECTIVES for card in _cards(objective, reviews)])


_REVIEW_FIELDS = ("id", "userId", "cardId", "sessionId", "rating", "timeSpentMs", "reviewedAt")
_CARD_FIELDS = (
    *("id", "courseId", "lectureId", "objectiveId", "difficulty", "stability", "retrievability"),
    *("lastReviewedAt", "nextReviewAt", "reviewCount", "lapseCount"),
)


def _answers(
    learner: str, objective: str, answers: str, from_ms: int, session: str | None
) -> Iterator[tuple[object, ...]]:
    """One visit's rows of reviews, a minute apart, going round the objective's cards."""
    for place, answer in enumerate(answers):
        card = f"card-{objective}-{place % CARDS_OF_AN_OBJECTIVE}"
        at_ms = from_ms + place * _MINUTE_MS
        spent_ms = 21_000 if answer == "A" else 9_000
        yield (f"review-{learner}-{objective}-{at_ms}", learner, card, session, _RATINGS[answer], spent_ms, at_ms)


def _cards(objective: str, reviews: Sequence[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """The objective's cards in the state that the demo learner's reviews left them in."""
    lecture = OBJECTIVES[objective][0]
    for place in range(CARDS_OF_AN_OBJECTIVE):
        card = f"card-{objective}-{place}"
        own = sorted((int(str(review[6])), review[4]) for review in reviews if review[2] == card)
        lapses = sum(rating == "AGAIN" for _, rating in own)
        share = lapses / len(own) if own else 0.0
        last_ms = own[-1][0] if own else None
        stability_days = round(21 * (1 - share) ** 3, 2) if own else 0.0
        next_ms = None if last_ms is None else last_ms + max(1, round(stability_days)) * _DAY_MS
        retrievability = round(0.95 - 0.7 * share, 3) if own else 1.0
        difficulty = round(2 + 8 * share, 2) if own else 0.0
        yield (
            *(card, LECTURES[lecture][0], lecture, objective, difficulty, stability_days, retrievability),
            *(last_ms, next_ms, len(own), lapses),
        )


def _load_circumstances(writer: Writer) -> None:
    writer.insert(
        "ValidationPrompt",
        ("id", "objectiveId", "conceptName", "difficultyLevel"),
        [(f"prompt-{objective}", objective, OBJECTIVES[objective][1], "MEDIUM") for objective, _, _ in _STUDIED],
    )
    scores = ((0.9, 6), (0.85, 8), (0.4, 3), (0.35, 10))
    writer.insert(
        "ValidationResponse",
        ("id", "promptId", "userId", "score", "confidence", "respondedAt"),
        [
            (f"response-{objective}", f"prompt-{objective}", LEARNER, score, 0.6, _day_ms(days_ago) + 10 * _HOUR_MS)
            for (objective, _, _), (score, days_ago) in zip(_STUDIED, scores)
        ],
    )
    writer.insert(
        "BehavioralPattern",
        ("id", "userId", "patternType", "patternData", "confidence", "lastSeenAt"),
        [
            (
                *("pattern-forgetting", LEARNER, "FORGETTING_CURVE"),
                *({"topicArea": "Physiology", "courseId": "physiology", "halfLifeDays": 2.5}, 0.9, _day_ms(3)),
            ),
            ("pattern-time", LEARNER, "OPTIMAL_STUDY_TIME", {"hourOfDay": 8}, 0.7, _day_ms(2)),
        ],
    )
    writer.insert(
        "BehavioralEvent",
        ("id", "userId", "eventType", "timestamp", "sessionPerformanceScore", "engagementLevel", "contentType"),
        [
            (
                *(f"event-{objective}-{week}", LEARNER, "SESSION_ENDED", _day_ms(7 * week + days_ago) + 9 * _HOUR_MS),
                *(85 if answers is _STRONG else 30, "HIGH" if answers is _STRONG else "LOW", "flashcard"),
            )
            for week in range(2)
            for objective, answers, days_ago in _STUDIED
        ],
    )
    writer.insert(
        "UserLearningProfile",
        (
            *("id", "userId", "learningStyleProfile", "contentPreferences", "personalizedForgettingCurve"),
            *("optimalSessionDuration", "dataQualityScore"),
        ),
        [
            (
                *("profile-demo", LEARNER, {"visual": 0.5, "auditory": 0.1, "reading": 0.25, "kinesthetic": 0.15}),
                *({"flashcard": 0.6, "lecture": 0.4}, {"R0": 0.9, "k": 0.28, "halfLife": 2.5}, 25, 0.8),
            )
        ],
    )
    writer.insert(
        "Exam",
        ("id", "userId", "courseId", "name", "date", "coverageTopics"),
        [
            ("exam-physiology", LEARNER, "physiology", "Physiology midterm", NOW_MS + 7 * _DAY_MS, ["physiology"]),
            ("exam-anatomy", LEARNER, "anatomy", "Anatomy midterm", NOW_MS - 20 * _DAY_MS, ["anatomy"]),
        ],
    )
    ahead = (("action-potentials", "membrane-transport"), ("physiology-renal-filtration",), ("anatomy-upper-limb",))
    missions: list[tuple[object, ...]] = [
        (f"mission-{days}", LEARNER, _day_ms(-days), "PENDING", 30, [{"objectiveId": name} for name in names])
        for days, names in enumerate(ahead, start=1)
    ]
    missions.append(
        ("mission-past", LEARNER, _day_ms(3), "COMPLETED", 30, [{"objective": {"id": "physiology-cardiac-cycle"}}])
    )
    writer.insert("Mission", ("id", "userId", "date", "status", "estimatedMinutes", "objectives"), missions)


def _load_earlier_predictions(writer: Writer) -> None:
    earlier = (
        ("physiology-cardiac-cycle", 0.74, "CONFIRMED", True, 17),
        ("physiology-renal-filtration", 0.66, "CONFIRMED", True, 12),
        ("anatomy-skull", 0.18, "RESOLVED", False, 11),
    )
    writer.insert(
        "StrugglePrediction",
        (
            *("id", "userId", "learningObjectiveId", "topicId", "predictedStruggleProbability", "predictionConfidence"),
            *("predictionStatus", "strugglingFactors", "predictionDate", "predictedAt"),
            *("actualOutcome", "actualOutcomeRecordedAt"),
        ),
        [
            (
                *(f"prediction-{objective}", LEARNER, objective, objective.partition("-")[0], probability, 0.7),
                *(status, [], _day_ms(days_ago), _day_ms(days_ago), struggled, _day_ms(days_ago - 1)),
            )
            for objective, probability, status, struggled, days_ago in earlier
        ],
    )
    writer.insert(
        "PredictionFeedback",
        ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt"),
        [
            (f"feedback-{objective}", f"prediction-{objective}", LEARNER, "HELPFUL", struggled, _day_ms(days_ago - 2))
            for objective, _, _, struggled, days_ago in earlier[:1]
        ],
    )


def _load_classmates(writer: Writer) -> None:
    reviews: list[tuple[object, ...]] = []
    for place, classmate in enumerate(CLASSMATES):
        for days_ago, (objective, answers) in enumerate(_CLASS_ANSWERS.items(), start=10):
            turned = answers[place:] + answers[:place]
            from_ms = _day_ms(days_ago + place) + 14 * _HOUR_MS
            reviews += _answers(classmate, objective, turned, from_ms, None)
    writer.insert("Review", _REVIEW_FIELDS, reviews)


def _day_ms(days_ago: int) -> int:
    """Midnight (UTC) of the day that many days before the demo's today."""
    return NOW_MS // _DAY_MS * _DAY_MS - days_ago * _DAY_MS
