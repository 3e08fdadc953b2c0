"""Shows everything on which one prediction rests."""

from __future__ import annotations

from db.client import Client
from ml.extractor import StruggleFeatureExtractor
from ml.features.vector import FeatureVector
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.study.estimates import LearnerEstimates
from ml.study.history import WINDOW, StudyHistory
from ml.study.visits import visits_of
from ml.training.examples import LabelledVisit, features_at

LAST_ROWS = 10


def explained(
    client: Client, model: StrugglePredictionModel, learner: str, objective: str, as_of_ms: int
) -> dict[str, object]:
    """Everything on which one prediction rests: the learner's last rows, the estimates, features and contributions.

    If a visit to the objective began at as_of_ms, its first card stands for the cards due, as in training and in the
    figures of evaluate_model.py.
    """
    rows = client.read(learner, objective, as_of_ms, WINDOW)
    history = StudyHistory.before(rows, model.correct_from)
    past = history.past
    features = _features_at_visit(client, model, learner, objective, past.as_of_ms)
    difficulty = model.difficulty if features is not None else model.difficulty_at(past.as_of_ms)
    if features is None:
        features = StruggleFeatureExtractor(client, difficulty, model.correct_from).features_of(history)
    prediction = model.predict(features)
    estimates = LearnerEstimates.facing([history], difficulty)
    trace = estimates.objectives.get(objective)
    return {
        "correct_from": model.correct_from,
        "learner": learner,
        "objective": objective,
        "as_of": iso(past.as_of_ms),
        "rows": {
            "reviews": len(past.reviews),
            "metrics": len(past.metrics),
            "sessions": len(past.sessions),
            "validations": len(past.validations),
            "last_answers": [
                {"at": iso(r.reviewed_at_ms), "objective": r.objective_id, "card": r.card_id, "rating": r.rating}
                for r in past.reviews[-LAST_ROWS:]
            ],
            "missing_sources": list(rows.missing_sources),
        },
        "estimates": {
            "ability": estimates.ability,
            "answers": estimates.answers,
            "objective_answers": trace.answers if trace else 0,
            "objective_correct": trace.correct if trace else 0,
            "objective_known": objective in estimates.difficulty.objectives,
        },
        "features": features.to_dict(),
        "model_version": prediction.model_version,
        "intercept": prediction.intercept,
        "contributions": [factor.to_dict() for factor in prediction.factors],
        "probability": prediction.probability,
        "confidence": prediction.confidence,
        "interval": list(prediction.interval),
        "reasoning": prediction.reasoning,
    }


def _features_at_visit(
    client: Client, model: StrugglePredictionModel, learner: str, objective: str, as_of_ms: int
) -> FeatureVector | None:
    """The features that training takes from a visit to the objective that began at this instant; None if none did."""
    rows = client.read(learner, objective, as_of_ms + 1, WINDOW)
    past = StudyHistory.before(rows, model.correct_from).past
    if not past.learner.performance_tracking_enabled:
        return None
    for visit in visits_of(past.reviews, past.validations, model.correct_from):
        if (visit.objective_id, visit.started_ms) == (objective, as_of_ms):
            begun = LabelledVisit(learner, objective, as_of_ms, False, 0, False, visit.first_card)
            faced = {objective: rows.objective}
            return features_at(rows.learner, [begun], faced, model.difficulty, model.correct_from)[0]
    return None
