"""Each feature in words: what it is about, how its number is said, and one clause for either direction."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def percent(value: float) -> str:
    """0.3 as "30 %"."""
    return f"{round(100 * value)} %"


def clause(feature: str, value: float, raises: bool, meaning: str) -> str:
    """A short clause with the feature's number; `meaning` stands in for a feature that has no words of its own."""
    words = WORDS.get(feature)
    if words is None:
        return f"{meaning.partition(';')[0]} stands at {percent(value)}"
    _, said, raising, lowering = words
    return (raising if raises else lowering).format(said(value)).replace("only 0 ", "0 ")


def subject(feature: str) -> str:
    """What the feature is about; a sentence names one feature of each subject."""
    words = WORDS.get(feature)
    return feature if words is None else words[0]


def _rest(value: float) -> str:
    return percent(1 - value)


def _mastered(gap: float) -> str:
    if gap >= 1:
        return "none of the stated prerequisites is mastered (0 %)"
    return f"{'all' if gap <= 0 else 'some'} of the stated prerequisites are mastered ({_rest(gap)})"


def _complexity(value: float) -> str:
    return (
        f"{'basic' if value < 0.45 else 'intermediate' if value < 0.75 else 'advanced'} (complexity {percent(value)})"
    )


def _days_until(value: float) -> str:
    return _counted(90 * (1 - value), "day") if value > 0 else "90 days or more"


def _days_since(value: float) -> str:
    return _counted(30 * value, "day") if value < 1 else "30 days or more"


def _pending(value: float) -> str:
    return _counted(50 * value, "objective")


def _load(value: float) -> str:
    return f"{percent(value)} of a full day"


def _shifted(worse: str, better: str) -> Callable[[float], str]:
    """For a share turned so that 0.5 is "as expected": how many points it lies below or above."""
    return lambda value: f"{round(200 * abs(value - 0.5))} points {worse if value < 0.5 else better}"


def _grown(full: float, unit: str, plural: str = "") -> Callable[[float], str]:
    """The inverse of the logarithmic scale on which amounts are features."""
    return lambda value: _counted((full + 1) ** value - 1, unit, plural)


def _span(value: float) -> str:
    hours = 1441**value - 1
    return _counted(hours / 24, "day") if hours >= 48 else _counted(hours, "hour")


def _streak(value: float) -> str:
    wrong = round(5 * value)
    return (
        "last answer was right" if not wrong else "last answer was wrong" if wrong == 1 else f"last {wrong} were wrong"
    )


def _counted(amount: float, unit: str, plural: str = "") -> str:
    whole = round(amount)
    return f"{whole} {unit if whole == 1 else plural or unit + 's'}"


_RETENTION, _LEVEL, _PREREQUISITES, _STRUGGLE = "retention", "level", "prerequisites", "struggle"
_ACCURACY, _OWN, _DIFFICULTY, _SESSION, _GAP = "accuracy", "own answers", "difficulty", "session", "gap"

WORDS: dict[str, tuple[str, Callable[[float], str], str, str]] = {
    "retention_score": (_RETENTION, percent, "retention in this course is low ({})", "retention in this course is {}"),
    "retention_decline_rate": (
        "decline",
        percent,
        "retention has fallen by {} in a month",
        "retention is holding up (a fall of {} in a month)",
    ),
    "review_lapse_rate": (
        _OWN,
        percent,
        "{} of the answers on this objective were AGAIN",
        "only {} of the answers on this objective were AGAIN",
    ),
    "session_performance_score": (
        _SESSION,
        percent,
        "only {} of the answers in recent sessions were GOOD or EASY",
        "{} of the answers in recent sessions were GOOD or EASY",
    ),
    "validation_score": (
        "validation",
        percent,
        "recent validation scores are low ({})",
        "recent validation scores average {}",
    ),
    "prerequisite_gap_count": (_PREREQUISITES, _mastered, "{}", "{}"),
    "prerequisite_mastery_gap": (
        _PREREQUISITES,
        _rest,
        "mean mastery of the stated prerequisites is only {}",
        "mean mastery of the stated prerequisites is {}",
    ),
    "content_complexity": (_LEVEL, _complexity, "the material is {}", "the material is {}"),
    "complexity_mismatch": (
        _LEVEL,
        percent,
        "the material is above the learner's level (by {})",
        "the material suits the learner's level ({} above it)",
    ),
    "historical_struggle_score": (
        _STRUGGLE,
        percent,
        "earlier work in this course was often a struggle ({})",
        "earlier work in this course was seldom a struggle ({})",
    ),
    "content_type_mismatch": (
        "format",
        percent,
        "the format is not the learner's favourite (mismatch {})",
        "the format suits the learner (mismatch {})",
    ),
    "cognitive_load_indicator": (
        "load",
        _load,
        "the last 24 hours were heavy ({})",
        "the last 24 hours were light ({})",
    ),
    "days_until_exam": ("exam", _days_until, "the next exam is {} away", "no exam is near ({} away)"),
    "days_since_last_study": (
        _GAP,
        _days_since,
        "this course was last studied {} ago",
        "this course was studied {} ago",
    ),
    "workload_level": ("workload", _pending, "{} are pending", "only {} are pending"),
    "answers_of_history": (
        "history",
        _grown(2000, "answer is on record", "answers are on record"),
        "only {}",
        "{}",
    ),
    "ability": ("ability", percent, "estimated ability is low ({})", "estimated ability is good ({})"),
    "overall_accuracy": (_ACCURACY, percent, "only {} of all answers were right", "{} of all answers were right"),
    "recent_accuracy": (
        _ACCURACY,
        percent,
        "only {} of the latest answers were right",
        "{} of the latest answers were right",
    ),
    "steady_accuracy": (
        _ACCURACY,
        percent,
        "only {} of recent answers were right",
        "{} of recent answers were right",
    ),
    "recent_residual": (
        _ACCURACY,
        _shifted("worse", "better"),
        "lately answers were {} than others'",
        "lately answers were {} than others'",
    ),
    "steady_residual": (
        _ACCURACY,
        _shifted("worse", "better"),
        "recent answers were {} than others'",
        "recent answers were {} than others'",
    ),
    "visit_struggle_share": (
        _STRUGGLE,
        percent,
        "{} of earlier visits were a struggle",
        "only {} of earlier visits were a struggle",
    ),
    "visit_struggle_residual": (
        _STRUGGLE,
        _shifted("less", "more"),
        "earlier visits were a struggle {} often than others'",
        "earlier visits were a struggle {} often than others'",
    ),
    "last_visit_error": (
        "last visit",
        percent,
        "{} of the answers in the last visit were wrong",
        "only {} of the answers in the last visit were wrong",
    ),
    "wrong_streak": ("streak", _streak, "of all answers the {}", "of all answers the {}"),
    "objective_answers": (
        "practice",
        _grown(100, "answer was given", "answers were given"),
        "only {} on this objective",
        "{} on this objective",
    ),
    "objective_visits": (
        "practice",
        _grown(30, "visit"),
        "only {} to this objective came before",
        "{} to this objective came before",
    ),
    "objective_accuracy": (
        _OWN,
        percent,
        "only {} of the answers on this objective were right",
        "{} of the answers on this objective were right",
    ),
    "objective_recent_accuracy": (
        _OWN,
        percent,
        "only {} of the latest answers on this objective were right",
        "{} of the latest answers on this objective were right",
    ),
    "objective_last_visit_accuracy": (
        _OWN,
        percent,
        "only {} of the answers in the last visit to this objective were right",
        "{} of the answers in the last visit to this objective were right",
    ),
    "objective_struggle_share": (
        _OWN,
        percent,
        "{} of earlier visits to this objective were a struggle",
        "only {} of earlier visits to this objective were a struggle",
    ),
    "objective_wrong_streak": (_OWN, _streak, "on this objective the {}", "on this objective the {}"),
    "objective_offset": (
        _OWN,
        _shifted("worse", "better"),
        "results on this objective are {} than ability suggests",
        "results on this objective are {} than ability suggests",
    ),
    "objective_residual": (
        _OWN,
        _shifted("worse", "better"),
        "answers on this objective were {} than others'",
        "answers on this objective were {} than others'",
    ),
    "answers_since_objective": (
        _GAP,
        _grown(1000, "other answer has", "other answers have"),
        "{} come since this objective was met",
        "only {} come since this objective was met",
    ),
    "objective_support": (
        "support",
        _grown(1000, "other learner has", "other learners have"),
        "only {} met this objective",
        "{} met this objective",
    ),
    "objective_error_rate": (
        _DIFFICULTY,
        percent,
        "other learners answer {} of this objective wrong",
        "other learners answer only {} of this objective wrong",
    ),
    "objective_struggle_rate": (
        _DIFFICULTY,
        percent,
        "{} of other learners' visits to this objective are a struggle",
        "only {} of other learners' visits to this objective are a struggle",
    ),
    "objective_overall_struggle_rate": (
        _DIFFICULTY,
        percent,
        "{} of all visits by other learners to this objective are a struggle",
        "only {} of all visits by other learners to this objective are a struggle",
    ),
    "objective_validation_failure_rate": (
        _DIFFICULTY,
        percent,
        "other learners fail {} of its validation prompts",
        "other learners fail only {} of its validation prompts",
    ),
    "ability_gap": (
        "expectation",
        percent,
        "a learner of this ability answers {} of this objective wrong",
        "a learner of this ability answers only {} of this objective wrong",
    ),
    "objective_ability_gap": (
        "expectation",
        percent,
        "this learner is expected to answer {} of this objective wrong",
        "this learner is expected to answer only {} of this objective wrong",
    ),
    "expected_struggle": (
        "expectation",
        percent,
        "difficulty and ability together suggest a struggle with {}",
        "difficulty and ability together suggest a struggle with only {}",
    ),
    "related_performance": (
        "related",
        _shifted("worse", "better"),
        "results on related objectives are {} than others'",
        "results on related objectives are {} than others'",
    ),
    "predecessors_unseen": (
        "predecessors",
        percent,
        "{} of the objectives usually met before this one are still unmet",
        "only {} of the objectives usually met before this one are still unmet",
    ),
    "predecessors_gap": (
        "predecessors",
        percent,
        "{} of the answers on the objectives before this one were wrong",
        "only {} of the answers on the objectives before this one were wrong",
    ),
    "time_since_any": (
        "pause",
        _span,
        "the last answer on anything was {} ago",
        "the last answer on anything was {} ago",
    ),
    "answers_last_hour": ("load", _grown(200, "answer"), "{} came in the last hour", "only {} came in the last hour"),
    "answers_last_day": ("load", _grown(500, "answer"), "{} came in the last day", "only {} came in the last day"),
    "answers_last_week": ("load", _grown(2000, "answer"), "{} came in the last week", "only {} came in the last week"),
    "session_answers": (
        "load",
        _grown(200, "answer"),
        "{} came in this session already",
        "{} came in this session so far",
    ),
    "session_accuracy": (
        _SESSION,
        percent,
        "only {} of this session's answers were right",
        "{} of this session's answers were right",
    ),
    "fatigue": (
        _SESSION,
        _shifted("above", "below"),
        "this session's answers are {} the usual",
        "this session's answers are {} the usual",
    ),
    "retention_estimate": (
        _GAP,
        percent,
        "expected recall of this objective has faded to {}",
        "expected recall of this objective is {}",
    ),
    "time_since_objective": (
        _GAP,
        _span,
        "this objective was last met {} ago",
        "this objective was met only {} ago",
    ),
    "first_card_difficulty": (
        "first cards",
        percent,
        "other learners answer {} of its first cards wrong",
        "other learners answer only {} of its first cards wrong",
    ),
}
"""Per feature: subject, how its value is said, the clause where it raises the risk, the clause where it lowers it."""
