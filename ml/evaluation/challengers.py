"""How long a challenger is compared with the champion, and what chance of a false promotion it may have.

In a year, challengers that are no better than the champion may be promoted with a probability of at most YEARLY_ERROR,
all of them together. Each challenger gets a share of it when its comparison begins, of what the challengers of the
year before have left; the share is counted until a year after the last look. Whatever year one takes, the shares of
all challengers that are looked at in it therefore add up to at most YEARLY_ERROR.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ml.evaluation.evidence import Evidence
from ml.evaluation.metrics import Floats, log_losses
from ml.study.history import DAY_MS

YEARLY_ERROR = 0.05
LARGEST_SHARE = 0.0125
"""A quarter, so that a year has room for several challengers, each of which is compared for months."""
SMALLEST = 1e-6
"""What counts as left of the year's chance where a copied or edited record has used up more than all of it."""
YEAR_MS = 365 * DAY_MS
UNPROMISING_MS = 12 * 7 * DAY_MS
"""From this age on, a challenger whose evidence speaks rather for the champion makes room for a newer one."""
LONGEST_MS = 24 * 7 * DAY_MS
"""No challenger is compared longer: by then, one that learned from half a year's newer visits is worth more."""


def error_share(spent: Iterable[tuple[int, float]], now_ms: int) -> float:
    """The share of YEARLY_ERROR for a challenger whose comparison begins now; above 0.

    spent: (the time of its last look, its share) of each earlier challenger.
    """
    recent = sum(share for last_ms, share in spent if last_ms > now_ms - YEAR_MS)
    return min(LARGEST_SHARE, max(YEARLY_ERROR - recent, SMALLEST) / 2.0)


LEAST_GAIN = 0.001
"""In log-loss per visit. A challenger that cannot gain as much is not worth the share of the year's error."""


def possible_gain(champion: Floats, challenger: Floats) -> float:
    """By how much the challenger's log-loss would be lower on these visits if its probabilities were exactly right.

    No outcome is looked at, so that nothing of the year's chance of error is used up.
    """
    right = np.asarray(challenger)

    def expected(said: Floats) -> Floats:
        return right * log_losses(np.ones_like(right), said) + (1.0 - right) * log_losses(np.zeros_like(right), said)

    return float((expected(np.asarray(champion)) - expected(right)).mean())


def given_up(age_ms: int, found: Evidence | None) -> str:
    """Why a challenger that is not promoted is no longer compared; empty where it goes on.

    age_ms: since its first look. found: its evidence now, None where too little is known.
    """
    if found is not None and found.worse:
        return "it is proven worse"
    if age_ms >= LONGEST_MS:
        return "it has been compared for 24 weeks"
    if age_ms >= UNPROMISING_MS and found is not None and found.e_value < 1.0:
        return "after 12 weeks the evidence speaks rather for the champion"
    return ""
