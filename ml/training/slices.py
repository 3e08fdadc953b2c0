"""The same figures within groups: history length, risk level, model version, or whatever a deployment names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.training.evaluation import BOOTSTRAP, LEVEL, THRESHOLD, Evaluation, evaluate
from ml.training.metrics import Floats

LARGEST_GROUPS = 12
"""Groups shown by themselves; the rest of a dimension is joined."""

OTHERS = "(others)"
NOT_RECORDED = "(not recorded)"

_HISTORY_BANDS = ((0, "none"), (19, "1-19"), (99, "20-99"))


class Slice(NamedTuple):
    """The figures of the rows whose `dimension` has this value."""

    dimension: str
    value: str
    evaluation: Evaluation

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {"dimension": self.dimension, "value": self.value, **self.evaluation.to_dict()}


def history_band(answers: int | None) -> str:
    """How much the learner had answered before the prediction: none, 1-19, 20-99, 100+."""
    if answers is None:
        return NOT_RECORDED
    return next((band for most, band in _HISTORY_BANDS if answers <= most), "100+")


def slices(
    labels: Sequence[float] | Floats,
    probabilities: Sequence[float] | Floats,
    learners: Sequence[object] | Floats,
    groups: Mapping[str, Sequence[object]],
    *,
    threshold: float = THRESHOLD,
    level: float = LEVEL,
    bootstrap: int = BOOTSTRAP,
    seed: int = 0,
) -> tuple[Slice, ...]:
    """Evaluate each value of each dimension: groups[dimension][i] is row i's value; None is "(not recorded)".

    Values run in their natural order; beyond the twelve most frequent they are joined as "(others)".
    """
    y, p, who = (np.asarray(each) for each in (labels, probabilities, learners))
    found = []
    for dimension, values in groups.items():
        text = joined([NOT_RECORDED if value is None else str(value) for value in values])
        for value in sorted(set(text.tolist()), key=lambda each: (each in (OTHERS, NOT_RECORDED), each)):
            rows = text == value
            judged = evaluate(
                y[rows], p[rows], who[rows], threshold=threshold, level=level, bootstrap=bootstrap, seed=seed
            )
            found.append(Slice(dimension, value, judged))
    return tuple(found)


def joined(values: Sequence[str]) -> npt.NDArray[np.str_]:
    """The values with the rare ones joined."""
    text = np.asarray(values, dtype=np.str_)
    names, code, counts = np.unique(text, return_inverse=True, return_counts=True)
    if len(names) <= LARGEST_GROUPS:
        return text
    rare = np.argsort(-counts, kind="stable")[LARGEST_GROUPS:]
    kept = names.astype(object)
    kept[rare] = OTHERS
    return np.asarray(kept[code], dtype=np.str_)
