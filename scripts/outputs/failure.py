"""What predict.py prints where there is no prediction."""

from __future__ import annotations

from scripts.cli.exits import EXIT_CODES
from scripts.outputs.parts import TEXT, Schema, described, one_of, record

_NAMES = tuple(dict.fromkeys(name for _, _, name in EXIT_CODES))

ERROR = record(
    {
        "code": described(one_of(_NAMES), "The cause for programs; the exit code follows from it."),
        "message": described(TEXT, "The cause in a sentence for people."),
    }
)
FAILURE: Schema = record({"error": ERROR})
