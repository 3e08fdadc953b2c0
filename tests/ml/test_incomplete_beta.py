"""The incomplete beta function against scipy's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import betainc

from ml.evaluation.expected_counts import incomplete_beta


@pytest.mark.parametrize("largest", [1, 3, 30, 1_000, 100_000, 1_000_000])
def test_it_is_scipys(largest: int) -> None:
    draw = np.random.default_rng(largest)
    for _ in range(20):
        b = float(draw.integers(1, largest + 1))
        a = np.maximum(draw.random(40) * largest, 1e-9)
        near = a / (a + b) + draw.normal(size=40) * largest**-0.5
        x = np.clip(np.where(np.arange(40) < 20, draw.random(40), near), 0.0, 1.0)
        x[0], x[1] = 0.0, 1.0
        assert np.abs(incomplete_beta(a, b, x) - betainc(a, b, x)).max() < 1e-8


def test_a_batch_does_without_scipy_which_takes_long_to_import() -> None:
    code = "import sys; import scripts.predict_batch; print('scipy' in sys.modules, 'numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True"]
