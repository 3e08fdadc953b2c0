"""The same figures within groups: history length, risk level, model version, or whatever a deployment names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log1p
from re import match
from typing import NamedTuple

import numpy as np

from ml.evaluation.figures import BOOTSTRAP, LEVEL, THRESHOLD, Evaluation, Ids, evaluate
from ml.evaluation.metrics import Floats, Integers
from ml.features.feature import FULL_HISTORY

LARGEST_GROUPS = 12
"""Groups shown by themselves; the rest of a dimension is joined."""

OTHERS = "(others)"
NOT_RECORDED = "(not recorded)"

_HISTORY_BANDS = ((0, "0"), (19, "1-19"), (99, "20-99"))
_RISK_LEVELS = ("LOW", "MEDIUM", "HIGH")


class Slice(NamedTuple):
    """The figures of the rows whose `dimension` has this value."""

    dimension: str
    value: str
    evaluation: Evaluation

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {"dimension": self.dimension, "value": self.value, **self.evaluation.to_dict()}


def history_band(answers: int | None) -> str:
    """How much the learner had answered before the prediction: 0, 1-19, 20-99, 100+."""
    if answers is None:
        return NOT_RECORDED
    return next((band for most, band in _HISTORY_BANDS if answers <= most), "100+")


def answers_told(shares: Floats) -> Floats:
    """The numbers of answers that values of answers_of_history stand for; NaN without data, at most FULL_HISTORY.

    >>> answers_told(np.array([0.0, log1p(20) / log1p(FULL_HISTORY), 1.0])).tolist()
    [0.0, 20.0, 2000.0]
    """
    return np.asarray(np.rint(np.expm1(np.clip(shares, 0.0, 1.0) * log1p(FULL_HISTORY))))


def slices(
    labels: Sequence[float] | Floats,
    probabilities: Sequence[float] | Floats,
    learners: Ids,
    groups: Mapping[str, Sequence[object]],
    *,
    threshold: float = THRESHOLD,
    level: float = LEVEL,
    bootstrap: int = BOOTSTRAP,
    seed: int = 0,
    comparable: Integers | None = None,
) -> tuple[Slice, ...]:
    """Evaluate each value of each dimension: groups[dimension][i] is row i's value; None is shown as "(not recorded)".

    comparable: as in evaluate. Values are in their natural order; all but the twelve most frequent are joined as
    "(others)".
    """
    y, p, who = (np.asarray(each) for each in (labels, probabilities, learners))
    found = []
    for dimension, values in groups.items():
        names, place = natural_groups(values)
        for number, value in enumerate(names):
            rows = place == number
            judged = evaluate(
                *(y[rows], p[rows], who[rows]),
                threshold=threshold,
                level=level,
                bootstrap=bootstrap,
                seed=seed,
                comparable=None if comparable is None else comparable[rows],
            )
            found.append(Slice(dimension, value, judged))
    return tuple(found)


def natural_groups(values: Sequence[object]) -> tuple[list[str], Integers]:
    """The values' names in their natural order and each row's place among them; rare ones joined, absent ones last."""
    first_seen: dict[object, int] = {}
    place = np.array([first_seen.setdefault(value, len(first_seen)) for value in values], dtype=np.int64)
    names = [NOT_RECORDED if value is None else str(value) for value in first_seen]
    if len(names) > LARGEST_GROUPS:
        counts = np.bincount(place, minlength=len(names))
        for rare in np.argsort(-counts, kind="stable")[LARGEST_GROUPS:].tolist():
            names[rare] = OTHERS
    ordered = sorted(set(names), key=_natural)
    return ordered, np.array([ordered.index(name) for name in names], dtype=np.int64)[place]


def _natural(name: str) -> tuple[bool, int, float, str]:
    """Risk levels from low to high, numbers and bands by size, the rest by letters; (others), (not recorded) last."""
    level = _RISK_LEVELS.index(name) if name in _RISK_LEVELS else 0
    digits = match("[0-9]{1,18}", name)
    return name in (OTHERS, NOT_RECORDED), level, float(digits[0]) if digits else float("inf"), name
