"""The accuracy, recall and precision that perfectly calibrated probabilities would give at a threshold.

A threshold and the spread of the probabilities decide how many struggles can be found, however true each probability
is: where many struggles come at probabilities below the threshold, no recall of 0.70 is to be had there. A target
above these figures is out of reach, which is no fault of the model and no reason for an alert. Probabilities that are
proven to be off by more than two points excuse nothing: then the model is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ml.evaluation.figures import Figure
from ml.evaluation.metrics import Floats, share
from scripts.monitoring.targets import Target

CALIBRATED_WITHIN = 0.02
"""Mean probability minus struggle rate; the margin that promotion allows too."""


def attainable(probabilities: Floats, threshold: float) -> dict[str, float | None]:
    """The expected figures if each probability is exactly right; None where a figure's denominator is 0.

    probabilities: 0..1, of the predictions that are judged. threshold: a prediction at or above it says struggle.
    """
    flagged = (probabilities >= threshold).astype(np.float64)
    right = np.where(flagged > 0, probabilities, 1.0 - probabilities)
    return {
        "accuracy": share(right, np.ones_like(probabilities)),
        "recall": share(flagged * probabilities, probabilities),
        "precision": share(flagged * probabilities, flagged),
    }


def within_reach(
    targets: Mapping[str, Target], probabilities: Floats, threshold: float, gap: Figure
) -> dict[str, Target]:
    """The targets, with what calibrated probabilities would give for these predictions where a target is about flags.

    gap: the calibration gap of the same predictions.
    """
    reach = attainable(probabilities, threshold)
    off = gap.low is not None and gap.high is not None and max(gap.low, -gap.high) > CALIBRATED_WITHIN
    return {
        name: target._replace(attainable=reach.get(name), is_calibrated=not off) for name, target in targets.items()
    }
