"""What monitor.py --json prints; an alert command receives the same without `mistakes`, which name learners."""

from __future__ import annotations

from ml.study.correctness import SETTINGS
from scripts.outputs.answer import LEVELS
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
    one_of,
    or_null,
    record,
)

_REF: Schema = {"$ref": "#/$defs/figure"}
_NUMBER_OR_NULL = or_null(NUMBER)

_FIGURE = record(
    {
        "value": _NUMBER_OR_NULL,
        "low": described(_NUMBER_OR_NULL, "The interval's lower bound."),
        "high": described(_NUMBER_OR_NULL, "The interval's upper bound."),
        "n": described(COUNT, "How many rows the figure rests on."),
        "learners": described(COUNT, "How many learners these rows belong to."),
        "reason": described(TEXT, "Why the value or its interval is null."),
    },
    optional=("reason",),
)
_FORECAST = ("struggle_rate", "auc", "log_loss", "brier", "ece")
_CALIBRATION = ("calibration_slope", "calibration_intercept", "calibration_gap")
_FIGURES = record(dict.fromkeys((*_FORECAST, *_CALIBRATION), _REF))
_DECISIONS: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^[01]\\.[0-9]+$"},
    "additionalProperties": record(dict.fromkeys(("accuracy", "recall", "precision", "flagged"), _REF)),
}
_BIN = record({"low": SHARE, "high": SHARE, "mean_probability": SHARE, "struggle_rate": SHARE, "n": COUNT})

_EVALUATION: dict[str, Schema] = {
    "n": COUNT,
    "struggles": described(or_null(COUNT), "Null where figures are withheld, because too few rows stand behind them."),
    "learners": COUNT,
    "threshold": described(SHARE, "The probability from which a prediction counts as one of struggle."),
    "figures": _FIGURES,
    "decisions": described(_DECISIONS, "The figures of the decision at each threshold."),
    "reliability": described(list_of(_BIN), "The bins of the reliability diagram."),
    "ece_noise_floor": described(_NUMBER_OR_NULL, "The ECE that a perfectly calibrated forecast of this size shows."),
}
_ESTIMATES = described(
    record(dict.fromkeys(("accuracy", "precision", "recall", "auc"), _REF)),
    "What the probabilities themselves say of these predictions, before outcomes are known.",
)
_FINDING = record(
    {
        "figure": TEXT,
        "where": described(TEXT, "The slice; empty where the finding is about the whole period."),
        "value": _NUMBER_OR_NULL,
        "low": _NUMBER_OR_NULL,
        "high": _NUMBER_OR_NULL,
        "n": COUNT,
        "message": TEXT,
    }
)
_ALERT = record(
    {
        "cause": one_of(
            ("degraded", "inputs", "less_sharp", "too_low", "too_high", "flatter", "accuracy", "recall", "group")
        ),
        "message": described(TEXT, "What is wrong."),
        "next_step": described(TEXT, "What to do about it."),
        "raised_at": described(INSTANT, "The end of the look that raised it."),
        "once_in_years": described(
            _NUMBER_OR_NULL,
            "While nothing is wrong, such evidence comes up at most once in so many years on average; null where the"
            " alert is judged by an interval.",
        ),
        "findings": described(list_of(_FINDING), "What shows it, and what follows from it."),
    }
)
_DRIFT = record(
    {
        "feature": TEXT,
        "distance": NUMBER,
        "by_chance": described(NUMBER, "The mean distance where nothing has drifted."),
        "limit": described(NUMBER, "What chance exceeds in one report of twenty, over all features."),
        "proof": described(NUMBER, "The distance from which the drift is an alert by itself."),
        "mean_before": or_null(SHARE),
        "mean_after": or_null(SHARE),
        "missing_before": SHARE,
        "missing_after": SHARE,
        "beyond_chance": YES_OR_NO,
        "drifted": described(YES_OR_NO, "Whether the change is beyond chance and large enough to matter."),
    }
)
_MISTAKE = record(
    {
        "size": described(SHARE, "How far the probability was from the outcome."),
        "prediction_id": TEXT,
        "learner_id": TEXT,
        "objective_id": TEXT,
        "probability": SHARE,
        "struggled": YES_OR_NO,
        "predicted_at_ms": {"type": "integer"},
        "predicted_at": INSTANT,
        "reasons": TEXTS,
    }
)

MONITOR_REPORT: Schema = {
    **record(
        {
            "status": one_of(("alert", "no predictions", "insufficient data", "ok")),
            "alerts": described(list_of(_ALERT), "The most important first; one shift is one alert."),
            "period": record({"since": INSTANT, "until": INSTANT}),
            "predictions": COUNT,
            "outcomes_known": described(COUNT, "Predictions whose outcome is known."),
            "visits_judged": described(COUNT, "The visits that decided them; each counts once in all figures."),
            "evidence": record(
                {
                    "since": described(INSTANT, "When the first look was taken that the alerts rest on."),
                    "note": described(TEXT, "Why the evidence of earlier looks is not used; empty where it is."),
                }
            ),
            "minimum": described(COUNT, "The fewest rows on which anything is judged."),
            "correct_from": one_of(SETTINGS),
            "levels": described(LEVELS, "The thresholds by which predictions are judged."),
            "degraded": _REF,
            **_EVALUATION,
            "attainable": described(
                record(dict.fromkeys(("accuracy", "recall", "precision"), or_null(SHARE))),
                "What perfectly calibrated probabilities would give at the threshold for the predictions judged.",
            ),
            "before_outcomes": record(
                {
                    "awaiting": described(COUNT, "Predictions that await their outcome, the latest of each objective."),
                    "figures": _ESTIMATES,
                    "note": described(TEXT, "What such an estimate cannot show."),
                }
            ),
            "slices": list_of(record({"dimension": TEXT, "value": TEXT, **_EVALUATION})),
            "slices_too_small": described(
                {"type": "object", "additionalProperties": COUNT}, "How many slices of a dimension are withheld."
            ),
            "weeks": list_of(record({"start": INSTANT, "predictions": COUNT, **_EVALUATION, "expected": _ESTIMATES})),
            "drift": list_of(_DRIFT),
            "drift_note": TEXT,
            "mistakes": described(list_of(_MISTAKE), "The worst ones; absent from what an alert command receives."),
        },
        optional=("mistakes",),
    ),
    "$defs": {"figure": _FIGURE},
}
