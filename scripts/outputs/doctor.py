"""What predict.py --doctor prints: which database, schema and model are used, and what is wrong with them."""

from __future__ import annotations

from ml.study.correctness import ANY, SETTINGS
from scripts.outputs.answer import LEVELS, SOURCE
from scripts.outputs.parts import INSTANT, SHA256, TEXT, TEXTS, YES_OR_NO, Schema, described, one_of, or_null, record

_CHOSEN_BY = described(TEXT, "The option, variable or file that named it.")

_DATABASE_FIELDS = {
    "reachable": YES_OR_NO,
    "kind": described(TEXT, "The backend, such as sqlite or postgresql."),
    "where": described(TEXT, "Host and name, or the file; never a password."),
    "chosen_by": _CHOSEN_BY,
    "why": TEXT,
    "now": described(INSTANT, "The database's clock."),
    "missing_sources": TEXTS,
    "missing_costs": described(
        {"type": "object", "additionalProperties": TEXT}, "For each missing source, what predictions lack without it."
    ),
    "row_security": described(
        {"type": "object", "additionalProperties": TEXTS}, "Tables of which row-level security hides rows."
    ),
    "answered_in_ms": {"type": "number", "minimum": 0},
    "error": described(TEXT, "Why the database cannot be used."),
}
_WHEN_USABLE = ("kind", "where", "chosen_by", "now", "missing_sources", "missing_costs", "answered_in_ms")

_MODEL_FIELDS = {
    "version": TEXT,
    "source": SOURCE,
    "chosen_by": _CHOSEN_BY,
    "directory": described(TEXT, "Where this deployment's models are."),
    "correct_from": one_of(SETTINGS),
    "levels": described(LEVELS, "The thresholds of the risk levels, and of what counts as a predicted struggle."),
    "levels_file": described(TEXT, "The file from which they come, where they are not the platform's."),
    "trained_with_correct_from": one_of((*SETTINGS, ANY)),
    "instead": described(TEXT, "Which model does not fit, and what answers in its place."),
    "why": TEXT,
    "file": TEXT,
    "file_sha256": SHA256,
    "difficulty_file": described(TEXT, "The difficulty table of the model's own training."),
    "kept_difficulty_file": described(TEXT, "The difficulty table that is kept up to date, which predictions use."),
    "kept_difficulty_until": described(INSTANT, "The moment up to which it knows what happened."),
    "kept_difficulty_waits": described(TEXT, "Why the table that is kept up to date is not used yet."),
    "error": described(TEXT, "Why the model cannot be used."),
}
_WHEN_IT_ANSWERS = ("version", "source", "correct_from", "levels")
_ALWAYS_OF_A_MODEL = ("chosen_by", "directory")


def _usable_or_failed(fields: dict[str, Schema], always: tuple[str, ...], when_usable: tuple[str, ...]) -> Schema:
    """A report that has either an error or all that is known of what can be used."""
    usable: Schema = {"required": list(when_usable), "properties": {"error": False}}
    return {
        **record(fields, optional=[name for name in fields if name not in always]),
        "oneOf": [usable, {"required": ["error"]}],
    }


_DATABASE = _usable_or_failed(_DATABASE_FIELDS, ("reachable",), _WHEN_USABLE)
_MODEL = _usable_or_failed(_MODEL_FIELDS, _ALWAYS_OF_A_MODEL, _WHEN_IT_ANSWERS)

DOCTOR: Schema = record(
    {
        "ok": described(YES_OR_NO, "Whether both the database and the model can be used; the exit code is then 0."),
        "database": _DATABASE,
        "schema": described(
            or_null(record({"file": TEXT, "chosen_by": one_of(("STRUGGLE_SCHEMA", "--schema"))})),
            "The app's schema.prisma, where one is used.",
        ),
        "model": _MODEL,
        "deadline_s": {"type": "number", "exclusiveMinimum": 0},
    }
)
