"""How a cohort's weeks went: the share of visits that were a struggle, and what the stored predictions had said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from db.client import Client
from db.stored_predictions import stream_predictions
from ml.evaluation.bootstrap import Learners
from ml.evaluation.proportion_intervals import proportion_interval
from ml.instants import iso
from ml.study.history import DAY_MS
from scripts.cohort.work import LearnerView

WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05
LEVEL = 0.95


def began_ms(as_of_ms: int, weeks: int) -> int:
    """The Monday with which the report's weeks begin; the last of them is the week of as_of."""
    return week_of(max(as_of_ms - 1, 0)) - (weeks - 1) * WEEK_MS


def week_of(at_ms: int) -> int:
    """The beginning of the calendar week (Monday, UTC) of an instant."""
    return (at_ms - _MONDAY_MS) // WEEK_MS * WEEK_MS + _MONDAY_MS


def said_by_week(
    client: Client, since_ms: int, until_ms: int, learners: frozenset[str], within: frozenset[str] | None
) -> dict[int, list[tuple[str, float]]]:
    """Week -> (learner, probability) of the predictions that were stored for the cohort."""
    found: dict[int, list[tuple[str, float]]] = {}
    for batch in stream_predictions(client, since_ms, until_ms, with_features=False):
        for row in batch:
            wanted = row.learner_id in learners and (within is None or row.objective_id in within)
            if wanted and row.probability is not None:
                found.setdefault(week_of(row.predicted_at_ms), []).append((row.learner_id, row.probability))
    return found


def trend(
    views: Sequence[LearnerView],
    said: dict[int, list[tuple[str, float]]],
    since_ms: int,
    until_ms: int,
    minimum: int,
) -> list[dict[str, Any]]:
    """One entry per calendar week. Figures of fewer than `minimum` learners are withheld as null."""
    seen: dict[int, list[tuple[str, bool]]] = {}
    for view in views:
        for at_ms, _, struggled in view.visits:
            seen.setdefault(week_of(at_ms), []).append((view.learner_id, struggled))
    return [
        _week(start_ms, seen.get(start_ms, []), said.get(start_ms, []), minimum)
        for start_ms in range(since_ms, until_ms, WEEK_MS)
    ]


def _week(
    start_ms: int, visits: Sequence[tuple[str, bool]], said: Sequence[tuple[str, float]], minimum: int
) -> dict[str, Any]:
    learners = {learner for learner, _ in visits}
    shown = len(learners) >= minimum
    share = low = high = None
    if shown:
        struggled = np.array([float(each) for _, each in visits])
        share = float(struggled.mean())
        clusters = Learners([learner for learner, _ in visits], 0, 0)
        interval = proportion_interval(struggled, np.ones(len(struggled)), clusters, LEVEL)
        low, high = (None, None) if interval is None else interval
    predicted = [probability for _, probability in said]
    told = len({learner for learner, _ in said}) >= minimum
    return {
        "start": iso(start_ms),
        "visits": len(visits) if shown else None,
        "learners": len(learners) if shown else None,
        "struggled": share,
        "low": low,
        "high": high,
        "predictions": len(predicted) if told else None,
        "mean_probability": sum(predicted) / len(predicted) if told else None,
    }
