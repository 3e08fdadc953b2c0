"""What a prior believes before any label: that the expectations among the features are right, up to a slope.

Three features are expectations already: of a struggle, of wrong answers, and of wrong answers at the start of the
visit. Their weighted logits, fitted to nothing, rank nearly as well on a platform never seen as any fit does, so a fit
is shrunk towards them and not towards nothing. The next cards' difficulty is such a logit too. The weights were chosen
on platforms left out, by log-loss.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.evaluation.metrics import logit
from ml.features.vector import FEATURE_NAMES
from ml.training.tables import Additive, of_line

WEIGHTS = {
    "expected_struggle": 0.6,
    "objective_ability_gap": 0.4,
    "expected_error": 0.2,
    "first_card_difficulty": 1.1,
}
"""How much of each feature's logit the prior mean holds."""
NEUTRAL = {"first_card_difficulty"}
"""Without data such a feature says nothing; the others then say what they say of the average row."""
_CORNERS = np.array(
    [0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99]
)
"""Of the polygon that stands for a logit; below the first and above the last it is level."""


def composite(x: npt.NDArray[np.float64]) -> Additive:
    """The prior mean as an additive model. x: rows of features, whose average stands in where there is no data."""
    pieces = list(Additive.nothing(len(FEATURE_NAMES)).pieces)
    heights = logit(_CORNERS)
    for name, weight in WEIGHTS.items():
        column = x[:, FEATURE_NAMES.index(name)]
        known = column[~np.isnan(column)]
        if not len(known):
            continue
        piece = of_line(_CORNERS, weight * heights, missing=0.0)
        missing = 0.0 if name in NEUTRAL else float(piece.at(known).mean())
        pieces[FEATURE_NAMES.index(name)] = piece._replace(missing=missing)
    return Additive(0.0, tuple(pieces))
