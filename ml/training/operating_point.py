"""The operating threshold that training chooses for the platform's target, from out-of-fold predictions.

A target is a recall (0.70 unless the deployment asks for another) or a capacity, which is a number of flags per day.
For a capacity the visits of the last four weeks of the training count, and the threshold is the lowest at which the
days with visits have, on average, no more flagged visits than that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml.evaluation.figures import evaluate
from ml.evaluation.metrics import Floats, Integers
from ml.study.history import DAY_MS
from ml.training.calibration import TARGET_RECALL, threshold_for_recall
from ml.training.examples import ExampleSet

CAPACITY_DAYS = 28
SMALLEST = 0.01


class Target(NamedTuple):
    """What an operating threshold is chosen for: a recall, or, where capacity is given, a number of flags per day."""

    recall: float = TARGET_RECALL
    capacity: int | None = None

    def to_dict(self) -> dict[str, object]:
        """The form that cards and levels.json have."""
        return {"recall": self.recall} if self.capacity is None else {"capacity": self.capacity}


def operating_point(target: Target, probabilities: Floats, examples: ExampleSet, at: str) -> dict[str, object]:
    """The threshold with what it was chosen for and on, as a version's card keeps it.

    probabilities: of each example, by a model that saw none of its learner. at: the moment of the choice, ISO 8601.
    """
    y = examples.y.astype(float)
    if target.capacity is None:
        threshold = threshold_for_recall(probabilities, y, target.recall)
    else:
        threshold = threshold_for_capacity(probabilities, examples.as_of_ms, target.capacity)
    found = evaluate(y, probabilities, examples.learner, threshold=threshold, bootstrap=0).decisions[threshold]
    return {
        "operating_threshold": threshold,
        "for": target.to_dict(),
        "at": at,
        "visits": len(y),
        "learners": len(np.unique(examples.learner)),
        **{name: found[name].value for name in ("recall", "precision", "flagged")},
    }


def threshold_for_capacity(probabilities: Floats, as_of_ms: Integers, capacity: int) -> float:
    """The lowest threshold, in hundredths, at which a day has on average no more than `capacity` flagged visits."""
    if not len(probabilities):
        return SMALLEST
    day = as_of_ms // DAY_MS
    lately = day > day.max() - CAPACITY_DAYS
    flags = capacity * len(np.unique(day[lately]))
    highest = np.sort(probabilities[lately])[::-1]
    if flags >= len(highest):
        return SMALLEST
    # above the first probability that must not be flagged, and hence above all that equal it
    return min(1.0, max(SMALLEST, float(np.floor(100 * highest[flags]) + 1) / 100))
