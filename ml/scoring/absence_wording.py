"""Features without data in words: what there is no record of."""

from __future__ import annotations


def absence(feature: str, meaning: str) -> str:
    """The clause for a feature without data; `meaning` stands in for one that has no words of its own."""
    return f"there is no record of {ABSENT.get(feature) or meaning.partition(';')[0]}"


ABSENT = {
    "retention_score": "retention in this course",
    "retention_decline_rate": "how retention in this course has changed over the last month",
    "review_lapse_rate": "how often answers on this objective were AGAIN",
    "session_performance_score": "answers in recent sessions",
    "validation_score": "recent validation scores",
    "prerequisite_gap_count": "prerequisites of this objective",
    "prerequisite_mastery_gap": "mastery of this objective's prerequisites",
    "content_complexity": "how complex the material is",
    "complexity_mismatch": "how the material compares with the learner's level",
    "historical_struggle_score": "earlier work in this course",
    "content_type_mismatch": "how the format suits the learner",
    "cognitive_load_indicator": "study in the last 24 hours",
    "days_until_exam": "an exam",
    "days_since_last_study": "when this course was last studied",
    "workload_level": "objectives planned in missions",
    "expected_struggle": "other learners' visits to this objective that would tell how likely a struggle is",
    "expected_error": "answers that would tell how many mistakes to expect at the start of a visit",
    "ability": "answers that would tell the learner's ability",
    "opening_ability": "answers that would tell the learner's ability at the start of a visit",
    "ability_gap": "other learners' answers to compare this learner's ability with",
    "objective_ability_gap": "answers that would tell how hard this objective is for this learner",
    "opening_ability_gap": "other learners' first answers of a visit to compare this learner's ability with",
    "objective_struggle_rate": "how often other learners' visits to this objective are a struggle",
    "objective_overall_struggle_rate": "how often all visits by others to this objective are a struggle",
    "objective_error_rate": "other learners' answers on this objective",
    "objective_opening_error_rate": "other learners' answers at the start of a visit to this objective",
    "objective_validation_failure_rate": "other learners' validation scores on this objective",
    "objective_support": "how many other learners have met this objective",
    "related_performance": "results on related objectives",
    "predecessors_unseen": "objectives usually met before this one",
    "overall_accuracy": "how many of all answers were right",
    "recent_accuracy": "how many of the latest answers were right",
    "recent_residual": "the latest answers next to others' on the same cards",
    "steady_residual": "answers over a longer time next to others' on the same cards",
    "visit_struggle_share": "earlier visits",
    "visit_struggle_residual": "earlier visits next to others'",
    "objective_answers": "how many answers were given on this objective",
    "objective_visits": "how many visits to this objective came before",
    "objective_accuracy": "how many answers on this objective were right",
    "objective_recent_accuracy": "how many of the latest answers on this objective were right",
    "objective_last_visit_accuracy": "a last visit to this objective",
    "objective_struggle_share": "earlier visits to this objective",
    "objective_wrong_streak": "a last answer on this objective",
    "objective_residual": "answers on this objective next to others'",
    "objective_offset": "results on this objective next to the learner's ability",
    "retention_estimate": "earlier visits that would tell how well this objective is remembered",
    "answers_since_objective": "other answers since this objective was met",
    "time_since_objective": "when this objective was last met",
    "time_since_any": "when anything was last answered",
    "answers_of_history": "how many answers the learner has given",
    "first_card_difficulty": "other learners' answers on this objective's first cards",
}
"""Per feature what there is no record of, where it has no data."""
