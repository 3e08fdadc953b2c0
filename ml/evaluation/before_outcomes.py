"""How predictions will turn out, estimated from their own probabilities before any outcome is known.

If the probabilities are calibrated, a prediction of 0.3 is right about a struggle in three cases out of ten, so the
expected accuracy, precision, recall and AUC follow from the probabilities alone (confidence-based performance
estimation). The interval holds the figure that these very predictions will show in 95 of 100 cases: it allows for the
chance of each outcome, for the resemblance of a learner's outcomes as seen in visits already judged, and for the error
of the calibration line on the model's card.

Such an estimate follows every change of who is predicted, and of what. It cannot see that the same learners have begun
to struggle more or less than they used to at the same probability (concept drift): only outcomes show that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ml.evaluation.bootstrap import numbered
from ml.evaluation.deviations import Z95, Reference, ranked
from ml.evaluation.figures import Figure
from ml.evaluation.metrics import Floats, Integers, logit
from ml.study import scales

ESTIMATED = ("accuracy", "precision", "recall", "auc")
_TINY = 1e-9
_NOTHING = {
    "accuracy": "no predictions",
    "precision": "no prediction at or above the threshold",
    "recall": "nobody is expected to struggle",
    "auc": "needs struggles and non-struggles",
}


def resemblance(labels: Floats, probabilities: Floats, learners: Integers) -> float:
    """The correlation, 0..1, of what two outcomes of one learner have beyond their probabilities.

    It is 0 where no learner has two.
    """
    if not len(labels):
        return 0.0
    variance = probabilities * (1.0 - probabilities)
    unit = numbered(learners)
    residual, spread = labels - probabilities, np.sqrt(variance)
    together = float((np.bincount(unit, weights=residual) ** 2).sum() - (residual**2).sum())
    possible = float((np.bincount(unit, weights=spread) ** 2).sum() - variance.sum())
    return min(1.0, max(0.0, together / possible)) if possible > _TINY else 0.0


def estimates(
    probabilities: Floats, learners: Integers, threshold: float, alike: float, reference: Reference | None = None
) -> dict[str, Figure]:
    """Accuracy, precision, recall and AUC as expected of predictions whose outcomes are open.

    Args:
        probabilities: One for each prediction, 0..1.
        learners: The number of each prediction's learner.
        threshold: The probability from which a prediction counts as one of struggle.
        alike: The resemblance of a learner's outcomes.
        reference: The model's calibration line with its error; None where no card states it.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    flagged = (p >= threshold).astype(np.float64)
    n, unit = len(p), numbered(learners)
    count = int(unit.max()) + 1 if n else 0
    found = {}
    for name, (value, influence, rows) in _expected(p, flagged).items():
        if value is None:
            found[name] = Figure(None, None, None, rows, count, _NOTHING[name])
            continue
        error = _error(influence, p, unit, alike, reference)
        spread = value * (1.0 - value)
        if not spread > _TINY or not error > 0.0:
            found[name] = Figure(value, None, None, rows, count, "no spread to judge by")
            continue
        centre, half = scales.logit(value), Z95 * error / spread
        found[name] = Figure(value, scales.logistic(centre - half), scales.logistic(centre + half), rows, count)
    return found


def _expected(p: Floats, flagged: Floats) -> Mapping[str, tuple[float | None, Floats, int]]:
    """Each figure's expected value, by how much each outcome moves it, and how many rows it rests on."""
    n = len(p)
    positive, flags = float(p.sum()), float(flagged.sum())
    negative = n - positive
    nothing = np.zeros(n)
    found: dict[str, tuple[float | None, Floats, int]] = dict.fromkeys(ESTIMATED, (None, nothing, n))
    if not n:
        return found
    found["accuracy"] = float(np.where(flagged > 0, p, 1.0 - p).mean()), (2.0 * flagged - 1.0) / n, n
    if flags:
        found["precision"] = float((flagged * p).sum()) / flags, flagged / flags, int(flags)
    if positive > _TINY:
        recall = float((flagged * p).sum()) / positive
        found["recall"] = recall, (flagged - recall) / positive, round(positive)
    if positive > _TINY and negative > _TINY:
        below, above = ranked(p, 1.0 - p), ranked(-p, p)
        pairs = positive * negative
        # A row cannot be ranked against itself.
        own = p * (1.0 - p) / 2.0
        others = pairs - 2.0 * float(own.sum())
        if others > _TINY:
            auc = float((p * below - own).sum()) / others
            moved = (below - above) / pairs - auc * (1.0 / positive - 1.0 / negative)
            found["auc"] = min(1.0, max(0.0, auc)), moved, n
    return found


def _error(influence: Floats, p: Floats, unit: Integers, alike: float, reference: Reference | None) -> float:
    """The standard error of a figure of outcomes: their chance, a learner's resemblance, and the calibration line's."""
    variance = p * (1.0 - p)
    own = influence * influence * variance
    of_learner = np.bincount(unit, weights=influence * np.sqrt(variance))
    squared = float(own.sum()) + alike * (float((of_learner**2).sum()) - float(own.sum()))
    if reference is not None:
        shift, slope = float((influence * variance).sum()), float((influence * variance * logit(p)).sum())
        squared += (shift * reference.intercept_within / Z95) ** 2 + (slope * reference.slope_within / Z95) ** 2
    return float(np.sqrt(max(squared, 0.0)))
