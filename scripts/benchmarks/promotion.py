"""How often a challenger is promoted, in simulation: `python -m scripts.benchmark promotion --runs 200`.

Champion and challenger differ by an error in their logits, part of which a learner's examples share; neither knows how
far a learner is from what it expects. Both make a learner's paired loss differences resemble each other: their
intraclass correlation (ICC) is measured, and with m examples per learner the variance of the mean difference is 1 + (m
- 1) ICC times that of independent examples (the design effect).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from ml.study.scales import PLATFORM
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import Run, this_run
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    import numpy as np
    from scipy.optimize import brentq
    from tqdm import tqdm

    from ml.evaluation.metrics import Floats, Integers, log_losses, logistic
    from ml.evaluation.promotion import RISK_LEVEL, decide

GAIN = 0.01
"""By how much the better model's expected log-loss is lower."""

LEAST_BETTER, MOST_EQUAL, MOST_WORSE = 0.50, 0.10, 0.05
"""Shares promoted that are asked for; of the better ones, with the fewest examples and without clustering."""

LARGE = 400_000
"""Examples on which the error that costs GAIN, the ICC and the spread are measured."""


class Clustering(NamedTuple):
    """How a learner's examples resemble each other: unknown_sd in logits, shared_error as a share of variance."""

    name: str
    unknown_sd: float
    shared_error: float


NONE = Clustering("none", 0.0, 0.0)
SOME = Clustering("some", 0.7, 0.5)
STRONG = Clustering("strong", 1.2, 1.0)


class Rivals(NamedTuple):
    """One simulated hold-out: labels, the probabilities of the better and of the worse model, learners."""

    labels: Floats
    truer: Floats
    spoiled: Floats
    equally_spoiled: Floats
    learners: Integers


class Power(NamedTuple):
    """One row of the table; the last three are shares promoted."""

    n: int
    each: int
    clustering: str
    icc: float
    design_effect: float
    spread: float
    better: float
    equal: float
    worse: float


def rivals(random: np.random.Generator, n: int, each: int, clustering: Clustering, error: float) -> Rivals:
    """Simulates n examples, `each` of them per learner.

    error: SD of the worse model's logits around the better one's.
    """
    return rivals_of(random, np.repeat(np.arange(-(-n // each)), each)[:n], clustering, error)


def rivals_of(random: np.random.Generator, learners: Integers, clustering: Clustering, error: float) -> Rivals:
    """Simulates one example for each of these learners, who are numbered from 0 and may come any number of times."""
    n, many = len(learners), int(learners.max()) + 1
    own = random.normal(0.0, clustering.unknown_sd, many)[learners]
    known = random.normal(0.0, 1.2, n) - 0.7
    labels = (random.random(n) < logistic(known + own)).astype(np.float64)
    # Who does not know `own` is calibrated with this flatter logit (the logistic-normal approximation).
    said = known / np.sqrt(1.0 + 0.346 * clustering.unknown_sd**2)

    def spoiled() -> Floats:
        shared = random.normal(0.0, 1.0, many)[learners] * np.sqrt(clustering.shared_error)
        single = random.normal(0.0, 1.0, n) * np.sqrt(1.0 - clustering.shared_error)
        return logistic(said + error * (shared + single))

    return Rivals(labels, logistic(said), spoiled(), spoiled(), learners)


def error_of(clustering: Clustering) -> float:
    """The error that raises the log-loss by GAIN."""

    def excess(error: float) -> float:
        found = rivals(np.random.default_rng(0), LARGE, 1, clustering, error)
        return float((log_losses(found.labels, found.spoiled) - log_losses(found.labels, found.truer)).mean()) - GAIN

    return float(brentq(excess, 0.05, 2.0, xtol=1e-3))


def resemblance(clustering: Clustering, error: float) -> tuple[float, float]:
    """(ICC by analysis of variance, SD) of the paired differences."""
    found = rivals(np.random.default_rng(1), LARGE, 10, clustering, error)
    change = (log_losses(found.labels, found.truer) - log_losses(found.labels, found.spoiled)).reshape(-1, 10)
    between = 10.0 * float(change.mean(axis=1).var(ddof=1))
    within = float(change.var(axis=1, ddof=1).mean())
    return max(0.0, (between - within) / (between + 9.0 * within)), float(change.std())


def power(n: int, each: int, clustering: Clustering, runs: int, seed: int = 0, bootstrap: int = 300) -> Power:
    """How often the real decision, including the slices, promotes a better, an equal and a worse challenger."""
    error = error_of(clustering)
    icc, spread = resemblance(clustering, error)
    promoted = np.zeros(3)
    for run in range(runs):
        random = np.random.default_rng([seed, n, each, run])
        found = rivals(random, n, each, clustering, error)
        bands = random.choice(["20-99", "100+"], found.learners[-1] + 1)[found.learners]
        pairs = ((found.spoiled, found.truer), (found.spoiled, found.equally_spoiled), (found.truer, found.spoiled))
        for place, (champion, challenger) in enumerate(pairs):
            groups = {
                "answers of history": bands.tolist(),
                RISK_LEVEL: [PLATFORM.of(probability) for probability in champion.tolist()],
            }
            constant = np.full(n, 0.55)
            verdict = decide(
                found.labels, champion, challenger, constant, found.learners, groups, bootstrap=bootstrap, seed=run
            )
            promoted[place] += verdict.promote
    design_effect = 1.0 + (each - 1) * icc
    return Power(n, each, clustering.name, icc, design_effect, spread, *(promoted / runs).tolist())


@click.command()
@reported
@extras.required
@click.option("--runs", default=200, type=click.IntRange(10), show_default=True, help="Simulations per row.")
def promotion(runs: int) -> Report:
    """Share of simulated challengers promoted: better by 0.01, equal, and worse by 0.01 in log-loss."""
    asked = [(1000, 1, NONE), (3000, 1, NONE)]
    asked += [(n, each, how) for how in (SOME, STRONG) for each in (5, 20) for n in (1000, 3000)]
    rows = [power(n, each, how, runs) for n, each, how in tqdm(asked, disable=None)]
    return report_of(rows, this_run())


def report_of(rows: Sequence[Power], measured_by: Run) -> Report:
    """What was simulated, row by row. The first row has the fewest examples and no clustering."""
    records, goals = [], []
    for row in rows:
        told = "1 example" if row.each == 1 else f"{row.each} examples"
        name = f"{row.n:,} examples, {told} per learner, clustering: {row.clustering}"
        figures = {
            "ICC": row.icc,
            "design effect": row.design_effect,
            "paired SD": row.spread,
            "share promoted: better": row.better,
            "equal": row.equal,
            "worse": row.worse,
        }
        records += [Record(name, figure, value) for figure, value in figures.items()]
        if row is rows[0]:
            goals.append(Goal(f"{name}: better", row.better, LEAST_BETTER, at_most=False))
        goals += [Goal(f"{name}: equal", row.equal, MOST_EQUAL), Goal(f"{name}: worse", row.worse, MOST_WORSE)]
    return Report("promotion", measured_by, records, goals)
