"""Where the training rows lay, and how much each feature moved them: what a page shows under a model's shapes.

The card keeps it, because a model file holds weights and no rows. It has shares of all rows in coarse bins: no id, no
row, and no two features of one row together.
"""

from __future__ import annotations

import numpy as np

from ml.evaluation.metrics import Floats
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import SavedModel
from ml.training.tables import Additive, seen_by

BINS = 20
"""Equal bins of a feature's range of 0..1; a value on an edge belongs to the bin above it, and 1 to the last."""


def training_rows(saved: SavedModel, x: Floats) -> dict[str, object]:
    """Plain builtins: the number of rows, and by feature the shares of the rows and the mean contribution.

    absent: the share of the rows without data. bins: the share in each bin; with `absent` they sum to 1 but for
    rounding. mean_contribution: the mean over the rows of the contribution's distance from 0, in logits, calibrated.
    """
    n = len(x)
    if not n:
        return {"n": 0, "features": {}}
    seen = seen_by(saved.scorecard, x)
    moved = np.abs(Additive.of(saved.scorecard).contributions(seen)).mean(axis=0)
    return {
        "n": n,
        "features": {
            name: {
                "absent": round(float(np.isnan(column).mean()), 4),
                "bins": [round(count / n, 4) for count in _counts(column)],
                "mean_contribution": round(float(moved[place]), 4),
            }
            for place, (name, column) in enumerate(zip(FEATURE_NAMES, seen.T))
        },
    }


def _counts(column: Floats) -> list[int]:
    known = column[~np.isnan(column)]
    places = np.clip(np.floor(known * BINS), 0, BINS - 1).astype(np.int64)
    found: list[int] = np.bincount(places, minlength=BINS).tolist()
    return found
