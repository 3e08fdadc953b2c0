"""Replays of real logs by weeks: `python -m scripts.benchmark year --data DIR --seeds 20`.

Algebra05 is replayed by its own time, over 40 weeks. ASSISTments09 has no times; its learners enter over 26 made-up
weeks and answer 30 questions on each of their days. On the first eight weeks of each, train_initial_model.py trains the
model that answers in all the others; it is never replaced, so that what changes in the log over a year is seen by
monitoring as it is. A planted shift, worse challenger and better challenger are drawn for each seed.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run
from scripts.cli.exits import Usage
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    from tqdm import tqdm

    from scripts.benchmarks.year_log import Replayed, prepared
    from scripts.benchmarks.year_replay import drawn, outcomes, promoted, shifted, watched
    from scripts.workers.backends import Workers

WEEKS = {"algebra05": 40, "assistments09": 26}
ENTERING = {"assistments09"}
MOST_FALSE, LEAST_FOUND = 0.10, 0.80
"""Shares of the seeds: two and sixteen of twenty."""
WITHIN_WEEKS = 3


class Replays(NamedTuple):
    """How many seeds of a log showed what.

    causes: how often each alert without a planted shift was raised. found, soon: how often the planted shift was found
    at all, and within WITHIN_WEEKS.
    """

    name: str
    seeds: int
    weeks: int
    visits: int
    alerted: int
    causes: Mapping[str, int]
    found: int
    soon: int
    worse: int
    better: int


def replays(log: Replayed, seeds: int) -> Replays:
    """All replays of a log."""
    alerted = found = soon = worse = better = 0
    causes: Counter[str] = Counter()
    middle = log.weeks // 2
    for seed in tqdm(range(seeds), desc=log.name, disable=None):
        rows = drawn(log, seed)
        plain = watched(log, rows, outcomes(log, rows))
        alerted += bool(plain.weeks)
        causes.update(set(plain.causes))
        shift = watched(log, rows, shifted(log, rows, seed))
        found += any(week >= middle for week in shift.weeks)
        soon += any(middle <= week < middle + WITHIN_WEEKS for week in shift.weeks)
        worse += promoted(log, rows, seed, better=False) is not None
        better += promoted(log, rows, seed, better=True) is not None
    return Replays(log.name, seeds, log.weeks, len(log.examples), alerted, causes, found, soon, worse, better)


@click.command()
@reported
@extras.required
@click.option(
    "--data",
    envvar="STRUGGLE_DATA",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="The directory of the data sets.",
)
@click.option("--set", "names", multiple=True, type=click.Choice(sorted(WEEKS)), help="Default: every set in DIR.")
@click.option(
    "--log",
    "own",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Replay this answer log of your own, in the plain layout, by its times.",
)
@click.option("--entering", is_flag=True, help="The log has no times: its learners enter over made-up weeks.")
@click.option("--weeks", type=click.IntRange(4, 520), help="How many weeks to take, including the first ones.")
@click.option(
    "--first", default=8, type=click.IntRange(1), show_default=True, help="How many weeks to train the model on."
)
@click.option("--seeds", default=20, type=click.IntRange(1), show_default=True, help="Replays of each log.")
@click.option("--jobs", default=2, type=click.IntRange(1), show_default=True, help="How many processes read histories.")
def year(
    data: str | None,
    names: tuple[str, ...],
    own: str | None,
    entering: bool,
    weeks: int | None,
    first: int,
    seeds: int,
    jobs: int,
) -> Report:
    """Replay logs week by week: false alerts, a planted shift, and planted worse and better challengers."""
    if own is not None:
        asked = [("log", own, weeks or 26, entering)]
    elif data is None:
        raise Usage("name a directory of data sets by --data, or a log by --log.")
    else:
        paths = {name: os.path.join(data, name, "interactions.csv.gz") for name in names or sorted(WEEKS)}
        asked = [(name, path, weeks or WEEKS[name], name in ENTERING) for name, path in paths.items()]
    if any(first >= many for _, _, many, _ in asked):
        raise Usage("--first must leave weeks to replay.")
    found = []
    with tempfile.TemporaryDirectory(prefix="year-") as at:
        for name, path, many, made_up in asked:
            log = prepared(name, path, at, weeks=many, first=first, entering=made_up, workers=Workers("loky", jobs))
            found.append(replays(log, seeds))
    return report_of(found, this_run((SQLITE_VERSION,)))


def report_of(found: Sequence[Replays], measured_by: Run) -> Report:
    """What the replays showed, log by log."""
    records, goals = [], []
    for log in found:
        name = f"{log.name}, {log.weeks} weeks after the training"
        figures = {
            "seeds": log.seeds,
            "visits": log.visits,
            "with an alert, nothing planted": log.alerted,
            "shift found": log.found,
            f"shift found in {WITHIN_WEEKS} weeks": log.soon,
            "worse promoted": log.worse,
            "better promoted": log.better,
            **{f"seeds with the alert {cause}": many for cause, many in sorted(log.causes.items())},
        }
        records += [Record(name, figure, value) for figure, value in figures.items()]
        goals += [
            Goal(f"{name}: share of seeds with an alert, nothing planted", log.alerted / log.seeds, MOST_FALSE),
            Goal(f"{name}: share in which the shift is found", log.found / log.seeds, LEAST_FOUND, at_most=False),
            Goal(f"{name}: seeds in which a worse challenger is promoted", log.worse, 0),
            Goal(
                f"{name}: share in which the better one is promoted", log.better / log.seeds, LEAST_FOUND, at_most=False
            ),
        ]
    return Report("year", measured_by, records, goals)
