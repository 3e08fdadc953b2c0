"""Tables stated from the platform's rules, for features that cannot be learned from any answer log.

Public logs contain no exam dates, stated prerequisites, content formats or workloads. Each polygon below expresses in
logits what the platform's rule model says in levels: its corners are the rules' thresholds (half of the prerequisites
unmastered: HIGH; a fifth: MEDIUM; and so on), and it is 0 at the value of an ordinary learner, so that adding it does
not change the calibration measured on the logs. Without data a stated table contributes nothing. A deployment's own
labels correct it like any other prior.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.features.vector import FEATURE_NAMES
from ml.training.tables import Additive, of_line

POLYGONS: dict[str, tuple[tuple[float, float], ...]] = {
    "validation_score": ((0.0, 0.9), (0.6, 0.15), (0.75, 0.0), (1.0, -0.5)),
    "objective_validation_failure_rate": ((0.0, -1.0), (0.35, 0.0), (1.0, 1.2)),
    "prerequisite_gap_count": ((0.0, -0.2), (0.1, 0.0), (0.2, 0.3), (0.5, 1.3), (1.0, 1.9)),
    "prerequisite_mastery_gap": ((0.0, -0.15), (0.3, 0.0), (1.0, 0.6)),
    "content_complexity": ((0.3, -0.3), (0.6, 0.0), (0.9, 0.3)),
    "complexity_mismatch": ((0.0, -0.1), (0.2, 0.0), (0.6, 0.8), (1.0, 1.2)),
    "historical_struggle_score": ((0.0, -0.3), (0.25, 0.0), (0.7, 0.8), (1.0, 1.2)),
    "content_type_mismatch": ((0.0, -0.05), (0.25, 0.0), (0.5, 0.15), (1.0, 0.5)),
    "cognitive_load_indicator": ((0.0, -0.1), (0.4, 0.0), (0.7, 0.25), (1.0, 0.6)),
    "days_until_exam": ((0.0, -0.05), (0.4, 0.0), (1.0, 0.3)),
    "workload_level": ((0.0, -0.05), (0.3, 0.0), (1.0, 0.3)),
}
"""(feature value, logit) points."""

INFORMED_SHARE = 0.005
"""Training rows that must know a feature for its table to be learned rather than stated."""


def stated_tables(x: npt.NDArray[np.float64]) -> Additive:
    """The polygons of the features that cannot be learned from the rows of x; nothing for all others."""
    pieces = list(Additive.nothing(len(FEATURE_NAMES)).pieces)
    for column in np.flatnonzero(~informed(x)):
        if (polygon := POLYGONS.get(FEATURE_NAMES[column])) is not None:
            xs, ys = np.array(polygon).T
            pieces[column] = of_line(xs, ys, missing=0.0, stated=True)
    return Additive(0.0, tuple(pieces))


def informed(x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """For each feature, whether enough rows have a value of it and the values differ."""
    known = ~np.isnan(x)
    low = np.where(known, x, np.inf).min(axis=0)
    high = np.where(known, x, -np.inf).max(axis=0)
    return np.asarray((known.mean(axis=0) >= INFORMED_SHARE) & (high > low))
