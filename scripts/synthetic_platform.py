#!/usr/bin/env python3
"""A platform of any size, made up: `python -m scripts.synthetic_platform --learners 10000`.

What is in it: scripts/testbed/synthetic_rows.py.
"""

from __future__ import annotations

import os
import sys
import time

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.errors import DatabaseError
from db.writing.open import open_writer
from scripts.cli.database_options import database_options
from scripts.cli.exits import of_database
from scripts.testbed.synthetic_rows import Size, fill


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@database_options(schema=False, demo=False, looks_for_env_file=lambda options: False)
@click.option("--learners", type=click.IntRange(min=1), default=1000)
@click.option("--objectives", type=click.IntRange(min=2), default=20, help="Of each course, and so of each learner.")
@click.option("--answers", type=click.IntRange(min=1), default=100, help="Of each learner.")
@click.option("--courses", type=click.IntRange(min=1), default=50)
@click.option("--now", "now_ms", type=int, help="Milliseconds since 1970 that all dates refer to. Default: now.")
def synthetic_platform(
    database_url: str, learners: int, objectives: int, answers: int, courses: int, now_ms: int | None
) -> None:
    """Make the platform's tables in an empty database and fill them with a made-up platform of the given size."""
    began = time.monotonic()
    try:
        with open_writer(database_url, create=True) as writer:
            writer.create_tables()
            moment = time.time_ns() // 1_000_000 if now_ms is None else now_ms
            fill(writer, Size(learners, objectives, answers, courses), moment)
    except DatabaseError as error:
        raise of_database(error) from None
    click.echo(f"{learners} learners with {learners * answers} reviews in {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    synthetic_platform()
