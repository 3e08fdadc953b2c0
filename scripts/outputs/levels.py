"""What levels.json beside the model may say. It is read, and written by training; people may edit it."""

from __future__ import annotations

from ml.storage.levels_file import FORMAT, MOST_CAPACITY
from scripts.outputs.parts import COUNT, INSTANT, SHARE, TEXT, Schema, described, or_null, record

_THRESHOLD: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_CAPACITY: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_CAPACITY}
_TARGET: Schema = {
    **record({"recall": _THRESHOLD, "capacity": _CAPACITY}, optional=("recall", "capacity")),
    "minProperties": 1,
    "maxProperties": 1,
}
_FOR_A_MODEL: dict[str, Schema] = {
    "operating_threshold": _THRESHOLD,
    "model_version": or_null(TEXT),
}
_CHOSEN = record(
    {
        **_FOR_A_MODEL,
        "for": described(_TARGET, "The recall that it reaches, or how many visits of a day it flags."),
        "at": INSTANT,
        "visits": described(COUNT, "On how many visits, each predicted by a model that saw none of its learner."),
        "learners": COUNT,
        **dict.fromkeys(("recall", "precision"), or_null(SHARE)),
        "flagged": described(SHARE, "The share of these visits that the threshold flags."),
    },
    optional=("for", "at", "visits", "learners", "recall", "precision", "flagged", "model_version"),
)
_FIELDS: dict[str, Schema] = {
    "format": described({"const": FORMAT}, "Of this file; 1 where it is absent."),
    "medium_from": described(_THRESHOLD, "A risk is MEDIUM from this probability; at most high_from. Default: 0.4."),
    "high_from": described(_THRESHOLD, "A risk is HIGH from this probability. Default: 0.7."),
    "operating_threshold": described(
        _THRESHOLD, "A prediction counts as one of struggle from this probability. Default: 0.5."
    ),
    "capacity": described(
        _CAPACITY, "How many predictions of a batch are flagged; without it, all from the threshold."
    ),
    "chosen": described(_CHOSEN, "What training chose. A different operating_threshold was set by a person."),
    "before": described(
        record(_FOR_A_MODEL, optional=tuple(_FOR_A_MODEL)), "What held for the model that answered before."
    ),
}

LEVELS_JSON: Schema = {**record(_FIELDS, optional=tuple(_FIELDS)), "additionalProperties": False}
