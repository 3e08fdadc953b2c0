"""What a batch costs a prediction: beside a loop over predict.py, beside the guide's shape, on one core and two.

A round runs each way in turn, so that a busy minute of the machine falls on all of them alike; ratios are those of the
medians. The batch's time is that of the whole process, start-up and output included; the others' is what each further
pair takes.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import click

from db.libpq_environment import WITHOUT_EFFECT
from scripts.benchmarks.startup import ONE_PROCESS, REFERENCE, ROOT, CannotMeasure
from scripts.cli.output_file import OutputPath, write_whole

OBJECTIVES = 20
LOOP, GUIDE = "predict.py in a loop", "the guide's shape"
ONE, TWO, STORED = "batch, one core", "batch, two cores", "batch, one core, --store"
DASK_ONE, DASK_TWO = "batch, PostgreSQL, one Dask worker", "batch, PostgreSQL, two Dask workers"
MEMORY = {"learners": (10_000, 100_000), "objectives": 4, "answers": 20}
"""A short history each: what is looked at is the number of learners."""


Spent = tuple[int, float]
"""Predictions, and the seconds they took."""


class Goal(NamedTuple):
    """A bound on the ratio of two rates: at least."""

    above: str
    below: str
    bound: float


GOALS = (Goal(ONE, LOOP, 300.0), Goal(ONE, GUIDE, 50.0), Goal(TWO, ONE, 1.7), Goal(DASK_TWO, DASK_ONE, 1.6))
MEMORY_BOUND = 1.2


@click.command()
@click.option("--learners", type=click.IntRange(10), default=5000, show_default=True, help="With 20 objectives each.")
@click.option("--answers", type=click.IntRange(1), default=100, show_default=True, help="Of each learner.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--sample", type=click.IntRange(1), default=40, show_default=True, help="Pairs of the slow ways.")
@click.option("--model", type=click.Path(exists=True, dir_okay=False), help="Default: the one that predict.py takes.")
@click.option("--memory/--no-memory", default=True, help="Peak memory at 10,000 and at 100,000 learners: minutes.")
@click.option("--dask/--no-dask", default=True, help="One and two Dask workers on PostgreSQL (needs .[cluster]).")
@click.option("--json", "json_path", type=OutputPath(), help="Write the figures here too.")
def batch(
    learners: int,
    answers: int,
    rounds: int,
    sample: int,
    model: str | None,
    memory: bool,
    dask: bool,
    json_path: str | None,
) -> None:
    """Predictions a second, of the batch and of two other ways, and the batch's memory."""
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-benchmark-"))
        house = _house(workshop, model)
        url = "sqlite:///" + os.path.join(workshop, "platform.db")
        _make(url, learners, OBJECTIVES, answers)
        ways = _ways(house, workshop, url, learners, sample)
        if dask:
            ways |= _dask_ways(stack, house, workshop, learners, answers)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        cpu: dict[str, list[float]] = {name: [] for name in ways}
        with click.progressbar(range(rounds), label="measuring", file=sys.stderr) as bar:
            for _ in bar:
                for name, way in ways.items():
                    spent_s = _cpu_s()
                    predictions, seconds = way()
                    rates[name].append(predictions / seconds)
                    cpu[name].append((_cpu_s() - spent_s) * 1000 / predictions)
        peaks = _peaks(house, workshop) if memory else {}
    report = _report(rates, cpu, peaks, learners, answers, rounds)
    click.echo(_table(report))
    if json_path:
        write_whole(json_path, json.dumps(report, indent=2) + "\n")


def _house(workshop: str, model: str | None) -> str:
    """Where predict.py and its packages are: this checkout, or a copy in which the model is the current one."""
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

    click.echo(f"making {learners} learners", err=True)
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(learners, objectives, answers), time.time_ns() // 1_000_000)


def _ways(house: str, workshop: str, url: str, learners: int, sample: int) -> dict[str, Callable[[], Spent]]:
    """Each way by name: runs once and returns how many predictions it made in how many seconds."""
    courses = min(50, learners)
    places = [(n * 7919 % learners, n * 13 % OBJECTIVES) for n in range(sample)]
    pairs = [(f"learner-{i}", f"objective-{i % courses}-{o}") for i, o in places]
    pairs_path, reference = os.path.join(workshop, "pairs.json"), os.path.join(workshop, "reference.joblib")
    with open(pairs_path, "w", encoding="utf-8") as out:
        json.dump(pairs, out)
    _run([sys.executable, REFERENCE, "fit", reference], {})
    whole = learners * OBJECTIVES

    def loop() -> Spent:
        began = time.perf_counter()
        for pair in pairs:
            _run([sys.executable, os.path.join(house, "predict.py"), *pair], {"DATABASE_URL": url})
        return len(pairs), time.perf_counter() - began

    def guide() -> Spent:
        argv = [sys.executable, "-m", "scripts.reference.guide_batch", url, reference, pairs_path]
        return len(pairs), float(_run(argv, {}))

    return {
        LOOP: loop,
        GUIDE: guide,
        ONE: lambda: _batch(house, workshop, url, whole),
        TWO: lambda: _batch(house, workshop, url, whole, "--jobs", "2"),
        STORED: lambda: _batch(house, workshop, url, whole, "--store"),
    }


def _batch(house: str, workshop: str, url: str, whole: int, *options: str) -> Spent:
    out = os.path.join(workshop, "predictions.jsonl")
    argv = [sys.executable, os.path.join(house, "scripts", "predict_batch.py"), "--database-url", url, "--quiet"]
    began = time.perf_counter()
    summary = json.loads(_run([*argv, "--output", out, "--json", *options], {}))
    seconds = time.perf_counter() - began
    if summary["predictions"] != whole or summary["degraded"]:
        raise CannotMeasure(f"the batch made {summary['predictions']} of {whole} predictions")
    return whole, seconds


def _dask_ways(
    stack: ExitStack, house: str, workshop: str, learners: int, answers: int
) -> dict[str, Callable[[], Spent]]:
    from scripts.testbed.dask import cluster
    from scripts.testbed.postgres import NoPostgres, scratch_postgres

    try:
        url = stack.enter_context(scratch_postgres()).new_database()
    except NoPostgres as error:
        raise CannotMeasure(str(error)) from None
    _make(url, learners, OBJECTIVES, answers)
    ways: dict[str, Callable[[], Spent]] = {}
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
    for learners in MEMORY["learners"]:  # type: ignore[attr-defined]
        path = os.path.join(workshop, f"memory-{learners}.db")
        _make("sqlite:///" + path, learners, int(str(MEMORY["objectives"])), int(str(MEMORY["answers"])))
        argv = [sys.executable, os.path.join(house, "scripts", "predict_batch.py"), "--quiet"]
        argv += ["--database-url", "sqlite:///" + path, "--output", os.path.join(workshop, "memory.jsonl")]
        _wall_s, peak_kib, code = _run([sys.executable, "-I", "-S", ONE_PROCESS, *argv], {}).split()
        if code != "0":
            raise CannotMeasure(f"the batch of {learners} learners ended with exit code {code}")
        peaks[learners] = int(peak_kib) / 1024
        os.unlink(path)
    return peaks


def _cpu_s() -> float:
    """Seconds of processor time of all processes that have ended; a Dask cluster's go on, and are not among them."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _run(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "PYTHON"))}
    ours = {name: value for name, value in ours.items() if name not in WITHOUT_EFFECT}
    done = subprocess.run(argv, env={**ours, **environment}, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotMeasure(f"{os.path.basename(argv[1])} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def _report(
    rates: Mapping[str, Sequence[float]],
    cpu: Mapping[str, Sequence[float]],
    peaks: Mapping[int, float],
    learners: int,
    answers: int,
    rounds: int,
) -> dict[str, Any]:
    middle = {name: median(measured) for name, measured in rates.items()}
    goals = [
        {"ratio": f"{goal.above} / {goal.below}", "value": round(middle[goal.above] / middle[goal.below], 2)}
        | {"bound": f"at least {goal.bound:g}", "met": middle[goal.above] / middle[goal.below] >= goal.bound}
        for goal in GOALS
        if goal.above in middle and goal.below in middle
    ]
    if peaks:
        few, many = peaks
        ratio = peaks[many] / peaks[few]
        goals.append(
            {"ratio": f"peak memory, {many} / {few} learners", "value": round(ratio, 3)}
            | {"bound": f"at most {MEMORY_BOUND:g}", "met": ratio <= MEMORY_BOUND}
        )
    return {
        "benchmark": "batch",
        "rounds": rounds,
        "learners": learners,
        "objectives": OBJECTIVES,
        "answers": answers,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "ways": [
            {"way": name, "predictions_per_second": round(rate, 1), "ms_per_prediction": round(1000 / rate, 4)}
            | {"least": round(min(rates[name]), 1), "most": round(max(rates[name]), 1)}
            | {"cpu_ms_per_prediction": round(median(cpu[name]), 4)}
            for name, rate in middle.items()
        ],
        "peak_mib": {str(count): round(peak, 1) for count, peak in peaks.items()},
        "goals": goals,
    }


def _table(report: Mapping[str, Any]) -> str:
    lines = [f"{'way':40}  {'predictions/s':>13}  {'ms each':>9}  {'CPU ms':>9}"]
    for row in report["ways"]:
        each = f"{row['ms_per_prediction']:9.3f}  {row['cpu_ms_per_prediction']:9.3f}"
        lines.append(f"{row['way']:40}  {row['predictions_per_second']:13.1f}  {each}")
    lines += [f"peak memory at {count} learners: {peak} MiB" for count, peak in report["peak_mib"].items()]
    lines.append("")
    for row in report["goals"]:
        lines.append(f"{row['ratio']:76}  {row['value']:8.2f}  {row['bound']:13}  {'met' if row['met'] else 'MISSED'}")
    return "\n".join(lines)
