"""What predict.py prints for a prediction, and the batch on each line with --full; the service answers the same."""

from __future__ import annotations

from ml.advice.advise import MOST_ADVICE
from ml.advice.changes import KINDS
from ml.answer import SCHEMA_VERSION
from ml.features.vector import FEATURE_NAMES
from ml.places import LEVELS_FILE
from ml.scoring.indicators import MARKS
from ml.scoring.prediction import DEGRADED_CONFIDENCE, MOST_OBJECTIVES
from ml.study.degraded import SENTENCES
from ml.study.scales import DEFAULT, PLATFORM
from ml.wording.choice import AUDIENCES, LANGUAGES
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
    where,
)

FEATURE = one_of(FEATURE_NAMES)
SOURCE = described(one_of(("model", "rules")), "A trained model, or the rules that answer where there is none.")
MODEL_VERSION = described(TEXT, "The model that answered.")
DEGRADED = described(TEXT, "Why the answer rests on default features; empty where it rests on the learner's records.")
RISK_LEVEL = one_of(("LOW", "MEDIUM", "HIGH"))
LEVELS = record(
    {
        "medium_from": described(SHARE, "A risk is MEDIUM from this probability."),
        "high_from": described(SHARE, "A risk is HIGH from this probability."),
        "operating_threshold": described(SHARE, "A prediction counts as one of struggle from this probability."),
        "from": described(one_of((DEFAULT, LEVELS_FILE)), "The platform's own, or from the file beside the model."),
    }
)

_STORED_TEXT = described(TEXT, "The clause in English for a teacher, which is stored; only beside another.")
_FACTOR = record(
    {
        "feature": FEATURE,
        "value": described(or_null(SHARE), "Null where the feature has no data."),
        "contribution": described(NUMBER, "In logits; positive where the feature raises the risk."),
        "points": described(NUMBER, "Its share of the probability minus the base; these sum to exactly that."),
        "text": described(TEXT, "The same as a clause in the answer's language, for its reader."),
        "objectives": described(
            list_of(
                record(
                    {
                        "id": TEXT,
                        "name": described(TEXT, "Its text, cleaned and cut, or else its id."),
                        "mastery": described(SHARE, "The learner's mastery of it."),
                    }
                )
            ),
            f"The prerequisites behind it that are not mastered, at most {MOST_OBJECTIVES}, the least mastered first.",
        ),
        "objectives_in_all": described(COUNT, "How many they are, where more than are listed."),
        "stored_text": _STORED_TEXT,
    },
    optional=("objectives", "objectives_in_all", "stored_text"),
)
_MOVED = record(
    {
        "feature": FEATURE,
        "before": described(or_null(SHARE), "The feature at that time; null where it had no data."),
        "value": described(or_null(SHARE), "The feature now; null where it has no data."),
        "points": described(NUMBER, "Its share of the difference; these sum to exactly that."),
        "text": described(TEXT, "What the feature says now, as a clause."),
        "stored_text": _STORED_TEXT,
    },
    optional=("stored_text",),
)
_CHANGE = record(
    {
        "difference": described(NUMBER, "The probability minus the earlier one."),
        "since": described(INSTANT, "When the earlier prediction was made."),
        "probability": described(SHARE, "The earlier prediction."),
        "model_version": described(or_null(TEXT), "The model that made it; null where that is not on record."),
        "factors": described(
            or_null(list_of(_MOVED)),
            "What made the difference, the strongest first; null where another model or unknown features were behind.",
        ),
        "text": described(TEXT, "The same as a clause."),
        "stored_text": _STORED_TEXT,
    },
    optional=("stored_text",),
)
_COLUMNS: Schema = {"type": "object", "additionalProperties": True}
_ROW = record(
    {
        "table": TEXT,
        "insert": described(_COLUMNS, "The columns of a row to insert, by the app's names."),
        "where": described(record({"id": TEXT}), "The row to change."),
        "set": described(_COLUMNS, "The columns to set in that row."),
    },
    optional=("insert", "where", "set"),
)
ADVICE: dict[str, Schema] = {
    "kind": one_of(KINDS),
    "objective_id": described(or_null(TEXT), "The objective to work on; null for lighter_day."),
    "objective_name": described(or_null(TEXT), "The prerequisite's text, cut and on one line."),
    "probability": described(SHARE, "What the model would say after the change."),
    "drop": described(SHARE, "By how much that is lower."),
    "basis": described(
        one_of(("learned", "stated", "mixed")),
        "Whether the difference was learned from outcomes, or stated by the platform or its rules.",
    ),
    "text": described(TEXT, "The same as a sentence in the answer's language, for its reader."),
}
_ADVICE = record(
    {
        **ADVICE,
        "stored_text": _STORED_TEXT,
        "rows": described(list_of(_ROW), "The change as rows; the database that holds them predicts the probability."),
    },
    optional=("stored_text",),
)
_INDICATOR = record(
    {
        "indicator_type": one_of([kind for kind, _, _ in MARKS.values()]),
        "severity": one_of(("MEDIUM", "HIGH")),
        "context": record(
            {
                "feature": one_of((*FEATURE_NAMES, "probability")),
                "value": or_null(SHARE),
                "contribution": NUMBER,
                "text": TEXT,
            },
            optional=("contribution", "text"),
        ),
    }
)
_FEATURES = record(
    {
        **dict.fromkeys(FEATURE_NAMES, SHARE),
        "data_quality": described(SHARE, "The share of the features that rest on data."),
        "extracted_at": INSTANT,
        "defaulted": described(list_of(FEATURE), "The features without data, which hold their neutral values."),
        "degraded": DEGRADED,
        "model_version": MODEL_VERSION,
        "source": SOURCE,
        "levels": described(LEVELS, "Those by which the risk level was told."),
    }
)

PROPERTIES: dict[str, Schema] = {
    "schema_version": described({"const": SCHEMA_VERSION}, "Raised when a field goes or changes its meaning."),
    "language": described(one_of(LANGUAGES), "Of the sentences; what is stored is always English."),
    "audience": described(one_of(AUDIENCES), "Whom the sentences address."),
    "user_id": TEXT,
    "objective_id": TEXT,
    "as_of": described(INSTANT, "The moment of the prediction, which sees nothing later."),
    "probability": described(SHARE, "The probability that the learner will struggle with the objective."),
    "confidence": described(SHARE, "How much the probability can be relied upon."),
    "risk_level": described(RISK_LEVEL, "By the levels."),
    "levels": described(LEVELS, "The thresholds of this deployment."),
    "interval": described({**list_of(SHARE), "minItems": 2, "maxItems": 2}, "The probability's lower and upper bound."),
    "reasoning": described(
        TEXT, "One sentence: for a teacher the strongest reasons, for a learner what goes well and one next step."
    ),
    "factors": described(
        list_of(_FACTOR), "The strongest first; with the intercept they sum to the probability's logit."
    ),
    "intercept": described(NUMBER, "The logit that the factors start from."),
    "base": described(SHARE, "The probability that the factors start from, which is that of the intercept."),
    "change": described(
        or_null(_CHANGE),
        "Since the newest prediction of the same that was stored before; null where there is none.",
    ),
    "advice": described(
        list_of(_ADVICE),
        f"At most {MOST_ADVICE} changes after which the model would expect less struggle, the largest drop first.",
    ),
    "model_version": MODEL_VERSION,
    "source": SOURCE,
    "missing_sources": described(TEXTS, "Tables, columns and values that the database lacks."),
    "degraded": DEGRADED,
    "degraded_code": described(one_of(("", *SENTENCES, "other")), "The same for programs."),
    "prediction_id": described(
        {
            "type": "string",
            "format": "uuid",
            "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        },
        "The id under which the prediction of this day is stored.",
    ),
    "prediction_date": described(INSTANT, "The last millisecond of the day that the prediction is about."),
    "topic_id": described(or_null(TEXT), "The objective's course."),
    "indicators": described(list_of(_INDICATOR), "Rows of struggle_indicators."),
    "flagged": described(YES_OR_NO, "In a line of a batch with a capacity: whether it is one of the most likely."),
    "features": described(_FEATURES, "What the model judged; a stored prediction keeps it as it is."),
}

_TRIED = record(
    {
        "changes": list_of(record({"kind": one_of(KINDS), "objective_id": or_null(TEXT)})),
        "rows": described(list_of(_ROW), "The changes as rows, as in advice."),
        "features": described(
            {"type": "object", "additionalProperties": or_null(SHARE)},
            "The values that were put in the features' place.",
        ),
        "before": described(
            record({name: PROPERTIES[name] for name in ("probability", "confidence", "risk_level", "interval")}),
            "What the answer says without these changes.",
        ),
    }
)
PROPERTIES["what_if"] = described(_TRIED, "Only with --what-if: what was changed, and what the answer was before.")

_EMPTY: Schema = {"const": ""}
_SAID: Schema = {"type": "string", "minLength": 1}

_BY_DEFAULT: Schema = {"properties": {"from": {"const": DEFAULT}}}
_MEDIUM: Schema = {"minimum": PLATFORM.medium_from, "exclusiveMaximum": PLATFORM.high_from}
_RULES_OF_LEVELS = [
    where({"levels": _BY_DEFAULT, "probability": {"minimum": PLATFORM.high_from}}, {"risk_level": {"const": "HIGH"}}),
    where({"levels": _BY_DEFAULT, "probability": _MEDIUM}, {"risk_level": {"const": "MEDIUM"}}),
    where(
        {"levels": _BY_DEFAULT, "probability": {"exclusiveMaximum": PLATFORM.medium_from}},
        {"risk_level": {"const": "LOW"}},
    ),
]
"""A schema cannot compare two fields, so the levels of levels.json are held to by the tests alone."""
_RULES_OF_DEGRADED = [
    where({"degraded": _SAID}, {"degraded_code": _SAID, "confidence": {"maximum": DEGRADED_CONFIDENCE}}),
    where({"degraded": _EMPTY}, {"degraded_code": _EMPTY}),
]

_OPTIONAL = ("what_if", "flagged")
ANSWER: Schema = {**record(PROPERTIES, optional=_OPTIONAL), "allOf": [*_RULES_OF_LEVELS, *_RULES_OF_DEGRADED]}
