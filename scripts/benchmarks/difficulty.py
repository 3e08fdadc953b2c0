"""What a difficulty table of many objectives costs a prediction: `python -m scripts.benchmark difficulty`.

Two models differ only in their difficulty tables, which the real training command makes from two platforms: one of a
few hundred objectives, one of a hundred thousand. Both answer the same question about the same rows, in whole
processes, in turn: once as usual, and once with the table's file dropped from the system's cache before each.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from statistics import median

import click

from db.writing.open import open_writer
from scripts.benchmarks.processes import (
    ROOT,
    CannotMeasure,
    Command,
    Cost,
    chosen_python,
    directory_of_predict,
    measure,
    prediction,
    python_option,
    run,
)
from scripts.benchmarks.report import Goal, Record, Report, reported, spread
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run
from scripts.testbed.synthetic_rows import STUDIED_TENTHS, Size, fill

BOUND_MS = 5.0
NOW_MS = 1_760_000_000_000
OBJECTIVES, ANSWERS = 20, 70
"""Objectives of a course and answers of a learner, who gives five to each of the objectives that are studied."""
FEW = 140
ASKED = ("learner-3", "objective-3-9")
EVICTED = ", file not in the cache"


@click.command()
@reported
@click.option(
    "--objectives", type=click.IntRange(FEW), default=100_000, show_default=True, help="Objectives of the large table."
)
@click.option(
    "--runs", type=click.IntRange(1, 1000), default=20, show_default=True, help="How often each command is run."
)
@python_option
def difficulty(objectives: int, runs: int, python: str | None) -> Report:
    """Latency of whole prediction processes by the number of objectives in the difficulty table."""
    with tempfile.TemporaryDirectory(prefix="difficulty-benchmark-") as workshop:
        interpreter = chosen_python(python, workshop)
        houses = [_house(workshop, interpreter, count) for count in (FEW, objectives)]
        url = "sqlite:///" + os.path.join(workshop, f"platform-{FEW}.db")
        commands, tables = [], {}
        for count, house in zip((FEW, objectives), houses):
            for kind in ("", EVICTED):
                name = f"a table of {count:,} objectives{kind}"
                argv = (interpreter, os.path.join(house, "predict.py"), *ASKED)
                commands.append(Command(name, argv, {"DATABASE_URL": url}))
                tables[name] = _table_of(house)
        for command in commands:
            _check(command)
        costs = measure(commands, runs, lambda name: _evict(tables[name]) if name.endswith(EVICTED) else None)
        sizes = {name: os.path.getsize(path) / 2**20 for name, path in tables.items()}
        return report_of(costs, sizes, this_run((SQLITE_VERSION,), python))


def _house(workshop: str, python: str, objectives: int) -> str:
    """A copy of the predictor whose current model has a difficulty table of so many objectives."""
    house = os.path.join(workshop, f"house-{objectives}")
    os.mkdir(house)
    installed = directory_of_predict(python)
    shutil.copy(os.path.join(installed, "predict.py"), house)
    for package in ("ml", "db", "scripts", "models"):
        shutil.copytree(
            os.path.join(installed, package),
            os.path.join(house, package),
            ignore=shutil.ignore_patterns("node_modules", "current.pkl", "struggle_prediction_v*", "difficulty-*"),
        )
    url = "sqlite:///" + os.path.join(workshop, f"platform-{objectives}.db")
    courses = -(-objectives * 10 // (OBJECTIVES * STUDIED_TENTHS))
    click.echo(f"learning the difficulty of {courses * OBJECTIVES * STUDIED_TENTHS // 10} objectives", err=True)
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(2 * courses, OBJECTIVES, ANSWERS, courses), NOW_MS)
    argv = [sys.executable, "-m", "scripts.train_initial_model", "--database-url", url, "--difficulty-only"]
    run([*argv, "--models-dir", os.path.join(house, "models")], cwd=ROOT)
    return house


def _table_of(house: str) -> str:
    models = os.path.join(house, "models")
    (name,) = [name for name in os.listdir(models) if name.startswith("difficulty-")]
    return os.path.join(models, name)


def _evict(path: str) -> None:
    """Drops the file from the system's cache, where the system lets us."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _check(command: Command) -> None:
    """What is timed must be a prediction that knows the objective from other learners."""
    answer = prediction(command)
    if answer["source"] != "model":
        raise CannotMeasure(f"{command.name}: no prediction by the model")
    if "objective_struggle_rate" in answer["features"]["defaulted"]:
        raise CannotMeasure(f"{command.name}: the objective's difficulty is not known")


def report_of(costs: Mapping[str, Sequence[Cost]], sizes: Mapping[str, float], measured_by: Run) -> Report:
    """Time and memory by table, and the extra cost of the large table; sizes are in MiB, by the same names."""
    wall = {name: median(cost.wall_ms for cost in measured) for name, measured in costs.items()}
    records = []
    for name, measured in costs.items():
        records += [
            spread(name, "wall ms", [cost.wall_ms for cost in measured]),
            Record(name, "table MiB", sizes[name]),
            Record(name, "peak MiB", median(cost.peak_mib for cost in measured)),
        ]
    few, few_evicted, many, many_evicted = wall
    pairs = ((few, many), (few_evicted, many_evicted))
    goals = [Goal(f"{large}: ms more", wall[large] - wall[small], BOUND_MS) for small, large in pairs]
    return Report("difficulty", measured_by, records, goals)
