"""Intervals of the calibration line's slope and intercept, over rows that belong to learners."""

from __future__ import annotations

import numpy as np

from ml.evaluation.bootstrap import Interval, Learners, studentised
from ml.evaluation.metrics import CalibrationLine, Floats, logistic, logit


def calibration_intervals(
    labels: Floats, probabilities: Floats, line: CalibrationLine, learners: Learners, level: float
) -> tuple[Interval | None, Interval | None]:
    """Bootstrap-t intervals of (slope, intercept).

    Each resample takes one Newton step from the line itself, and its standard errors are the sandwich estimator's.
    """
    if learners.units < 2:
        return None, None
    x = logit(probabilities)
    fitted = logistic(line.intercept + line.slope * x)
    residual, weight = labels - fitted, fitted * (1.0 - fitted)
    score = np.stack([learners.totals(residual), learners.totals(residual * x)], axis=1)
    parts = [learners.totals(weight), learners.totals(weight * x), learners.totals(weight * x * x)]
    hessian = np.stack([parts[0], parts[1], parts[1], parts[2]], axis=1).reshape(-1, 2, 2)
    everyone = np.ones((1, learners.units))
    _, error = _line_sample(score, hessian, everyone)
    shifts, errors = _line_sample(score, hessian, learners.draws)
    intercept, slope = (
        studentised(start, float(error[0, k]), start + shifts[:, k], errors[:, k], level, learners.units)
        for k, start in ((0, line.intercept), (1, line.slope))
    )
    return slope, intercept


def _line_sample(score: Floats, hessian: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """(intercept, slope) of each resample as a step from the line, and their sandwich errors; NaN where singular."""
    units = draws.shape[1]
    total = (draws @ hessian.reshape(units, 4)).reshape(-1, 2, 2)
    determinant = total[:, 0, 0] * total[:, 1, 1] - total[:, 0, 1] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.stack([total[:, 1, 1], -total[:, 0, 1], -total[:, 0, 1], total[:, 0, 0]], axis=1).reshape(-1, 2, 2)
        inverse = np.where(determinant[:, None, None] > 0, inverse / determinant[:, None, None], np.nan)
        step = np.einsum("bij,bj->bi", inverse, draws @ score)
        stepped = score[None] - np.einsum("uij,bj->bui", hessian, step)
        meat = np.einsum("bu,bui,buj->bij", draws, stepped, stepped, optimize=True) * (units / (units - 1.0))
        sandwich = inverse @ meat @ inverse
    return step, np.sqrt(np.maximum(np.stack([sandwich[:, 0, 0], sandwich[:, 1, 1]], axis=1), 0.0))
