"""How often the printed 95 % interval of an AUC holds the truth: `python -m scripts.benchmark coverage --runs 1000`.

A simulated learner's visits resemble each other in what the forecast knows and in what it does not. The truth is the
AUC of very many such visits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import Run, this_run
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    import numpy as np
    from tqdm import tqdm

    from ml.evaluation.auc_intervals import auc_interval
    from ml.evaluation.bootstrap import Learners
    from ml.evaluation.figures import LEAST_FOR_RANKING, LEVEL
    from ml.evaluation.metrics import Floats, Integers, logistic, roc_auc

LEAST, MOST = 0.93, 0.97
STRUGGLES = (10, 30, 100, 300, 1000)
RATE = 0.32
"""About the share of simulated visits that are a struggle."""
LARGE = 400_000
"""Visits that tell the true AUC."""


class Coverage(NamedTuple):
    """One row: the expected number of struggles, the visits per learner, and the share of intervals that hold."""

    struggles: int
    each: int
    share: float


def visits(random: np.random.Generator, n: int, each: int) -> tuple[Floats, Floats, Integers]:
    """Labels, probabilities and learners of n simulated visits, `each` of them per learner."""
    learners = np.arange(n) // each
    count = int(learners[-1]) + 1
    known = random.normal(-0.9, 0.8, n) + random.normal(0.0, 0.7, count)[learners]
    truth = known + random.normal(0.0, 0.5, count)[learners]
    return (random.random(n) < logistic(truth)).astype(np.float64), logistic(known), learners.astype(np.int64)


def true_auc(each: int) -> float:
    """The AUC of very many simulated visits."""
    labels, probabilities, _ = visits(np.random.default_rng([7, each]), LARGE, each)
    return float(roc_auc(labels, probabilities) or 0.0)


def covered(struggles: int, each: int, runs: int, seed: int = 0, bootstrap: int = 1000) -> Coverage:
    """The share of simulated intervals that hold the truth, among samples that are large enough for an interval."""
    truth, held = true_auc(each), 0
    random = np.random.default_rng([seed, struggles, each])
    for run in range(runs):
        while True:
            labels, probabilities, learners = visits(random, round(struggles / RATE), each)
            if min(labels.sum(), len(labels) - labels.sum()) >= LEAST_FOR_RANKING:
                break
        auc = roc_auc(labels, probabilities) or 0.0
        interval = auc_interval(labels, probabilities, auc, Learners(learners, bootstrap, run), LEVEL)
        held += interval is not None and interval.low <= truth <= interval.high
    return Coverage(struggles, each, held / runs)


@click.command()
@reported
@extras.required
@click.option("--runs", default=1000, type=click.IntRange(10), show_default=True, help="Simulations per row.")
def coverage(runs: int) -> Report:
    """Share of simulated 95 % intervals of the AUC that hold the truth, from 10 to 1,000 struggles."""
    asked = [(struggles, each) for struggles in STRUGGLES for each in (1, 5)]
    return report_of([covered(struggles, each, runs) for struggles, each in tqdm(asked, disable=None)], this_run())


def report_of(rows: Sequence[Coverage], measured_by: Run) -> Report:
    """What was simulated, row by row."""
    records, goals = [], []
    for row in rows:
        name = f"about {row.struggles:,} struggles, {row.each} visit{'s' * (row.each > 1)} per learner"
        records.append(Record(name, "share of 95 % intervals that hold the AUC", row.share))
        goals += [
            Goal(f"{name}: at least", row.share, LEAST, at_most=False),
            Goal(f"{name}: at most", row.share, MOST),
        ]
    return Report("coverage", measured_by, records, goals)
