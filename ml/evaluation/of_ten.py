"""What to expect of each risk level, as people count: of ten at that level, how many struggled, or did not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor

from ml.evaluation.figures import Evaluation, Figure, Ids
from ml.evaluation.metrics import Floats
from ml.evaluation.slices import slices
from ml.study.scales import PLATFORM, Levels

DIMENSION = "risk level"


def of_each_level(
    y: Sequence[float] | Floats, probabilities: Floats, learners: Ids, levels: Levels = PLATFORM
) -> list[str]:
    """One sentence for each level that has predictions. y: 1 for each struggle; the rest as in `evaluate`."""
    found = slices(y, probabilities, learners, {DIMENSION: [levels.of(each) for each in probabilities.tolist()]})
    return list(sentences((each.value, each.evaluation) for each in found))


def sentences(judged: Iterable[tuple[str, Evaluation]]) -> Iterable[str]:
    """One sentence for each of these levels, HIGH first. Levels without a figure or an interval are left out."""
    of_level = dict(judged)
    for level in ("HIGH", "MEDIUM", "LOW"):
        if level in of_level:
            rate = of_level[level].figures["struggle_rate"]
            if rate.value is not None and rate.low is not None and rate.high is not None:
                yield _sentence(level, rate, rate.value, rate.low, rate.high)


def _sentence(level: str, rate: Figure, value: float, low: float, high: float) -> str:
    did = "struggled"
    if level == "HIGH":  # those who were flagged and did not need it
        did, value, low, high = "did not struggle", 1.0 - value, 1.0 - high, 1.0 - low
    least, most = floor(10 * low + 1e-9), ceil(10 * high - 1e-9)
    return f"of 10 at {level} risk, about {10 * value:.0f} {did} (95 %: {least} to {most}; {rate.n:,} judged)"
