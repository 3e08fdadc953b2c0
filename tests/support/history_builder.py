"""Histories in a few words, for tests: rows with sensible defaults, dated in days before AS_OF_MS.

>>> history = study(reviews=answers("GGA", objective="o1", days_ago=3), prerequisites=[prerequisite("p1")])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from db.reading.rows import (
    CardRow,
    EventRow,
    ExamRow,
    LearnerRow,
    LearnerRows,
    MasteryRow,
    MetricRow,
    MissionRow,
    ObjectiveRow,
    ObjectiveRows,
    OutcomeRow,
    PatternRow,
    PrerequisiteRow,
    ProfileRow,
    ReviewRow,
    SessionRow,
    StudyRows,
    ValidationRow,
)
from ml.study.history import DAY_MS, MINUTE_MS, StudyHistory

AS_OF_MS = 1_741_000_000_000
"""2025-03-03T11:06:40Z: the moment of prediction in built histories."""
LEARNER = "learner"
COURSE = "course"
OBJECTIVE = "objective"
RATINGS = {"A": "AGAIN", "H": "HARD", "G": "GOOD", "E": "EASY"}


def ago(days: float) -> int:
    """The instant that many days before AS_OF_MS."""
    return AS_OF_MS - round(days * DAY_MS)


def answers(
    ratings: str,
    days_ago: float = 1.0,
    objective: str | None = OBJECTIVE,
    course: str | None = COURSE,
    apart_ms: int = MINUTE_MS,
    order_only: bool = False,
) -> list[ReviewRow]:
    """One answer per letter of ratings (A, H, G, E), a minute apart, the first of them days_ago."""
    first_ms = ago(days_ago)
    return [
        ReviewRow(
            card_id=f"{objective}/{place}",
            objective_id=objective,
            course_id=course,
            rating=RATINGS.get(letter, letter),
            reviewed_at_ms=first_ms + place * apart_ms,
            order_only=order_only,
        )
        for place, letter in enumerate(ratings)
    ]


def metric(
    retention: float | None, days_ago: float, objective: str = OBJECTIVE, course: str | None = COURSE
) -> MetricRow:
    """A daily performance_metrics row."""
    return MetricRow(objective, course, ago(days_ago) // DAY_MS * DAY_MS, retention)


def prerequisite(
    objective: str = "prerequisite",
    level: str | None = "NOT_STARTED",
    owner: str | None = LEARNER,
) -> PrerequisiteRow:
    """A stated prerequisite and its owner's mastery level."""
    return PrerequisiteRow(objective, level, owner)


def session(days_ago: float, minutes: float = 30, new_cards: int | None = None) -> SessionRow:
    """A completed study session."""
    started_ms = ago(days_ago)
    duration_ms = round(minutes * MINUTE_MS)
    return SessionRow(started_ms, started_ms + duration_ms, duration_ms, new_cards)


def validation(
    score: float | None, days_ago: float, objective: str | None = OBJECTIVE, course: str | None = COURSE
) -> ValidationRow:
    """An answered validation prompt."""
    return ValidationRow(objective, course, score, ago(days_ago))


def pattern(kind: str, confidence: float | None, days_ago: float = 1, **pattern_data: object) -> PatternRow:
    """A behavioural pattern; the keywords are its patternData."""
    return PatternRow(kind, pattern_data, confidence, ago(days_ago))


def event(content_type: str | None, days_ago: float = 1, score: int | None = None) -> EventRow:
    """A behavioural event."""
    return EventRow(ago(days_ago), score, content_type)


def profile(formats: object = None, **learning_style: float) -> ProfileRow:
    """A learning profile with the given VARK styles, and content preferences by format."""
    return ProfileRow(learning_style, formats)


def exam(days_ahead: float, course: str | None = COURSE, topics: Sequence[str] = ()) -> ExamRow:
    """A planned exam."""
    return ExamRow(course, ago(-days_ahead), tuple(topics))


def mission(*objectives: object, status: str = "PENDING", days_ahead: float = 0) -> MissionRow:
    """A mission over the given JSON entries."""
    return MissionRow(ago(-days_ahead), status, list(objectives))


def outcome(struggled: bool, days_ago: float, objective: str = OBJECTIVE, course: str | None = COURSE) -> OutcomeRow:
    """The recorded outcome of an earlier prediction."""
    return OutcomeRow(objective, course, struggled, ago(days_ago))


def mastery(objective: str, level: str | None, course: str | None = COURSE) -> MasteryRow:
    """The learner's own mastery of an objective."""
    return MasteryRow(objective, course, level)


def card(lapses: int | None = 0, reviews: int | None = 0, name: str = "card") -> CardRow:
    """A card of the objective."""
    return CardRow(name, None, lapses, reviews)


def objective(
    name: str = OBJECTIVE,
    complexity: str | None = "INTERMEDIATE",
    level: str | None = None,
    owner: str | None = None,
    course: str | None = COURSE,
    weakness: float | None = None,
    last_studied_at_ms: int | None = None,
    topic_tags: tuple[str, ...] = (),
) -> ObjectiveRow:
    """The objective that the learner faces."""
    return ObjectiveRow(name, complexity, level, weakness, last_studied_at_ms, owner, course, course, topic_tags)


def study_rows(
    *,
    faced: ObjectiveRow | None = None,
    prerequisites: Iterable[PrerequisiteRow] = (),
    cards: Iterable[CardRow] = (),
    reviews: Iterable[ReviewRow] = (),
    metrics: Iterable[MetricRow] = (),
    sessions: Iterable[SessionRow] = (),
    validations: Iterable[ValidationRow] = (),
    patterns: Iterable[PatternRow] = (),
    events: Iterable[EventRow] = (),
    profile: ProfileRow | None = None,
    exams: Iterable[ExamRow] = (),
    missions: Iterable[MissionRow] = (),
    outcomes: Iterable[OutcomeRow] = (),
    masteries: Iterable[MasteryRow] = (),
    learner: str = LEARNER,
    consents: bool = True,
    as_of_ms: int = AS_OF_MS,
    is_now: bool = True,
) -> StudyRows:
    """What a database client would hand over; dated sources are put in order, oldest first."""
    rows = LearnerRows(
        LearnerRow(learner, True, True, consents),
        sorted(reviews, key=lambda row: row.reviewed_at_ms),
        sorted(metrics, key=lambda row: row.date_ms),
        sorted(sessions, key=lambda row: row.started_at_ms),
        sorted(validations, key=lambda row: row.responded_at_ms),
        sorted(patterns, key=lambda row: row.last_seen_at_ms),
        sorted(events, key=lambda row: row.timestamp_ms),
        profile,
        sorted(exams, key=lambda row: row.date_ms),
        sorted(missions, key=lambda row: row.date_ms),
        sorted(outcomes, key=lambda row: row.recorded_at_ms),
        list(masteries),
    )
    return StudyRows(as_of_ms, is_now, rows, ObjectiveRows(faced or objective(), list(prerequisites), list(cards)), ())


def study(correct_from: str = "GOOD", **rows: object) -> StudyHistory:
    """The history of study_rows(**rows), its answers judged under that setting."""
    return StudyHistory.before(study_rows(**rows), correct_from)  # type: ignore[arg-type]


PHYSIOLOGY, ANATOMY = "physiology", "anatomy"
ACTION_POTENTIALS, MEMBRANE_TRANSPORT, CARDIAC_CYCLE = "action-potentials", "membrane-transport", "cardiac-cycle"
UPPER_LIMB, SKULL = "upper-limb", "skull"


def known_scenario(faced: str = ACTION_POTENTIALS) -> StudyRows:
    """The platform's known scenario: six weeks, strong in anatomy (85 %), weak in physiology (30 %).

    ACTION_POTENTIALS must come out HIGH, the mastered UPPER_LIMB LOW.
    """
    strong, weak = "GGGAGGGEGGGEGAGGGGGH", "AAGAAGAAGA"
    reviews, metrics, sessions = [], [], []
    for week in range(6):
        for name, course, days_ago in ((UPPER_LIMB, ANATOMY, 7 * week + 2), (SKULL, ANATOMY, 7 * week + 4)):
            reviews += answers(strong, days_ago, name, course)
            metrics.append(metric(0.85, days_ago, name, course))
            sessions.append(session(days_ago, 25, 4))
        reviews += answers(weak, 7 * week + 3, CARDIAC_CYCLE, PHYSIOLOGY)
        metrics.append(metric(0.3, 7 * week + 3, CARDIAC_CYCLE, PHYSIOLOGY))
        sessions.append(session(7 * week + 3, 20, 3))
    masteries = [
        mastery(UPPER_LIMB, "MASTERED", ANATOMY),
        mastery(SKULL, "ADVANCED", ANATOMY),
        mastery(CARDIAC_CYCLE, "BEGINNER", PHYSIOLOGY),
        mastery(MEMBRANE_TRANSPORT, "NOT_STARTED", PHYSIOLOGY),
        mastery(ACTION_POTENTIALS, "NOT_STARTED", PHYSIOLOGY),
    ]
    objectives = {
        ACTION_POTENTIALS: objective(ACTION_POTENTIALS, "ADVANCED", "NOT_STARTED", LEARNER, PHYSIOLOGY),
        UPPER_LIMB: objective(UPPER_LIMB, "INTERMEDIATE", "MASTERED", LEARNER, ANATOMY),
    }
    return study_rows(
        faced=objectives[faced],
        prerequisites=[prerequisite(MEMBRANE_TRANSPORT)] if faced == ACTION_POTENTIALS else [],
        reviews=reviews,
        metrics=metrics,
        sessions=sessions,
        patterns=[pattern("FORGETTING_CURVE", 0.9, 2, courseId=PHYSIOLOGY)],
        exams=[exam(7, PHYSIOLOGY)],
        masteries=masteries,
    )
