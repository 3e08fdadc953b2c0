"""What the batch writes on each line of a .jsonl file; with --full, a line is predict.py's whole answer instead."""

from __future__ import annotations

from scripts.outputs.answer import PROPERTIES
from scripts.outputs.parts import Schema, record

_FIELDS = (
    *("user_id", "objective_id", "as_of", "probability", "confidence", "risk_level", "interval"),
    *("model_version", "source", "degraded", "flagged"),
)

BATCH_LINE: Schema = record({name: PROPERTIES[name] for name in _FIELDS}, optional=("flagged",))
