"""What a prediction pays for a difficulty table of many objectives: `python -m scripts.benchmark difficulty`.

Two models differ only in the platform whose answers their difficulty tables were learned from, by the real training
command: one of a few hundred objectives, one of a hundred thousand. Both answer the same question about the same rows,
whole processes in turn; once as it comes, once with the table's file dropped from the system's cache before each.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import click

from db.writing.open import open_writer
from scripts.benchmarks.startup import (
    ROOT,
    CannotMeasure,
    Command,
    Cost,
    directory_of_predict,
    environment_of,
    measure,
    plain_install,
)
from scripts.cli.output_file import OutputPath, write_whole
from scripts.testbed.synthetic_rows import STUDIED_TENTHS, Size, fill

BOUND_MS = 5.0
NOW_MS = 1_760_000_000_000
OBJECTIVES, ANSWERS = 20, 70
"""Of a course, and of a learner: five answers to each of the objectives that are studied."""
FEW = 140
ASKED = ("learner-3", "objective-3-9")
EVICTED = ", file not in the cache"


@click.command()
@click.option("--objectives", type=click.IntRange(FEW), default=100_000, show_default=True, help="Of the large table.")
@click.option("--runs", type=click.IntRange(1, 1000), default=20, show_default=True, help="Rounds to take medians of.")
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False),
    help="Measure with this interpreter, and with its predictor if it has one. Default: a plain install.",
)
@click.option("--json", "json_path", type=OutputPath(), help="Write the figures here too.")
def difficulty(objectives: int, runs: int, python: str | None, json_path: str | None) -> None:
    """Latency of whole prediction processes by how many objectives the difficulty table holds."""
    with tempfile.TemporaryDirectory(prefix="difficulty-benchmark-") as workshop:
        python = os.path.abspath(python) if python else plain_install(os.path.join(workshop, "venv"))
        houses = [_house(workshop, python, count) for count in (FEW, objectives)]
        url = "sqlite:///" + os.path.join(workshop, f"platform-{FEW}.db")
        commands, tables = [], {}
        for count, house in zip((FEW, objectives), houses):
            for kind in ("", EVICTED):
                name = f"a table of {count} objectives{kind}"
                argv = (python, os.path.join(house, "predict.py"), *ASKED)
                commands.append(Command(name, argv, {"DATABASE_URL": url}))
                tables[name] = _table_of(house)
        for command in commands:
            _check(command)
        costs = measure(commands, runs, lambda name: _evict(tables[name]) if name.endswith(EVICTED) else None)
        sizes = {name: os.path.getsize(path) / 2**20 for name, path in tables.items()}
    report = _report(costs, sizes, runs)
    click.echo(_as_text(report))
    if json_path:
        write_whole(json_path, json.dumps(report, indent=2) + "\n")


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
    done = subprocess.run(  # noqa: S603 - our own command
        [*argv, "--models-dir", os.path.join(house, "models")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotMeasure(f"train_initial_model failed: {(done.stderr or done.stdout).strip()[-500:]}")
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
    done = subprocess.run(command.argv, env=environment_of(command), capture_output=True, text=True, check=False)  # noqa: S603
    answer = json.loads(done.stdout)
    if "probability" not in answer or answer["degraded"] or answer["source"] != "model":
        raise CannotMeasure(f"{command.name}: no prediction by the model: {done.stdout[:300]}")
    if "objective_struggle_rate" in answer["features"]["defaulted"]:
        raise CannotMeasure(f"{command.name}: the objective's difficulty is not known")


def _report(costs: Mapping[str, Sequence[Cost]], sizes: Mapping[str, float], runs: int) -> dict[str, Any]:
    wall = {name: median(cost.wall_ms for cost in measured) for name, measured in costs.items()}
    few, few_evicted, many, many_evicted = wall
    return {
        "benchmark": "difficulty",
        "runs": runs,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "tables": [
            {"table": name, "wall_ms": round(wall[name], 2), "table_mib": round(sizes[name], 2)}
            | {"wall_ms_least": round(min(cost.wall_ms for cost in measured), 2)}
            | {"peak_mib": round(median(cost.peak_mib for cost in measured), 1)}
            for name, measured in costs.items()
        ],
        "goals": [
            {"goal": f"{large}: ms more", "value": round(wall[large] - wall[small], 2)}
            | {"bound": f"at most {BOUND_MS:g}", "met": wall[large] - wall[small] <= BOUND_MS}
            for small, large in ((few, many), (few_evicted, many_evicted))
        ],
    }


def _as_text(report: Mapping[str, Any]) -> str:
    lines = [f"{'':56}  {'median ms':>9}  {'least':>7}  {'table MiB':>9}  {'peak MiB':>8}"]
    for row in report["tables"]:
        figures = f"{row['wall_ms']:9.1f}  {row['wall_ms_least']:7.1f}  {row['table_mib']:9.1f}  {row['peak_mib']:8.1f}"
        lines.append(f"{row['table']:56}  {figures}")
    lines.append("")
    for row in report["goals"]:
        lines.append(f"{row['goal']:66}  {row['value']:7.2f}  {row['bound']}  {'met' if row['met'] else 'MISSED'}")
    return "\n".join(lines)
