"""Stored predictions whose outcome is known, as training examples: the features as stored, and the outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ml.errors import InvalidFeatures
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.study.outcome_mark import KEY
from ml.training.examples import ExampleSet, LabelledVisit, row_of

TEACHING = (
    "Teaches: the visits of the learners' history, and stored predictions whose outcome is known, with the features"
    " they saw. Left out, and counted: degraded predictions, which saw nothing; predictions after which somebody"
    " intervened (interventionApplied), and the visits that these were about, since the outcome is no longer the one"
    " that was predicted; outcomes decided by another rule, until record_outcomes --again has judged them; vectors that"
    " today's features cannot read."
)
"""A sentence for a retrained model's card on the choice of examples, which `usable` and `with_stored` make."""


class StoredOutcome(NamedTuple):
    """One stored prediction with its outcome, which is None while it is unknown.

    features: FeatureVector.to_dict as it was stored, or whatever is stored in its place. in_force: whether the outcome
    is the learner's report, or was decided under the deployment's setting (ml/study/outcome_mark.py).
    """

    learner_id: str
    objective_id: str
    as_of_ms: int
    struggled: bool | None
    intervened: bool
    features: object
    in_force: bool = True


class Usable(NamedTuple):
    """Examples from stored predictions; left_out counts, by reason, those that are not used for training.

    intervened: (learner, objective, as_of in milliseconds) of the predictions after which somebody intervened.
    """

    examples: ExampleSet
    left_out: Counter[str]
    intervened: tuple[tuple[str, str, int], ...]


def usable(outcomes: Iterable[StoredOutcome]) -> Usable:
    """The outcomes that may be used for training.

    The following are left out: degraded predictions (they saw no data), those after which somebody intervened (which
    may have changed the outcome), outcomes decided by another rule than the deployment's until `record_outcomes
    --again` has judged them, and vectors that do not fit today's features.
    """
    left_out: Counter[str] = Counter()
    intervened: list[tuple[str, str, int]] = []
    visits: list[LabelledVisit] = []
    rows: list[list[float]] = []
    for outcome in outcomes:
        reason = _reason_against(outcome)
        vector = None if reason else _vector(outcome)
        if outcome.intervened:
            intervened.append((outcome.learner_id, outcome.objective_id, outcome.as_of_ms))
        if vector is None or outcome.struggled is None:
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
    examples = ExampleSet.of(visits, np.array(rows, np.float64).reshape(-1, len(FEATURE_NAMES)))
    return Usable(examples, left_out, tuple(intervened))


def with_stored(history: ExampleSet, stored: Usable, within_ms: int) -> ExampleSet:
    """Both sets of examples, without the visits of history that a stored prediction was about.

    If that prediction is used for training, the visit would count twice; if somebody intervened, neither is used. A
    visit is taken for the predicted one if it has the same learner and objective and began at most within_ms after the
    prediction.
    """
    examples = stored.examples
    taught = zip(examples.learner.tolist(), examples.objective.tolist(), examples.as_of_ms.tolist(), strict=True)
    predicted: dict[tuple[str, str], list[int]] = {}
    for learner, objective, as_of_ms in (*taught, *stored.intervened):
        predicted.setdefault((learner, objective), []).append(as_of_ms)
    own = np.ones(len(history), bool)
    for row, (learner, objective, as_of_ms) in enumerate(zip(history.learner, history.objective, history.as_of_ms)):
        moments = predicted.get((str(learner), str(objective)), ())
        own[row] = not any(0 <= int(as_of_ms) - moment <= within_ms for moment in moments)
    kept = history.select(own)
    pairs: Any = zip(kept, examples, strict=True)  # a column of each set, whatever its type
    return ExampleSet(*map(np.concatenate, pairs))


def _reason_against(outcome: StoredOutcome) -> str:
    if outcome.intervened:
        return "intervened"
    if outcome.struggled is None:
        return "outcome not known"
    if not isinstance(outcome.features, dict) or not outcome.features.keys() - {KEY}:
        return "no features stored"
    if outcome.features.get("degraded"):
        return "degraded"
    if not outcome.in_force:
        return "decided by another rule: record_outcomes --again"
    return ""


def _vector(outcome: StoredOutcome) -> FeatureVector | None:
    """The stored features, or None where they make no sense; features of other versions are passed over."""
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
