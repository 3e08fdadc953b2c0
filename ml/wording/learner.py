"""The sentence for a learner: what goes well first, then one next step. It names no level and no probability."""

from __future__ import annotations

from ml.advice.changes import LIGHTER_DAY, MASTER_PREREQUISITE, NEXT_THREE_RIGHT, REVIEW_NOW
from ml.scoring.prediction import NEGLIGIBLE
from ml.study.degraded import code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.language import Language, Message
    from ml.scoring.prediction import Factor

MESSAGES: dict[str, Message] = {
    "well": "This is going well: {well}; your next step: {step}.",
    "effort": "You have made a start: {well}; your next step: {step}.",
    "beginning": "You can get there step by step; your next step: {step}.",
    "unseen": "We could not look at your answers this time; your next step: {step}.",
    "untracked": "You have switched performance tracking off, and that is your choice; your next step: {step}.",
    "step_prerequisite": "go over {name} first",
    "step_prerequisites": "go over the prerequisites of this objective first",
    "step_review": "review this objective before you go on",
    "step_course": "review a few cards of this course before you begin",
    "step_mistakes": "take another calm look at the cards that you did not get right yet",
    "step_slowly": "begin with a few cards, and take your time for each answer",
    "step_three": "take your time for the next three cards, and try to get all of them right",
    "step_explain": "explain this objective in your own words",
    "step_parts": "take this objective in small parts",
    "step_example": "begin with an easier example, and then come back to this objective",
    "step_format": "look at the topic in a format that you like, such as a video or a text",
    "step_break": "take a break, and come back when you have rested",
    "step_one": "choose one objective, and finish it before you begin the next",
    "step_exam": "plan a short review for each day until the exam",
    "step_start": "answer a few cards of this objective to see where you are",
    "step_lighter": "keep the rest of the day free",
    "step_onward": "carry on with this objective",
}
"""What only a learner is told."""

STEPS = {
    "step_prerequisites": (
        *("prerequisite_gap_count", "prerequisite_mastery_gap", "predecessors_unseen", "related_performance"),
    ),
    "step_review": (
        *("retention_estimate", "answers_since_objective", "time_since_objective", "objective_answers"),
        "objective_visits",
    ),
    "step_course": ("retention_score", "retention_decline_rate", "days_since_last_study", "time_since_any"),
    "step_mistakes": (
        *("review_lapse_rate", "objective_wrong_streak", "objective_accuracy", "objective_recent_accuracy"),
        *("objective_last_visit_accuracy", "objective_struggle_share", "objective_residual", "objective_offset"),
    ),
    "step_slowly": (
        *("session_performance_score", "overall_accuracy", "recent_accuracy", "recent_residual", "steady_residual"),
        *("visit_struggle_share", "visit_struggle_residual", "historical_struggle_score", "ability"),
        *("opening_ability", "expected_struggle", "expected_error", "answers_of_history"),
    ),
    "step_explain": ("validation_score", "objective_validation_failure_rate"),
    "step_parts": (
        *("ability_gap", "objective_ability_gap", "opening_ability_gap", "objective_struggle_rate"),
        *("objective_overall_struggle_rate", "objective_error_rate", "objective_opening_error_rate"),
        *("objective_support", "first_card_difficulty"),
    ),
    "step_example": ("content_complexity", "complexity_mismatch"),
    "step_format": ("content_type_mismatch",),
    "step_break": ("cognitive_load_indicator",),
    "step_one": ("workload_level",),
    "step_exam": ("days_until_exam",),
}
"""The step for each feature that raises the risk."""
STEP_OF_ADVICE = {
    MASTER_PREREQUISITE: "step_prerequisite",
    REVIEW_NOW: "step_review",
    NEXT_THREE_RIGHT: "step_three",
    LIGHTER_DAY: "step_lighter",
}
"""The step for each kind of advice."""
_STEP_OF = {feature: step for step, features in STEPS.items() for feature in features}

GOOD_FROM, LITTLE_UP_TO = 0.6, 0.2
"""A share of what is good goes well from the first, a share of what is not up to the second."""
AS_OTHERS = 0.495
"""From here on a comparison with others, whose middle is 0.5, is said to be no worse than theirs."""
_GOOD_FROM = {
    **dict.fromkeys(
        (
            *("retention_score", "session_performance_score", "validation_score", "overall_accuracy"),
            *("recent_accuracy", "objective_accuracy", "objective_recent_accuracy", "objective_last_visit_accuracy"),
            "retention_estimate",
        ),
        GOOD_FROM,
    ),
    **dict.fromkeys(
        (
            *("ability", "opening_ability", "recent_residual", "steady_residual", "objective_residual"),
            *("objective_offset", "related_performance"),
        ),
        AS_OTHERS,
    ),
}
"""What the learner has done well from this value on."""
_GOOD_UP_TO = {
    **dict.fromkeys(("review_lapse_rate", "objective_struggle_share", "visit_struggle_share"), LITTLE_UP_TO),
    **dict.fromkeys(("prerequisite_gap_count", "prerequisite_mastery_gap"), 1 - GOOD_FROM),
    **dict.fromkeys(
        (
            *("retention_decline_rate", "objective_wrong_streak", "predecessors_unseen"),
            "complexity_mismatch",
        ),
        0.0,
    ),
}
"""What the learner has done well up to this value."""
_EFFORT = ("objective_answers", "answers_of_history")


def encouragement(factors: Sequence[Factor], degraded: str, step: str, language: Language) -> str:
    """The learner's sentence.

    Args:
        factors: The strongest first; their texts are in the language, for learners.
        degraded: Why the records could not be read, in English.
        step: The next step as a clause, such as the first advice; empty takes it from the strongest reason.
        language: One that is made for learners.
    """
    if degraded:
        key = "untracked" if code_of(degraded) == "tracking_off" else "unseen"
        return language.say(key, step=step or language.say("step_start"))
    own = "" if step else _step(factors)
    step = step or language.say(own)
    known = [factor for factor in factors if factor.value is not None]
    # what is to be worked on next is not praised in the same breath, although one of its figures may be good
    good = [factor for factor in known if _goes_well(factor) and _STEP_OF.get(factor.feature) != own]
    for factor in sorted(good, key=lambda factor: factor.contribution):  # what lowers the risk most
        return language.say("well", well=factor.text, step=step)
    for factor in known:
        if factor.feature in _EFFORT and factor.value:
            return language.say("effort", well=factor.text, step=step)
    return language.say("beginning", step=step)


def _step(factors: Sequence[Factor]) -> str:
    for factor in factors:
        if factor.value is not None and factor.contribution >= NEGLIGIBLE and not _goes_well(factor):
            return _STEP_OF[factor.feature]
    return "step_onward" if any(factor.value is not None for factor in factors) else "step_start"


def _goes_well(factor: Factor) -> bool:
    value, feature = factor.value, factor.feature
    if value is None:
        return False
    return value >= _GOOD_FROM.get(feature, 2.0) or value <= _GOOD_UP_TO.get(feature, -1.0)
