"""What export_learner.py prints."""

from __future__ import annotations

from scripts.outputs.parts import COUNT, INSTANT, INTEGER, TEXT, TEXTS, Schema, described, list_of, or_null, record

_ROW: Schema = {
    "type": "object",
    "description": "The stored row by the fields of db/schema.prisma, as far as the app's table has them.",
    "additionalProperties": True,
}
_OBJECTIVE = described(or_null(TEXT), "What the objective is, in words; null where the app does not say.")

LEARNER_EXPORT: Schema = record(
    {
        "user_id": TEXT,
        "exported_at": INSTANT,
        "rows": described(
            record(dict.fromkeys(("prediction_feedbacks", "struggle_indicators", "struggle_predictions"), COUNT)),
            "How many rows each table holds about the learner; these are the rows that forget_learner.py removes.",
        ),
        "predictions": list_of(
            record(
                {
                    "objective": _OBJECTIVE,
                    "model_version": described(or_null(TEXT), "Null where the row does not say."),
                    "reasons": described(TEXTS, "The stored reasons in words, the strongest first."),
                    "row": _ROW,
                }
            )
        ),
        "indicators": list_of(record({"objective": _OBJECTIVE, "row": _ROW})),
        "feedback": list_of(record({"row": _ROW})),
        "actions": described(
            or_null(
                list_of(
                    record(
                        {
                            "at": INSTANT,
                            "command": TEXT,
                            "exit_code": described(or_null(INTEGER), "Null where the command did not end by itself."),
                            "counts": described(
                                {"type": "object", "additionalProperties": True}, "How many rows it showed or removed."
                            ),
                        }
                    )
                )
            ),
            "The earlier commands on this learner, from the audit log; null where no log is named.",
        ),
    }
)
