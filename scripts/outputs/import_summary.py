"""What import_history.py --json prints."""

from __future__ import annotations

from scripts.outputs.parts import COUNT, INSTANT, SHARE, TEXT, YES_OR_NO, Schema, described, list_of, or_null, record

STORED = (
    *("new_learners", "new_objectives", "new_cards", "new_answers"),
    *("visits", "daily_metrics", "validation_scores", "created_tables"),
)
"""Fields of an import that stored something."""

_WARNING = record(
    {
        "kind": described(TEXT, "What is doubtful, such as milliseconds or equal-rows."),
        "rows": described(COUNT, "How many rows it is about."),
        "text": described(TEXT, "The warning, with both readings where there are two."),
    }
)
_ROW = record(
    {
        "line": described(COUNT, "The line or record of the file, counted from 1."),
        "user_id": TEXT,
        "objective_id": TEXT,
        "card_id": TEXT,
        "at": INSTANT,
        "rating": or_null(TEXT),
        "kind": TEXT,
        "time_spent_ms": COUNT,
    }
)

IMPORT_SUMMARY: Schema = record(
    {
        "format": described(TEXT, "The name of the format, or table for one that --map describes."),
        "mapping": described(
            {"type": "object", "additionalProperties": TEXT}, "The column from which each role was read."
        ),
        "times": described(TEXT, "What the times are, such as seconds, dates or an order."),
        "rows": COUNT,
        "learners": COUNT,
        "objectives": COUNT,
        "cards": COUNT,
        "answers": described(COUNT, "Rows that answer something, posttests included."),
        "study_rows": described(COUNT, "Rows that only introduce their item."),
        "order_only": described(YES_OR_NO, "Whether the times only give the order."),
        "dates": described(or_null(list_of(INSTANT)), "The first and the last instant; null for an order."),
        "answers_per_learner": record({"least": COUNT, "median": COUNT, "most": COUNT}),
        "share_right": or_null(SHARE),
        "equal_rows": described(or_null(COUNT), "Rows that equal an earlier one; null for an order."),
        "future_rows": COUNT,
        "left_out": described(
            {"type": "object", "additionalProperties": COUNT},
            "What was left out or changed, with its number.",
        ),
        "warnings": list_of(_WARNING),
        "preview": described(list_of(_ROW), "With --dry-run: the first rows as they would be stored."),
        **{name: YES_OR_NO if name == "created_tables" else COUNT for name in STORED},
        "seconds": {"type": "number", "minimum": 0},
    },
    optional=("preview", *STORED),
)
