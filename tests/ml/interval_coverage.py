"""How often 95 % intervals hold the truth, in simulation: `python -m tests.ml.interval_coverage --runs 2000`."""

from __future__ import annotations

from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from ml.evaluation.drift import FeatureCounts, feature_drift
from ml.evaluation.figures import evaluate
from ml.evaluation.metrics import Floats, Integers

FIGURES = ("struggle_rate", "auc", "log_loss", "brier", "calibration_slope", "calibration_intercept")
FIGURES += ("calibration_gap", "accuracy", "recall", "precision")


class Learners(NamedTuple):
    """count learners with so many visits on average; unlikeness: SD in logits of what no forecast knows of them."""

    count: int
    visits: int
    unlikeness: float


INDEPENDENT = Learners(200, 1, 0.0)
CLUSTERED = Learners(60, 12, 0.5)
STRONGLY_CLUSTERED = Learners(40, 30, 1.0)
MANY = Learners(3000, 3, 0.5)
"""More than the units that are resampled: learners are merged."""


def learners_visits(
    seed: int, learners: int, visits: int = 1, unlikeness: float = 0.0
) -> tuple[Floats, Floats, Integers]:
    """Labels, probabilities and learner codes; learners differ in what the forecast knows and in what it does not."""
    rng = np.random.default_rng(seed)
    each = np.ones(learners, int) if visits == 1 else 1 + rng.geometric(1 / visits, learners)
    who = np.repeat(np.arange(learners), each)
    known = rng.normal(-0.8, 0.8, len(who)) + rng.normal(0, 0.7, learners)[who]
    truth = known + rng.normal(0, 1, learners)[who] * unlikeness
    return (rng.random(len(who)) < expit(truth)).astype(float), expit(known), who


def expit(x: Floats) -> Floats:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-x)))


def coverage(learners: Learners, runs: int) -> dict[str, float]:
    """The share of simulated intervals that hold the figure of 600,000 rows."""
    truth = evaluate(*learners_visits(99_999, 600_000 // learners.visits, *learners[1:]), bootstrap=0)
    hits = dict.fromkeys(FIGURES, 0)
    for run in tqdm(range(runs), disable=None):
        judged = evaluate(*learners_visits(run, *learners), seed=run)
        for name in FIGURES:
            figure = judged.figure(name)
            hits[name] += figure.low <= truth.figure(name).value <= figure.high  # type: ignore[operator]
    return {name: count / runs for name, count in hits.items()}


def panel(seed: int, learners: int, rows: int, shift: float = 0.0, missing: float = 0.1) -> FeatureCounts:
    """Six features of learners who differ from each other; the first of them shifted."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(learners), rows)
    usual = np.random.default_rng(7).normal(0, 1, (learners, 6))
    values = 1 / (1 + np.exp(-(usual[who] * 0.7 + rng.normal(0, 0.7, (len(who), 6)))))
    values[:, 0] = np.clip(values[:, 0] + shift, 0, 1)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.random(len(who)) < missing, 1] = np.nan
    counts = FeatureCounts([f"f{each}" for each in range(6)])
    for part in np.array_split(np.arange(len(who)), 3):
        counts.add(who[part], values[part])
    return counts


def false_alarms(learners: int, rows: int, runs: int) -> float:
    """The share of reports without drift that call some feature's distance more than chance."""
    alarms = 0
    for run in tqdm(range(runs), disable=None):
        drift = feature_drift(panel(2 * run, learners, rows), panel(2 * run + 1, learners, rows))
        alarms += any(each.beyond_chance for each in drift)
    return alarms / runs


@click.command()
@click.option("--runs", default=2000, show_default=True, type=click.IntRange(100), help="Simulations a row.")
def main(runs: int) -> None:
    """Print a table: the share of intervals that hold the truth, and of driftless reports that say otherwise."""
    click.echo("| learners | visits each | unlikeness | " + " | ".join(FIGURES) + " |")
    click.echo("|---" * (3 + len(FIGURES)) + "|")
    for learners in (INDEPENDENT, CLUSTERED, STRONGLY_CLUSTERED, MANY):
        found = coverage(learners, runs if learners is not MANY else runs // 4)
        click.echo("| " + " | ".join([*map(str, learners), *(f"{share:.1%}" for share in found.values())]) + " |")
    for count, rows in ((50, 1), (40, 10), (300, 5)):
        click.echo(
            f"drift, {count} learners, {rows} rows each: {false_alarms(count, rows, runs // 4):.1%} false alarms"
        )


if __name__ == "__main__":
    main()
