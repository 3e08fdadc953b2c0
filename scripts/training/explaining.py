"""Shows everything on which one prediction rests."""

from __future__ import annotations

from db.client import Client
from ml.extractor import StruggleFeatureExtractor
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.study.estimates import LearnerEstimates
from ml.study.history import WINDOW, StudyHistory

LAST_ROWS = 10


def explained(
    client: Client, model: StrugglePredictionModel, learner: str, objective: str, as_of_ms: int
) -> dict[str, object]:
    """Everything on which one prediction rests: the learner's last rows, the estimates, features and contributions."""
    rows = client.read(learner, objective, as_of_ms, WINDOW)
    history = StudyHistory.before(rows, model.correct_from)
    features = StruggleFeatureExtractor(client, model.difficulty, model.correct_from).features_of(history)
    prediction = model.predict(features)
    estimates = LearnerEstimates.facing([history], model.difficulty)
    past = history.past
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
