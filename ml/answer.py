"""The JSON object that predict.py prints and the service returns, for a prediction or a failure."""

from __future__ import annotations

from ml.instants import iso
from ml.scoring.indicators import indicators_of
from ml.study.history import DAY_MS
from ml.study.occasion import Occasion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.advice.advise import Advice
    from ml.features.vector import FeatureVector
    from ml.scoring.change import Change
    from ml.scoring.prediction import Prediction

SCHEMA_VERSION = 2
"""This number is raised when a field changes its meaning or goes; a new field alone does not raise it."""


def answer(
    user_id: str,
    objective_id: str,
    features: FeatureVector,
    prediction: Prediction,
    missing_sources: Sequence[str] = (),
    occasion: Occasion | None = None,
    advice: Sequence[Advice] = (),
    change: Change | None = None,
) -> dict[str, object]:
    """Returns the answer's fields in the order in which people read them; the route stores `features` unchanged.

    occasion: the day that the prediction is about; None where no plans were read, and it is then the day of as_of.
    change: since an earlier prediction that was stored; None where there was none.
    """
    if occasion is None:
        occasion = Occasion(user_id, objective_id, features.extracted_at_ms // DAY_MS)
    return {
        "schema_version": SCHEMA_VERSION,
        "language": "en",
        "audience": "teacher",
        "user_id": user_id,
        "objective_id": objective_id,
        "as_of": iso(features.extracted_at_ms),
        "probability": prediction.probability,
        "confidence": prediction.confidence,
        "risk_level": prediction.risk_level,
        "levels": prediction.levels.to_dict(),
        "interval": list(prediction.interval),
        "reasoning": prediction.reasoning,
        "factors": [factor.to_dict() for factor in prediction.factors],
        "intercept": prediction.intercept,
        "base": prediction.base,
        "change": None if change is None else change.to_dict(),
        "advice": [each.to_dict() for each in advice],
        "model_version": prediction.model_version,
        "source": prediction.source,
        "missing_sources": list(missing_sources),
        "degraded": features.degraded,
        "degraded_code": _code_of(features.degraded),
        "prediction_id": occasion.prediction_id,
        "prediction_date": iso(occasion.date_ms),
        "topic_id": occasion.topic_id,
        "indicators": [sign.to_dict() for sign in indicators_of(features, prediction)],
        "features": stored_features(features, prediction),
    }


def stored_features(features: FeatureVector, prediction: Prediction) -> dict[str, object]:
    """What a stored prediction keeps of its features, with the model and the levels that judged them."""
    marked = features.marked_with(prediction.model_version, prediction.source)
    return {**marked.to_dict(), "levels": prediction.levels.to_dict()}


def _code_of(degraded: str) -> str:
    if not degraded:
        return ""
    from ml.study.degraded import code_of  # few answers need its sentences

    return code_of(degraded)


def failure(code: str, message: str) -> dict[str, object]:
    """The JSON object of a failure: a stable code for programs, a sentence for people."""
    return {"error": {"code": code, "message": message}}
