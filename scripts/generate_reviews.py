#!/usr/bin/env python3
"""A platform of many reviews on PostgreSQL: `python -m scripts.generate_reviews --reviews 10000000`.

The rows are made inside the server by scripts/testbed/synthetic_rows.py, and the app's own indexes afterwards. A
learner has 100 to 500 reviews, 300 on average; those with few stopped weeks ago. On request one learner has a million,
stored among everybody else's, and one objective has ten thousand prerequisites. The same arguments give the same rows.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.connecting import located
from db.libpq_environment import SetAside, overriding
from db.tables.ddl import TABLES, ddl
from db.writing.open import Writer, open_writer
from scripts.cli.command import command
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.progress import bar, shown
from scripts.testbed.synthetic_rows import CROWD, Size, insertions

ANSWERS, TIERS = 500, 5
MEAN_ANSWERS = 300
LEARNERS_OF_A_COURSE = 25
OBJECTIVES_OF_A_COURSE = 20
HUB = "objective-hub"
"""The objective with very many prerequisites."""


def generate(url: str, reviews: int, crowd: int = 0, prerequisites: int = 0, show_progress: bool = False) -> int:
    """Fills an empty PostgreSQL database; returns how many reviews there are: the requested number or slightly more.

    crowd: how many reviews the learner CROWD has in addition. prerequisites: how many HUB has. Raises DatabaseError.
    """
    size = platform_size(reviews, crowd)
    stored = 0
    with open_writer(url) as writer:
        if writer.dialect != "postgresql":
            raise Usage("This command fills only PostgreSQL; scripts.synthetic_platform also fills SQLite.")
        _bare_tables(writer)
        with bar("making reviews", size.learners * MEAN_ANSWERS, quiet=not show_progress) as progress:
            for model, rows in insertions(writer, size, time.time_ns() // 1_000_000):
                if model == "Review":
                    stored += rows
                    progress.update(rows)
        if crowd:
            writer.insert("User", ("id",), [(CROWD,)])
        if prerequisites:
            _hub(writer, prerequisites)
        _index(writer, show_progress)
        tables = [writer.table(model) for model in TABLES]
    _vacuum(url, tables)
    return stored


def platform_size(reviews: int, crowd: int) -> Size:
    """The platform's size: a multiple of five learners, so that the mean is exact.

    Where there is a crowd, the reviews of one learner in `every` are given to it instead.
    """
    learners = -(-reviews // (MEAN_ANSWERS * TIERS)) * TIERS
    crowding = -(-crowd // (MEAN_ANSWERS * TIERS)) * TIERS
    every = 0
    if crowding:
        every = -(-(learners + crowding) // crowding)
        every += every % TIERS == 0  # else all that goes to the crowd would be learners of one tier
        learners = every * crowding
    courses = max(1, learners // LEARNERS_OF_A_COURSE)
    return Size(learners, OBJECTIVES_OF_A_COURSE, ANSWERS, courses, TIERS, every)


def _bare_tables(writer: Writer) -> None:
    """The tables without any index: ten million entries are sorted once faster than they are put in one by one."""
    for statement in ddl(writer.dialect, writer.schema()):
        if not statement.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX")):
            writer.execute(statement)
    for model, table in TABLES.items():
        writer.execute(f'ALTER TABLE {writer.table(model)} DROP CONSTRAINT "{table.name}_pkey"')


def _index(writer: Writer, show_progress: bool) -> None:
    writer.execute("SET LOCAL maintenance_work_mem = '512MB'")
    for table in shown(TABLES.values(), "indexing tables", len(TABLES), quiet=not show_progress):
        writer.execute(f'ALTER TABLE {writer.table(table.model)} ADD PRIMARY KEY ("id")')
        for statement in table.ddl(writer.dialect, writer.schema())[1:]:
            writer.execute(statement)


def _hub(writer: Writer, prerequisites: int) -> None:
    """In a course of its own, so that nothing else changes."""
    owner = "author-of-hub"
    writer.insert("Course", ("id", "userId", "name"), [("course-hub", owner, "Hub")])
    of_lecture = ("id", "userId", "courseId", "title", "topicTags")
    writer.insert("Lecture", of_lecture, [("lecture-hub", owner, "course-hub", "Hub", [])])
    needed = [f"needed-{number}" for number in range(prerequisites)]
    objectives = ((name, "lecture-hub", name) for name in (HUB, *needed))
    writer.insert("LearningObjective", ("id", "lectureId", "objective"), objectives)
    of_edge = ("id", "objectiveId", "prerequisiteId", "strength")
    edges = ((f"hub-{name}", HUB, name, place / prerequisites) for place, name in enumerate(needed))
    writer.insert("ObjectivePrerequisite", of_edge, edges)


def _vacuum(url: str, tables: Sequence[str]) -> None:
    """As the server's own daemon would do soon, and then in the middle of a measurement."""
    import psycopg2

    where, _ = located(url)
    with SetAside():
        made = psycopg2.connect(**overriding(where.keywords))  # type: ignore[call-overload]
    with contextlib.closing(made) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"VACUUM (ANALYZE) {', '.join(tables)}")


@command({0: "the reviews exist"})
@database_options(schema=False, demo=False, looks_for_env_file=lambda options: False)
@click.option(
    "--reviews",
    type=click.IntRange(1, 100_000_000),
    default=10_000,
    help="The number of reviews, rounded up to whole learners.",
)
@click.option(
    "--crowd", type=click.IntRange(min=0), default=0, help=f"The number of reviews of one more learner, {CROWD!r}."
)
@click.option(
    "--prerequisites",
    type=click.IntRange(min=0),
    default=0,
    help=f"The number of prerequisites of one more objective, {HUB!r}.",
)
def generate_reviews(database_url: str, reviews: int, crowd: int, prerequisites: int) -> None:
    """Fill an empty PostgreSQL database with a made-up platform of a given number of reviews, for measurements."""
    began = time.monotonic()
    stored = generate(database_url, reviews, crowd, prerequisites, show_progress=True)
    click.echo(f"{counted(stored, 'review')} in {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    generate_reviews()
