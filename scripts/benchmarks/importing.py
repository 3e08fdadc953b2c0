"""What importing a log of many answers costs: `python -m scripts.benchmark import --answers 10000000`.

Made-up logs of two sizes, the smaller a tenth of the larger, are imported into new databases of both kinds by real
processes. Learners' answers are mixed in the file, as they are in a log that is sorted by time.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import product
from typing import Any

import click

from scripts.benchmarks.processes import Command, Cost, cost_of, postgres, postgres_version
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run

MOST_MIB = 300.0
FASTER_THAN_BASE = 1.5
LINEAR_WITHIN = 1.3
"""An answer of the larger log may cost so many times what an answer of the smaller log costs."""
ANSWERS_OF_A_LEARNER, SKILLS, ITEMS_OF_A_SKILL = 100, 200, 60
AT_ONCE = 1000
"""Learners who study in the same weeks, and whose answers are mixed in the file."""
SQLITE, POSTGRESQL, EARLIER = "SQLite", "PostgreSQL", "SQLite, the earlier commit"


def of_made_up_logs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of benchmarks that are measured on such logs, in both databases."""
    for option in (
        click.option("--postgres/--no-postgres", "asks_postgres", default=True, help="Measure PostgreSQL, too."),
        click.option("--seed", default=1, show_default=True, help="Another seed draws other answers."),
    ):
        command = option(command)
    return command


@click.command()
@reported
@click.option(
    "--answers",
    type=click.IntRange(1000),
    default=10_000_000,
    show_default=True,
    help="Answers of the larger log. Ten million take about half an hour and 15 GB of temporary files.",
)
@of_made_up_logs
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False),
    help="The directory of an earlier commit, which imports the smaller log for comparison.",
)
def importing(answers: int, seed: int, asks_postgres: bool, base: str | None) -> Report:
    """Time and memory of importing a log, by its size, on both databases."""
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="import-benchmark-"))
        server = stack.enter_context(postgres()) if asks_postgres else None
        costs: dict[tuple[str, int], Cost] = {}
        sizes = (answers // 10, answers)
        logs = {size: write_log(os.path.join(workshop, f"{size}.csv"), size, seed) for size in sizes}
        for size, kind in product(sizes, (SQLITE, POSTGRESQL)):
            file = os.path.join(workshop, f"{size}.sqlite3")
            if kind == POSTGRESQL:
                if server is None:
                    continue
                url = server.new_database()
            else:
                url = f"sqlite:///{file}"
            click.echo(f"importing {size:,} answers into {kind}", err=True)
            costs[kind, size] = _imported(sys.executable, logs[size], url)
            if os.path.exists(file):
                os.unlink(file)
        if base is not None:
            url = f"sqlite:///{workshop}/base.sqlite3"
            costs[EARLIER, sizes[0]] = _imported(sys.executable, logs[sizes[0]], url, base)
        databases = (SQLITE_VERSION, *((postgres_version(server.url()),) if server else ()))
        return report_of(costs, sizes, this_run(databases))


def _imported(python: str, log: str, url: str, directory: str | None = None) -> Cost:
    """The costs of an import. directory: of the checkout whose command is run; None: this one."""
    where = () if directory is None else (os.path.join(directory, "scripts", "import_history.py"),)
    argv = (python, *(where or ("-m", "scripts.import_history")), log, "--json")
    command = Command("import", argv, {"DATABASE_URL": url, **({"PYTHONPATH": directory} if directory else {})})
    return cost_of(command.argv, command.environment)


def write_log(path: str, answers: int, seed: int) -> str:
    """Writes a log of the plain layout; returns its path. Learners study in visits of about seven answers."""
    draw = random.Random(seed)  # noqa: S311  # answers, not secrets
    with open(path, "w", encoding="ascii") as file:
        file.write("user_id,item_id,timestamp,correct,skill_id\n")
        written = wave = 0
        while written < answers:
            number = min(AT_ONCE * ANSWERS_OF_A_LEARNER, answers - written)
            file.writelines(_wave(draw, wave, number))
            written += number
            wave += 1
    return path


def _wave(draw: random.Random, wave: int, answers: int) -> list[str]:
    clocks = [1_600_000_000 + wave * 600_000 + draw.randrange(500_000) for _ in range(AT_ONCE)]
    skills = [draw.randrange(SKILLS) for _ in range(AT_ONCE)]
    lines = []
    for _ in range(answers):
        learner = draw.randrange(AT_ONCE)
        if draw.random() < 1 / 7:
            skills[learner] = draw.randrange(SKILLS)
            clocks[learner] += 20_000
        clocks[learner] += draw.randrange(5, 90)
        item = draw.randrange(ITEMS_OF_A_SKILL)
        right = int(draw.random() < 0.7)
        who, skill = wave * AT_ONCE + learner, skills[learner]
        lines.append(f"u{who},{skill}-{item},{clocks[learner]},{right},skill{skill}\n")
    return lines


def report_of(costs: Mapping[tuple[str, int], Cost], sizes: tuple[int, int], measured_by: Run) -> Report:
    """Time and memory by database and size, with the goals for them."""
    small, large = sizes
    each_us = {key: cost.wall_ms * 1000 / key[1] for key, cost in costs.items()}
    records, goals = [], []
    for (kind, size), cost in costs.items():
        name = f"{kind}, {size:,} answers"
        records += [
            Record(name, "seconds", cost.wall_ms / 1000),
            Record(name, "microseconds per answer", each_us[kind, size]),
            Record(name, "peak MiB", cost.peak_mib),
        ]
        if kind != EARLIER:
            goals.append(Goal(f"{name}: peak MiB", cost.peak_mib, MOST_MIB))
    for kind in (SQLITE, POSTGRESQL):
        if (kind, large) in costs:
            ratio = each_us[kind, large] / each_us[kind, small]
            goals.append(Goal(f"{kind}: an answer of the larger log / of the smaller", ratio, LINEAR_WITHIN))
    if (EARLIER, small) in costs:
        gain = each_us[EARLIER, small] / each_us[SQLITE, small]
        goals.append(Goal("the earlier commit / this one, per answer", gain, FASTER_THAN_BASE, at_most=False))
    return Report("import", measured_by, records, goals)
