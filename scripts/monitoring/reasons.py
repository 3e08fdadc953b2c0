"""The reasons of the worst mistakes: the sentences stored with them, or else those of today's model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from db.client import Client
from db.stored_predictions import StoredReasons
from db.stored_predictions import reasons as stored_reasons
from ml.errors import PredictorError
from ml.features.vector import FeatureVector
from ml.model import StrugglePredictionModel
from scripts.monitoring.mistakes import Mistake

SHOWN = 3
STORED = "as stored with the prediction"
OF_TODAY = "as today's model sees the stored features"
UNKNOWN = "no reasons were stored"


class Reason(NamedTuple):
    """The strongest factors towards the answer given; origin is one of the three sentences above."""

    texts: tuple[str, ...]
    origin: str


def reasons(client: Client, mistakes: Sequence[Mistake]) -> dict[str, Reason]:
    """Prediction id -> reason. A false positive is explained by what raised the risk, a miss by what lowered it."""
    found = stored_reasons(client, [mistake.prediction_id for mistake in mistakes])
    return {
        mistake.prediction_id: _reason(found[mistake.prediction_id], towards=-1 if mistake.struggled else +1)
        for mistake in mistakes
        if mistake.prediction_id in found
    }


def _reason(stored: StoredReasons, towards: int) -> Reason:
    if stored.factors:
        return Reason(_strongest(stored.factors, towards), STORED)
    if isinstance(stored.features, dict):
        try:
            features = FeatureVector.from_dict(stored.features, extracted_at_ms=0)
            factors = [factor.to_dict() for factor in StrugglePredictionModel.load().predict(features).factors]
        except PredictorError:  # features of another version, or no usable model: the mistake is shown without a reason
            return Reason((), UNKNOWN)
        return Reason(_strongest(factors, towards), OF_TODAY)
    return Reason((), UNKNOWN)


def _strongest(factors: object, towards: int) -> tuple[str, ...]:
    """The texts of the factors that pushed that way, the strongest first."""
    pushing = []
    for factor in factors if isinstance(factors, list) else ():
        push, text = (factor.get("contribution"), factor.get("text")) if isinstance(factor, dict) else (None, None)
        if isinstance(push, float | int) and isinstance(text, str) and push * towards > 0:
            pushing.append((-abs(push), text))
    return tuple(text for _, text in sorted(pushing)[:SHOWN])
