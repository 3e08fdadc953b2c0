"""Whether estimates before outcomes hold what comes: `python -m scripts.benchmark estimates`.

In each replay a platform has judged some visits, and then others come: harder material for learners who answer more
alike (a covariate shift, under which the probabilities stay calibrated). Their accuracy, precision, recall and AUC are
estimated before the outcomes are drawn, and it counts whether the interval holds the figure that the outcomes show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import click

from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import this_run
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    import numpy as np
    from tqdm import tqdm

    from ml.evaluation.before_outcomes import ESTIMATED, estimates, resemblance
    from ml.evaluation.figures import THRESHOLD, evaluate
    from scripts.benchmarks.alerts import LEARNERS, VISITS, Week, World, week_of

LEAST, MOST = 0.93, 0.97
HARDER, NARROWER = 0.8, 0.8
"""The shift: by this many logits, and to this share of the spread."""


class Replayed(NamedTuple):
    """unlikeness: SD in logits of what the model does not know of a learner. held: figure -> how many replays held it;
    drift: likewise where all outcomes are moved by half a logit, which no estimate can see."""

    unlikeness: float
    held: Mapping[str, int]
    drift: Mapping[str, int]


def replay(unlikeness: float, replays: int, seed: int = 0) -> Replayed:
    """Estimates and outcomes of this many replays."""
    held, drift = dict.fromkeys(ESTIMATED, 0), dict.fromkeys(ESTIMATED, 0)
    for run in tqdm(range(replays), disable=None):
        random = np.random.default_rng([seed, run, int(unlikeness * 10)])
        world = World.of(random, unlikeness)._replace(offset=0.0)
        judged = week_of(random, world, 4 * VISITS)
        shifted = world._replace(mean=world.mean + HARDER, spread=world.spread * NARROWER)
        coming = week_of(random, shifted, VISITS)
        estimated = estimates(coming.probabilities, coming.learners, THRESHOLD, resemblance(*judged))
        # Concept drift: at the same probabilities, more struggle.
        moved = np.minimum(1.0, coming.labels + (random.random(VISITS) < 0.12))
        for counts, week in ((held, coming), (drift, Week(moved, coming.probabilities, coming.learners))):
            realised = evaluate(*week, bootstrap=0)
            for name in ESTIMATED:
                figure, value = estimated[name], realised.figure(name).value
                if value is not None and figure.low is not None and figure.high is not None:
                    counts[name] += figure.low <= value <= figure.high
    return Replayed(unlikeness, held, drift)


@click.command(name="estimates")
@reported
@extras.required
@click.option("--replays", default=200, type=click.IntRange(10), show_default=True, help="Replays of each world.")
def estimates_command(replays: int) -> Report:
    """Share of replays under covariate shift in which the interval, made beforehand, holds what outcomes show."""
    records, goals = [], []
    for unlikeness in (0.0, 0.5):
        found = replay(unlikeness, replays)
        name = f"{VISITS} visits of {LEARNERS} learners, unlikeness {unlikeness:g}"
        for figure in ESTIMATED:
            share = found.held[figure] / replays
            error = (share * (1.0 - share) / replays) ** 0.5
            records.append(Record(name, figure, share, share - 1.96 * error, min(1.0, share + 1.96 * error)))
            records.append(Record(f"{name}, concept drift", figure, found.drift[figure] / replays))
        shares = [found.held[figure] / replays for figure in ESTIMATED]
        goals.append(Goal(f"unlikeness {unlikeness:g}: least share held", min(shares), LEAST, at_most=False))
        goals.append(Goal(f"unlikeness {unlikeness:g}: largest share held", max(shares), MOST))
    return Report(
        "estimates",
        this_run(),
        records,
        goals,
        spread=f"the 95 % interval over {replays} replays",
        notes=[
            "Under concept drift the estimates are wrong, as they must be: nothing but outcomes shows that more"
            " learners struggle at the same probability."
        ],
    )
