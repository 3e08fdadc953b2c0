"""The platform's features of the learner's circumstances: load, work ahead, the next exam, the material's format."""

from __future__ import annotations

from bisect import bisect_left

from ml.features.feature import (
    EXAM_HORIZON_DAYS,
    FULL_DAY_ANSWERS,
    FULL_DAY_MINUTES,
    FULL_DAY_NEW_CARDS,
    FULL_WORKLOAD,
)
from ml.study.history import DAY_MS, MINUTE_MS, covers, lasts_until_ms, objectives_of
from ml.study.scales import bounded, mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports
    from ml.study.history import LearnerHistory, StudyHistory

NEWEST_RATED_EVENTS = 20
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
    """How far the formats of recent material differ from what the learner likes best.

    It is the mean, over the newest twenty events whose format the learner has rated, of 1 - rating / best rating, from
    0 (the favourite alone) to 1; a higher value raises the risk. None without a profile or without such events.
    Sources: behavioral_events.contentType, and the profile's contentPreferences, else its learningStyleProfile by the
    style that the format suits (the profile counts only where as_of is now).
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
    return mean(mismatches[-NEWEST_RATED_EVENTS:])


def cognitive_load_indicator(past: LearnerHistory) -> float | None:
    """The study load of the last 24 hours as a share of a full day: 300 answers, 4 hours or 60 new cards.

    The largest of the three measures counts, from 0 to 1; a higher value raises the risk. None for a learner without
    answers and sessions, and where the answers' times only give their order. Sources: reviews, and study_sessions that
    had ended before as_of.
    """
    if past.order_only or not (past.reviews or past.sessions):
        return None
    since_ms = past.as_of_ms - DAY_MS
    answers = len(past.reviews) - bisect_left(past.reviews, since_ms, key=lambda review: review.reviewed_at_ms)
    minutes = new_cards = 0.0
    recent = bisect_left(past.sessions, since_ms, key=lambda session: session.started_at_ms)
    for session in past.sessions[recent:]:
        spent_ms = _spent_ms(session, past.as_of_ms)
        if spent_ms is not None:
            minutes += spent_ms / MINUTE_MS
            new_cards += max(0, session.new_cards_studied or 0)
    return min(1.0, max(answers / FULL_DAY_ANSWERS, minutes / FULL_DAY_MINUTES, new_cards / FULL_DAY_NEW_CARDS))


def days_until_exam(history: StudyHistory) -> float | None:
    """The urgency of the next exam on the course: 1 = today, 0 = 90 days or more away, or no exam planned.

    It falls evenly with the days; a higher value raises the risk. None for a learner without any exam on record.
    Source: exams of the course, or whose coverageTopics name it. An exam dated at midnight lasts that whole day.
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
    """The number of objectives that are pending in missions, divided by 50, at most 1.

    A higher value raises the risk. None without missions. Source: missions that are PENDING or IN_PROGRESS (where
    as_of is now), each objective counted once.
    """
    if not past.missions:
        return None
    pending = {objective_id for mission in past.missions for objective_id in objectives_of(mission)}
    return min(1.0, len(pending) / FULL_WORKLOAD)


def _ratings(stored: object) -> dict[str, float]:
    """The names that a JSON object rates with a number, in lower case; empty where the value is no object."""
    if not isinstance(stored, dict):
        return {}
    return {str(name).casefold(): held for name, rating in stored.items() if (held := bounded(rating)) is not None}


def _style_of(content_type: str) -> str:
    return next((style for word, style in STYLE_OF_CONTENT if word in content_type), "")


def _spent_ms(session: ports.Session, as_of_ms: int) -> int | None:
    """The session's length; None for a session that had not ended before as_of, whose columns are written later."""
    ended_ms = session.completed_at_ms
    if ended_ms is None and session.duration_ms is not None:
        ended_ms = session.started_at_ms + session.duration_ms
    if ended_ms is None or ended_ms >= as_of_ms:
        return None
    spent_ms = ended_ms - session.started_at_ms if session.duration_ms is None else session.duration_ms
    return min(DAY_MS, max(0, spent_ms))
