"""A batch's predictions in the platform's own tables: one row per learner, objective and day that it is about.

The row's id follows from those three (ml/occasion.py). A row that is still PENDING takes the newer numbers and keeps
what it said before in featureVector.earlier; one that was decided, or dismissed, stays as it is, and so do its
indicators. A row of that learner, objective and day under another id, which an earlier release or another program made,
is the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from db.writing import Writer
from ml.features import FeatureVector
from ml.history import DAY_MS
from ml.indicators import indicators_of
from ml.instants import iso
from ml.occasion import NAME_SPACE, Occasion
from ml.plain_json import dumps
from ml.prediction import Factor, Prediction

FIELDS = (
    *("id", "userId", "learningObjectiveId", "topicId", "predictedStruggleProbability", "predictionConfidence"),
    *("predictionStatus", "featureVector", "strugglingFactors", "predictionDate", "predictedAt"),
)
UPDATED = (
    *("topicId", "predictedStruggleProbability", "predictionConfidence", "featureVector", "strugglingFactors"),
    *("predictionDate", "predictedAt"),
)
INDICATOR_FIELDS = (
    *("id", "userId", "learningObjectiveId", "predictionId"),
    *("indicatorType", "severity", "context", "detectedAt"),
)
MOST_FACTORS = 8
"""The strongest; the rest can be had again from the features, and would be most of a night's gigabytes."""
MOST_EARLIER = 8
"""So many of the last things that a row said before are kept in it."""


class Made(NamedTuple):
    """A prediction to be stored."""

    occasion: Occasion
    features: FeatureVector
    prediction: Prediction


class Stored(NamedTuple):
    """What came of it: predictions written, rows kept as they were, indicators written."""

    written: int
    kept: int
    indicators: int


class Held(NamedTuple):
    """The row that a prediction's learner, objective and day have already."""

    id: str
    status: str
    predicted_at_ms: int | None
    probability: object
    features: object


def store(writer: Writer, made: Sequence[Made]) -> Stored:
    """Writes them in the writer's transaction; committing is left to the caller."""
    held = _held(writer, [each.occasion for each in made])
    rows: dict[str, tuple[Made, Held | None]] = {}
    for each in made:
        row = held.get(_key(each.occasion))
        if row is None or _takes(row, each):
            rows[each.occasion.prediction_id if row is None else row.id] = each, row
    ids = sorted(rows)  # sorted: no deadlocks
    written = writer.insert(
        "StrugglePrediction",
        FIELDS,
        (_prediction_row(each, *rows[each]) for each in ids),
        on_conflict="update",
        update=UPDATED,
        only_where=("predictionStatus", "PENDING"),
    )
    writer.delete("StruggleIndicator", "predictionId", [each for each in ids if rows[each][1] is not None])
    signs = [row for each in ids for row in _indicator_rows(each, rows[each][0])]
    found = writer.insert("StruggleIndicator", INDICATOR_FIELDS, signs, on_conflict="ignore")
    return Stored(written, len(made) - len(rows), found)


def _key(occasion: Occasion) -> tuple[str, str, int]:
    return occasion.learner_id, occasion.objective_id, occasion.day


def _held(writer: Writer, occasions: Sequence[Occasion]) -> dict[tuple[str, str, int], Held]:
    """The rows there are, by learner, objective and day; of several for one day the PENDING one, else the newest."""
    if not occasions:
        return {}
    days = [occasion.day for occasion in occasions]
    fields = (
        *("id", "userId", "learningObjectiveId", "predictionDate", "predictionStatus", "predictedAt"),
        *("predictedStruggleProbability", "featureVector"),
    )
    stored = writer.select(
        "StrugglePrediction",
        fields,
        "userId",
        sorted({occasion.learner_id for occasion in occasions}),
        within=("predictionDate", min(days) * DAY_MS, (max(days) + 1) * DAY_MS),
    )
    wanted = set(map(_key, occasions))
    found: dict[tuple[str, str, int], Held] = {}
    for identifier, learner, objective, date_ms, status, *said in stored:
        key = str(learner), str(objective), int(str(date_ms)) // DAY_MS
        if key in wanted:
            row = Held(str(identifier), str(status), *said)  # type: ignore[arg-type]
            if key not in found or _standing(row) > _standing(found[key]):
                found[key] = row
    return found


def _standing(row: Held) -> tuple[bool, int]:
    return row.status == "PENDING", row.predicted_at_ms or 0


def _takes(row: Held, made: Made) -> bool:
    """Whether the row takes these numbers: while it is open, unless it holds newer ones."""
    return row.status == "PENDING" and (row.predicted_at_ms or 0) <= made.features.extracted_at_ms


def _prediction_row(identifier: str, made: Made, held: Held | None) -> tuple[object, ...]:
    occasion, prediction, at_ms = made.occasion, made.prediction, made.features.extracted_at_ms
    features = made.features.judged_by(prediction.model_version, prediction.source).to_dict()
    earlier = [] if held is None else _earlier(held, at_ms)
    return (
        *(identifier, occasion.learner_id, occasion.objective_id, occasion.topic_id),
        *(prediction.probability, prediction.confidence, "PENDING"),
        features | {"earlier": earlier} if earlier else features,
        [_factor(factor) for factor in prediction.factors[:MOST_FACTORS]],
        *(occasion.date_ms, at_ms),
    )


def _earlier(held: Held, at_ms: int) -> list[object]:
    """What the row said before, oldest first; the same moment judged again says nothing new."""
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
    """Our names, and beside them those that the app's readers look for."""
    theirs = {"factor": factor.feature, "weight": factor.contribution, "description": factor.text}
    return {**factor.to_dict(), **theirs}


def _indicator_rows(prediction_id: str, made: Made) -> Iterable[tuple[object, ...]]:
    occasion, day_ms = made.occasion, made.occasion.day * DAY_MS
    for place, sign in enumerate(indicators_of(made.features, made.prediction)):
        yield (
            indicator_id(prediction_id, place, day_ms),
            *(occasion.learner_id, occasion.objective_id, prediction_id, sign.kind, sign.severity),
            {**sign.context, "probability": made.prediction.probability},
            made.features.extracted_at_ms,
        )


def indicator_id(prediction_id: str, place: int, day_ms: int) -> str:
    """The id of a prediction's sign number `place`; like the prediction's it begins with the day."""
    named = uuid5(UUID(bytes=NAME_SPACE), dumps(["indicator", prediction_id, place])).int
    began_ms = day_ms & (1 << 48) - 1
    return str(UUID(int=began_ms << 80 | 7 << 76 | (named >> 68 & 0xFFF) << 64 | 2 << 62 | named & (1 << 62) - 1))
