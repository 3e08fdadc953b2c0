"""How many of a group will struggle, by their own probabilities: the expected number and its 95 % interval.

Two things make the number uncertain. Each learner struggles or does not, with the stated probability: the
Poisson-binomial distribution. And the model may be off, for all of them together: each probability's own interval says
how far its logit may lie from the stated one, and here all logits are moved by the same normal deviate times that
distance, which is the widest that the intervals allow.

For each of a row of deviates only the mean and the variance of the number are kept, so that groups of any size add up
part by part. The distribution at one deviate is the binomial one with that mean and that variance, whose number of
trials need not be whole. It is exact for equal probabilities, and close to the exact one for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lgamma
from typing import NamedTuple

import numpy as np

from ml.evaluation.metrics import Floats, logit

LEVEL = 0.95
_Z = 1.96
"""Half the width of a probability's interval in standard deviations (ml/scoring/trained.py)."""
_DEVIATES = np.linspace(-4.0, 4.0, 33)
_WEIGHTS = np.exp(-0.5 * _DEVIATES * _DEVIATES)
_WEIGHTS /= _WEIGHTS.sum()
_POISSON_BELOW = 1e-6
"""Where the matching binomial's chance of success is smaller, it is taken as the Poisson distribution."""

_TINY = 1e-300
_CLOSE = 1e-14
_MOST_STEPS = 100_000


class Expected(NamedTuple):
    """How many of n are expected to struggle, with the bounds of the 95 % interval of that number."""

    n: int
    struggles: float
    low: int
    high: int

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return dict(self._asdict())

    @property
    def others(self) -> Expected:
        """The same of those who will not struggle."""
        return Expected(self.n, self.n - self.struggles, self.n - self.high, self.n - self.low)


class CountSums:
    """What is kept of a group: its size, and the number's mean and variance at each deviate."""

    __slots__ = ("means", "n", "variances")

    def __init__(self, n: int = 0, means: Floats | None = None, variances: Floats | None = None) -> None:
        self.n = n
        self.means = np.zeros(len(_DEVIATES)) if means is None else means
        self.variances = np.zeros(len(_DEVIATES)) if variances is None else variances

    @classmethod
    def of(cls, probabilities: Floats, low: Floats, high: Floats) -> CountSums:
        """Of predictions, each with its probability and the bounds of its interval."""
        spread = (logit(high) - logit(low)) / (2.0 * _Z)
        logits = logit(probabilities) + _DEVIATES[:, None] * spread
        moved = 1.0 / (1.0 + np.exp(-logits))  # metrics.logistic imports scipy, which would slow every batch's start
        return cls(len(probabilities), moved.sum(axis=1), (moved * (1.0 - moved)).sum(axis=1))

    def add(self, other: CountSums) -> None:
        """Adds another group."""
        self.n += other.n
        self.means = self.means + other.means
        self.variances = self.variances + other.variances

    def to_list(self) -> list[float]:
        """Plain builtins, from which `from_list` makes the same again."""
        return [float(self.n), *self.means.tolist(), *self.variances.tolist()]

    @classmethod
    def from_list(cls, told: Sequence[float]) -> CountSums:
        """The inverse of to_list. Raises ValueError where the list is not of that length."""
        if len(told) != 1 + 2 * len(_DEVIATES):
            raise ValueError("the sums of a group are of another length")
        return cls(int(told[0]), np.array(told[1 : 1 + len(_DEVIATES)]), np.array(told[1 + len(_DEVIATES) :]))

    def expected(self, level: float = LEVEL) -> Expected:
        """The expected number of struggles with its interval."""
        stated = float(self.means[len(_DEVIATES) // 2])
        tail = 0.5 * (1.0 - level)
        return Expected(self.n, stated, self._least(tail), self._least(1.0 - tail))

    def _least(self, share: float) -> int:
        """The least number that is not exceeded with at least this chance."""
        low, high = 0, self.n
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.at_most(middle) >= share else (middle + 1, high)
        return low

    def at_most(self, count: int) -> float:
        """The chance of at most this many struggles."""
        means, variances = np.maximum(self.means, 1e-300), np.maximum(self.variances, 0.0)
        success = np.clip(1.0 - variances / means, 0.0, 1.0)
        rare = success < _POISSON_BELOW
        trials = means / np.where(rare, 1.0, success)
        left = np.maximum(trials - count, 1e-9)
        chances = np.where(trials <= count, 1.0, incomplete_beta(left, count + 1.0, 1.0 - success))
        if rare.any():
            from scipy.special import gammaincc  # few groups need it

            chances = np.where(rare, gammaincc(count + 1.0, means), chances)
        return float(_WEIGHTS @ chances)


def incomplete_beta(a: Floats, b: float, x: Floats) -> Floats:
    """I_x(a, b) of every a with its x, for a and b above 0 and x from 0 to 1; within 1e-8 of scipy.special.betainc.

    scipy.special takes 0.15 s to import, which is a third of a small batch.
    """
    turned = x > (a + 1.0) / (a + b + 2.0)  # the continued fraction converges fast on this side
    p, q = np.where(turned, b, a), np.where(turned, a, b)
    y, rest = np.where(turned, 1.0 - x, x), np.where(turned, x, 1.0 - x)
    gammas = np.array([lgamma(each + b) - lgamma(each) for each in a.tolist()]) - lgamma(b)
    front = np.exp(gammas + p * np.log(np.maximum(y, _TINY)) + q * np.log(np.maximum(rest, _TINY))) / p
    found = np.where(y > 0.0, front * _fraction(p, q, y), 0.0)
    return np.asarray(np.where(turned, 1.0 - found, found))


def _fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """The continued fraction of the function, by the modified method of Lentz."""
    c = np.ones_like(x)
    d = 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    product = d
    for m in range(1, _MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d, c = 1.0 / _not_zero(1.0 + even * d), _not_zero(1.0 + even / c)
        product = product * d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d, c = 1.0 / _not_zero(1.0 + odd * d), _not_zero(1.0 + odd / c)
        step = d * c
        product = product * step
        if np.abs(step - 1.0).max() < _CLOSE:
            break
    return product


def _not_zero(values: Floats) -> Floats:
    return np.where(np.abs(values) < _TINY, _TINY, values)
