"""Turns a learner's estimates into features: numbers from 0 to 1, None where there is nothing to estimate from.

Each feature's meaning, direction and source are in expectation_table.py and record_table.py.
"""

from __future__ import annotations

from ml.features.feature import (
    FULL_BETWEEN,
    FULL_HISTORY,
    FULL_PAUSE_HOURS,
    FULL_PRACTICE,
    FULL_STREAK,
    FULL_SUPPORT,
    FULL_VISITS,
    grows,
)
from ml.study.history import HOUR_MS
from ml.study.scales import logistic, logit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ml.study.difficulty import ObjectiveDifficulty, Totals
    from ml.study.estimates import LearnerEstimates, ObjectiveTrace
    from ml.study.history import StudyHistory

KNOWN_STRUGGLE = (0.9, 1.1)
KNOWN_ERRORS = (1.0, 1.0)
UNKNOWN = (0.7, 2.0)
"""How much of (the ability, the offset on the objective) is believed, in logits. Where nobody knows the objective,
the offset holds the objective's difficulty as well, and the ability that of the platform. Chosen on platforms left
out, by log-loss."""
NEXT_CARDS = 3


def features_of_learner(estimates: LearnerEstimates, as_of_ms: int) -> dict[str, float | None]:
    """Compute the features that are the same whichever objective the learner faces.

    Args:
        estimates: The estimates from the learner's answers before as_of.
        as_of_ms: The moment of the prediction, in milliseconds since 1970.

    Returns:
        Each feature by name, from 0 to 1; a feature without data is absent.
    """
    return {**_learner(estimates), **_time(estimates, as_of_ms)}


def features_of_objective(
    history: StudyHistory, estimates: LearnerEstimates, next_cards: Sequence[str] | None = None
) -> dict[str, float | None]:
    """Compute the features that depend on the objective faced.

    Args:
        history: What the learner did before as_of, and the objective faced.
        estimates: The estimates from the learner's answers before as_of.
        next_cards: Ids of the objective's cards that come next; by default those that are due first.

    Returns:
        Each feature by name, from 0 to 1; a feature without data is None or absent.
    """
    objective_id = history.objective.id
    next_cards = _cards_due(history) if next_cards is None else next_cards
    trace = estimates.objectives.get(objective_id)
    return {
        **_objective(trace, estimates, history.past.as_of_ms),
        **_difficulty(objective_id, trace, estimates),
        **_related(objective_id, estimates),
        "first_card_difficulty": _next_cards_difficulty(objective_id, next_cards, estimates),
    }


def _learner(e: LearnerEstimates) -> dict[str, float | None]:
    if not e.answers:
        return {"answers_of_history": 0.0}
    totals = e.difficulty.totals
    return {
        "answers_of_history": grows(e.answers, FULL_HISTORY),
        "ability": logistic(e.ability),
        "opening_ability": logistic(e.opening_ability),
        "overall_accuracy": (e.correct + 5 * e.prior_accuracy) / (e.answers + 5),
        "recent_accuracy": e.fast,
        "recent_residual": 0.5 + 0.5 * e.fast_residual,
        "steady_residual": 0.5 + 0.5 * e.slow_residual,
        "visit_struggle_share": (e.struggled + 3 * totals.struggle_rate) / (e.judged + 3),
        "visit_struggle_residual": 0.5 + 0.5 * e.struggle_residual / (e.judged + 3),
    }


def _objective(trace: ObjectiveTrace | None, e: LearnerEstimates, as_of_ms: int) -> dict[str, float | None]:
    if trace is None:
        return {"objective_answers": 0.0, "objective_visits": 0.0}
    timed = e.answers and not e.order_only
    return {
        "objective_answers": grows(trace.answers, FULL_PRACTICE),
        "objective_visits": grows(trace.visits, FULL_VISITS),
        "objective_accuracy": (trace.correct + 2 * e.prior_accuracy) / (trace.answers + 2),
        "objective_recent_accuracy": trace.fast,
        "objective_last_visit_accuracy": trace.visit.accuracy if trace.visit else None,
        "objective_struggle_share": trace.struggled / trace.judged if trace.judged else None,
        "objective_wrong_streak": min(1.0, trace.wrong_streak / FULL_STREAK),
        "objective_offset": logistic(trace.offset.logit),
        "answers_since_objective": grows(e.answers - trace.last_position, FULL_BETWEEN),
        "retention_estimate": trace.retention(as_of_ms) if timed else None,
        "time_since_objective": grows((as_of_ms - trace.last_ms) / HOUR_MS, FULL_PAUSE_HOURS) if timed else None,
    }


def _difficulty(objective_id: str, trace: ObjectiveTrace | None, e: LearnerEstimates) -> dict[str, float | None]:
    objective = e.difficulty.objectives.get(objective_id)
    if objective is None:
        average = _expected(e.difficulty.totals, trace, e, UNKNOWN, UNKNOWN)
        return {"objective_support": 0.0, **average}
    rate, opening = objective.comparable_rates(trace is not None)
    return {
        **_expected(objective, trace, e, KNOWN_STRUGGLE, KNOWN_ERRORS),
        "objective_opening_error_rate": opening,
        "objective_support": grows(objective.learners, FULL_SUPPORT),
        "objective_error_rate": objective.error_rate,
        "objective_struggle_rate": rate,
        "objective_overall_struggle_rate": objective.struggle_rate,
        "objective_validation_failure_rate": objective.validation_failure_rate,
        "objective_residual": None if trace is None else 0.5 + 0.5 * trace.residual / (trace.answers + 3),
    }


def _expected(
    objective: ObjectiveDifficulty | Totals,
    trace: ObjectiveTrace | None,
    e: LearnerEstimates,
    in_struggle: tuple[float, float],
    in_errors: tuple[float, float],
) -> dict[str, float | None]:
    """What to expect of this learner on an objective this hard.

    in_struggle, in_errors: how much of the ability and of the offset on the objective is believed, in logits.
    """
    offset = trace.offset.logit if trace else 0.0
    opening_offset = trace.opening_offset.logit if trace else 0.0
    rate, opening = objective.comparable_rates(trace is not None)
    by_ability, by_offset = in_errors
    gap = objective.error_logit - by_ability * e.ability
    opening_gap = logit(opening) - by_ability * e.opening_ability
    struggle = logit(min(0.99, max(0.01, rate))) - in_struggle[0] * e.ability - in_struggle[1] * offset
    return {
        "opening_ability_gap": logistic(opening_gap),
        "expected_error": logistic(opening_gap - by_offset * opening_offset),
        "ability_gap": logistic(gap),
        "objective_ability_gap": logistic(gap - by_offset * offset),
        "expected_struggle": logistic(struggle),
    }


def _related(objective_id: str, e: LearnerEstimates) -> dict[str, float | None]:
    relations = e.difficulty.relations.get(objective_id)
    if relations is None:
        return {}
    found: dict[str, float | None] = {}
    weighed = weight_sum = 0.0
    for related_id, weight in relations.weights:
        trace = e.objectives.get(related_id)
        if trace is not None:
            weighed += weight * trace.residual / (trace.answers + 3)
            weight_sum += weight
    if weight_sum:
        found["related_performance"] = 0.5 + 0.5 * weighed / (weight_sum + 0.15)
    if relations.predecessors:
        unseen = sum(predecessor not in e.objectives for predecessor in relations.predecessors)
        found["predecessors_unseen"] = unseen / len(relations.predecessors)
    return found


def _time(e: LearnerEstimates, as_of_ms: int) -> dict[str, float | None]:
    if not e.answers or e.order_only:
        return {}
    return {"time_since_any": grows((as_of_ms - e.last_ms) / HOUR_MS, FULL_PAUSE_HOURS)}


def _next_cards_difficulty(objective_id: str, card_ids: Iterable[str], e: LearnerEstimates) -> float | None:
    """How much harder than the objective its next cards are for other learners; None where nobody answered them.

    A card that nobody answered, and one of the three that is not there, counts as an average one.
    """
    broad = e.difficulty.objectives.get(objective_id, e.difficulty.totals).error_logit
    rates = [e.difficulty.card_error_rate(objective_id, card_id) for card_id in card_ids]
    harder = [logit(rate) - broad for rate in rates if rate is not None]
    return logistic(sum(harder) / NEXT_CARDS) if harder else None


def _cards_due(history: StudyHistory) -> list[str]:
    """The cards that are due first, at most NEXT_CARDS; none without a schedule."""
    due = sorted((card.next_review_at_ms, card.id) for card in history.cards if card.next_review_at_ms is not None)
    return [card_id for _, card_id in due[:NEXT_CARDS]]
