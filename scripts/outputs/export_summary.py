"""What export_history.py --json prints."""

from __future__ import annotations

from scripts.outputs.parts import COUNT, YES_OR_NO, Schema, described, record

EXPORT_SUMMARY: Schema = record(
    {
        "rows": described(COUNT, "The rows of the log, without its header."),
        "learners": COUNT,
        "answers": COUNT,
        "validation_scores": described(COUNT, "Scores that were written as posttest rows."),
        "rounded_scores": described(COUNT, "How many of them were rounded to hundredths."),
        "learners_opted_out": COUNT,
        "left_out": described(
            record(
                {
                    "opted_out": COUNT,
                    "without_objective": COUNT,
                    "without_a_grade": COUNT,
                    "without_a_usable_date": COUNT,
                    "without_a_usable_id": COUNT,
                    "with_other_times": COUNT,
                }
            ),
            "How many answers are not in the log, by reason.",
        ),
        "order_only": described(YES_OR_NO, "Whether the log gives only the order of the answers."),
        "pseudonymised": YES_OR_NO,
    }
)
