"""Finds stored enum values that the app does not define, in a sample of each table, on request."""

from __future__ import annotations

from db.reading.decode_rows import COMPLEXITIES, MASTERY_LEVELS, MISSION_STATUSES, PATTERN_TYPES, RATINGS
from db.sql.templates import Batch, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.sql.templates import Conversation, Opened

PREDICTION_STATUSES = frozenset(("PENDING", "CONFIRMED", "FALSE_POSITIVE", "MISSED", "DISMISSED", "RESOLVED"))
ROWS_LOOKED_AT = 10_000

_KNOWN = (
    ("reviews.rating", "Review", "rating", "r", RATINGS),
    ("learning_objectives.complexity", "LearningObjective", "complexity", "o", COMPLEXITIES),
    ("learning_objectives.masteryLevel", "LearningObjective", "masteryLevel", "o", MASTERY_LEVELS),
    ("behavioral_patterns.patternType", "BehavioralPattern", "patternType", "p", PATTERN_TYPES),
    ("missions.status", "Mission", "status", "n", MISSION_STATUSES),
    ("struggle_predictions.predictionStatus", "StrugglePrediction", "predictionStatus", "g", PREDICTION_STATUSES),
)
_SAMPLES = {
    column: Template(
        model,
        ("sample.value",),
        f"FROM (SELECT DISTINCT looked.value FROM (SELECT {{{alias}.{field}:text}} AS value FROM {{{alias}}}"
        f" LIMIT {ROWS_LOOKED_AT}) AS looked) AS sample",
    )
    for column, model, field, alias, _ in _KNOWN
}


def unknown_values(opened: Opened) -> Conversation[list[tuple[str, str]]]:
    """(column, value) of each stored value that the app does not define, in up to ten thousand rows of each table."""
    batch = Batch(opened.renderer)
    for column, template in _SAMPLES.items():
        batch.add(column, template)
    found = yield from batch.ask()
    mapping = opened.renderer.catalogue.mapping
    unknown = []
    for column, model, field, _, known in _KNOWN:
        names = mapping.stored_values(model, field)
        values = sorted({str(value) for (value,) in found[column] if value is not None})
        unknown += [(column, named) for value in values if (named := names.get(value, value)) not in known]
    return unknown
