"""What cohort_report.py --json prints."""

from __future__ import annotations

from ml.evaluation.causes import CARD, LEARNER, OBJECTIVE, UNCLEAR
from scripts.outputs.answer import ADVICE, DEGRADED, LEVELS, MODEL_VERSION, RISK_LEVEL, SOURCE
from scripts.outputs.parts import (
    COUNT,
    INSTANT,
    NUMBER,
    SHARE,
    TEXT,
    TEXTS,
    Schema,
    described,
    list_of,
    one_of,
    or_null,
    record,
)

_LEARNER: dict[str, Schema] = {"user_id": TEXT, "name": described(TEXT, "With --names, where the app has one.")}
_OBJECTIVE: dict[str, Schema] = {
    "objective_id": TEXT,
    "objective": described(or_null(TEXT), "The objective's text on one line; null where the app has none."),
}
_EXPECTED = described({"type": "number", "minimum": 0}, "The sum of the probabilities.")
_ADVICE = {**ADVICE, "text": described(TEXT, "The same as an English sentence.")}
_AHEAD = record(
    {
        **_OBJECTIVE,
        "probability": SHARE,
        "interval": list_of(SHARE),
        "confidence": SHARE,
        "risk_level": RISK_LEVEL,
        "reasoning": TEXT,
        "advice": described(list_of(record(_ADVICE)), "What would help; without the rows to write."),
        "lacking": described(TEXTS, "Ids of the stated prerequisites that the learner has not mastered."),
        "degraded": DEGRADED,
    }
)
_FIRST = record(
    {
        "rank": COUNT,
        **_LEARNER,
        "probability": described(SHARE, "Of the likeliest struggle."),
        "risk_level": RISK_LEVEL,
        "predictions": COUNT,
        "struggles_expected": _EXPECTED,
        "objectives": described(list_of(_AHEAD), "The likeliest struggles, at most three."),
    },
    optional=("name",),
)
_TROUBLE = record(
    {
        **_OBJECTIVE,
        "learners": COUNT,
        "struggles_expected": _EXPECTED,
        "mean_probability": SHARE,
        "high": described(COUNT, "How many of the learners have a HIGH risk."),
    }
)
_LACKED = record(
    {
        **_OBJECTIVE,
        "learners": described(COUNT, "How many learners lack it who have an objective ahead that builds on it."),
        "objectives": described(COUNT, "How many objectives ahead build on it."),
        "struggles_expected": described(NUMBER, "The sum of the probabilities of these learners on these objectives."),
    }
)
_WEEK = record(
    {
        "start": described(INSTANT, "A Monday."),
        "visits": described(or_null(COUNT), "Null where fewer learners than the minimum were there."),
        "learners": or_null(COUNT),
        "struggled": described(or_null(SHARE), "The share of the judged visits that were a struggle."),
        "low": described(or_null(SHARE), "The 95 % interval's lower bound."),
        "high": or_null(SHARE),
        "predictions": described(or_null(COUNT), "How many predictions were stored for these learners."),
        "mean_probability": or_null(SHARE),
    }
)
_FIGURES: dict[str, Schema] = {
    "answers": COUNT,
    "wrong": COUNT,
    "wrong_expected": described(NUMBER, "How many of the answers were expected to be wrong."),
    "chance": described(SHARE, "The chance of so many wrong answers or more."),
    "adjusted": described(SHARE, "The same for as many tests as were made (Benjamini-Hochberg)."),
}
_OF_LEARNER = record(
    {
        **_LEARNER,
        **_OBJECTIVE,
        **_FIGURES,
        "cause": described(
            one_of((LEARNER, CARD, OBJECTIVE, UNCLEAR)),
            "learner: hard for this learner; card: a card may be at fault; objective: hard for many; unclear: too few"
            " other learners, or their answers leave it open.",
        ),
        "cards": described(TEXTS, "Ids of the cards that may be at fault."),
        "other_learners": described(COUNT, "How many others answered the cards on which this learner was wrong."),
    },
    optional=("name",),
)


def _signs(found: Schema) -> Schema:
    return record(
        {
            "tested": COUNT,
            "too_few": described(COUNT, "How many were not tested, because there were too few answers or learners."),
            "found": list_of(found),
        }
    )


_SIGNS = record(
    {
        "rate": described(SHARE, "The share of false discoveries that is allowed in each of the three kinds."),
        "answers": described(COUNT, "How many answers were looked at."),
        "learners": _signs(_OF_LEARNER),
        "cards": _signs(record({"card_id": TEXT, **_OBJECTIVE, "learners": COUNT, **_FIGURES})),
        "objectives": _signs(record({**_OBJECTIVE, "learners": COUNT, **_FIGURES})),
    }
)

COHORT_REPORT: Schema = record(
    {
        "status": described(one_of(("ok", "too_few_learners")), "With too few learners, only the list is made."),
        "as_of": INSTANT,
        "since": described(INSTANT, "From when answers and visits are looked back on."),
        "weeks": COUNT,
        "days_ahead": COUNT,
        "minimum": described(COUNT, "The fewest learners of whom anything is said together."),
        "model_version": MODEL_VERSION,
        "source": SOURCE,
        "levels": described(LEVELS, "The thresholds of the risk levels."),
        "of_each_level": described(
            TEXTS, "What became of those at each risk level, from the model's card; empty where it does not say."
        ),
        "courses": list_of(record({"course_id": TEXT, "name": or_null(TEXT)})),
        "learners": record(dict.fromkeys(("reported", "opted_out", "unknown", "nothing_ahead"), COUNT)),
        "predictions": record(dict.fromkeys(("made", "HIGH", "MEDIUM", "LOW", "degraded"), COUNT)),
        "first": described(list_of(_FIRST), "The learners by their likeliest struggle, the highest first."),
        "objectives": described(list_of(_TROUBLE), "By how many struggles are expected, the most first."),
        "objectives_withheld": described(COUNT, "How many have too few learners."),
        "prerequisites": described(list_of(_LACKED), "Those that are not mastered, the most struggles first."),
        "prerequisites_withheld": COUNT,
        "trend": list_of(_WEEK),
        "signs": described(_SIGNS, "Answers that are worse than the predictions explain."),
        "seconds": NUMBER,
    }
)
