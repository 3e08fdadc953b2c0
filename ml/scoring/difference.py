"""How far two predictions of one model lie apart, how certain that is, and what it comes from."""

from __future__ import annotations

from math import sqrt

from ml.scoring.scorecard import known_values
from ml.scoring.trained import INTERVAL_SPREADS, STATED_DOUBT
from ml.study.scales import probability_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Baseline:
    """A trained model's view of one vector, from which it looks at changed ones: what has not moved is not redone."""

    __slots__ = ("_parts", "_rows", "_scorecard", "_values")

    def __init__(self, saved: SavedModel, before: FeatureVector) -> None:
        scorecard = self._scorecard = saved.scorecard
        seen = scorecard.seen(before)
        self._values = known_values(seen)
        self._parts = scorecard.unbounded_parts(seen)
        self._rows: dict[int, Sequence[float]] = {}
        """The bagged models' deviations at the present values, by position."""

    def moved_to(self, after: FeatureVector) -> Moved:
        """The changed vector's probability, and how far it has moved."""
        scorecard, parts = self._scorecard, list(self._parts)
        slope, tables = scorecard.calibration[0], scorecard.tables
        moved = []
        for position, (x, y) in enumerate(zip(self._values, known_values(scorecard.seen(after)))):
            if x != y:
                parts[position] = slope * tables[position].at(y)
                moved.append((position, x, y))
        return Moved(self, parts, moved)

    def probability(self, parts: Sequence[float]) -> float:
        """The probability for these contributions, in the order of FEATURE_NAMES."""
        return probability_of(self._scorecard.score_of(parts).logit)

    def difference(self, parts: Sequence[float], moved: Sequence[tuple[int, float | None, float | None]]) -> Difference:
        """The difference to these contributions; moved: the positions that are not as before, with both values."""
        scorecard = self._scorecard
        slope, tables, spread = scorecard.calibration[0], scorecard.tables, scorecard.spread
        logit = learned = stated = squares = 0.0
        old: list[Sequence[float]] = []
        new: list[Sequence[float]] = []
        for position, x, y in moved:
            part = parts[position] - self._parts[position]
            logit += part
            if tables[position].stated:
                stated += abs(part)
                squares += part * part
            else:
                learned += abs(part)
            if position < len(spread):
                row = self._rows.get(position)
                if row is None:
                    row = self._rows[position] = spread[position].at(x)
                old.append(row)
                new.append(spread[position].at(y))
        bags = 0.0
        if old and scorecard.bag_intercepts:
            deviations = [b - a for a, b in zip(map(sum, zip(*old)), map(sum, zip(*new)))]
            bags = slope**2 * sum([total * total for total in deviations]) / len(deviations)
        return Difference(logit, INTERVAL_SPREADS * sqrt(bags + STATED_DOUBT**2 * squares), learned, stated)


class Moved:
    """A changed vector as a trained model sees it from a Baseline: its probability, and on demand the difference."""

    __slots__ = ("_baseline", "_moved", "_parts", "probability")

    def __init__(
        self,
        baseline: Baseline,
        parts: Sequence[float],
        moved: Sequence[tuple[int, float | None, float | None]],
    ) -> None:
        self._baseline = baseline
        self._parts = parts
        self._moved = moved
        self.probability = baseline.probability(parts)

    @property
    def difference(self) -> Difference:
        """How far the two predictions lie apart."""
        return self._baseline.difference(self._parts, self._moved)


class RulesBaseline:
    """The platform's rules in the same role."""

    __slots__ = ("_before",)

    def __init__(self, before: FeatureVector) -> None:
        self._before = before

    def moved_to(self, after: FeatureVector) -> MovedByRules:
        """The changed vector's probability, and how far it has moved."""
        return MovedByRules(self._before, after)


class MovedByRules:
    """A changed vector as the rules see it."""

    __slots__ = ("_after", "_before", "probability")

    def __init__(self, before: FeatureVector, after: FeatureVector) -> None:
        from ml.scoring import rules

        self._before, self._after = before, after
        self.probability = rules.probability(after)

    @property
    def difference(self) -> Difference:
        """How far the two predictions lie apart."""
        return difference_by_rules(self._before, self._after)


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
