"""What one prediction costs a caller that starts a process for it: wall time and peak memory of the whole process.

Every command is measured in turn, again and again, so that a busy minute of the machine affects all of them alike;
ratios are those of the medians. The predictor runs from a plain install in a virtual environment of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from glob import glob
from statistics import median

import click

from db.demo import LEARNER
from db.writing.open import open_writer
from scripts.benchmarks.processes import (
    GUIDE_SHAPE,
    Command,
    Cost,
    chosen_python,
    create_demo,
    demo_on_postgres,
    directory_of_predict,
    measure,
    postgres_option,
    postgres_version,
    prediction,
    python_option,
    reference_option,
    run,
)
from scripts.benchmarks.report import Goal, Ratio, Record, Report, reported, spread
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run
from scripts.testbed.full_window import FULL_LEARNER, FULL_OBJECTIVE, add_full_learner

BARE = "python -c pass"
SQLITE, POSTGRES = "prediction, SQLite", "prediction, PostgreSQL"
RULES = "prediction by the rules, SQLite"
REFERENCE_SQLITE, REFERENCE_POSTGRES = "guide-shaped reference, SQLite", "guide-shaped reference, PostgreSQL"
FULL_SQLITE, FULL_POSTGRES = "prediction from 3,000 answers, SQLite", "prediction from 3,000 answers, PostgreSQL"
WITHOUT_BYTECODE = "prediction without bytecode, SQLite"
COMPILED = "prediction from a compiled checkout, SQLite"
INSTALLED = "struggle-predict, SQLite"
PSQL = "psql -c 'select 1'"
SOURCES = ("predict.py", "db", "ml", "scripts")
"""What the README's first command compiles."""

GOALS = (
    Ratio(SQLITE, BARE, 3.4),
    Ratio(POSTGRES, BARE, 6.5),
    Ratio(FULL_SQLITE, SQLITE, 1.7),
    Ratio(FULL_POSTGRES, POSTGRES, 1.7),
    Ratio(REFERENCE_SQLITE, SQLITE, 30.0, at_most=False),
    Ratio(REFERENCE_POSTGRES, POSTGRES, 15.0, at_most=False),
    Ratio(SQLITE, RULES, 1.15),
    Ratio(COMPILED, INSTALLED, 1.1),
)
SQLITE_PEAK_MIB = 20.0


@click.command()
@reported
@click.option(
    "--runs", type=click.IntRange(1, 1000), default=20, show_default=True, help="How often each command is run."
)
@python_option
@postgres_option
@reference_option
def startup(runs: int, python: str | None, database_url: str | None, reference: bool) -> Report:
    """Time and memory of a whole prediction process.

    For comparison: the bare interpreter, psql where there is one, and a reference in the shape of the integration guide
    (asyncio, SQLAlchemy, joblib.load of a calibrated scikit-learn model, the same rows). Also a prediction for a
    learner with more answers than a prediction reads (on SQLite and on the scratch server), by the installed command,
    and under PYTHONDONTWRITEBYTECODE from a checkout that was never compiled and from one that was.
    """
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="startup-benchmark-"))
        interpreter = chosen_python(python, workshop)
        postgres_url = database_url or stack.enter_context(demo_on_postgres())
        commands = _commands(workshop, interpreter, postgres_url, reference)
        commands += _full_window(workshop, interpreter, None if database_url else postgres_url)
        for command in commands:
            if LEARNER in command.argv or FULL_LEARNER in command.argv:
                prediction(command)
        costs = measure(commands, runs)
        return report_of(costs, this_run((SQLITE_VERSION, postgres_version(postgres_url)), python))


def _commands(workshop: str, python: str, postgres_url: str, reference: bool) -> list[Command]:
    sqlite_url = "sqlite:///" + os.path.join(workshop, "demo.db")
    create_demo(sqlite_url)
    asked = (LEARNER, "action-potentials")
    installed = directory_of_predict(python)
    checkout = _without_bytecode(installed, os.path.join(workshop, "checkout"))
    compiled = _without_bytecode(installed, os.path.join(workshop, "compiled"))
    run([python, "-m", "compileall", "-q", *(os.path.join(compiled, name) for name in SOURCES)])
    commands = [
        Command(BARE, (python, "-c", "pass"), {}),
        Command(SQLITE, (python, os.path.join(installed, "predict.py"), *asked), {"DATABASE_URL": sqlite_url}),
        Command(POSTGRES, (python, os.path.join(installed, "predict.py"), *asked), {"DATABASE_URL": postgres_url}),
        Command(
            WITHOUT_BYTECODE,
            (python, os.path.join(checkout, "predict.py"), *asked),
            {"DATABASE_URL": sqlite_url, "PYTHONDONTWRITEBYTECODE": "1"},
        ),
        Command(
            COMPILED,
            (python, os.path.join(compiled, "predict.py"), *asked),
            {"DATABASE_URL": sqlite_url, "PYTHONDONTWRITEBYTECODE": "1"},
        ),
    ]
    console = os.path.join(os.path.dirname(python), "struggle-predict")
    if os.path.exists(console):
        commands.append(Command(INSTALLED, (console, *asked), {"DATABASE_URL": sqlite_url}))
    if glob(os.path.join(installed, "models", "*.pkl")):
        untrained = _without_models(installed, os.path.join(workshop, "untrained"))
        commands.append(
            Command(RULES, (python, os.path.join(untrained, "predict.py"), *asked), {"DATABASE_URL": sqlite_url})
        )
    psql = shutil.which("psql")
    if psql:
        commands.append(Command(PSQL, (psql, "-X", "-c", "select 1", _without_parameters(postgres_url)), {}))
    if reference:
        model = os.path.join(workshop, "reference.joblib")
        run([sys.executable, GUIDE_SHAPE, "fit", model])
        for name, url in ((REFERENCE_SQLITE, sqlite_url), (REFERENCE_POSTGRES, _without_parameters(postgres_url))):
            commands.append(Command(name, (sys.executable, GUIDE_SHAPE, "predict", url, model, *asked), {}))
    return commands


def _full_window(workshop: str, python: str, scratch_url: str | None) -> list[Command]:
    """Predictions for the learner of full_window.py; on PostgreSQL only where the database is ours to write to."""
    sqlite_url = "sqlite:///" + os.path.join(workshop, "full.db")
    create_demo(sqlite_url)
    asked = (python, os.path.join(directory_of_predict(python), "predict.py"), FULL_LEARNER, FULL_OBJECTIVE)
    urls = {FULL_SQLITE: sqlite_url} | ({FULL_POSTGRES: scratch_url} if scratch_url else {})
    for url in urls.values():
        with open_writer(url) as writer:
            add_full_learner(writer)
    return [Command(name, asked, {"DATABASE_URL": url}) for name, url in urls.items()]


def _without_bytecode(installed: str, directory: str) -> str:
    """A copy of the predictor's sources as a fresh checkout holds them: nothing in it is compiled."""
    os.mkdir(directory)
    shutil.copy(os.path.join(installed, "predict.py"), directory)
    for package in ("ml", "db", "scripts", "models"):
        shutil.copytree(
            os.path.join(installed, package),
            os.path.join(directory, package),
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return directory


def _without_models(installed: str, directory: str) -> str:
    """A copy of the predictor that has no trained model, so that its two-argument form answers by the rules."""
    os.mkdir(directory)
    shutil.copy(os.path.join(installed, "predict.py"), directory)
    for package in ("ml", "db"):
        shutil.copytree(os.path.join(installed, package), os.path.join(directory, package))
    return directory


def _without_parameters(url: str) -> str:
    """The URL without Prisma's parameters, which neither libpq nor SQLAlchemy knows."""
    return url.partition("?")[0]


def report_of(costs: Mapping[str, Sequence[Cost]], measured_by: Run) -> Report:
    """Time and memory per command, the ratio to the bare interpreter, and the goals that these commands have."""
    wall = {name: median(cost.wall_ms for cost in measured) for name, measured in costs.items()}
    records = []
    for name, measured in costs.items():
        records += [
            spread(name, "wall ms", [cost.wall_ms for cost in measured]),
            spread(name, "CPU ms", [cost.cpu_ms for cost in measured]),
            Record(name, "peak MiB", median(cost.peak_mib for cost in measured)),
            Record(name, f"times {BARE}", wall[name] / wall[BARE]),
        ]
    goals = [goal.goal(wall) for goal in GOALS if goal.above in wall and goal.below in wall]
    peak = median(cost.peak_mib for cost in costs[SQLITE])
    goals.append(Goal(f"peak memory of {SQLITE}, MiB", peak, SQLITE_PEAK_MIB))
    return Report("startup", measured_by, records, goals)
