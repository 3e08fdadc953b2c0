"""Features of the learner's circumstances: load today, work ahead, the exam, and the form of the material."""

from __future__ import annotations

from bisect import bisect_left

from ml.features.feature import (
    EXAM_HORIZON_DAYS,
    FULL_DAY_ANSWERS,
    FULL_DAY_MINUTES,
    FULL_DAY_NEW_CARDS,
    FULL_WORKLOAD,
)
from ml.study.history import DAY_MS, MINUTE_MS, covers, lasts_until_ms, objective_named
from ml.study.levels import bounded, mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports
    from ml.study.history import LearnerHistory, StudyHistory

NEWEST_EVENTS = 20
STYLE_OF_CONTENT = (
    ("video", "visual"),
    ("image", "visual"),
    ("diagram", "visual"),
    ("animation", "visual"),
    ("visual", "visual"),
    ("audio", "auditory"),
    ("podcast", "auditory"),
    ("lecture", "auditory"),
    ("auditory", "auditory"),
    ("text", "reading"),
    ("read", "reading"),
    ("article", "reading"),
    ("note", "reading"),
    ("pdf", "reading"),
    ("quiz", "kinesthetic"),
    ("practice", "kinesthetic"),
    ("interactive", "kinesthetic"),
    ("simulation", "kinesthetic"),
    ("clinical", "kinesthetic"),
    ("kinesthetic", "kinesthetic"),
)
"""A word in a content type, and the learning style (visual, auditory, reading, kinesthetic) that it suits."""


def content_type_mismatch(past: LearnerHistory) -> float | None:
    """How far the formats met of late lie from what the learner likes best; 0 = all of it; higher is worse.

    For each of the newest twenty events whose format is rated: 1 - its rating / the best rating; their mean. Sources:
    behavioral_events.contentType; contentPreferences, else learningStyleProfile by the style it suits (now only).
    """
    if past.profile is None:
        return None
    formats = _ratings(past.profile.content_preferences)
    styles = _ratings(past.profile.learning_style)
    mismatches = []
    for event in past.events:
        content_type = str(event.content_type or "").casefold()
        for ratings, rated in ((formats, content_type), (styles, _style_of(content_type))):
            if rated in ratings and (best := max(ratings.values())):
                mismatches.append(1.0 - ratings[rated] / best)
                break
    return mean(mismatches[-NEWEST_EVENTS:])


def cognitive_load_indicator(past: LearnerHistory) -> float | None:
    """Load of the last 24 hours, the fullest of three measures; 1 = 300 answers, 4 hours or 60 new cards.

    Higher is worse. Sources: reviews, study_sessions that had ended before as_of. None for a learner without either,
    or where the answers' times are mere places in an order.
    """
    if past.order_only or not (past.reviews or past.sessions):
        return None
    since_ms = past.as_of_ms - DAY_MS
    answers = len(past.reviews) - bisect_left(past.reviews, since_ms, key=lambda review: review.reviewed_at_ms)
    minutes = new_cards = 0.0
    for session in past.sessions:
        spent_ms = _spent_ms(session, past.as_of_ms)
        if session.started_at_ms >= since_ms and spent_ms is not None:
            minutes += spent_ms / MINUTE_MS
            new_cards += max(0, session.new_cards_studied or 0)
    return min(1.0, max(answers / FULL_DAY_ANSWERS, minutes / FULL_DAY_MINUTES, new_cards / FULL_DAY_NEW_CARDS))


def days_until_exam(history: StudyHistory) -> float | None:
    """Urgency of the next exam on the course: 1 = today, 0 = 90 days or more away, or none planned; higher is worse.

    Source: exams of the course, or whose coverageTopics name it. None for a learner without any exam on record. An
    exam dated at midnight lasts that whole day.
    """
    if not history.past.exams:
        return None
    as_of_ms = history.past.as_of_ms
    ahead = [
        max(0, exam.date_ms - as_of_ms)
        for exam in history.past.exams
        if lasts_until_ms(exam) > as_of_ms and covers(exam, history.objective)
    ]
    return max(0.0, 1 - min(ahead) / (EXAM_HORIZON_DAYS * DAY_MS)) if ahead else 0.0


def workload_level(past: LearnerHistory) -> float | None:
    """Objectives pending in missions / 50, at most 1; higher is worse.

    Source: missions that are PENDING or IN_PROGRESS (now only), each objective counted once. None without missions.
    """
    if not past.missions:
        return None
    pending: set[str] = set()
    for mission in past.missions:
        if mission.status in ("PENDING", "IN_PROGRESS") and isinstance(mission.objectives, list):
            pending.update(filter(None, map(objective_named, mission.objectives)))
    return min(1.0, len(pending) / FULL_WORKLOAD)


def _ratings(stored: object) -> dict[str, float]:
    """The names that a JSON object rates with a number, case folded; nothing where it is no object."""
    if not isinstance(stored, dict):
        return {}
    return {str(name).casefold(): held for name, rating in stored.items() if (held := bounded(rating)) is not None}


def _style_of(content_type: str) -> str:
    return next((style for word, style in STYLE_OF_CONTENT if word in content_type), "")


def _spent_ms(session: ports.Session, as_of_ms: int) -> int | None:
    """The session's length; None until it has ended before as_of: its columns are written when it ends."""
    ended_ms = session.completed_at_ms
    if ended_ms is None and session.duration_ms is not None:
        ended_ms = session.started_at_ms + session.duration_ms
    if ended_ms is None or ended_ms >= as_of_ms:
        return None
    spent_ms = ended_ms - session.started_at_ms if session.duration_ms is None else session.duration_ms
    return min(DAY_MS, max(0, spent_ms))
