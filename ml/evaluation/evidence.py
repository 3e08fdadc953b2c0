"""Evidence that a challenger is better than the champion, which may be looked at every week without being used up.

A challenger that is compared again whenever new visits come would sooner or later look better by chance, if each look
were a test of its own. Here all visits so far are one sum, and one bound holds for every look at once.

Let d be the challenger's log-loss minus the champion's on a visit that neither was trained on, S the sum of -d, and V
its variance, measured over learners: each learner's visits of all weeks together are one observation, so that a
learner who comes again every week does not count as many. For any rate a,

    exp(a S - a^2 V / 2)

is a test martingale when the challenger is as good as the champion, and shrinks on average when it is worse. The
e-value is a weighted mean of it over RATES. By Ville's inequality it ever reaches 1 / error with a probability of at
most `error`, however many looks there are and whenever one stops (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon
2021; with an estimated variance, asymptotically: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024).

What is assumed: learners are independent of each other, and one learner's differences in different weeks are not
negatively correlated. Then S moves less between two looks than a Brownian motion on the clock V does, and by Slepian's
lemma crosses the bound less often. Few learners make the measured variance uncertain; therefore the quotient S /
sqrt(V) is taken as Student's, with as many degrees of freedom as there are effective learners, less one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log, sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri_exp, stdtr, stdtrit

from ml.evaluation import metrics
from ml.evaluation.bootstrap import numbered
from ml.evaluation.figures import Ids, forecast
from ml.evaluation.metrics import Floats

RATES = (1.0, 0.5, 0.25, 0.125, 0.06, 0.03, 0.015, 0.008)
WEIGHTS = (0.01, 0.40, 0.35, 0.10, 0.05, 0.04, 0.03, 0.02)
"""The weighted mean's rates, per unit of log-loss. The best rate for one visit is the gain divided by the variance of
the difference. A model that knows more than its rival, or corrects its calibration, gains half that variance, which
makes the rate 0.5, divided by the design effect of the learners. Smaller rates are for rivals that err independently
of each other and for learners with many visits."""

_TINY = 1e-12
_FEWEST_LEARNERS = 2


class Evidence(NamedTuple):
    """What all looks until now say.

    value: the challenger's mean log-loss minus the champion's; below 0 is better.
    e_value: how much more probable the visits are if the challenger is better; 1 before anything is known, and at most
    inf.
    error: the chance that is allowed of an e_value of 1 / error or more, at any look, if the challenger is no better.
    upper: with confidence 1 - error at all looks at once, the true difference is below this; None where nothing can be
    said.
    lower: the same from below: above 0, the challenger is proven worse.
    n, learners: the visits and their learners.
    """

    value: float | None
    e_value: float
    error: float
    upper: float | None
    lower: float | None
    n: int
    learners: int

    @property
    def better(self) -> bool:
        """Whether the challenger is proven better."""
        return self.e_value >= 1.0 / self.error

    @property
    def worse(self) -> bool:
        """Whether the challenger is proven worse."""
        return self.lower is not None and self.lower > 0.0

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON, in which no number is infinite."""
        return {**self._asdict(), "e_value": min(self.e_value, MOST)}


MOST = 1e300
"""An e-value beyond this is shown as this."""


def evidence(
    labels: Sequence[float] | Floats,
    champion: Sequence[float] | Floats,
    challenger: Sequence[float] | Floats,
    learners: Ids,
    error: float = 0.05,
) -> Evidence:
    """The evidence of all visits since the contest began, each of them once.

    Args:
        labels: of each visit, 0 or 1.
        champion, challenger: the models' probabilities, in 0..1.
        learners: of each visit; numbers or names.
        error: the chance that is allowed of calling a challenger better that is not, over all looks; above 0, below 1.

    Raises ValueError where lengths differ or values are out of range.
    """
    if not 0.0 < error < 1.0:
        raise ValueError("error must lie between 0 and 1")
    y, before = forecast(labels, champion)
    _, after = forecast(labels, challenger)
    who = np.asarray(learners)
    if len(who) != len(y):
        raise ValueError("labels and learners must have the same length")
    return of_differences(metrics.log_losses(y, after) - metrics.log_losses(y, before), who, error)


def of_differences(change: Floats, learners: npt.NDArray[Any], error: float) -> Evidence:
    """The evidence of the visits' differences, each the challenger's loss minus the champion's."""
    n = len(change)
    if not n:
        return Evidence(None, 1.0, error, None, None, 0, 0)
    code = numbered(learners)
    visits = np.bincount(code).astype(np.float64)
    sums = np.bincount(code, weights=change)
    count, mean = len(visits), float(change.mean())
    residuals = sums - mean * visits
    if count < _FEWEST_LEARNERS:
        return Evidence(mean, 1.0, error, None, None, n, count)
    variance = count / (count - 1.0) * float((residuals * residuals).sum())
    effective = n * n / float((visits * visits).sum())
    spread = sqrt(variance)
    if spread <= _TINY * n:  # the models say the same, or always differ by the same amount, which proves nothing
        return Evidence(mean, 1.0, error, None, None, n, count)
    z = as_normal(-mean * n / spread, effective - 1.0)
    reach = _reach(variance, log(1.0 / error))
    bound = as_student(reach / spread, effective - 1.0) * spread / n
    return Evidence(mean, _exp(log_e_value(z * spread, variance)), error, mean + bound, mean - bound, n, count)


def log_e_value(gain: float, variance: float) -> float:
    """The logarithm of the e-value of a sum of gains that has this variance."""
    terms = [log(w) + a * gain - a * a * variance / 2.0 for a, w in zip(RATES, WEIGHTS, strict=True)]
    most = max(terms)
    return most + log(sum(exp(term - most) for term in terms))


def as_normal(quotient: float, degrees: float) -> float:
    """The normal quantile that is as extreme as this quotient is by Student's distribution."""
    # both tails by the lower one, where small probabilities keep their digits
    below = stdtr(max(degrees, 1.0), -abs(quotient))
    z = -float(ndtri_exp(log(below))) if below > 0.0 else abs(quotient)
    return z if quotient > 0.0 else -z


def as_student(z: float, degrees: float) -> float:
    """The inverse of as_normal, for z of at least 0: the quotient that is as extreme as z."""
    tail = float(ndtr(-z))
    return -float(stdtrit(max(degrees, 1.0), tail)) if tail > 0.0 else inf


def _reach(variance: float, log_bound: float) -> float:
    """The sum of gains at which the e-value reaches the bound: the e-value grows with the sum."""
    low, high = 0.0, 1.0
    while log_e_value(high, variance) < log_bound:
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (low, middle) if log_e_value(middle, variance) >= log_bound else (middle, high)
    return high


def _exp(exponent: float) -> float:
    return exp(exponent) if exponent < 700.0 else inf
