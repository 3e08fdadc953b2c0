"""Stored predictions whose outcome is known, as training examples: what was seen then, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ml.errors import InvalidFeatures
from ml.features import FEATURE_NAMES, FeatureVector
from ml.training.examples import ExampleSet, LabelledVisit, row_of


class StoredOutcome(NamedTuple):
    """One stored prediction with its outcome. features: FeatureVector.to_dict as it was stored, or what is there."""

    learner_id: str
    objective_id: str
    as_of_ms: int
    struggled: bool
    intervened: bool
    features: object


class Usable(NamedTuple):
    """Examples of stored predictions; left_out counts by reason those that train nothing."""

    examples: ExampleSet
    left_out: Counter[str]


def usable(outcomes: Iterable[StoredOutcome]) -> Usable:
    """The outcomes fit to learn from.

    Left out are degraded predictions (they saw nothing), those after which somebody intervened (the outcome is no
    longer what was predicted), and vectors that today's features cannot read.
    """
    left_out: Counter[str] = Counter()
    visits: list[LabelledVisit] = []
    rows: list[list[float]] = []
    for outcome in outcomes:
        reason = _reason_against(outcome)
        vector = None if reason else _vector(outcome)
        if vector is None:
            left_out[reason or "unreadable features"] += 1
            continue
        visits.append(
            LabelledVisit(
                outcome.learner_id,
                outcome.objective_id,
                outcome.as_of_ms,
                outcome.struggled,
                answers=0,
                validated=False,
            )
        )
        rows.append(row_of(vector))
    return Usable(ExampleSet.of(visits, np.array(rows, np.float64).reshape(-1, len(FEATURE_NAMES))), left_out)


def joined(history: ExampleSet, stored: ExampleSet, within_ms: int) -> ExampleSet:
    """Both, the stored ones first in line: a visit of history that a stored prediction foretold is not counted twice.

    A visit is the same event when its learner and objective are and it began at most within_ms after the prediction.
    """
    foretold: dict[tuple[str, str], list[int]] = {}
    for learner, objective, as_of_ms in zip(stored.learner, stored.objective, stored.as_of_ms):
        foretold.setdefault((str(learner), str(objective)), []).append(int(as_of_ms))
    own = np.ones(len(history), bool)
    for row, (learner, objective, as_of_ms) in enumerate(zip(history.learner, history.objective, history.as_of_ms)):
        moments = foretold.get((str(learner), str(objective)), ())
        own[row] = not any(0 <= int(as_of_ms) - moment <= within_ms for moment in moments)
    kept = history.select(own)
    columns: Any = (np.concatenate(pair) for pair in zip(kept, stored, strict=True))
    return ExampleSet(*columns)


def _reason_against(outcome: StoredOutcome) -> str:
    if not isinstance(outcome.features, dict) or not outcome.features:
        return "no features stored"
    if outcome.features.get("degraded"):
        return "degraded"
    return "intervened" if outcome.intervened else ""


def _vector(outcome: StoredOutcome) -> FeatureVector | None:
    """Features of a newer or older version that we do not know are passed over; those we know must make sense."""
    stored = outcome.features
    if not isinstance(stored, dict):
        return None
    names = {*FEATURE_NAMES, "extracted_at", "model_version", "source", "data_quality"}
    kept = {name: value for name, value in stored.items() if name in names}
    listed = stored.get("defaulted")
    if isinstance(listed, list):
        kept["defaulted"] = [name for name in listed if name in FEATURE_NAMES]
    try:
        vector = FeatureVector.from_dict(kept, outcome.as_of_ms)
    except InvalidFeatures:
        return None
    return vector if len(vector.defaulted) < len(FEATURE_NAMES) else None
