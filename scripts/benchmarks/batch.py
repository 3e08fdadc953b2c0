"""What a prediction costs in a batch on one core and on two, beside a loop over predict.py and the guide's shape.

A round runs each way in turn, so that a busy minute of the machine affects all of them alike; ratios are those of the
medians.

 The batch's time is that of the whole process, start-up and output included; the others' is what each further
pair takes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import NamedTuple

import click

from scripts.benchmarks.processes import (
    GUIDE_SHAPE,
    ROOT,
    CannotMeasure,
    cost_of,
    environment_of,
    postgres,
    postgres_version,
    run,
)
from scripts.benchmarks.report import Goal, Ratio, Record, Report, reported, spread
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run

OBJECTIVES = 20
LOOP, GUIDE = "predict.py in a loop", "the guide's shape"
ONE, TWO, STORED = "batch, one core", "batch, two cores", "batch, one core, --store"
DASK_ONE, DASK_TWO = "batch, PostgreSQL, one Dask worker", "batch, PostgreSQL, two Dask workers"
SCALES = (10_000, 100_000)
"""Learners of the two platforms on which the peak memory is measured; a short history each."""
SHORT_OBJECTIVES, SHORT_ANSWERS = 4, 20

GOALS = (
    Ratio(ONE, LOOP, 300.0, at_most=False),
    Ratio(ONE, GUIDE, 50.0, at_most=False),
    Ratio(TWO, ONE, 1.7, at_most=False),
    Ratio(DASK_TWO, DASK_ONE, 1.6, at_most=False),
)
MEMORY_BOUND = 1.2


class Turn(NamedTuple):
    """One turn of one way: how many predictions it made in how many seconds."""

    predictions: int
    seconds: float


@click.command()
@reported
@click.option(
    "--learners",
    type=click.IntRange(10),
    default=5000,
    show_default=True,
    help="How many learners, each with 20 objectives.",
)
@click.option("--answers", type=click.IntRange(1), default=100, show_default=True, help="Answers of each learner.")
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="How many times each way is measured."
)
@click.option(
    "--sample", type=click.IntRange(1), default=40, show_default=True, help="Pairs that the slow ways are measured on."
)
@click.option("--model", type=click.Path(exists=True, dir_okay=False), help="Default: the one that predict.py takes.")
@click.option(
    "--memory/--no-memory",
    default=True,
    help="Measure the peak memory at 10,000 and at 100,000 learners, which takes minutes.",
)
@click.option(
    "--dask/--no-dask", default=True, help="Measure one and two Dask workers on PostgreSQL (needs .[cluster])."
)
def batch(
    learners: int,
    answers: int,
    rounds: int,
    sample: int,
    model: str | None,
    memory: bool,
    dask: bool,
) -> Report:
    """Predictions per second, of the batch and of two other ways, and the batch's memory."""
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-benchmark-"))
        house = _house(workshop, model)
        url = "sqlite:///" + os.path.join(workshop, "platform.db")
        _make(url, learners, OBJECTIVES, answers)
        ways = _ways(house, workshop, url, learners, sample)
        databases = [SQLITE_VERSION]
        if dask:
            server_url = stack.enter_context(postgres()).new_database()
            databases.append(postgres_version(server_url))
            ways |= _dask_ways(stack, house, workshop, server_url, learners, answers)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        cpu_ms: dict[str, list[float]] = {name: [] for name in ways}
        with click.progressbar(range(rounds), label="measuring", file=sys.stderr) as bar:
            for _ in bar:
                for name, way in ways.items():
                    spent_s = _cpu_s()
                    turn = way()
                    rates[name].append(turn.predictions / turn.seconds)
                    cpu_ms[name].append((_cpu_s() - spent_s) * 1000 / turn.predictions)
        peaks = _peaks(house, workshop) if memory else {}
        return report_of(rates, cpu_ms, peaks, this_run(databases))


def _house(workshop: str, model: str | None) -> str:
    """The directory of predict.py and its packages: this checkout, or a copy that has the model as its current one."""
    if model is None:
        return ROOT
    house = os.path.join(workshop, "house")
    os.mkdir(house)
    shutil.copy(os.path.join(ROOT, "predict.py"), house)
    for package in ("ml", "db", "scripts"):
        shutil.copytree(
            os.path.join(ROOT, package), os.path.join(house, package), ignore=shutil.ignore_patterns("node_modules")
        )
    os.mkdir(os.path.join(house, "models"))
    shutil.copy(model, os.path.join(house, "models", "current.pkl"))
    return house


def _make(url: str, learners: int, objectives: int, answers: int) -> None:
    from db.writing.open import open_writer
    from scripts.testbed.synthetic_rows import Size, fill

    click.echo(f"making {learners:,} learners", err=True)
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(learners, objectives, answers), time.time_ns() // 1_000_000)


def _ways(house: str, workshop: str, url: str, learners: int, sample: int) -> dict[str, Callable[[], Turn]]:
    """Each way by its name, as a call that takes one turn."""
    courses = min(50, learners)
    places = [(n * 7919 % learners, n * 13 % OBJECTIVES) for n in range(sample)]
    pairs = [(f"learner-{i}", f"objective-{i % courses}-{o}") for i, o in places]
    pairs_path, reference = os.path.join(workshop, "pairs.json"), os.path.join(workshop, "reference.joblib")
    with open(pairs_path, "w", encoding="utf-8") as out:
        json.dump(pairs, out)
    run([sys.executable, GUIDE_SHAPE, "fit", reference])
    whole = learners * OBJECTIVES
    ours = environment_of({"DATABASE_URL": url})

    def loop() -> Turn:
        began = time.perf_counter()
        for pair in pairs:
            run([sys.executable, os.path.join(house, "predict.py"), *pair], ours, cwd=ROOT)
        return Turn(len(pairs), time.perf_counter() - began)

    def guide() -> Turn:
        argv = [sys.executable, "-m", "scripts.reference.guide_batch", url, reference, pairs_path]
        return Turn(len(pairs), float(run(argv, environment_of({}), cwd=ROOT)))

    return {
        LOOP: loop,
        GUIDE: guide,
        ONE: lambda: _batch(house, workshop, url, whole),
        TWO: lambda: _batch(house, workshop, url, whole, "--jobs", "2"),
        STORED: lambda: _batch(house, workshop, url, whole, "--store"),
    }


def _batch(house: str, workshop: str, url: str, whole: int, *options: str) -> Turn:
    out = os.path.join(workshop, "predictions.jsonl")
    argv = [sys.executable, os.path.join(house, "scripts", "predict_batch.py"), "--database-url", url, "--quiet"]
    began = time.perf_counter()
    summary = json.loads(run([*argv, "--output", out, "--json", *options], environment_of({}), cwd=ROOT))
    seconds = time.perf_counter() - began
    if summary["predictions"] != whole or summary["degraded"]:
        raise CannotMeasure(f"the batch made {summary['predictions']} of {whole} predictions")
    return Turn(whole, seconds)


def _dask_ways(
    stack: ExitStack, house: str, workshop: str, url: str, learners: int, answers: int
) -> dict[str, Callable[[], Turn]]:
    from scripts.testbed.dask import cluster

    _make(url, learners, OBJECTIVES, answers)
    ways: dict[str, Callable[[], Turn]] = {}
    for name, workers in ((DASK_ONE, 1), (DASK_TWO, 2)):
        directory = os.path.join(workshop, f"dask-{workers}")
        os.mkdir(directory)
        running = stack.enter_context(cluster(directory, workers, house))
        options = ("--backend", "dask", "--scheduler", running.address)
        ways[name] = partial(_batch, house, workshop, url, learners * OBJECTIVES, *options)
    return ways


def _peaks(house: str, workshop: str) -> dict[int, float]:
    """Peak resident memory in MiB by the number of learners."""
    peaks = {}
    for learners in SCALES:
        path = os.path.join(workshop, f"memory-{learners}.db")
        _make("sqlite:///" + path, learners, SHORT_OBJECTIVES, SHORT_ANSWERS)
        argv = [sys.executable, os.path.join(house, "scripts", "predict_batch.py"), "--quiet"]
        argv += ["--database-url", "sqlite:///" + path, "--output", os.path.join(workshop, "memory.jsonl")]
        peaks[learners] = cost_of(argv, {}).peak_mib
        os.unlink(path)
    return peaks


def _cpu_s() -> float:
    """Seconds of processor time of all processes that have ended. A Dask cluster's go on, and are not among them."""
    import resource  # Windows has none

    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def report_of(
    rates: Mapping[str, Sequence[float]],
    cpu_ms: Mapping[str, Sequence[float]],
    peaks: Mapping[int, float],
    measured_by: Run,
) -> Report:
    """Predictions per second and processor time by way, and the batch's peak memory by the number of learners."""
    records = []
    for name, measured in rates.items():
        records += [
            spread(name, "predictions/s", measured),
            Record(name, "ms per prediction", 1000 / median(measured)),
            spread(name, "CPU ms per prediction", cpu_ms[name]),
        ]
    records += [Record(f"{ONE}, {learners:,} learners", "peak MiB", peak) for learners, peak in peaks.items()]
    middle = {name: median(measured) for name, measured in rates.items()}
    goals = [goal.goal(middle) for goal in GOALS if goal.above in middle and goal.below in middle]
    if peaks:
        few, many = peaks
        goals.append(Goal(f"peak memory, {many:,} / {few:,} learners", peaks[many] / peaks[few], MEMORY_BOUND))
    return Report("batch", measured_by, records, goals)
