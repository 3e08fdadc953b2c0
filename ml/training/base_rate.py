"""A new platform's base rate: how far it may lie from what a prior assumes, and what the first labels say of it.

Below a hundred labels nothing else is learned from them. The level is a Gaussian a priori, its spread measured on the
platforms that a prior left out; the labels of one learner resemble each other and count for less than as many of
different learners.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.training.calibration import LEAST_SLOPE, balancing_offset, likeliest_line

Floats = npt.NDArray[np.float64]

USUAL_KNOWN, USUAL_UNKNOWN = 0.3, 0.5
"""Standard deviations in logits, with the objectives' difficulties and without; what few platforms are drawn to."""
USUAL_COUNTS_AS = 2.0
"""Platforms."""
SLOPE_SPREAD = 0.2
"""Of the slope around 1: a difficulty table of few answers overstates the differences between objectives."""
ALIKE = 0.1
"""Labels of one learner count 1 / (1 + ALIKE (their number - 1)) each."""


def spread_of_levels(levels: Sequence[float], usual: float) -> float:
    """The spread of platforms' base rates around a prior's, from what each lacked when it was left out (logits)."""
    squares = USUAL_COUNTS_AS * usual**2 + sum(level**2 for level in levels)
    return float(np.sqrt(squares / (USUAL_COUNTS_AS + len(levels))))


def level_of(logits: Floats, y: Floats) -> float:
    """What must be added to the logits for their mean probability to be the share that struggled."""
    return balancing_offset(logits, y, np.ones(len(y))) if len(y) and 0 < y.sum() < len(y) else 0.0


class Line(NamedTuple):
    """logit -> slope * logit + level. spread: the standard deviation of the level, given the labels."""

    slope: float
    level: float
    spread: float


def first_line(logits: Floats, y: Floats, learners: npt.NDArray[np.int64], spread: float, weights: Floats) -> Line:
    """The most probable line given the labels with a weight above 0, and how sure its level is.

    learners: a number for each label's learner. spread: of the level a priori, above 0.
    """
    w = weights * discounts(learners, weights)
    design = np.column_stack([logits, np.ones(len(logits))])
    line, hessian = likeliest_line(design, y, w, np.array([SLOPE_SPREAD**-2, spread**-2]))
    left = float(np.sqrt(np.linalg.inv(hessian)[1, 1]))
    return Line(max(LEAST_SLOPE, float(line[0])), float(line[1]), min(spread, left))


def discounts(learners: npt.NDArray[np.int64], weights: Floats) -> Floats:
    """What each label counts, from 0 to 1, for the company of the same learner's other labels."""
    together = np.bincount(learners, weights=weights > 0)[learners]
    return np.asarray(1.0 / (1.0 + ALIKE * np.maximum(0.0, together - 1.0)))
