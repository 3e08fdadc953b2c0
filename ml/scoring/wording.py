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
    amount = said(value)
    return text.replace("#" if _is_little(amount, raises) else "only #", amount).replace("#", amount)


def _is_little(amount: str, raises: bool) -> bool:
    """Whether "only" may stand before the amount: not before none, the end of a scale, a large count or share.

    Where little raises the risk, as with right answers, a share below 90 % is little, elsewhere one below half.
    """
    number, _, unit = amount.partition(" ")
    if not number.isdigit() or number == "0" or unit.startswith("or more"):
        return False
    return int(number) < (100 if unit != "%" else 90 if raises else 50)


def subject(feature: str) -> str:
    """What the feature is about; a sentence names one feature of each subject."""
    words = WORDS.get(feature)
    return feature if words is None else words[0]


def percent(value: float) -> str:
    """0.3 as "30 %"."""
    return f"{_whole(value)} %"


def _whole(value: float) -> int:
    """Hundredths, as they are printed; words such as "low" go by these, lest they contradict the number."""
    return round(100 * value)


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
    rounded = _whole(value)
    return f"{'below' if rounded < 50 else 'above' if rounded > 50 else 'at'} the average ({rounded} %)"


def _decline(value: float) -> str:
    return f"fallen by {percent(value)} in a month" if _whole(value) else "not fallen in a month (0 %)"


def _above_level(value: float) -> str:
    return f"above the learner's level (by {percent(value)})" if _whole(value) else "not above the learner's level"


def _past_struggle(value: float) -> str:
    if not _whole(value):
        return "showed no sign of struggle (0 %)"
    often = "seldom" if value < 0.25 else "sometimes" if _whole(value) < 50 else "often"
    return f"was {often} a struggle ({percent(value)})"


def _format(mismatch: float) -> str:
    fit = "suits the learner" if _whole(mismatch) < 50 else "is not the learner's favourite"
    return f"{fit} (mismatch {percent(mismatch)})"


def _load(value: float) -> str:
    if value <= 0:
        return "there was no study in the last 24 hours"
    weight = "light" if _whole(value) < 35 else "moderate" if _whole(value) < 70 else "heavy"
    return f"the study load of the last 24 hours was {weight} ({percent(value)} of a full day)"


def _exam(value: float) -> str:
    if value <= 0:
        return "no exam is less than 90 days away"
    days = 90 * (1 - value)
    return f"the next exam is {'today' if days <= 0 else f'{_days(days)} away'}"


def _days_since(value: float) -> str:
    return _days(30 * value) if value < 1 else "30 days or more"


def _days(days: float) -> str:
    return _counted(days, "day") if days >= 0.5 else "less than a day"


def _retention(value: float) -> str:
    return f"low ({percent(value)})" if _whole(value) < 70 else percent(value)


def _validation(value: float) -> str:
    return f"are low ({percent(value)})" if _whole(value) < 60 else f"average {percent(value)}"


def _points(worse: str, better: str, equal: str) -> Callable[[float], str]:
    """For a share turned so that 0.5 is "as expected": how many points it lies below or above."""

    def said(value: float) -> str:
        apart = 200 * abs(value - 0.5)
        return f"{_counted(apart, 'point')} {worse if value < 0.5 else better}" if round(apart) else equal

    return said


def _grown(full: int, unit: str, plural: str = "") -> Callable[[float], str]:
    """The inverse of the logarithmic scale on which amounts are features; 1 stands for `full` and everything above."""
    return lambda value: _counted((full + 1) ** value - 1, unit, plural, full)


def _pending(value: float) -> str:
    return _counted(50 * value, "objective is", "objectives are", 50)


def _span(value: float) -> str:
    if value >= 1:
        return "60 days or more"
    hours = 1441**value - 1
    if hours >= 48:
        return _counted(hours / 24, "day")
    return _counted(hours, "hour") if hours >= 0.5 else "less than an hour"


def _streak(value: float) -> str:
    wrong = round(5 * value)
    if wrong < 2:
        return f"last answer was {'wrong' if wrong else 'right'}"
    return f"last {wrong} {'or more ' if wrong == 5 else ''}answers were wrong"


def _counted(amount: float, unit: str, plural: str = "", most: int = 0) -> str:
    """ "no days", "1 day", "2 days"; from `most` on, where that ends the scale, "50 or more days"."""
    whole = round(amount)
    if whole == 1:
        return f"1 {unit}"
    return f"{whole or 'no'}{' or more' if most and whole >= most else ''} {plural or unit + 's'}"


_PREREQUISITES, _LEVEL, _STRUGGLE, _ACCURACY, _OWN = "prerequisites", "level", "struggle", "accuracy", "own answers"
_DIFFICULTY, _EXPECTED, _BEFORE, _SESSION, _GAP, _LOAD = "difficulty", "expected", "before", "session", "gap", "load"
_WORSE = _points("worse than", "better than", "as good as")

WORDS: dict[str, tuple[str, Callable[[float], str], str]] = {
    "retention_score": ("retention", _retention, "retention in this course is #"),
    "retention_decline_rate": (
        "decline",
        _decline,
        "retention has #",
    ),
    "review_lapse_rate": (_OWN, percent, "[|only ]# of the answers on this objective were AGAIN"),
    "session_performance_score": (_SESSION, percent, "[only |]# of the answers in recent sessions were correct"),
    "validation_score": ("validation", _validation, "recent validation scores #"),
    "prerequisite_gap_count": (_PREREQUISITES, _mastered, "#"),
    "prerequisite_mastery_gap": (_PREREQUISITES, _rest, "mean mastery of the stated prerequisites is [only |]#"),
    "content_complexity": (_LEVEL, _complexity, "the material is #"),
    "complexity_mismatch": (
        _LEVEL,
        _above_level,
        "the material is #",
    ),
    "historical_struggle_score": (_STRUGGLE, _past_struggle, "earlier work in this course #"),
    "content_type_mismatch": (
        "format",
        _format,
        "the format #",
    ),
    "cognitive_load_indicator": (_LOAD, _load, "#"),
    "days_until_exam": ("exam", _exam, "#"),
    "days_since_last_study": (_GAP, _days_since, "this course was last studied # ago"),
    "workload_level": ("workload", _pending, "[|only ]# pending in missions"),
    "answers_of_history": ("history", _grown(2000, "answer is", "answers are"), "[only |]# on record"),
    "ability": ("ability", _ability, "estimated ability is #"),
    "opening_ability": ("ability", _ability, "estimated ability at the start of a visit is #"),
    "overall_accuracy": (_ACCURACY, percent, "[only |]# of all answers were right"),
    "recent_accuracy": (_ACCURACY, percent, "[only |]# of the latest answers were right"),
    "recent_residual": (_ACCURACY, _WORSE, "the latest answers were # others' on the same cards"),
    "steady_residual": (_ACCURACY, _WORSE, "answers over a longer time were # others' on the same cards"),
    "visit_struggle_share": (_STRUGGLE, percent, "[|only ]# of earlier visits were a struggle"),
    "visit_struggle_residual": (
        _STRUGGLE,
        _points("less often than", "more often than", "as often as"),
        "earlier visits were a struggle # others'",
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
    "objective_offset": (_OWN, _WORSE, "results on this objective are # ability suggests"),
    "objective_residual": (_OWN, _WORSE, "answers on this objective were # others'"),
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
        "other learners answer [|only ]# wrong at the start of a visit here",
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
        "a learner of this ability answers [|only ]# wrong at the start of a visit here",
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
    "expected_struggle": (
        _EXPECTED,
        percent,
        "the objective's difficulty and the learner's ability together suggest a risk of [|only ]#",
    ),
    "related_performance": ("related", _WORSE, "results on related objectives are # others'"),
    "predecessors_unseen": (
        _BEFORE,
        percent,
        "[|only ]# of the objectives usually met before this one are still unmet",
    ),
    "time_since_any": ("pause", _span, "the last answer on anything was # ago"),
    "retention_estimate": (_GAP, percent, "expected recall of this objective is [only |]#"),
    "time_since_objective": (_GAP, _span, "this objective was last met # ago"),
    "first_card_difficulty": ("first cards", percent, "other learners answer [|only ]# of its first cards wrong"),
}
"""Per feature: its subject, how its value is said, and the clause: "#" stands for the value, "[a|b]" for a where the
feature raises the risk and b where it lowers it. What the number
itself says (low, often, heavy) follows from the value alone."""
