"""Many tests at once: which of them stand out, so that few of those that do are due to chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.evaluation.metrics import Floats


def adjusted(p_values: Sequence[float] | Floats) -> Floats:
    """Benjamini and Hochberg's adjusted p-values (1995), in the order of the p-values.

    Where those of at most q are taken as discoveries, the expected share of false ones among them is at most q, for
    tests that are independent or depend on each other positively. Where nothing is there to be found, the chance of any
    discovery at all is at most q.

    >>> adjusted([0.01, 0.02, 0.5]).round(3).tolist()
    [0.03, 0.03, 0.5]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found
