"""Each feature in words: what it is about, how its number is said, and one clause for either direction."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def clause(feature: str, value: float, raises: bool, meaning: str) -> str:
    """A short clause with the feature's number; `meaning` stands in for a feature that has no words of its own."""
    words = WORDS.get(feature)
    if words is None:
        return f"{meaning.partition(';')[0]} stands at {percent(value)}"
    _, said, pattern = words
    text = ""
    for part in pattern.split("["):
        choice, closing, rest = part.partition("]")
        text += choice.split("|")[not raises] + rest if closing else choice
    return text.replace("#", said(value)).replace("only 0 ", "0 ")


def subject(feature: str) -> str:
    """What the feature is about; a sentence names one feature of each subject."""
    words = WORDS.get(feature)
    return feature if words is None else words[0]


def percent(value: float) -> str:
    """0.3 as "30 %"."""
    return f"{round(100 * value)} %"


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


def _ability(value: float) -> str:
    return f"{'below' if value < 0.5 else 'above' if value > 0.5 else 'at'} the average ({percent(value)})"


def _days_until(value: float) -> str:
    return _counted(90 * (1 - value), "day") if value > 0 else "90 days or more"


def _days_since(value: float) -> str:
    return _counted(30 * value, "day") if value < 1 else "30 days or more"


def _pending(value: float) -> str:
    return _counted(50 * value, "pending objective")


def _points(worse: str, better: str) -> Callable[[float], str]:
    """For a share turned so that 0.5 is "as expected": how many points it lies below or above."""
    return lambda value: f"{_counted(200 * abs(value - 0.5), 'point')} {worse if value < 0.5 else better}"


def _grown(full: float, unit: str, plural: str = "") -> Callable[[float], str]:
    """The inverse of the logarithmic scale on which amounts are features."""
    return lambda value: _counted((full + 1) ** value - 1, unit, plural)


def _span(value: float) -> str:
    hours = 1441**value - 1
    return _counted(hours / 24, "day") if hours >= 48 else _counted(hours, "hour")


def _streak(value: float) -> str:
    wrong = round(5 * value)
    return f"last {wrong} answers were wrong" if wrong > 1 else f"last answer was {'wrong' if wrong else 'right'}"


def _counted(amount: float, unit: str, plural: str = "") -> str:
    whole = round(amount)
    return f"{whole} {unit if whole == 1 else plural or unit + 's'}"


_PREREQUISITES, _LEVEL, _STRUGGLE, _ACCURACY, _OWN = "prerequisites", "level", "struggle", "accuracy", "own answers"
_DIFFICULTY, _EXPECTED, _BEFORE, _SESSION, _GAP, _LOAD = "difficulty", "expected", "before", "session", "gap", "load"
_WORSE, _ABOVE = _points("worse", "better"), _points("above", "below")

WORDS: dict[str, tuple[str, Callable[[float], str], str]] = {
    "retention_score": ("retention", percent, "retention in this course is [low (#)|#]"),
    "retention_decline_rate": (
        "decline",
        percent,
        "retention [has fallen by # in a month|is holding up (a fall of # in a month)]",
    ),
    "review_lapse_rate": (_OWN, percent, "[|only ]# of the answers on this objective were AGAIN"),
    "session_performance_score": (_SESSION, percent, "[only |]# of the answers in recent sessions were correct"),
    "validation_score": ("validation", percent, "recent validation scores [are low (#)|average #]"),
    "prerequisite_gap_count": (_PREREQUISITES, _mastered, "#"),
    "prerequisite_mastery_gap": (_PREREQUISITES, _rest, "mean mastery of the stated prerequisites is [only |]#"),
    "content_complexity": (_LEVEL, _complexity, "the material is #"),
    "complexity_mismatch": (
        _LEVEL,
        percent,
        "the material [is above the learner's level (by #)|suits the learner's level (# above it)]",
    ),
    "historical_struggle_score": (_STRUGGLE, percent, "earlier work in this course was [often|seldom] a struggle (#)"),
    "content_type_mismatch": (
        "format",
        percent,
        "the format [is not the learner's favourite|suits the learner] (mismatch #)",
    ),
    "cognitive_load_indicator": (_LOAD, percent, "the last 24 hours were [heavy|light] (# of a full day)"),
    "days_until_exam": ("exam", _days_until, "[the next exam is # away|no exam is near (# away)]"),
    "days_since_last_study": (_GAP, _days_since, "this course was [last |]studied # ago"),
    "workload_level": ("workload", _pending, "there are [|only ]#"),
    "answers_of_history": ("history", _grown(2000, "answer is", "answers are"), "[only |]# on record"),
    "ability": ("ability", _ability, "estimated ability is #"),
    "opening_ability": ("ability", _ability, "estimated ability at the start of a visit is #"),
    "overall_accuracy": (_ACCURACY, percent, "[only |]# of all answers were right"),
    "recent_accuracy": (_ACCURACY, percent, "[only |]# of the latest answers were right"),
    "recent_residual": (_ACCURACY, _WORSE, "lately answers were # than others'"),
    "steady_residual": (_ACCURACY, _WORSE, "recent answers were # than others'"),
    "visit_struggle_share": (_STRUGGLE, percent, "[|only ]# of earlier visits were a struggle"),
    "visit_struggle_residual": (
        _STRUGGLE,
        _points("less", "more"),
        "earlier visits were a struggle # often than others'",
    ),
    "objective_answers": ("practice", _grown(100, "answer was", "answers were"), "[only |]# given on this objective"),
    "objective_visits": ("practice", _grown(30, "visit"), "[only |]# to this objective came before"),
    "objective_accuracy": (_OWN, percent, "[only |]# of the answers on this objective were right"),
    "objective_recent_accuracy": (_OWN, percent, "[only |]# of the latest answers on this objective were right"),
    "objective_last_visit_accuracy": (
        _OWN,
        percent,
        "[only |]# of the answers in the last visit to this objective were right",
    ),
    "objective_struggle_share": (_OWN, percent, "[|only ]# of earlier visits to this objective were a struggle"),
    "objective_wrong_streak": (_OWN, _streak, "on this objective the #"),
    "objective_offset": (_OWN, _WORSE, "results on this objective are # than ability suggests"),
    "objective_residual": (_OWN, _WORSE, "answers on this objective were # than others'"),
    "answers_since_objective": (
        _GAP,
        _grown(1000, "other answer has", "other answers have"),
        "[|only ]# come since this objective was met",
    ),
    "objective_support": (
        "support",
        _grown(1000, "other learner has", "other learners have"),
        "[only |]# met this objective",
    ),
    "objective_error_rate": (_DIFFICULTY, percent, "other learners answer [|only ]# of this objective wrong"),
    "objective_opening_error_rate": (
        _DIFFICULTY,
        percent,
        "other learners begin a visit here with [|only ]# wrong answers",
    ),
    "objective_struggle_rate": (
        _DIFFICULTY,
        percent,
        "[|only ]# of other learners' visits to this objective are a struggle",
    ),
    "objective_overall_struggle_rate": (
        _DIFFICULTY,
        percent,
        "[|only ]# of all visits by others to this objective are a struggle",
    ),
    "objective_validation_failure_rate": (
        _DIFFICULTY,
        percent,
        "other learners fail [|only ]# of its validation prompts",
    ),
    "ability_gap": (_EXPECTED, percent, "a learner of this ability answers [|only ]# of this objective wrong"),
    "opening_ability_gap": (
        _EXPECTED,
        percent,
        "a learner of this ability begins a visit here with [|only ]# wrong answers",
    ),
    "objective_ability_gap": (
        _EXPECTED,
        percent,
        "this learner is expected to answer [|only ]# of this objective wrong",
    ),
    "expected_error": (
        _EXPECTED,
        percent,
        "this learner is expected to answer [|only ]# wrong at the start of the visit",
    ),
    "expected_struggle": (_EXPECTED, percent, "difficulty and ability together suggest a struggle with [|only ]#"),
    "related_performance": ("related", _WORSE, "results on related objectives are # than others'"),
    "predecessors_unseen": (
        _BEFORE,
        percent,
        "[|only ]# of the objectives usually met before this one are still unmet",
    ),
    "time_since_any": ("pause", _span, "the last answer on anything was # ago"),
    "retention_estimate": (_GAP, percent, "expected recall of this objective [has faded to|is] #"),
    "time_since_objective": (_GAP, _span, "this objective was [last|only] met # ago"),
    "first_card_difficulty": ("first cards", percent, "other learners answer [|only ]# of its first cards wrong"),
}
"""Per feature: its subject, how its value is said, and the clause: "#" stands for the value, "[a|b]" for a where the
feature raises the risk and b where it lowers it."""
