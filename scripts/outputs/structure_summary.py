"""What import_structure.py --json prints."""

from __future__ import annotations

from scripts.outputs.parts import COUNT, TEXT, YES_OR_NO, Schema, described, list_of, one_of, record

_KINDS = (
    *("repeated_objectives", "blank_names", "damaged_names"),
    *("repeated_prerequisites", "own_prerequisites", "unknown_objectives", "circles"),
)
_FILE = record(
    {
        "file": TEXT,
        "rows": COUNT,
        "columns": described(
            {"type": "object", "additionalProperties": TEXT},
            "The column that each field was read from.",
        ),
    }
)
_WARNING = record({"kind": one_of(_KINDS), "number": COUNT, "sentence": TEXT})

STRUCTURE_SUMMARY: Schema = record(
    {
        "files": list_of(_FILE),
        "objectives": described(COUNT, "How many objectives the files describe."),
        "prerequisites": described(COUNT, "How many prerequisites the files state, without those left out."),
        "new_courses": COUNT,
        "new_lectures": COUNT,
        "new_objectives": COUNT,
        "changed_objectives": COUNT,
        "kept_objectives": described(COUNT, "Objectives of the app's whose names or complexities stay as they are."),
        "new_prerequisites": COUNT,
        "changed_prerequisites": described(COUNT, "Prerequisites that get another strength."),
        "warnings": list_of(_WARNING),
        "moved_cards": described(COUNT, "Imported cards that followed their objective into another course."),
        "created_tables": YES_OR_NO,
        "dry_run": described(YES_OR_NO, "Whether nothing was written."),
    }
)
