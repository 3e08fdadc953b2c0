"""What exporting a platform's answers costs: `python -m scripts.benchmark export --answers 1000000`.

Platforms of two sizes, the smaller a tenth of the larger, are made from the logs of the benchmark `import`, and are
exported by real processes. Both logs must have all of the answers.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack

import click

from scripts.benchmarks.importing import POSTGRESQL, SQLITE, of_made_up_logs, write_log
from scripts.benchmarks.processes import CannotMeasure, Cost, cost_of, postgres, postgres_version
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run

MOST_MIB = 64.0
LINEAR_WITHIN = 1.3
"""An answer of the larger platform may cost so many times what an answer of the smaller one costs."""


@click.command()
@reported
@click.option(
    "--answers",
    type=click.IntRange(1000),
    default=1_000_000,
    show_default=True,
    help="Answers of the larger platform. A million take some minutes, most of them for making the platform.",
)
@of_made_up_logs
def exporting(answers: int, seed: int, asks_postgres: bool) -> Report:
    """Time and memory of exporting a platform's answers, by their number, from both databases."""
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="export-benchmark-"))
        server = stack.enter_context(postgres()) if asks_postgres else None
        costs: dict[tuple[str, int], Cost] = {}
        for size in (answers // 10, answers):
            log = write_log(os.path.join(workshop, f"{size}.csv"), size, seed)
            urls = {SQLITE: f"sqlite:///{workshop}/{size}.sqlite3"}
            if server is not None:
                urls[POSTGRESQL] = server.new_database()
            for kind, url in urls.items():
                click.echo(f"making a platform of {size:,} answers in {kind}", err=True)
                _run(url, "scripts.import_history", log, "--json")
                out = os.path.join(workshop, "out.csv")
                costs[kind, size] = _run(url, "scripts.export_history", "--output", out, "--json")
                _check(out, size)
        databases = (SQLITE_VERSION, *((postgres_version(server.url()),) if server else ()))
        return report_of(costs, this_run(databases))


def _run(url: str, module: str, *arguments: str) -> Cost:
    return cost_of((sys.executable, "-m", module, *arguments), {"DATABASE_URL": url})


def _check(path: str, answers: int) -> None:
    with open(path, "rb") as file:
        lines = sum(1 for _ in file)
    if lines != answers + 1:
        raise CannotMeasure(f"the log has {lines - 1:,} of {answers:,} answers")


def report_of(costs: Mapping[tuple[str, int], Cost], measured_by: Run) -> Report:
    """Time and memory by database and size, with the goals for them."""
    each_us = {key: cost.wall_ms * 1000 / key[1] for key, cost in costs.items()}
    records, goals = [], []
    for (kind, size), cost in costs.items():
        name = f"{kind}, {size:,} answers"
        records += [
            Record(name, "seconds", cost.wall_ms / 1000),
            Record(name, "microseconds per answer", each_us[kind, size]),
            Record(name, "peak MiB", cost.peak_mib),
        ]
        goals.append(Goal(f"{name}: peak MiB", cost.peak_mib, MOST_MIB))
    large = max(size for _, size in costs)
    for kind in dict.fromkeys(kind for kind, _ in costs):
        small = min(size for of, size in costs if of == kind)
        ratio = each_us[kind, large] / each_us[kind, small]
        goals.append(Goal(f"{kind}: an answer of the larger platform / of the smaller", ratio, LINEAR_WITHIN))
    return Report("export", measured_by, records, goals)
