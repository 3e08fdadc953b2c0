"""A batch's predictions in the platform's own tables: one row a learner, objective and UTC day, however often it runs.

The row's id follows from learner, objective and day. A row that is still PENDING takes the newer numbers; one that was
decided, or dismissed, stays as it is, and so does its indicator. A risk that is not LOW has one indicator, the severest
sign, with the others in its context.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from db.writing import Writer
from ml.features import FeatureVector
from ml.history import DAY_MS
from ml.indicators import signs_of
from ml.prediction import Prediction

IDS = UUID("5bb4ad44-6a11-5a3e-8e63-0f3c2c6f1f0e")
"""The name space of the ids below; another one would store a day's predictions a second time."""
FIELDS = (
    *("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence"),
    *("predictionStatus", "featureVector", "strugglingFactors", "predictionDate", "predictedAt"),
)
UPDATED = ("predictedStruggleProbability", "predictionConfidence", "featureVector", "strugglingFactors", "predictedAt")
INDICATOR_FIELDS = (
    *("id", "userId", "learningObjectiveId", "predictionId"),
    *("indicatorType", "severity", "context", "detectedAt"),
)


MOST_FACTORS = 8
"""The strongest; the rest can be had again from the features, and would be most of a night's gigabytes."""


class Made(NamedTuple):
    """A prediction to be stored."""

    learner_id: str
    objective_id: str
    features: FeatureVector
    prediction: Prediction


class Stored(NamedTuple):
    """What came of it: predictions written, predictions of an earlier run kept as decided, indicators written."""

    written: int
    kept: int
    indicators: int


def prediction_id(learner_id: str, objective_id: str, day: int) -> str:
    """The id of the day's prediction; day: days since 1970-01-01 in UTC."""
    return _of_day(day, json.dumps(["prediction", learner_id, objective_id, day]))


def indicator_id(of_prediction: str, day: int) -> str:
    """The id of a prediction's indicator."""
    return _of_day(day, json.dumps(["indicator", of_prediction]))


def _of_day(day: int, name: str) -> str:
    """A UUID of version 7 that begins with the day: a day's rows lie together, and can be a partition by id."""
    named = uuid5(IDS, name).int
    return str(UUID(int=day * DAY_MS << 80 | 7 << 76 | (named >> 68 & 0xFFF) << 64 | 2 << 62 | named & (1 << 62) - 1))


def store(writer: Writer, made: Sequence[Made]) -> Stored:
    """Writes them in the writer's transaction; committing is left to the caller."""
    ids = {prediction_id(each.learner_id, each.objective_id, _day_of(each)): each for each in made}
    stored = writer.select("StrugglePrediction", ("id", "predictionStatus"), "id", list(ids))
    statuses = {str(identifier): status for identifier, status in stored}
    open_ids = [each for each in sorted(ids) if statuses.get(each, "PENDING") == "PENDING"]  # sorted: no deadlocks
    written = writer.insert(
        "StrugglePrediction",
        FIELDS,
        (_prediction_row(each, ids[each]) for each in open_ids),
        on_conflict="update",
        update=UPDATED,
        only_where=("predictionStatus", "PENDING"),
    )
    indicators = [row for each in open_ids if (row := _indicator_row(each, ids[each])) is not None]
    standing = {row[0] for row in indicators}
    earlier = [indicator_id(each, _day_of(ids[each])) for each in open_ids if each in statuses]
    writer.delete("StruggleIndicator", "id", [each for each in earlier if each not in standing])
    found = writer.insert(
        "StruggleIndicator",
        INDICATOR_FIELDS,
        indicators,
        on_conflict="update",
        update=("indicatorType", "severity", "context", "detectedAt"),
    )
    return Stored(written, len(ids) - len(open_ids), found)


def _day_of(made: Made) -> int:
    return made.features.extracted_at_ms // DAY_MS


def _prediction_row(identifier: str, made: Made) -> tuple[object, ...]:
    prediction, at_ms = made.prediction, made.features.extracted_at_ms
    return (
        *(identifier, made.learner_id, made.objective_id, prediction.probability, prediction.confidence, "PENDING"),
        made.features.judged_by(prediction.model_version, prediction.source).to_dict(),
        [factor.to_dict() for factor in prediction.factors[:MOST_FACTORS]],
        *(_day_of(made) * DAY_MS, at_ms),
    )


def _indicator_row(prediction: str, made: Made) -> tuple[object, ...] | None:
    signs = signs_of(made.features) if made.prediction.risk_level != "LOW" else []
    if not signs:
        return None
    first, *others = signs
    context = {**first.to_dict(), "probability": made.prediction.probability, "reasoning": made.prediction.reasoning}
    return (
        *(
            indicator_id(prediction, _day_of(made)),
            made.learner_id,
            made.objective_id,
            prediction,
            first.kind,
            first.severity,
        ),
        {**context, "others": [sign.to_dict() for sign in others]},
        made.features.extracted_at_ms,
    )
