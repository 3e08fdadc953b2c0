"""What the card keeps of the training rows: shares in coarse bins, and how far each feature moved them."""

from __future__ import annotations

import numpy as np
import pytest

from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import SavedModel, Scorecard, Table
from ml.training.training_rows import BINS, training_rows

NAME = "retention_score"
COLUMN = FEATURE_NAMES.index(NAME)


def described(values: list[float], calibration: tuple[float, float] = (1.0, 0.0)) -> dict[str, object]:
    tables = [Table([], [0.0], [2.0], -1.0) if name == NAME else Table([], [0.0], [], 0.0) for name in FEATURE_NAMES]
    x = np.zeros((len(values), len(FEATURE_NAMES)))
    x[:, COLUMN] = values
    found = training_rows(SavedModel("m", Scorecard(0.0, tables, calibration), (), {}, 0.65), x)
    feature: dict[str, object] = found["features"][NAME]  # type: ignore[index]
    return feature


def test_every_row_is_in_a_bin_or_absent() -> None:
    found = described([0.0, 0.05, 0.999, 1.0, float("nan")])
    bins = found["bins"]
    assert isinstance(bins, list)
    assert (len(bins), bins[0], bins[1], bins[-1], found["absent"]) == (BINS, 0.2, 0.2, 0.4, 0.2)


@pytest.mark.parametrize("slope", [1.0, 0.5])
def test_the_mean_contribution_is_that_of_the_calibrated_table(slope: float) -> None:
    found = described([0.25, 0.75, float("nan")], (slope, 3.0))
    assert found["mean_contribution"] == pytest.approx(slope * (0.5 + 1.5 + 1.0) / 3)


def test_no_rows_are_no_shares() -> None:
    assert training_rows(SavedModel("m", Scorecard(0.0, []), (), {}, 0.65), np.empty((0, len(FEATURE_NAMES)))) == {
        "n": 0,
        "features": {},
    }
