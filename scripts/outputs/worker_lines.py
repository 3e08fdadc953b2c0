"""The lines that the worker reads and writes (scripts/piping/README.md)."""

from __future__ import annotations

from ml.features.vector import FEATURE_NAMES
from ml.wording.choice import AUDIENCES, LANGUAGES
from scripts.cli.exits import EXIT_CODES, INTERRUPTED, TERMINATED
from scripts.outputs.failure import ERROR
from scripts.outputs.parts import SHARE, TEXT, Schema, described, one_of, or_null, record

PROTOCOL = 1
"""The first line's `protocol`. It is raised when a client of the earlier number could misread a line."""
MOST_LINE_BYTES = 1 << 20
SHORTEST_TIMEOUT_S, LONGEST_TIMEOUT_S = 0.05, 3600.0
LARGEST_ID = (1 << 53) - 1
"""Of an id that is a number: above it, JavaScript would give back another number."""

_ID: Schema = {"anyOf": [TEXT, {"type": "integer", "minimum": -LARGEST_ID, "maximum": LARGEST_ID}]}
_SAME_ID = described(_ID, "The request's id.")

WORKER_HELLO: Schema = record(
    {
        "protocol": described({"const": PROTOCOL}, "Raised when a client of the earlier number could misread a line."),
        "version": described(TEXT, "The predictor's version, as predict.py --version prints it."),
        "model_version": described(TEXT, "The model that answers, until a file of it changes."),
    }
)
WORKER_REQUEST: Schema = {
    **record(
        {
            "id": described(_ID, "Comes back in the answer."),
            "user_id": TEXT,
            "objective_id": TEXT,
            "as_of": described(TEXT, "The moment of the prediction in ISO 8601, in UTC where no offset is written."),
            "timeout": described(
                {"type": "number", "minimum": SHORTEST_TIMEOUT_S, "maximum": LONGEST_TIMEOUT_S},
                "Seconds from the reading of the line until the answer.",
            ),
            "features": described(
                {"type": "object", "properties": dict.fromkeys(FEATURE_NAMES, or_null(SHARE))},
                "What is predicted from instead of the learner's rows, as predict.py --features reads it.",
            ),
            "language": described(TEXT, f"The language of the sentences, {' or '.join(LANGUAGES)}, or a tag of it."),
            "audience": described(one_of(AUDIENCES), "Whom the sentences address."),
        },
        optional=("as_of", "timeout", "features", "language", "audience"),
    ),
    "additionalProperties": False,
}
WORKER_ANSWER: Schema = record(
    {
        "id": _SAME_ID,
        "answer": described(
            {"type": "object", "additionalProperties": True}, "What predict.py prints: it fits the schema `answer`."
        ),
    }
)
WORKER_FAILURE: Schema = record(
    {
        "id": described(or_null(_ID), "The request's id; null where the line has none that can be read."),
        "error": ERROR,
        "exit_code": described(
            {"type": "integer", "enum": sorted({code for _, code, _ in EXIT_CODES} | {INTERRUPTED, TERMINATED})},
            "The code with which predict.py would end.",
        ),
    }
)
