"""The scales of numbers: levels of mastery, complexity and risk, shares from 0 to 1, and logits."""

from __future__ import annotations

from math import exp, log

from ml.places import LEVELS_FILE

MASTERY = {"NOT_STARTED": 0.0, "BEGINNER": 0.25, "INTERMEDIATE": 0.5, "ADVANCED": 0.75, "MASTERED": 1.0}
COMPLEXITY = {"BASIC": 0.3, "INTERMEDIATE": 0.6, "ADVANCED": 0.9}
MASTERED_FROM = 0.7
"""Mastery below this counts as unmastered."""

SHORT_WAY = 1e-4
"""Logits; the mean slope at the two ends of a shorter way departs from the slope between them by less than 1e-10."""

DEFAULT = "default"
"""The origin of the levels where no file says otherwise: the platform."""
_INFINITY = float("inf")


class Levels:
    """The thresholds of one deployment.

    medium_from, high_from: probabilities from which a risk is MEDIUM and HIGH. operating_threshold: the probability
    from which a prediction counts as one of struggle, in monitoring, promotion and flags. capacity: how many
    predictions of a batch are flagged; None where all from the operating threshold are. origin: DEFAULT, or the name of
    the file that states them (ml/storage/levels_file.py).

    >>> PLATFORM.of(0.7), PLATFORM.of(0.6999), PLATFORM.of(0.1)
    ('HIGH', 'MEDIUM', 'LOW')
    """

    __slots__ = ("capacity", "high_from", "medium_from", "operating_threshold", "origin")

    def __init__(
        self,
        medium_from: float,
        high_from: float,
        operating_threshold: float,
        capacity: int | None = None,
        origin: str = LEVELS_FILE,
    ) -> None:
        self.medium_from = medium_from
        self.high_from = high_from
        self.operating_threshold = operating_threshold
        self.capacity = capacity
        self.origin = origin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Levels) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def _fields(self) -> tuple[object, ...]:
        return self.medium_from, self.high_from, self.operating_threshold, self.capacity, self.origin

    def of(self, probability: float) -> str:
        """LOW, MEDIUM or HIGH."""
        if probability >= self.high_from:
            return "HIGH"
        return "MEDIUM" if probability >= self.medium_from else "LOW"

    def at(self, operating_threshold: float) -> Levels:
        """The same levels with another operating threshold."""
        return Levels(self.medium_from, self.high_from, operating_threshold, self.capacity, self.origin)

    def to_dict(self) -> dict[str, object]:
        """The JSON form that answers have."""
        return {
            "medium_from": self.medium_from,
            "high_from": self.high_from,
            "operating_threshold": self.operating_threshold,
            "from": self.origin,
        }


PLATFORM = Levels(0.4, 0.7, 0.5, None, DEFAULT)
"""The platform's own levels, which hold where no file says otherwise."""


def mean(scores: list[float]) -> float | None:
    """The mean, or None where there are no values."""
    return sum(scores) / len(scores) if scores else None


def bounded(score: object) -> float | None:
    """A stored score cut to 0..1; None where it is not a finite number."""
    if isinstance(score, bool) or not isinstance(score, (int, float)) or score != score or abs(score) == _INFINITY:
        return None
    return float(min(1, max(0, score)))


def logit(probability: float) -> float:
    """log(p / (1 - p)) for 0 < p < 1: the inverse of `logistic`."""
    return log(probability / (1.0 - probability))


def logistic(x: float) -> float:
    """1 / (1 + e^-x), from 0 to 1; it is 0 where the exponential would overflow.

    Equal to scipy.special.expit, which training uses, to the last bit above -700.

    >>> logistic(0.0), logistic(logit(0.8))
    (0.5, 0.8)
    """
    return 1.0 / (1.0 + exp(-x)) if x > -700.0 else 0.0


def risen_per_logit(start: float, end: float, logits: float) -> float:
    """How much the probability rises for each logit on the straight way from `start` to `end`.

    A feature's share of the difference is its part of `logits` times this; the shares sum to the difference.

    Args:
        start, end: Probabilities.
        logits: The difference of their logits.

    >>> round(risen_per_logit(0.5, logistic(2.0), 2.0), 6)
    0.190399
    """
    if abs(logits) > SHORT_WAY:
        return (end - start) / logits
    return (start * (1.0 - start) + end * (1.0 - end)) / 2  # the slope: a quotient of two roundings would be noise


def probability_of(logit: float) -> float:
    """The probability for a trained model's logit: `logistic` in a form whose last digits differ for small values.

    Stored answers are compared with later ones to the last digit, so this form must not be changed.
    """
    if logit >= 0:
        return 1.0 / (1.0 + exp(-logit))
    odds = exp(logit)
    return odds / (1.0 + odds)
