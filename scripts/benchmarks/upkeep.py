"""What it costs to keep a difficulty table up to date: `python -m scripts.benchmark upkeep`.

A made-up platform is counted up to a moment, and then, in a process of its own, up to a later one. The result must be,
to the byte, the table that counting everything up to then gives.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import nullcontext

import click

import db
from db.new_answers import new_answers
from db.writing.open import open_writer
from ml.model import StrugglePredictionModel
from ml.places import shipped
from ml.storage.registry import Registry
from ml.study.correctness import GOOD
from ml.study.history import DAY_MS, MINUTE_MS
from scripts.benchmarks.processes import CannotMeasure, cost_of, postgres
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import SQLITE_VERSION, this_run
from scripts.testbed.synthetic_rows import ANSWERS_OF_A_VISIT, DAYS, Size, fill

NOW_MS = 1_760_000_000_000
ANSWERS = 100
"""Of each learner: twenty visits over eight weeks."""
STARTS_MINUTES = 97
"""The learners begin their visits spread over so many minutes (scripts/testbed/synthetic_rows.py)."""
MOST_S, MOST_MIB = 10.0, 300.0


@click.command()
@reported
@click.option(
    "--answers", type=click.IntRange(10_000), default=1_000_000, show_default=True, help="Answers before the update."
)
@click.option(
    "--new",
    "share",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="How many answers per hundred of those are new.",
)
@click.option("--postgres/--sqlite", "on_postgres", default=False, help="Where the platform lies. Default: SQLite.")
def upkeep(answers: int, share: int, on_postgres: bool) -> Report:
    """Time and memory of bringing a difficulty table up to date."""
    with (
        tempfile.TemporaryDirectory(prefix="upkeep-benchmark-") as workshop,
        postgres() if on_postgres else nullcontext() as server,
    ):
        url = server.new_database() if server else f"file:{workshop}/platform.sqlite3"
        with open_writer(url, create=server is None) as writer:
            writer.create_tables()
            fill(writer, Size(answers // ANSWERS, 20, ANSWERS, 50), NOW_MS)
        since_ms = _last_visits_ms() + round(STARTS_MINUTES * (1 - share / 5)) * MINUTE_MS
        directory = os.path.join(workshop, "models")
        bring_up_to(url, directory, since_ms)
        with db.connect(url) as client:
            found = new_answers(client, since_ms, NOW_MS)
        cost = cost_of([sys.executable, "-m", "scripts.benchmarks.upkeep", url, directory, str(NOW_MS)], {})
        _check(url, directory, workshop)
        name = f"{found.added[0]:,} new answers after {found.before[0]:,}"
        records = [
            Record(name, "wall s", cost.wall_ms / 1000),
            Record(name, "processor s", cost.cpu_ms / 1000),
            Record(name, "peak MiB", cost.peak_mib),
        ]
        goals = [Goal(f"{name}: s", cost.wall_ms / 1000, MOST_S), Goal(f"{name}: MiB", cost.peak_mib, MOST_MIB)]
        return Report("upkeep", this_run((SQLITE_VERSION,)), records, goals)


def _last_visits_ms() -> int:
    """When the first learner begins the last visit."""
    visits = ANSWERS // ANSWERS_OF_A_VISIT
    return NOW_MS // 1000 * 1000 - DAYS * DAY_MS + (visits - 1) * (DAYS * DAY_MS // visits)


def bring_up_to(url: str, directory: str, now_ms: int) -> bool:
    """What predict_batch.py does first; returns whether everything was counted anew."""
    from scripts.labelling.difficulty_upkeep import keep_up_to_date  # needs an extra, which --help does not

    registry = Registry(directory)
    with db.connect(url) as client, registry.locked():
        done = keep_up_to_date(client, registry, StrugglePredictionModel.load(shipped(), GOOD), now_ms)
    return done is not None and done.whole


def _check(url: str, directory: str, workshop: str) -> None:
    """The table must be that of a whole build."""
    from scripts.labelling.history import build_table

    whole = os.path.join(workshop, "whole")
    with db.connect(url) as client:
        build_table(client, whole, NOW_MS, None, None, GOOD)
    pointer = Registry(directory).pointer()
    if pointer is None:
        raise CannotMeasure("no table was made")
    with open(whole, "rb") as expected, open(os.path.join(directory, pointer.table), "rb") as made:
        if expected.read() != made.read():
            raise CannotMeasure("the table differs from that of a whole build")


if __name__ == "__main__":
    sys.exit(bring_up_to(sys.argv[1], sys.argv[2], int(sys.argv[3])))
