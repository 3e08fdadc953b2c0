"""What weekly retraining promotes in a year, in simulation: `python -m scripts.benchmark promotion-year --runs 1000`.

Every week brings 500 judged visits, and every challenger is looked at every week, by the functions that decide in
retraining: the evidence of all visits so far, each challenger's share of the year's chance of error, and the rule by
which it is given up for the next. Only the proof in log-loss is simulated, since every other check can only hold a
challenger back (`benchmark promotion` has them all). Challengers are models that err in their logits as the champion
does, or more; the power is that of the first challenger of a year, and of one that comes after a year of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import click

from scripts.benchmarks.promotion import GAIN, NONE, SOME, STRONG, Clustering, error_of, rivals_of
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import Run, this_run
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    import numpy as np
    from tqdm import tqdm

    from ml.evaluation.challengers import LONGEST_MS, YEAR_MS, error_share, given_up
    from ml.evaluation.evidence import of_differences
    from ml.evaluation.metrics import Floats, Integers, log_losses
    from ml.study.history import DAY_MS

    WEEK_MS = 7 * DAY_MS
    LONGEST = LONGEST_MS // WEEK_MS

VISITS = 500
"""Judged visits per week."""
WEEKS = 52
POWER_WEEKS = 8
MOST_PROMOTED, LEAST_FOUND, LEAST_FOUND_CLUSTERED = 0.05, 0.80, 0.50

BETWEEN = Clustering("design effect 1.8 after eight weeks", 0.83, 1.0)
"""The intraclass correlation of 0.114 makes a design effect of 1.8 where each learner has eight visits."""


class Crowd(NamedTuple):
    """Who visits. each: visits of a learner in a week. returning: whether the same learners come every week."""

    name: str
    each: int
    returning: bool
    clustering: Clustering

    def learners(self, weeks: int) -> Integers:
        """The learner of each visit, week after week."""
        of_week = np.repeat(np.arange(-(-VISITS // self.each)), self.each)[:VISITS]
        first = np.zeros(weeks, np.int64) if self.returning else np.arange(weeks) * (int(of_week[-1]) + 1)
        return np.asarray((first[:, None] + of_week[None, :]).ravel())


ONCE = Crowd("500 new learners every week, one visit each", 1, False, NONE)
SAME = Crowd("the same 500 learners every week, one visit each", 1, True, BETWEEN)
TWENTY = Crowd("25 new learners every week, 20 visits each", 20, False, SOME)
ALIKE = Crowd("the same 25 learners every week, 20 visits each", 20, True, STRONG)


class Year(NamedTuple):
    """What a number of simulated years came to.

    promoted: the share of years with a promotion; error: its standard error. challengers: how many a year had.
    """

    promoted: float
    error: float
    challengers: float


class Found(NamedTuple):
    """In what share of the runs a better challenger is promoted in POWER_WEEKS. design_effect: at their end."""

    share: float
    error: float
    design_effect: float


@lru_cache(maxsize=8)
def _error_of(clustering: Clustering) -> float:
    return error_of(clustering)


def differences(random: np.random.Generator, crowd: Crowd, weeks: int, which: str) -> tuple[Floats, Integers]:
    """(the challenger's loss minus the champion's of each visit, its learner), in the order of the weeks.

    which: "better" or "worse" by GAIN, or "equal": both err by as much as costs GAIN, independently.
    """
    found = rivals_of(random, crowd.learners(weeks), crowd.clustering, _error_of(crowd.clustering))
    champion = found.truer if which == "worse" else found.spoiled
    challenger = {"better": found.truer, "worse": found.spoiled, "equal": found.equally_spoiled}[which]
    return log_losses(found.labels, challenger) - log_losses(found.labels, champion), found.learners


def promotions(seed: int, run: int, crowd: Crowd, which: str, weeks: int = WEEKS) -> tuple[int, int]:
    """(the number of challengers promoted, of all challengers) in one year of weekly looks.

    After a promotion, the next challenger is as good or bad against the new champion as that one was.
    """
    random = np.random.default_rng([seed, run])
    spent: list[tuple[int, float]] = []
    promoted = week = 0
    while week < weeks:
        share = error_share(spent, week * WEEK_MS)
        change, learners = differences(random, crowd, min(LONGEST + 1, weeks - week), which)
        began = week
        while week < weeks:
            until = (week - began + 1) * VISITS
            found = of_differences(change[:until], learners[:until], share)
            week += 1
            if found.better or given_up((week - 1 - began) * WEEK_MS, found):
                promoted += found.better
                break
        spent.append(((week - 1) * WEEK_MS, share))
    return promoted, len(spent)


def years(crowd: Crowd, which: str, runs: int, seed: int = 0) -> Year:
    """How many of the simulated years have a promotion."""
    found = [promotions(seed, run, crowd, which) for run in range(runs)]
    share = sum(promoted > 0 for promoted, _ in found) / runs
    return Year(share, _standard_error(share, runs), sum(many for _, many in found) / runs)


def power(crowd: Crowd, share: float, runs: int, seed: int = 1) -> Found:
    """How often a challenger that is better by GAIN is promoted in the first eight weeks, with this chance of error."""
    hits, variances, plain = 0, [], []
    for run in range(runs):
        random = np.random.default_rng([seed, run])
        change, learners = differences(random, crowd, POWER_WEEKS, "better")
        looks = (of_differences(change[: n * VISITS], learners[: n * VISITS], share) for n in range(1, POWER_WEEKS + 1))
        hits += any(look.better for look in looks)
        sums = np.bincount(learners, weights=change - change.mean())
        variances.append(float((sums * sums).sum()))
        plain.append(float(change.var()) * len(change))
    found = hits / runs
    return Found(found, _standard_error(found, runs), float(np.mean(variances) / np.mean(plain)))


def usual_share() -> float:
    """The share of a challenger after a year in which each one was given up after twelve weeks."""
    spent: list[tuple[int, float]] = []
    now_ms = 0
    while now_ms < 3 * YEAR_MS:
        share = error_share(spent, now_ms)
        spent.append((now_ms + 12 * WEEK_MS, share))
        now_ms += 13 * WEEK_MS
    return error_share(spent, now_ms)


def _standard_error(share: float, runs: int) -> float:
    return sqrt(max(share * (1.0 - share), 1.0 / runs) / runs)


@click.command("promotion-year")
@reported
@extras.required
@click.option("--runs", default=1000, type=click.IntRange(10), show_default=True, help="Simulations per row.")
def promotion_year(runs: int) -> Report:
    """Share of simulated years of weekly retraining with a promotion, and how soon a better challenger is found."""
    crowds = (ONCE, SAME, TWENTY, ALIKE)
    null = [(crowd, which) for crowd in crowds for which in ("equal", "worse")]
    promoted = [(crowd.name, which, years(crowd, which, runs)) for crowd, which in tqdm(null, disable=None)]
    shares = (("the first challenger of a year", error_share((), 0)), ("after a year of others", usual_share()))
    asked = [(crowd, name, share) for name, share in shares for crowd in (ONCE, SAME, TWENTY)]
    found = [(crowd.name, name, power(crowd, share, runs)) for crowd, name, share in tqdm(asked, disable=None)]
    return report_of(promoted, found, this_run())


def report_of(
    promoted: Sequence[tuple[str, str, Year]], found: Sequence[tuple[str, str, Found]], measured_by: Run
) -> Report:
    """What was simulated, row by row."""
    records, goals = [], []
    for crowd, which, year in promoted:
        name = f"{which} challengers; {crowd}"
        records += [
            Record(name, "share of years with a promotion", year.promoted),
            Record(name, "standard error", year.error),
            Record(name, "challengers per year", year.challengers),
        ]
        goals.append(Goal(f"{name}: years with a promotion", year.promoted, MOST_PROMOTED))
    for crowd, when, power_ in found:
        name = f"better by {GAIN}, {when}; {crowd}"
        records += [
            Record(name, f"share promoted in {POWER_WEEKS} weeks", power_.share),
            Record(name, "standard error", power_.error),
            Record(name, "design effect", power_.design_effect),
        ]
        least = LEAST_FOUND if power_.design_effect < 1.2 else LEAST_FOUND_CLUSTERED
        goals.append(Goal(f"{name}: promoted", power_.share, least, at_most=False))
    return Report("promotion-year", measured_by, records, goals)
