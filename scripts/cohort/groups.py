"""What the predictions of a cohort come to: by learner, by objective, and by prerequisite that is not mastered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from scripts.cohort.words import Names
from scripts.cohort.work import ADVISED, Ahead, LearnerView


def named(learner_id: str, names: Names) -> dict[str, str]:
    """The learner's id, and the name where names are shown."""
    return {"user_id": learner_id} | ({"name": names.learners[learner_id]} if learner_id in names.learners else {})


def titled(objective_id: str, names: Names) -> dict[str, Any]:
    """The objective's id and its text, which is null where the app has none."""
    return {"objective_id": objective_id, "objective": names.objectives.get(objective_id)}


def first(views: Sequence[LearnerView], names: Names) -> list[dict[str, Any]]:
    """The learners by their likeliest struggle, the highest first; each with the objectives most likely to be one."""
    found = []
    for view in views:
        if view.ahead:
            found.append((view.learner_id, view.ahead))
    found.sort(key=lambda each: (bool(each[1][0].degraded), -each[1][0].probability, -_expected(each[1]), each[0]))
    return [
        {
            "rank": place,
            **named(learner_id, names),
            "probability": judged[0].probability,
            "risk_level": judged[0].risk_level,
            "predictions": len(judged),
            "struggles_expected": _expected(judged),
            "objectives": [_objective(each, names) for each in judged[:ADVISED]],
        }
        for place, (learner_id, judged) in enumerate(found, 1)
    ]


def _expected(judged: Sequence[Ahead]) -> float:
    return sum(each.probability for each in judged if not each.degraded)


def _objective(each: Ahead, names: Names) -> dict[str, Any]:
    return {
        **titled(each.objective_id, names),
        "probability": each.probability,
        "interval": list(each.interval),
        "confidence": each.confidence,
        "risk_level": each.risk_level,
        "reasoning": each.reasoning,
        "advice": list(each.advice),
        "lacking": list(each.lacking),
        "degraded": each.degraded,
    }


def objectives(views: Sequence[LearnerView], names: Names, minimum: int) -> tuple[list[dict[str, Any]], int]:
    """The objectives by how many struggles are expected, the most first; and how many have too few learners."""
    by_objective: dict[str, list[Ahead]] = {}
    for _, each in _judged(views):
        by_objective.setdefault(each.objective_id, []).append(each)
    shown = {key: found for key, found in by_objective.items() if len(found) >= minimum}
    rows = [
        {
            **titled(objective_id, names),
            "learners": len(found),
            "struggles_expected": _expected(found),
            "mean_probability": _expected(found) / len(found),
            "high": sum(each.risk_level == "HIGH" for each in found),
        }
        for objective_id, found in shown.items()
    ]
    rows.sort(key=lambda row: (-row["struggles_expected"], row["objective_id"]))
    return rows, len(by_objective) - len(shown)


def prerequisites(views: Sequence[LearnerView], names: Names, minimum: int) -> tuple[list[dict[str, Any]], int]:
    """The prerequisites by the struggles that are expected of learners who lack them, the most first.

    The second value is how many are lacked by too few learners.
    """
    by_prerequisite: dict[str, list[tuple[str, Ahead]]] = {}
    for learner_id, each in _judged(views):
        for lacked in each.lacking:
            by_prerequisite.setdefault(lacked, []).append((learner_id, each))
    lacking = {key: {learner_id for learner_id, _ in found} for key, found in by_prerequisite.items()}
    rows = [
        {
            **titled(key, names),
            "learners": len(lacking[key]),
            "objectives": len({each.objective_id for _, each in found}),
            "struggles_expected": sum(each.probability for _, each in found),
        }
        for key, found in by_prerequisite.items()
        if len(lacking[key]) >= minimum
    ]
    rows.sort(key=lambda row: (-row["struggles_expected"], -row["learners"], row["objective_id"]))
    return rows, len(by_prerequisite) - len(rows)


def _judged(views: Sequence[LearnerView]) -> Iterator[tuple[str, Ahead]]:
    return ((view.learner_id, each) for view in views for each in view.ahead if not each.degraded)
