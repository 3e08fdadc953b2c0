"""What predict.py --what-if reads, and what it adds to the answer."""

from __future__ import annotations

from ml.advice.changes import KINDS
from ml.features.vector import FEATURE_NAMES
from scripts.outputs.parts import SHARE, TEXT, Schema, described, list_of, one_of, or_null, record

_CHANGE = record(
    {
        "kind": one_of(KINDS),
        "objective_id": described(
            or_null(TEXT), "The prerequisite to master, where the objective has several; else the objective itself."
        ),
    },
    optional=("objective_id",),
)
_VALUES: Schema = {
    "type": "object",
    "properties": dict.fromkeys(FEATURE_NAMES, or_null(SHARE)),
    "additionalProperties": False,
}

WHAT_IF: Schema = {
    **record(
        {
            "changes": described(list_of(_CHANGE), "Changes of the learner's records, made at once."),
            "features": described(
                _VALUES, "Values that replace those of the records; null takes a feature's data away."
            ),
        },
        optional=("changes", "features"),
    ),
    "minProperties": 1,
    "additionalProperties": False,
}
