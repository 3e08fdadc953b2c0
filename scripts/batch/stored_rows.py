"""The fields of struggle_predictions and struggle_indicators for a prediction that is stored.

There is one row per learner, objective and day (ml/study/occasion.py); it keeps its earlier states in
featureVector.earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from ml.advice.advise import Advice
from ml.answer import stored_features
from ml.features.vector import FeatureVector
from ml.instants import iso
from ml.json_text import dumps
from ml.scoring.change import Change
from ml.scoring.indicators import indicators_of
from ml.scoring.prediction import Factor, Prediction
from ml.study.history import DAY_MS
from ml.study.occasion import NAME_SPACE, Occasion

MOST_FACTORS = 8
"""The strongest; the rest can be had again from the features, and would be most of a night's gigabytes."""
MOST_EARLIER = 8
"""At most so many of its earlier predictions are kept in a row."""


class Made(NamedTuple):
    """A prediction to be stored, and what would help.

    change: since the one that was stored last for the learner and the objective.
    """

    occasion: Occasion
    features: FeatureVector
    prediction: Prediction
    advice: Sequence[Advice] = ()
    change: Change | None = None


class Held(NamedTuple):
    """A row that is already stored. outcome: as the app or we recorded it, None while it is unknown."""

    id: str
    status: str
    predicted_at_ms: int | None
    probability: object
    features: object
    outcome: object = None

    def takes(self, made: Made) -> bool:
        """Whether the row is updated with these numbers: it is while it is open, unless it holds newer ones."""
        is_open = self.status == "PENDING" and self.outcome is None
        return is_open and (self.predicted_at_ms or 0) <= made.features.extracted_at_ms


def prediction_values(made: Made, held: Held | None) -> dict[str, object]:
    """The prediction's fields except its id; held: the row that it updates."""
    occasion, prediction, at_ms = made.occasion, made.prediction, made.features.extracted_at_ms
    features = stored_features(made.features, prediction)
    if made.advice:
        features["advice"] = [each.to_store() for each in made.advice]
    earlier = [] if held is None else _earlier(held, at_ms)
    noted: dict[str, object] = {"earlier": earlier} if earlier else {}
    if made.change is not None:
        noted["change"] = made.change.to_dict()
    return {
        "userId": occasion.learner_id,
        "learningObjectiveId": occasion.objective_id,
        "topicId": occasion.topic_id,
        "predictedStruggleProbability": prediction.probability,
        "predictionConfidence": prediction.confidence,
        "predictionStatus": "PENDING",
        "featureVector": features | noted,
        "strugglingFactors": [_factor(factor) for factor in prediction.factors[:MOST_FACTORS]],
        "predictionDate": occasion.date_ms,
        "predictedAt": at_ms,
    }


def _earlier(held: Held, at_ms: int) -> list[object]:
    """The row's earlier predictions, oldest first; one of the same moment replaces the row's own and is not added."""
    features: Mapping[str, object] = held.features if isinstance(held.features, dict) else {}
    listed = features.get("earlier")
    said = list(listed) if isinstance(listed, list) else []
    if held.predicted_at_ms is not None and held.predicted_at_ms != at_ms:
        said.append(
            {
                "predicted_at": iso(held.predicted_at_ms),
                "probability": held.probability,
                "model_version": features.get("model_version"),
            }
        )
    return said[-MOST_EARLIER:]


def _factor(factor: Factor) -> dict[str, object]:
    """A factor under our names and under those that the app's readers look for."""
    theirs = {"factor": factor.feature, "weight": factor.contribution, "description": factor.text}
    return {**factor.to_dict(), **theirs}


def indicator_values(made: Made, prediction_id: str) -> Iterator[dict[str, object]]:
    """The fields of each sign behind the prediction, with the id as a UUID."""
    occasion = made.occasion
    for place, sign in enumerate(indicators_of(made.features, made.prediction)):
        yield {
            "id": indicator_id(prediction_id, place, occasion.day),
            "userId": occasion.learner_id,
            "learningObjectiveId": occasion.objective_id,
            "predictionId": prediction_id,
            "indicatorType": sign.kind,
            "severity": sign.severity,
            "context": {**sign.context, "probability": made.prediction.probability},
            "detectedAt": made.features.extracted_at_ms,
        }


def indicator_id(prediction_id: str, place: int, day: int) -> str:
    """The id of sign number `place` of a prediction; like the prediction's id it begins with the day."""
    named = uuid5(UUID(bytes=NAME_SPACE), dumps(["indicator", prediction_id, place])).int
    began_ms = day * DAY_MS & (1 << 48) - 1
    return str(UUID(int=began_ms << 80 | 7 << 76 | (named >> 68 & 0xFFF) << 64 | 2 << 62 | named & (1 << 62) - 1))
