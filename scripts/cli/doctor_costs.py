"""For predict.py --doctor: a sentence for each missing source that says what predictions lack without it."""

from __future__ import annotations

from collections.abc import Iterable

_TABLES = {
    "courses": "course names are unknown, and objectives of a shared lecture have no owner",
    "lectures": "no objective has a course or a topic: retention, workload and exams of the course are unknown",
    "objective_prerequisites": "the two prerequisite features are unknown",
    "cards": "answers cannot be assigned to objectives, and lapses and card schedules are unknown",
    "reviews": "the learner's answers are unknown: nearly every feature is, and nothing can be trained or decided",
    "study_sessions": "cognitive load rests on the answers alone",
    "validation_prompts": "validation scores cannot be assigned to objectives",
    "validation_responses": "validation scores are unknown; outcomes are decided by answers alone",
    "performance_metrics": "daily retention is unknown: retention rests on the answers alone",
    "behavioral_patterns": "patterns of forgetting and of struggle do not count",
    "behavioral_events": "session scores and formats of recent material are unknown",
    "user_learning_profiles": "the learner's style and preferences are unknown: no content mismatch",
    "exams": "no exam is known: nothing is urgent, and a batch plans by missions alone",
    "missions": "planned study is unknown: no workload, and a batch plans by exams alone",
    "struggle_predictions": "nothing can be stored, decided or monitored; earlier outcomes are unknown",
    "prediction_feedbacks": "learners' own words are read from struggle_predictions.actualOutcome alone",
}
_COLUMNS = {
    "users.includeInAnalytics": "every learner counts in training and monitoring: none can opt out",
    "users.performanceTrackingEnabled": "every learner is predicted: none can opt out",
    "users.behavioralAnalysisEnabled": "every learner's behaviour is read: none can opt out",
    "reviews.sessionId": "imported answers whose times are only an order are not recognised",
    "struggle_predictions.featureVector": "stored predictions cannot be trained on",
    "struggle_predictions.predictionStatus": "stored predictions cannot be decided",
}


def costs(missing: Iterable[str]) -> dict[str, str]:
    """For each missing source, as `missing_sources` names it, a sentence on what predictions lack without it."""
    return {source: _cost(source) for source in missing}


def _cost(source: str) -> str:
    column, _, rest = source.partition(" ")
    table = column.partition(".")[0]
    if rest:
        return "rows with such a value are no data; if the app's schema renames it (@map), give it with --schema"
    if column == table:
        return _TABLES.get(table, "this source is unknown")
    from db.tables.models import MODELS

    needed = {f"{model.table}.{field}" for model in MODELS.values() for field in model.needed}
    if column in needed:
        return f"no row of the table can be used: {_TABLES.get(table, 'this source is unknown')}"
    return _COLUMNS.get(column, "the column reads as empty")
