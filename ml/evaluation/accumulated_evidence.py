"""Evidence that accumulates over looks, with a bound on false alarms however often one looks.

Each look at new visits gives an e-value: a number that is at most 1 on average while nothing is wrong. The evidence
that a change began at some earlier look is the product of the e-values since then, and a detector adds these products
up over all possible beginnings, each weighted by the weeks since the look before (the e-detector of Shin, Ramdas and
Rinaldo 2023, in the form of Shiryaev and Roberts). While nothing is wrong, the mean of the sum is at most the number of
weeks that have passed. A detector that raises an alarm where the sum reaches C weeks, and then starts again, therefore
raises at most one false alarm in C weeks on average, whether one looks daily or monthly. Unlike evidence that is
collected from a fixed beginning, it finds a change as soon after ten quiet years as after ten quiet weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from ml.evaluation.evidence import as_normal

STEEPEST = 3.0
"""No look is bet on as if its figure were further than this many standard errors from what is allowed: beyond, a normal
distribution says too little about the tails of a figure."""

_FARTHEST = 37.0
"""Standard errors. Beyond, the tail of a normal distribution is less than the smallest float."""

NOTHING = -inf
"""The logarithm of no evidence."""


class Deviation(NamedTuple):
    """How far a look's figure lies beyond what is allowed.

    Attributes:
        beyond: In the figure's unit; negative where the figure is within what is allowed.
        error: Its standard error, which allows for the resemblance of a learner's visits.
        degrees: The degrees of freedom of the error, about the number of learners less one.
    """

    beyond: float
    error: float
    degrees: float


def log_e_value(deviation: Deviation, size: float) -> float:
    """The logarithm of a look's e-value against a deviation of this size, in the figure's unit.

    >>> round(log_e_value(Deviation(0.5, 0.25, 1000.0), 0.5), 3)
    1.995
    """
    if not deviation.error > 0.0:
        return 0.0
    bet = min(size / deviation.error, STEEPEST)
    z = as_normal(deviation.beyond / deviation.error, deviation.degrees)
    return bet * max(-_FARTHEST, min(_FARTHEST, z)) - bet * bet / 2.0


def advanced(evidence: Sequence[float], deviation: Deviation, sizes: Sequence[float], weeks: float) -> list[float]:
    """The logarithms of the evidence after a look, one for each size that a deviation may have.

    Args:
        evidence: The logarithms before the look; NOTHING for each size at the start.
        deviation: What the look found.
        sizes: The sizes, in the figure's unit.
        weeks: The time since the look before.
    """
    return [
        float(np.logaddexp(before, log(weeks))) + log_e_value(deviation, size)
        for before, size in zip(evidence, sizes, strict=True)
    ]


def weeks_of(evidence: Sequence[float]) -> float:
    """The evidence as the mean time in weeks between false alarms of a detector that would raise one here."""
    return exp(min(700.0, float(logsumexp(evidence)) - log(len(evidence)))) if len(evidence) else 0.0
