"""Which of the possible changes are worth naming, and in which words."""

from __future__ import annotations

from ml.advice.changed import Faced, features_after, overflows
from ml.advice.changes import (
    LIGHTER_DAY,
    MASTER_PREREQUISITE,
    NEXT_THREE_RIGHT,
    REVIEW_NOW,
    Change,
    possible_changes,
    rows_of,
)
from ml.language import ENGLISH
from ml.scoring.prediction import percentage
from ml.study.objective_names import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from ml.features.vector import FeatureVector
    from ml.scoring.difference import Baseline, RulesBaseline
    from ml.scoring.prediction import Prediction

    class Model(Protocol):
        """The model that answered; ml.model.StrugglePredictionModel is one."""

        def baseline(self, before: FeatureVector) -> Baseline | RulesBaseline: ...


MOST_ADVICE = 3
LEAST_DROP = 0.01
"""A smaller drop is not worth a person's time, since probabilities are shown in whole percentages."""

DID = {
    MASTER_PREREQUISITE: "have mastered {name}",
    REVIEW_NOW: "have just recalled a card of this objective",
    NEXT_THREE_RIGHT: "have just answered three cards of this objective correctly",
    LIGHTER_DAY: "have nothing else planned for the day",
}
SAID = {
    "learned": "Learners who {did} struggle less often: the estimate would then be {probability}.",
    "stated": "Learners who {did} are assumed to struggle less often: the estimate would then be {probability}.",
    "mixed": "Learners who {did} are expected to struggle less often: the estimate would then be {probability}.",
}
"""Sentences of association by their basis: what would help this learner has not been tried."""


class Advice:
    """One change that would help.

    objective_id, objective_name: what it is about; None for lighter_day. probability: the model's after the change,
    0..1. drop: how much lower that is than now. basis: where the difference comes from: "learned" from learners'
    outcomes, "stated" by the platform or its rules without having been measured, or "mixed". rows: the change as rows
    to write.
    """

    __slots__ = ("basis", "drop", "kind", "objective_id", "objective_name", "probability", "rows", "text")

    def __init__(self, change: Change, probability: float, drop: float, basis: str) -> None:
        self.kind = change.kind
        self.objective_id = change.objective_id
        self.objective_name = _name_of(change)
        self.probability = probability
        self.drop = drop
        self.basis = basis
        self.rows: Sequence[dict[str, object]] = ()
        did = DID[self.kind].format(name=ENGLISH.name(self.objective_name or ""))
        self.text = SAID[basis].format(did=did, probability=percentage(probability))

    def to_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {**self.to_store(), "rows": list(self.rows)}

    def to_store(self) -> dict[str, object]:
        """What a stored prediction keeps: all but the rows, which can be computed again."""
        return {name: getattr(self, name) for name in _STORED}


_STORED = ("kind", "objective_id", "objective_name", "probability", "drop", "basis", "text")


def advice_for(faced: Faced, prediction: Prediction, model: Model, missing_sources: Sequence[str] = ()) -> list[Advice]:
    """The changes after which the model would expect less struggle, the largest drop first, at most three.

    A drop counts if it is at least one percentage point and, in logits, above its own noise: the part of the
    prediction's interval that the two predictions do not share (ml/scoring/difference.py). The list is empty for a LOW
    risk and where nothing can be done. For a learner who fills the window of answers, where each change costs a replay,
    the answers of review_now are not tried apart from those of next_three_right, which begin with them.
    """
    if prediction.risk_level == "LOW" or faced.features.degraded:
        return []
    past = faced.history.past
    changes = possible_changes(faced.history, missing_sources)
    costly = [change for change in changes if overflows(past, change)]
    if costly:
        changes = [change for change in changes if change.kind != REVIEW_NOW]
        costly = [change for change in costly if change.kind != REVIEW_NOW]
    baseline = model.baseline(faced.features)
    found, certain = [], []
    for change in changes:
        roughly = len(costly) > 1 and change in costly
        advice = _advice(faced, change, prediction.probability, baseline, roughly)
        if advice is not None:
            found.append((advice, change, roughly))
    for advice, change, roughly in sorted(found, key=lambda each: -each[0].drop)[:MOST_ADVICE]:
        exact = _advice(faced, change, prediction.probability, baseline) if roughly else advice
        if exact is not None:
            exact.rows = rows_of((change,), past.learner.id, past.as_of_ms)
            certain.append(exact)
    certain.sort(key=lambda advice: -advice.drop)
    return certain


def _advice(
    faced: Faced, change: Change, now: float, baseline: Baseline | RulesBaseline, roughly: bool = False
) -> Advice | None:
    moved = baseline.moved_to(features_after(faced, (change,), roughly))
    probability = moved.probability
    if now - probability < LEAST_DROP:
        return None
    difference = moved.difference
    if -difference.logit <= difference.noise:
        return None
    return Advice(change, probability, now - probability, difference.basis)


def _name_of(change: Change) -> str | None:
    """What the prerequisite is called in a sentence; None where the change is about no other objective."""
    return name_of(change.name, str(change.objective_id)) if change.kind == MASTER_PREREQUISITE else None
