"""What to expect of a model on a platform: how it ranks, how it is calibrated, and whether its intervals are honest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ml.evaluation import metrics
from ml.evaluation.metrics import Floats

TENTHS = 10


class Expectation(NamedTuple):
    """Figures of one set of visits, or their means over several sets.

    Attributes:
        auc: Of the probabilities; NaN where all visits ended alike.
        log_loss: In nats.
        ece: The calibration error.
        width: The mean width of the intervals, from 0 to 1.
        covered: The share of tenths of the visits, in the order of their probabilities, in which the share of struggles
            lay within the mean interval.
    """

    auc: float
    log_loss: float
    ece: float
    width: float
    covered: float

    @classmethod
    def mean(cls, found: Sequence[Expectation]) -> Expectation:
        """The mean of each figure."""
        return cls(*np.mean(np.array(found), axis=0).tolist())


def expectation(y: Floats, p: Floats, low: Floats, high: Floats) -> Expectation:
    """Compares outcomes, 0 or 1, with probabilities and their intervals; needs at least ten visits."""
    tenths = np.array_split(np.argsort(p, kind="stable"), TENTHS)
    covered = [low[rows].mean() <= y[rows].mean() <= high[rows].mean() for rows in tenths]
    auc, ece = metrics.roc_auc(y, p), metrics.calibration_error(metrics.reliability(y, p))
    return Expectation(
        float("nan") if auc is None else auc,
        float(metrics.log_losses(y, p).mean()),
        float("nan") if ece is None else ece,
        float((high - low).mean()),
        float(np.mean(covered)),
    )
