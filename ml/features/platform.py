"""The platform's fifteen features, one function each (four of them in context.py); None where there is no data.

Every value lies between 0 and 1. "The course" is the objective's topic area. The rows come from a StudyHistory, so
nothing dated at or after as_of is in them. platform_table.py has each feature's value without data, and its words.
"""

from __future__ import annotations

from math import tanh

from ml.features import context
from ml.features.feature import MONTH_DAYS
from ml.study.correctness import correct_ratings
from ml.study.history import DAY_MS
from ml.study.scales import COMPLEXITY, MASTERED_FROM, bounded, mean
from ml.study.summary import LearnerSummary, prerequisite_mastery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml.study.estimates import LearnerEstimates
    from ml.study.history import LearnerHistory, StudyHistory
    from ml.study.summary import Topic

NEWEST_OWN_SCORES = 5
NEWEST_COURSE_SCORES = 10
NEWEST_SCORED_EVENTS = 10
RECENT_OUTCOMES = 20
STRUGGLE_PATTERNS = frozenset(("STRUGGLE_TOPIC", "FORGETTING_CURVE"))
PATTERN_WEIGHT = 4
OUTCOME_WEIGHT = 2
WEAKNESS_WEIGHT = 2


def features_of_learner(past: LearnerHistory) -> dict[str, float | None]:
    """Compute the platform features that are the same whichever objective the learner faces; no row makes it raise.

    Returns:
        Each feature by name, from 0 to 1, or None without data.
    """
    return {
        "session_performance_score": session_performance_score(past.once(LearnerSummary)),
        "content_type_mismatch": context.content_type_mismatch(past),
        "cognitive_load_indicator": context.cognitive_load_indicator(past),
        "workload_level": context.workload_level(past),
    }


def mastered_prerequisites(history: StudyHistory) -> list[float]:
    """The learner's mastery of each stated prerequisite, from 0 to 1, in their order."""
    summary = history.past.once(LearnerSummary)
    return [prerequisite_mastery(prerequisite, summary) for prerequisite in history.prerequisites]


def features_of_objective(
    history: StudyHistory, estimates: LearnerEstimates | None = None, mastered: list[float] | None = None
) -> dict[str, float | None]:
    """Compute the platform features that depend on the objective faced; no row makes it raise.

    Args:
        history: What the learner did before as_of, and the objective faced.
        estimates: What the learner's answers say against other learners' results; complexity_mismatch uses it.
        mastered: What mastered_prerequisites gives, if the caller has it already.

    Returns:
        Each feature by name, from 0 to 1, or None without data.
    """
    summary = history.past.once(LearnerSummary)
    topic = summary.topic(history.objective)
    mastered = mastered_prerequisites(history) if mastered is None else mastered
    return {
        "retention_score": retention_score(topic),
        "retention_decline_rate": retention_decline_rate(topic),
        "review_lapse_rate": review_lapse_rate(history, summary),
        "validation_score": validation_score(history, summary),
        "prerequisite_gap_count": prerequisite_gap_count(mastered),
        "prerequisite_mastery_gap": prerequisite_mastery_gap(mastered),
        "content_complexity": content_complexity(history),
        "complexity_mismatch": complexity_mismatch(history, topic, estimates),
        "historical_struggle_score": historical_struggle_score(history, topic),
        "days_until_exam": context.days_until_exam(history),
        "days_since_last_study": days_since_last_study(history, topic),
    }


def retention_score(topic: Topic) -> float | None:
    """The mean retention in the course over the last 30 days, as a share.

    A higher value lowers the risk. None without measurements and answers. Source: performance_metrics.retentionScore;
    without any, the share of the course's answers that were correct.
    """
    return topic.retention


def retention_decline_rate(topic: Topic) -> float | None:
    """How far retention in the course fell within the last 30 days: the older half's mean minus the newer half's.

    It is a difference of two shares, and 0 where retention is stable or rising; a higher value raises the risk. None
    for fewer than six measurements. Source: as for retention_score.
    """
    return topic.decline


def review_lapse_rate(history: StudyHistory, summary: LearnerSummary) -> float | None:
    """The share of AGAIN among the learner's answers on the objective.

    A higher value raises the risk. None before the first answer. Source: reviews; without any, lapseCount divided by
    reviewCount on the cards of an objective that is the learner's own (where as_of is now).
    """
    answers = summary.reviews_of(history.objective.id)
    if answers:
        return sum(answer.rating == "AGAIN" for answer in answers) / len(answers)
    if history.objective.owner_id != history.past.learner.id:
        return None  # a shared card counts everybody's lapses
    lapses = sum(max(0, card.lapse_count or 0) for card in history.cards)
    reviews = sum(max(0, card.review_count or 0) for card in history.cards)
    return min(1.0, lapses / reviews) if reviews else None


def session_performance_score(summary: LearnerSummary) -> float | None:
    """The share of correct answers in the newest five runs of answers without a gap over an hour, on any objective.

    A higher value lowers the risk. None without answers and scored events. Source: reviews; without any, the mean of
    sessionPerformanceScore / 100 over the newest ten behavioural events.
    """
    answers = summary.recent_answers()
    if answers:
        correct = correct_ratings(summary.past.correct_from)
        return sum(answer.rating in correct for answer in answers) / len(answers)
    scores = [row.performance_score for row in summary.past.events if row.performance_score is not None]
    return mean([min(100, max(0, score)) / 100 for score in scores[-NEWEST_SCORED_EVENTS:]])


def validation_score(history: StudyHistory, summary: LearnerSummary) -> float | None:
    """The mean of the newest five validation scores on the objective, else of the newest ten in its course.

    It is a score from 0 to 1; a higher value lowers the risk. None without scores. Source: validation_responses.score
    of prompts that were not skipped.
    """
    own = summary.validation_scores_of(history.objective.id)[-NEWEST_OWN_SCORES:]
    if own or history.objective.course_id is None:
        return mean(own)
    rows = [row for row in history.past.validations if row.course_id == history.objective.course_id]
    scores = [score for row in rows if (score := bounded(row.score)) is not None]
    return mean(scores[-NEWEST_COURSE_SCORES:])


def prerequisite_gap_count(mastered: list[float]) -> float | None:
    """The share of the stated prerequisites whose mastery is below 0.7.

    A higher value raises the risk. None where no prerequisite is stated. Source: objective_prerequisites; the mastery
    is that of ml.study.summary.prerequisite_mastery.

    >>> prerequisite_gap_count([0.25, 0.75])
    0.5
    """
    return mean([float(mastery < MASTERED_FROM) for mastery in mastered])


def prerequisite_mastery_gap(mastered: list[float]) -> float | None:
    """1 minus the mean mastery of the stated prerequisites.

    A higher value raises the risk. None where no prerequisite is stated. Source: as for prerequisite_gap_count.

    >>> prerequisite_mastery_gap([0.25, 0.75])
    0.5
    """
    return 1.0 - sum(mastered) / len(mastered) if mastered else None


def content_complexity(history: StudyHistory) -> float | None:
    """The complexity of the material: BASIC 0.3, INTERMEDIATE 0.6, ADVANCED 0.9.

    A higher value raises the risk. None for any other text. Source: learning_objectives.complexity.
    """
    return COMPLEXITY.get(history.objective.complexity or "")


def complexity_mismatch(history: StudyHistory, topic: Topic, estimates: LearnerEstimates | None) -> float | None:
    """How far the objective's demands lie above the learner's level, from 0 (not above) to 1.

    A higher value raises the risk. Where other learners' answers tell the objective's difficulty, it is 2 p - 1 for a
    probability p that this learner answers wrong; else complexity (0.3, 0.6, 0.9) minus Topic.level, and None where
    either is unknown. Sources: the difficulty table and the learner's answers, else learning_objectives.complexity.
    """
    known = estimates.difficulty.objectives.get(history.objective.id) if estimates is not None else None
    if estimates is not None and known is not None:
        return max(0.0, tanh((known.error_logit - estimates.ability) / 2))  # = 2 sigmoid(x) - 1
    complexity = content_complexity(history)
    if complexity is None or topic.level is None:
        return None
    return max(0.0, round(complexity - topic.level, 9))  # 0.9 - 0.3 must not exceed 0.6


def historical_struggle_score(history: StudyHistory, topic: Topic) -> float | None:
    """Past struggle in the course, as a weighted share from 0 to 1.

    A higher value raises the risk. None where nothing speaks for or against a struggle. A weight of one is added to
    the divisor, so that little evidence cannot reach 1. Sources: the course's newest visits (weight 1 each) and
    recorded outcomes (2); STRUGGLE_TOPIC and FORGETTING_CURVE patterns that name the course (4 x confidence squared);
    weaknessScore of an own objective that was started (2; where as_of is now).
    """
    outcomes = _outcomes(history)
    struggle = float(sum(topic.struggles) + OUTCOME_WEIGHT * sum(outcomes))
    weights = float(len(topic.struggles) + OUTCOME_WEIGHT * len(outcomes))
    for pattern in history.past.patterns:
        confidence = bounded(pattern.confidence)
        if confidence and pattern.pattern_type in STRUGGLE_PATTERNS and _names_topic(pattern.pattern, history):
            struggle += PATTERN_WEIGHT * confidence**2
            weights += PATTERN_WEIGHT * confidence**2
    weakness = _weakness(history)
    if weakness is not None:
        struggle += weakness * WEAKNESS_WEIGHT
        weights += WEAKNESS_WEIGHT
    return struggle / (weights + 1) if weights else None


def days_since_last_study(history: StudyHistory, topic: Topic) -> float | None:
    """The days since the course was last studied, divided by 30, at most 1.

    A higher value raises the risk. None where the course was never studied, and where the answers' times only give
    their order. Source: reviews and performance_metrics; without any, lastStudiedAt of an own objective (where as_of is
    now).
    """
    past, objective = history.past, history.objective
    last_ms = topic.last_studied_ms
    if last_ms is None and past.is_now and objective.owner_id == past.learner.id:
        last_ms = objective.last_studied_at_ms
    if last_ms is None or last_ms > past.as_of_ms or past.order_only:
        return None
    return min(1.0, (past.as_of_ms - last_ms) / (MONTH_DAYS * DAY_MS))


def _outcomes(history: StudyHistory) -> list[bool]:
    course_id, objective_id = history.objective.course_id, history.objective.id
    return [
        row.struggled
        for row in history.past.outcomes
        if (row.objective_id == objective_id if course_id is None else row.course_id == course_id)
    ][-RECENT_OUTCOMES:]


def _names_topic(pattern: object, history: StudyHistory) -> bool:
    """Whether a pattern's data name the objective's course, by id or name, or one of its lecture's topic tags."""
    if not isinstance(pattern, dict):
        return False
    objective = history.objective
    topics = {name.casefold() for name in (objective.course_id, objective.course_name, *objective.topic_tags) if name}
    return any(str(pattern[key]).casefold() in topics for key in ("courseId", "topicArea") if pattern.get(key))


def _weakness(history: StudyHistory) -> float | None:
    objective, past = history.objective, history.past
    if not past.is_now or objective.owner_id != past.learner.id:
        return None
    started = objective.mastery_level not in (None, "NOT_STARTED") or objective.last_studied_at_ms is not None
    return bounded(objective.weakness_score) if started else None
