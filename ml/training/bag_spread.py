"""How far bagged models depart from the main one, as small step tables.

Confidence and interval are computed from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.evaluation.metrics import Floats
from ml.scoring.scorecard import Deviations, Scorecard
from ml.training.tables import Additive

SEGMENTS = 6
"""The most steps per feature; the spread needs no finer grid."""


def spread_of(
    deviations: Sequence[Additive], x: Floats, prior: Scorecard | None = None
) -> tuple[list[Deviations], list[float]]:
    """(One Deviations per feature, one intercept per bag) of additive departures, averaged over the rows in each step.

    prior: a scorecard to whose own bags these departures are added, bag by bag; its calibration is included.
    """
    bags = len(deviations)
    parts, intercepts = [], np.array([departure.intercept for departure in deviations])
    slope = 1.0 if prior is None else prior.calibration[0]
    if prior is not None and len(prior.bag_intercepts) == bags:
        intercepts = intercepts + slope * np.array(prior.bag_intercepts)
    for feature in range(x.shape[1]):
        column = x[:, feature]
        known = column[~np.isnan(column)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, SEGMENTS + 1)[1:-1])) if len(known) else np.empty(0)
        places = _places(edges, known)
        before = _before(prior, feature, bags)
        rows = []
        for place in [*places, None]:
            added = [float(departure.pieces[feature].at(_one(place))[0]) for departure in deviations]
            rows.append(slope * np.array(before.at(place)) + added if before is not None else np.array(added))
        flat = np.concatenate(rows)
        if not flat.any():
            edges, flat = np.empty(0), np.zeros(2 * bags)
        parts.append(Deviations(edges.tolist(), flat.tolist(), bags))
    return parts, intercepts.tolist()


def _places(edges: Floats, known: Floats) -> list[float]:
    """The mean of the known values in each step, or the step's end where it holds none."""
    segment = np.searchsorted(edges, known, side="left")
    ends = np.append(edges, 1.0)
    return [float(known[segment == i].mean()) if (segment == i).any() else float(ends[i]) for i in range(len(ends))]


def _before(prior: Scorecard | None, feature: int, bags: int) -> Deviations | None:
    return prior.spread[feature] if prior is not None and prior.spread and prior.spread[0].bags == bags else None


def _one(place: float | None) -> Floats:
    return np.array([np.nan if place is None else place])
