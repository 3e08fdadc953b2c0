"""Calibration of held-out logits by a line, and the threshold that reaches the platform's recall."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.evaluation.metrics import Floats, logistic

SLOPE_EVIDENCE = 10.0
OFFSET_EVIDENCE = 5.0
"""How firmly the prior (slope 1, offset 0: held-out logits need no correction) is held, as inverse variances."""
LEAST_SLOPE = 0.2
TARGET_RECALL = 0.7


def calibration(
    logits: Floats, y: Floats, weights: Floats | None = None, levels: npt.NDArray[np.int64] | None = None
) -> tuple[float, float]:
    """(slope, offset) of the line that fits the outcomes best; the slope is at least 0.2, so that no order is reversed.

    levels: the number of each row's level, from 0. Each level gets an offset of its own, and the mean of them is
    returned, because a platform whose base rate differs from the others' says nothing about the slope.
    """
    w = np.ones(len(y)) if weights is None else weights
    level = np.zeros(len(y), np.int64) if levels is None else levels
    design = np.column_stack([logits, level[:, None] == np.arange(level.max(initial=0) + 1)]).astype(float)
    evidence = np.append(SLOPE_EVIDENCE, np.full(design.shape[1] - 1, OFFSET_EVIDENCE))
    line, _ = likeliest_line(design, y, w, evidence)
    return max(LEAST_SLOPE, float(line[0])), float(line[1:].mean())


def likeliest_line(design: Floats, y: Floats, weights: Floats, evidence: Floats) -> tuple[Floats, Floats]:
    """The coefficients under which the outcomes are likeliest, and the curvature there.

    design: one row per outcome; its first column is the logit. evidence: how firmly each coefficient is held, the first
    at 1 and the others at 0.
    """
    rest = np.eye(1, design.shape[1])[0]
    line = rest
    for _ in range(50):
        p = logistic(design @ line)
        gradient = design.T @ (weights * (p - y)) + evidence * (line - rest)
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + np.diag(evidence)
        step = np.linalg.solve(hessian, gradient)
        line = line - np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            break
    return line, hessian


def balancing_offset(logits: Floats, y: Floats, weights: Floats) -> float:
    """The offset at which the mean probability equals the share that struggled, both weighted."""
    offset, rate = 0.0, float(np.average(y, weights=weights))
    for _ in range(100):
        p = logistic(logits + offset)
        step = (rate - float(np.average(p, weights=weights))) / float(np.average(p * (1 - p), weights=weights))
        offset += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-10:
            break
    return offset


def threshold_for_recall(probabilities: Floats, y: Floats, recall: float = TARGET_RECALL) -> float:
    """The highest probability threshold, in hundredths, that finds at least this share of those who struggled."""
    struggled = np.sort(probabilities[y > 0])
    if not len(struggled):
        return 0.5
    highest = float(struggled[int(np.floor((1.0 - recall) * len(struggled)))])
    return max(0.01, float(np.floor(100 * highest)) / 100)
