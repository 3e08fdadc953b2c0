"""Where the features lay in a period, beside where they lay in the visits that the model was trained on.

This is a picture and no test: other learners than those of the training are no fault. What has moved by more than
chance since the period before, drift says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml.evaluation.drift import CELLS
from ml.features.feature import Feature
from ml.features.vector import FEATURES
from scripts.cli.model_card import RowsOfFeature, TrainingRows
from scripts.monitoring.columns import Predictions
from scripts.monitoring.targets import MINIMUM_LEARNERS
from scripts.pages.marks import Mark, Picture, curve, label, line, picture, rectangle, scale
from scripts.pages.own_units import in_own_unit
from scripts.pages.templates import percent

BINS = 20


class Distribution(NamedTuple):
    """The shares of a period's predictions without data, and in each of equal bins of 0..1."""

    absent: float
    bins: Sequence[float]


class Beside(NamedTuple):
    """One feature in this period and in training.

    then: None where no card tells. apart: 0 where both are alike, 1 where they have nothing in common.
    """

    feature: Feature
    now: Distribution
    then: RowsOfFeature | None
    apart: float
    picture: Picture

    @property
    def told(self) -> str:
        """The two in words."""
        said = _middle(self.feature, self.now.bins)
        without = f"without data {percent(self.now.absent)}"
        if self.then is not None:
            said += f", in training {_middle(self.feature, self.then.bins)}"
            without += f", in training {percent(self.then.absent)}"
        return f"middle value {said}; {without}"


def distributions(period: Predictions, minimum: int) -> dict[str, Distribution]:
    """By feature, of those whose drift is measured. Empty where the period is too small to be shown.

    minimum: the fewest rows of which anything is shown.
    """
    counts = period.counts
    if counts.rows < minimum or len(np.unique(period.rows.learner)) < MINIMUM_LEARNERS:
        return {}
    cells = counts.sample().cells
    known = {feature.name for feature in FEATURES}
    found = {}
    for place, name in enumerate(counts.features):
        if name in known:
            column = np.bincount(cells[:, place], minlength=CELLS + 1) / counts.rows
            of_bin = np.arange(CELLS) * BINS // CELLS
            bins = np.bincount(of_bin, weights=column[:CELLS], minlength=BINS)
            found[name] = Distribution(float(column[CELLS]), bins.tolist())
    return found


def beside_training(now: Mapping[str, Distribution], training: TrainingRows | None) -> list[Beside]:
    """Every feature with its picture, those that are furthest from the training first."""
    found = []
    for feature in FEATURES:
        here = now.get(feature.name)
        then = None if training is None else training.features[feature.name]
        if then is not None and len(then.bins) != BINS:
            then = None
        if here is not None and (here.absent < 1.0 or (then is not None and then.absent < 1.0)):
            found.append(Beside(feature, here, then, _apart(here, then), _picture(feature, here, then)))
    return sorted(found, key=lambda each: -each.apart)


def _apart(now: Distribution, then: RowsOfFeature | None) -> float:
    if then is None:
        return 0.0
    return (abs(now.absent - then.absent) + sum(abs(a - b) for a, b in zip(now.bins, then.bins))) / 2


def _picture(feature: Feature, now: Distribution, then: RowsOfFeature | None) -> Picture:
    width, height, left, ground = 280, 112, 58, 92
    x = scale(0, 1, left, width - 8)
    most = max(now.absent, *now.bins, *((then.absent, *then.bins) if then is not None else ())) or 1.0
    y = scale(0, most, ground, 8)

    def marks() -> Iterator[Mark]:
        step = 1 / BINS
        for place, share in enumerate(() if then is None else then.bins):
            told = f"from {in_own_unit(feature, place * step)}: {percent(share, 1)} in training,"
            told += f" {percent(now.bins[place], 1)} now"
            yield rectangle("density", x(place * step) + 0.5, y(share), x(step) - x(0) - 1, ground - y(share), told)
        if then is not None:
            yield rectangle("density", 14, y(then.absent), 12, ground - y(then.absent), _absent(now, then))
        yield line("rule", 2, ground, width - 8, ground)
        yield line("line", 11, y(now.absent), 29, y(now.absent))
        outline = [(x(place * step + edge), y(share)) for place, share in enumerate(now.bins) for edge in (0.0, step)]
        yield curve("line", outline)
        yield label("tick", 2, height - 6, "no data")
        for value, kind in ((0.0, "tick"), (0.5, "tick middle"), (1.0, "tick end")):
            yield label(kind, x(value), height - 6, in_own_unit(feature, value))

    told = f"{feature.meaning}: the line is this period"
    return picture("distribution", width, height, told + (", the columns are the training" if then else ""), marks())


def _absent(now: Distribution, then: RowsOfFeature) -> str:
    return f"no data: {percent(then.absent, 1)} in training, {percent(now.absent, 1)} now"


def _middle(feature: Feature, bins: Sequence[float]) -> str:
    """The median, to the width of a bin."""
    total, passed = sum(bins), 0.0
    if not total:
        return "none"
    for place, share in enumerate(bins):
        passed += share
        if passed >= total / 2:
            return in_own_unit(feature, (place + 0.5) / len(bins))
    return "none"
