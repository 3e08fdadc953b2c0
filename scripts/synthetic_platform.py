#!/usr/bin/env python3
"""Makes up a platform of any size: `python -m scripts.synthetic_platform --learners 10000`.

scripts/testbed/synthetic_rows.py describes its content.
"""

from __future__ import annotations

import os
import sys
import time

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.writing.open import open_writer
from scripts.cli.command import command
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.testbed.synthetic_rows import Size, fill


@command({0: "the platform exists"})
@database_options(schema=False, demo=False, looks_for_env_file=lambda options: False)
@click.option("--learners", type=click.IntRange(min=1), default=1000, help="The number of learners.")
@click.option(
    "--objectives",
    type=click.IntRange(min=2),
    default=20,
    help="The number of objectives of each course, and so of each learner.",
)
@click.option("--answers", type=click.IntRange(min=1), default=100, help="The number of answers of each learner.")
@click.option("--courses", type=click.IntRange(min=1), default=50, help="The number of courses.")
@click.option(
    "--now", "now_ms", type=int, help="The moment to which all dates refer, in milliseconds since 1970. Default: now."
)
def synthetic_platform(
    database_url: str, learners: int, objectives: int, answers: int, courses: int, now_ms: int | None
) -> None:
    """Make the platform's tables in an empty database and fill them with a made-up platform of the given size."""
    began = time.monotonic()
    with open_writer(database_url, create=True) as writer:
        writer.create_tables()
        moment = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        fill(writer, Size(learners, objectives, answers, courses), moment)
    made = f"{counted(learners, 'learner')} with {counted(learners * answers, 'review')}"
    click.echo(f"{made} in {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    synthetic_platform()
