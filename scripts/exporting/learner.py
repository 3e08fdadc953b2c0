"""What the predictor has stored about one learner, for that learner to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from db.tables.ddl import TABLES
from db.writing.stored_about import rows_about
from db.writing.writer import Writer
from ml.instants import iso

PREDICTIONS, INDICATORS, FEEDBACK = "StrugglePrediction", "StruggleIndicator", "PredictionFeedback"
_EXTREMES_MS = (-62_135_596_800_000, 253_402_300_799_999)
"""The first and the last instant of the years 1 to 9999, which ISO 8601 can write."""


def exported(writer: Writer, user_id: str) -> dict[str, Any]:
    """The export as scripts/outputs/learner_export.py describes it.

    Raises DatabaseUnavailable, and WriteRefused where the database refuses to be read.
    """
    found = rows_about(writer, user_id)
    predictions, indicators, feedback = (
        [_written(model, row) for row in found[TABLES[model].name]] for model in (PREDICTIONS, INDICATORS, FEEDBACK)
    )
    objectives = _objectives(writer, [row for rows in found.values() for row in rows])
    return {
        "user_id": user_id,
        "exported_at": iso(writer.now_ms()),
        "rows": {table: len(rows) for table, rows in found.items()},
        "predictions": [
            {
                "objective": objectives.get(str(row.get("learningObjectiveId"))),
                "model_version": _version(row),
                "reasons": list(_reasons(row)),
                "row": row,
            }
            for row in predictions
        ],
        "indicators": [
            {"objective": objectives.get(str(row.get("learningObjectiveId"))), "row": row} for row in indicators
        ],
        "feedback": [{"row": row} for row in feedback],
    }


def _written(model: str, row: Mapping[str, object]) -> dict[str, object]:
    """The row as JSON can hold it: instants in ISO 8601, numbers that are finite."""
    fields = TABLES[model].fields
    return {
        field: _instant(value) if fields[field].type == "DateTime" else _finite(value) for field, value in row.items()
    }


def _instant(value: object) -> object:
    if not isinstance(value, int):
        return value
    first, last = _EXTREMES_MS
    return iso(value) if first <= value <= last else str(value)


def _finite(value: object) -> object:
    """The value, with a number that JSON cannot hold (an infinity, or no number) as its name."""
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def _version(row: Mapping[str, object]) -> str | None:
    """The version of the model that made the prediction, where the row tells."""
    features = row.get("featureVector")
    found = features.get("model_version") if isinstance(features, Mapping) else None
    return found if isinstance(found, str) else None


def _reasons(row: Mapping[str, object]) -> Iterator[str]:
    """The stored factors in words, the strongest first, as they were stored."""
    factors = row.get("strugglingFactors")
    for factor in factors if isinstance(factors, list) else ():
        words = factor.get("description") or factor.get("text") if isinstance(factor, Mapping) else None
        if isinstance(words, str):
            yield words


def _objectives(writer: Writer, rows: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """The objectives' texts by id, as far as the app still has them."""
    ids = sorted({str(row["learningObjectiveId"]) for row in rows if row.get("learningObjectiveId") is not None})
    if not ids or not writer.has("LearningObjective") or "objective" not in writer.columns("LearningObjective"):
        return {}
    found = writer.select("LearningObjective", ("id", "objective"), "id", ids)
    return {str(key): str(words) for key, words in found if words is not None}
