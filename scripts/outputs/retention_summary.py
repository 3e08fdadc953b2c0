"""What retention.py --json prints."""

from __future__ import annotations

from scripts.outputs.parts import COUNT, INSTANT, YES_OR_NO, Schema, described, record

RETENTION_SUMMARY: Schema = record(
    {
        "made_before": described(INSTANT, "Rows from before this instant are old."),
        "removed": described(YES_OR_NO, "False where the old rows were only counted."),
        "rows": described(
            record(dict.fromkeys(("prediction_feedbacks", "struggle_indicators", "struggle_predictions"), COUNT)),
            "How many old rows each table holds, or held.",
        ),
    }
)
