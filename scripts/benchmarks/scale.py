"""What a prediction costs on a large platform compared with a small one: `python -m scripts.benchmark scale`.

Real predict.py processes ask PostgreSQL databases that differ in size alone (scripts/generate_reviews.py), with the
app's own indexes. Sizes and learners are asked in turn, again and again; the learners are the same in each round, so
that their rows are in the cache. Half of them stopped studying weeks ago, and half are still studying.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

import click

from scripts.benchmarks import processes
from scripts.benchmarks.processes import Command, Cost, python_option
from scripts.benchmarks.report import Goal, Record, Report, reported, spread
from scripts.benchmarks.run import Run, this_run
from scripts.generate_reviews import HUB, OBJECTIVES_OF_A_COURSE, TIERS, generate, platform_size
from scripts.testbed.query_plans import Access, accesses
from scripts.testbed.synthetic_rows import CROWD, Size

LATENCY_BOUND = 1.3
CROWD_BOUND_MS = 100.0
LARGE_TABLES = ("reviews", "cards", "performance_metrics")
LEARNERS_EXPLAINED = TIERS


class Place(NamedTuple):
    """A kind of prediction: pairs of learner and objective in one database."""

    name: str
    url: str
    pairs: Sequence[tuple[str, str]]


class Read(NamedTuple):
    """How a prediction reads one table: the access paths, and the most rows that one prediction read."""

    table: str
    ways: Sequence[str]
    rows: int


@click.command()
@reported
@click.option(
    "--reviews",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    default=(10_000, 10_000_000),
    show_default=True,
    help="Reviews of one platform; give it once per platform. Ten million take ten minutes and 6 GB.",
)
@click.option("--crowd", type=click.IntRange(0), default=1_000_000, show_default=True, help="Reviews of one learner.")
@click.option(
    "--prerequisites", type=click.IntRange(0), default=10_000, show_default=True, help="Prerequisites of one objective."
)
@click.option(
    "--learners",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Learners who are asked about on each platform.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=5, show_default=True, help="How often every learner is asked about."
)
@python_option
def scale(
    sizes: tuple[int, ...],
    crowd: int,
    prerequisites: int,
    learners: int,
    rounds: int,
    python: str | None,
) -> Report:
    """Latency of whole prediction processes by size of the platform, and how the rows are found.

    The largest platform also has a learner with very many reviews, and an objective with very many prerequisites.
    """
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-benchmark-"))
        interpreter = processes.chosen_python(python, workshop)
        server = stack.enter_context(processes.postgres())
        places: list[Place] = []
        for reviews in sorted(sizes):
            large = reviews == max(sizes)
            url = server.new_database()
            stored = generate(url, reviews, crowd * large, prerequisites * large, show_progress=True)
            size = platform_size(reviews, crowd * large)
            places += _places(url, stored, size, learners, prerequisites * large)
        commands = list(_in_turn(places, interpreter))
        first = processes.measure(commands, 1)
        for command in commands:
            _check(command)
        costs = processes.measure(commands, rounds)
        reads = {place.name: _reads(place) for place in places}
        databases = (processes.postgres_version(server.url()),)
        return report_of(first, costs, reads, len(sizes), this_run(databases, python))


def _places(url: str, stored: int, size: Size, learners: int, prerequisites: int) -> Iterator[Place]:
    pairs = [_pair(nth, size) for nth in range(learners)]
    yield Place(f"{stored:,} reviews", url, pairs)
    if size.crowd_every:
        reviews = size.learners // size.crowd_every * size.answers * (TIERS + 1) // (2 * TIERS)
        yield Place(
            f"the same, a learner with {reviews:,} reviews", url, [(CROWD, objective) for _, objective in pairs]
        )
    if prerequisites:
        name = f"the same, an objective with {prerequisites:,} prerequisites"
        yield Place(name, url, [(learner, HUB) for learner, _ in pairs])


def _pair(nth: int, size: Size) -> tuple[str, str]:
    """A learner of each tier in turn, scattered over the platform, and one of the course's objectives.

    Learner 0 is passed over where there are others: all courses are theirs.
    """
    member = (nth // TIERS * 7919 + 1) % (size.learners // TIERS)
    while size.crowd_every and (nth % TIERS + TIERS * member) % size.crowd_every == size.crowd_every - 1:
        member = (member + 1) % (size.learners // TIERS)
    learner = nth % TIERS + TIERS * member
    return f"learner-{learner}", f"objective-{learner % size.courses}-{nth * 7 % OBJECTIVES_OF_A_COURSE}"


def _in_turn(places: Sequence[Place], python: str) -> Iterator[Command]:
    predict = os.path.join(processes.directory_of_predict(python), "predict.py")
    for nth in range(len(places[0].pairs)):
        for place in places:
            yield Command(place.name, (python, predict, *place.pairs[nth]), {"DATABASE_URL": place.url})


def _check(command: Command) -> None:
    """What is timed must be a prediction from real rows."""
    if processes.prediction(command)["features"]["answers_of_history"] == 0:
        raise processes.CannotMeasure(f"{command.name}: the learner has no history")


def _reads(place: Place) -> list[Read]:
    """How each large table is read."""
    explained = [accesses(place.url, *pair) for pair in place.pairs[:LEARNERS_EXPLAINED]]
    return [
        Read(
            table,
            sorted({_way(access) for visits in explained for access in visits if access.table == table}),
            max(sum(access.rows for access in visits if access.table == table) for visits in explained),
        )
        for table in LARGE_TABLES
    ]


def _way(access: Access) -> str:
    return f"{access.way} ({access.index})" if access.index else access.way


def report_of(
    first: Mapping[str, Sequence[Cost]],
    costs: Mapping[str, Sequence[Cost]],
    reads: Mapping[str, Sequence[Read]],
    sizes: int,
    measured_by: Run,
) -> Report:
    """Time, memory and rows read by place. first: the costs of the first time that each learner was asked.

    The first `sizes` places differ in the platform's size; the goals of the others are beside the largest.
    """
    wall = {name: median(cost.wall_ms for cost in measured) for name, measured in costs.items()}
    records = []
    for name, measured in costs.items():
        records += [
            spread(name, "wall ms", [cost.wall_ms for cost in measured]),
            Record(name, "first time, wall ms", median(cost.wall_ms for cost in first[name])),
            Record(name, "peak MiB", median(cost.peak_mib for cost in measured)),
            *(Record(name, f"rows of {read.table}", read.rows) for read in reads[name]),
        ]
    notes = [f"{name} reads {read.table} by {', '.join(read.ways)}." for name in wall for read in reads[name]]
    return Report("scale", measured_by, records, list(_goals(wall, reads, sizes)), notes=notes)


def _goals(wall: Mapping[str, float], reads: Mapping[str, Sequence[Read]], sizes: int) -> Iterator[Goal]:
    names = list(wall)
    smallest, largest = names[0], names[sizes - 1]
    if largest != smallest:
        yield Goal(f"{largest} / {smallest}", wall[largest] / wall[smallest], LATENCY_BOUND)
    for name in names[sizes:]:
        bound = CROWD_BOUND_MS if "a learner" in name else None
        yield Goal(f"{name}: ms more", wall[name] - wall[largest], bound)
    scans = sum(way.startswith("Seq Scan") for found in reads.values() for read in found for way in read.ways)
    yield Goal(f"sequential scans of {', '.join(LARGE_TABLES)}", scans, 0)
