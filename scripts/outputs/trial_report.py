"""What try_log.py --json prints."""

from __future__ import annotations

from scripts.outputs.parts import (
    COUNT,
    INSTANT,
    NUMBER,
    SHARE,
    TEXT,
    TEXTS,
    YES_OR_NO,
    Schema,
    described,
    list_of,
    or_null,
    record,
)

_NUMBER_OR_NULL = or_null(NUMBER)
_FIGURE = record({"value": _NUMBER_OR_NULL, "low": _NUMBER_OR_NULL, "high": _NUMBER_OR_NULL})
_METHOD = record(
    {
        "visits": COUNT,
        "learners": COUNT,
        "struggles": COUNT,
        "figures": record(dict.fromkeys(("auc", "log_loss", "brier", "ece", "struggle_rate"), _FIGURE)),
    }
)
_LOG = record(
    {
        "format": TEXT,
        "mapping": {"type": "object", "additionalProperties": TEXT},
        "rows": COUNT,
        "learners": COUNT,
        "objectives": COUNT,
        "cards": COUNT,
        "answers": COUNT,
        "order_only": YES_OR_NO,
        "dates": described(or_null(list_of(INSTANT)), "The first and the last; null where only the order is known."),
        "share_right": or_null(SHARE),
    }
)
_EXAMPLE = record(
    {
        "user_id": TEXT,
        "objective_id": TEXT,
        "as_of": INSTANT,
        "probability": SHARE,
        "struggled": described(YES_OR_NO, "What happened in the visit."),
        "command": described(TEXTS, "The arguments of the command that gives this answer."),
    }
)

TRIAL_REPORT: Schema = record(
    {
        "file": TEXT,
        "directory": TEXT,
        "page": TEXT,
        "log": _LOG,
        "warnings": list_of(record({"kind": TEXT, "text": TEXT})),
        "model": described(TEXT, "The file of the model that answers."),
        "model_version": TEXT,
        "trained": described(YES_OR_NO, "Whether the log changed the weights of the shipped model."),
        "why": TEXT,
        "learners_left_out": COUNT,
        "methods": described(
            {"type": "object", "additionalProperties": _METHOD},
            "By method, how good it is on the visits of the learners left out; empty where there are none.",
        ),
        "example": described(or_null(_EXAMPLE), "The latest of these visits."),
        "seconds": {"type": "object", "additionalProperties": NUMBER},
    }
)
