"""Golden vectors: histories in, features and probabilities out, as numbers that any change or port must reproduce.

`python -m tests.golden` prints what the code makes of HISTORIES; `tests/golden.json` is what it has to be. Where the
features or the models are changed on purpose, or another prior is shipped, accept the new numbers with
`python -m tests.golden > tests/golden.json` and read the difference. Imports the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from db.reading.rows import ReviewRow
from ml.features.vector import FeatureVector
from ml.model import StrugglePredictionModel
from ml.scoring import rules
from ml.scoring.prediction import Prediction
from ml.study.difficulty import NO_DIFFICULTY, LearnerDifficulty, ObjectiveDifficulty, Relations, Totals
from ml.study.estimates import LearnerEstimates
from ml.study.history import DAY_MS, HOUR_MS, StudyHistory
from tests.support.features import estimated_features, platform_features
from tests.support.history_builder import (
    ACTION_POTENTIALS,
    AS_OF_MS,
    LEARNER,
    OBJECTIVE,
    UPPER_LIMB,
    ago,
    answers,
    card,
    event,
    exam,
    known_scenario,
    mastery,
    metric,
    mission,
    objective,
    outcome,
    pattern,
    prerequisite,
    profile,
    session,
    study,
    validation,
)

GOLDEN = Path(__file__).with_name("golden.json")
SHIPPED = Path(__file__).parents[1] / "models" / "pretrained.pkl"

TOTALS = Totals((900, 240, 40, 120, 30, 90, 27, 20, 6, 400, 130, 300, 70))
DIFFICULTY = LearnerDifficulty(
    TOTALS,
    {
        OBJECTIVE: ObjectiveDifficulty((310, 120, 25, 30, 14, 21, 6, 9, 4, 100, 47, 80, 22), TOTALS),
        "another": ObjectiveDifficulty((200, 30, 18, 25, 3, 16, 2, 0, 0, 90, 15, 60, 6), TOTALS),
        "tiny": ObjectiveDifficulty((3, 3, 1, 1, 1, 0, 0, 2, 2, 3, 3, 0, 0), TOTALS),
    },
    {"objective/0": (40, 22), "objective/1": (25, 3), "another/0": (30, 1), "due-1": (12, 9), "due-2": (0, 0)},
    {OBJECTIVE: Relations([("another", 0.6), ("prerequisite", 0.3), ("unmet", 0.9)], ["another", "unmet", "unmet-2"])},
)
"""What other learners made of three objectives and some cards, in the counts of a difficulty file."""


def dated(ratings: str, gaps_days: list[float], first_days_ago: float, **place: str) -> list[ReviewRow]:
    """One answer a rating, each after its gap."""
    found, days_ago = [], first_days_ago
    for rating, gap_days in zip(ratings, [0.0, *gaps_days], strict=True):
        days_ago -= gap_days
        found += answers(rating, days_ago, **place)
    return found


def full(is_now: bool, correct_from: str = "GOOD") -> StudyHistory:
    """Every source at once, with visits of every kind, rows that say nothing, and several rows at the same instant."""
    return study(
        faced=objective(owner=LEARNER, level="BEGINNER", weakness=0.45, last_studied_at_ms=ago(2)),
        prerequisites=[prerequisite(level="INTERMEDIATE"), prerequisite("shared", None, None)],
        reviews=[
            *answers("GAAHE", 33),
            *answers("AAGGGAA", 25.5),
            *answers("GG", 18),
            *answers("AGA", 9, apart_ms=HOUR_MS),
            *answers("AAA", 4),
            *answers("GGAG", 24, "another"),
            *answers("EAGGH", 6.5, "another"),
            *answers("AGG", 12, "prerequisite"),
            *answers("AHAAG", 11, "elsewhere-1", "elsewhere"),
            *answers("GA", 5, None, None),
            *answers("G", 3, "shared")[:1],
            *(row._replace(rating="MANUAL") for row in answers("GG", 2)),
            *answers("AAG", 0.4, "tiny"),
        ],
        metrics=[metric(0.7, 20), metric(0.55, 12, "another"), metric(0.4, 5), metric(0.9, 6, "x", "elsewhere")],
        sessions=[session(0.6, 45, 6), session(0.4, 20, 2), session(2, 90, 20)],
        validations=[
            validation(0.35, 40),
            validation(0.8, 25.499),
            validation(0.5, 12, "another"),
            validation(1.2, 9, "prerequisite"),
            validation(None, 8),
            validation(0.6, 7, None),
            validation(0.1, 4)._replace(responded_at_ms=ago(4)),
            validation(0.25, 1, "tiny"),
        ],
        patterns=[pattern("STRUGGLE_TOPIC", 0.6, 3, courseId="course"), pattern("PERFORMANCE_PEAK", 0.9, 3)],
        events=[event("video", 2, 55), event("text", 1, 70), event("flashcard", 0.5)],
        profile=profile({"flashcard": 0.7, "lecture": 0.2}, visual=0.6, reading=0.4, auditory=0.1),
        exams=[exam(21), exam(3, "elsewhere")],
        missions=[mission({"objectiveId": OBJECTIVE}, {"objectiveId": "another"}), mission({"objectiveId": "c"})],
        outcomes=[outcome(True, 20), outcome(False, 10, "another"), outcome(True, 5, "x", "elsewhere")],
        masteries=[mastery("another", "INTERMEDIATE"), mastery(OBJECTIVE, "BEGINNER")],
        cards=[
            card(2, 9, name)._replace(next_review_at_ms=None if days is None else AS_OF_MS + round(days * DAY_MS))
            for name, days in (
                ("objective/1", 3),
                ("due-1", 0),
                ("objective/0", -2),
                ("due-2", 1),
                ("due-3", 2),
                ("another/0", 4),
                ("unscheduled", None),
            )
        ],
        is_now=is_now,
        correct_from=correct_from,
    )


def waves() -> StudyHistory:
    """A memory that grows to its bound, another that shrinks to its own, and streaks longer than any scale."""
    return study(
        reviews=[
            *dated("GGGGGGG", [1, 2, 5, 12, 30, 45], 96, objective="grown"),
            *dated("AAAAAAAA", [1, 1, 1, 1, 1, 1, 1], 30),
        ]
    )


HISTORIES: dict[str, tuple[StudyHistory, LearnerDifficulty]] = {
    "nothing": (study(), NO_DIFFICULTY),
    "nothing, on a known objective": (study(), DIFFICULTY),
    "action potentials": (StudyHistory.before(known_scenario(ACTION_POTENTIALS)), NO_DIFFICULTY),
    "upper limb": (StudyHistory.before(known_scenario(UPPER_LIMB)), NO_DIFFICULTY),
    "everything": (full(is_now=True), NO_DIFFICULTY),
    "everything, on a known objective": (full(is_now=True), DIFFICULTY),
    "everything, where HARD is a pass": (full(is_now=True, correct_from="HARD"), DIFFICULTY),
    "everything, in the past": (full(is_now=False), DIFFICULTY),
    "first answers on a known objective": (study(reviews=answers("AG", 2, "another")), DIFFICULTY),
    "order only": (study(reviews=answers("GAGGA", 40, order_only=True, apart_ms=2 * HOUR_MS)), DIFFICULTY),
    "waves": (waves(), NO_DIFFICULTY),
    "a validation alone": (study(validations=[validation(0.3, 2)]), DIFFICULTY),
}


def judged(history: StudyHistory, difficulty: LearnerDifficulty, shipped: StrugglePredictionModel) -> dict[str, object]:
    """Features (null without data) and both models' answers."""
    estimates = LearnerEstimates(difficulty, history.past.correct_from).replay(history.past)
    known = {**platform_features(history, estimates), **estimated_features(history, estimates)}
    features = FeatureVector.of(known, history.past.as_of_ms)
    by_rules = rules.predict(features)
    contributions = {factor.feature: rounded(factor.contribution) for factor in by_rules.factors}
    return {
        "features": {name: rounded(value) for name, value in known.items()},
        "rules": {**stated(by_rules), "contributions": contributions},
        "shipped": stated(shipped.predict(features)),
    }


def stated(prediction: Prediction) -> dict[str, object]:
    """What a prediction says in numbers."""
    return {
        "model_version": prediction.model_version,
        "probability": rounded(prediction.probability),
        "confidence": rounded(prediction.confidence),
        "interval": [rounded(bound) for bound in prediction.interval],
        "intercept": rounded(prediction.intercept),
        "base": rounded(prediction.base),
    }


def rounded(value: float | None) -> float | None:
    """To twelve places: beyond them one machine's exp() may differ from another's."""
    return None if value is None else round(value, 12)


def golden() -> dict[str, dict[str, object]]:
    """What the code makes of every history."""
    shipped = StrugglePredictionModel.load(os.fspath(SHIPPED))
    return {name: judged(history, difficulty, shipped) for name, (history, difficulty) in HISTORIES.items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(golden(), indent=1) + "\n")
