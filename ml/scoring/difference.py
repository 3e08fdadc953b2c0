"""How far two predictions of one model lie apart, how certain that is, and what it comes from."""

from __future__ import annotations

from math import sqrt

from ml.scoring.scorecard import known_values
from ml.scoring.trained import INTERVAL_SPREADS, STATED_DOUBT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml.features.vector import FeatureVector
    from ml.scoring.scorecard import SavedModel

BESIDE_THE_POINT = 0.05
"""A basis that makes up less of the difference than this is not named."""


class Difference:
    """From one vector to another: logit is the difference of their logits, noise the half-width of its interval.

    The noise is the part of the interval that the two predictions do not share: the spread of the differences that the
    bagged models give, and the doubt about stated contributions in so far as these have changed. The platform's base
    rate, however uncertain, is the same for both. learned, stated: the absolute contributions that have moved, in
    logits, by where they come from.
    """

    __slots__ = ("learned", "logit", "noise", "stated")

    def __init__(self, logit: float, noise: float, learned: float, stated: float) -> None:
        self.logit = logit
        self.noise = noise
        self.learned = learned
        self.stated = stated

    @property
    def basis(self) -> str:
        """ "learned" from outcomes, "stated" without having been measured, or "mixed"."""
        least = BESIDE_THE_POINT * (self.learned + self.stated)
        return "learned" if self.stated <= least else "stated" if self.learned <= least else "mixed"


def difference_of(saved: SavedModel, before: FeatureVector, after: FeatureVector) -> Difference:
    """The difference between a trained model's predictions for the two vectors."""
    scorecard = saved.scorecard
    slope = scorecard.calibration[0]
    deviations = [0.0] * len(scorecard.bag_intercepts)
    logit = learned = stated = squares = 0.0
    values = zip(known_values(scorecard.seen(before)), known_values(scorecard.seen(after)))
    for position, (x, y) in enumerate(values):
        if x == y:
            continue
        table = scorecard.tables[position]
        moved = slope * (table.at(y) - table.at(x))
        logit += moved
        if table.stated:
            stated += abs(moved)
            squares += moved * moved
        else:
            learned += abs(moved)
        if position < len(scorecard.spread):
            spread = scorecard.spread[position]
            deviations = [total + b - a for total, a, b in zip(deviations, spread.at(x), spread.at(y))]
    bags = slope**2 * sum(total * total for total in deviations) / len(deviations) if deviations else 0.0
    return Difference(logit, INTERVAL_SPREADS * sqrt(bags + STATED_DOUBT**2 * squares), learned, stated)


def difference_by_rules(before: FeatureVector, after: FeatureVector) -> Difference:
    """The same for the platform's rules, of which everything is stated.

    The rules divide the rise to a level among what triggered it: where one trigger goes, the others take over its part,
    so that the contributions say less about the doubt than their sum does.
    """
    from ml.scoring import rules

    old, new = rules.contributions_of(before), rules.contributions_of(after)
    moved = [new[name] - old[name] for name in new]
    logit = sum(moved)
    return Difference(logit, INTERVAL_SPREADS * STATED_DOUBT * abs(logit), 0.0, sum(map(abs, moved)))
