"""What a prediction costs on a large platform beside a small one: `python -m scripts.benchmark scale`.

Real predict.py processes ask PostgreSQL databases that differ in size alone (scripts/generate_reviews.py), with the
app's own indexes. Sizes and learners are asked in turn, again and again; the same learners each round, so that what
they read is warm. Learners who stopped weeks ago and learners who are still at it come in equal parts.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, NamedTuple

import click

from scripts.benchmarks.startup import (
    CannotMeasure,
    Command,
    Cost,
    directory_of_predict,
    environment_of,
    measure,
    plain_install,
)
from scripts.cli.output_file import OutputPath, write_whole
from scripts.generate_reviews import HUB, OBJECTIVES_OF_A_COURSE, TIERS, generate, platform_size
from scripts.testbed.postgres import NoPostgres, scratch_postgres
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


@click.command()
@click.option(
    "--reviews",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    default=(10_000, 10_000_000),
    show_default=True,
    help="Of a platform; as often as there are platforms. Ten million take ten minutes and 6 GB.",
)
@click.option("--crowd", type=click.IntRange(0), default=1_000_000, show_default=True, help="Reviews of one learner.")
@click.option("--prerequisites", type=click.IntRange(0), default=10_000, show_default=True, help="Of one objective.")
@click.option("--learners", type=click.IntRange(1), default=10, show_default=True, help="Of each platform.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Each asks every learner once.")
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False),
    help="Measure with this interpreter, and with its predictor if it has one. Default: a plain install.",
)
@click.option("--json", "json_path", type=OutputPath(), help="Write the figures here too.")
def scale(
    sizes: tuple[int, ...],
    crowd: int,
    prerequisites: int,
    learners: int,
    rounds: int,
    python: str | None,
    json_path: str | None,
) -> None:
    """Latency of whole prediction processes by size of the platform, and how the rows are found.

    The largest platform also has a learner with very many reviews, and an objective with very many prerequisites.
    """
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-benchmark-"))
        python = os.path.abspath(python) if python else plain_install(os.path.join(workshop, "venv"))
        try:
            server = stack.enter_context(scratch_postgres())
        except NoPostgres as error:
            raise CannotMeasure(str(error)) from None
        places: list[Place] = []
        for reviews in sorted(sizes):
            large = reviews == max(sizes)
            url = server.new_database()
            stored = generate(url, reviews, crowd * large, prerequisites * large, show_progress=True)
            size = platform_size(reviews, crowd * large)
            places += _places(url, stored, size, learners, prerequisites * large)
        commands = list(_in_turn(places, python))
        first = measure(commands, 1)
        for command in commands:
            _check(command)
        costs = measure(commands, rounds)
        reads = {place.name: _reads(place) for place in places}
    report = _report(first, costs, reads, len(sizes), rounds)
    click.echo(_table(report))
    if json_path:
        write_whole(json_path, json.dumps(report, indent=2) + "\n")


def _places(url: str, stored: int, size: Size, learners: int, prerequisites: int) -> Iterator[Place]:
    pairs = [_pair(nth, size) for nth in range(learners)]
    yield Place(f"{stored} reviews", url, pairs)
    if size.crowd_every:
        reviews = size.learners // size.crowd_every * size.answers * (TIERS + 1) // (2 * TIERS)
        yield Place(f"the same, a learner with {reviews} reviews", url, [(CROWD, objective) for _, objective in pairs])
    if prerequisites:
        name = f"the same, an objective with {prerequisites} prerequisites"
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
    predict = os.path.join(directory_of_predict(python), "predict.py")
    for nth in range(len(places[0].pairs)):
        for place in places:
            yield Command(place.name, (python, predict, *place.pairs[nth]), {"DATABASE_URL": place.url})


def _check(command: Command) -> None:
    """What is timed must be a prediction from real rows."""
    done = subprocess.run(command.argv, env=environment_of(command), capture_output=True, text=True, check=False)  # noqa: S603
    answer = json.loads(done.stdout)
    if "probability" not in answer or answer["degraded"] or answer["features"]["answers_of_history"] == 0:
        raise CannotMeasure(f"{command.name}: no prediction from real rows: {done.stdout[:300]}")


def _reads(place: Place) -> list[dict[str, Any]]:
    """How each large table is read: ways, and the most rows that one prediction looked at."""
    explained = [accesses(place.url, *pair) for pair in place.pairs[:LEARNERS_EXPLAINED]]
    return [
        {
            "table": table,
            "ways": sorted({_way(access) for visits in explained for access in visits if access.table == table}),
            "rows": max(sum(access.rows for access in visits if access.table == table) for visits in explained),
        }
        for table in LARGE_TABLES
    ]


def _way(access: Access) -> str:
    return f"{access.way} ({access.index})" if access.index else access.way


def _report(
    first: Mapping[str, Sequence[Cost]],
    costs: Mapping[str, Sequence[Cost]],
    reads: Mapping[str, Sequence[Mapping[str, Any]]],
    sizes: int,
    rounds: int,
) -> dict[str, Any]:
    wall = {name: median(cost.wall_ms for cost in measured) for name, measured in costs.items()}
    names = list(wall)
    smallest, largest, special = names[0], names[sizes - 1], names[sizes:]
    goals = []
    if largest != smallest:
        goals.append(_goal(f"{largest} / {smallest}", wall[largest] / wall[smallest], LATENCY_BOUND))
    for name in special:
        bound = CROWD_BOUND_MS if "a learner" in name else None
        goals.append(_goal(f"{name}: ms more", wall[name] - wall[largest], bound))
    scans = sum(way.startswith("Seq Scan") for found in reads.values() for read in found for way in read["ways"])
    goals.append(_goal(f"sequential scans of {', '.join(LARGE_TABLES)}", scans, 0))
    return {
        "benchmark": "scale",
        "rounds": rounds,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "places": [
            {"place": name, "wall_ms": round(wall[name], 2), "processes": len(measured)}
            | {"wall_ms_least": round(min(cost.wall_ms for cost in measured), 2)}
            | {"wall_ms_most": round(max(cost.wall_ms for cost in measured), 2)}
            | {"first_ms": round(median(cost.wall_ms for cost in first[name]), 2)}
            | {"peak_mib": round(median(cost.peak_mib for cost in measured), 1), "reads": list(reads[name])}
            for name, measured in costs.items()
        ],
        "goals": goals,
    }


def _goal(name: str, value: float, bound: float | None) -> dict[str, Any]:
    said = {"goal": name, "value": round(value, 3)}
    return said if bound is None else said | {"bound": f"at most {bound:g}", "met": value <= bound}


def _table(report: Mapping[str, Any]) -> str:
    lines = [f"{'':50}  {'median ms':>9}  {'least':>7}  {'first':>7}  {'peak MiB':>8}"]
    for row in report["places"]:
        figures = f"{row['wall_ms']:9.1f}  {row['wall_ms_least']:7.1f}  {row['first_ms']:7.1f}  {row['peak_mib']:8.1f}"
        lines.append(f"{row['place']:50}  {figures}")
    lines.append("")
    for row in report["places"]:
        for read in row["reads"]:
            lines.append(f"{row['place']:50}  {read['rows']:7} rows of {read['table']}: {', '.join(read['ways'])}")
    lines.append("")
    for row in report["goals"]:
        verdict = f"{row['bound']:13}  {'met' if row['met'] else 'MISSED'}" if "bound" in row else ""
        lines.append(f"{row['goal']:70}  {row['value']:8.2f}  {verdict}".rstrip())
    return "\n".join(lines)
