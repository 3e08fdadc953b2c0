"""What one prediction costs a caller that starts a process for it: wall time and peak memory of the whole process.

Every command is measured in turn, again and again, so that a busy minute of the machine falls on all of them alike;
ratios are those of the medians. The predictor runs from a plain install in a virtual environment of its own.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from glob import glob
from statistics import median
from typing import Any, NamedTuple

import click

from scripts.cli.database_options import warned
from scripts.cli.output_file import OutputPath, write_whole

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE = os.path.join(ROOT, "scripts", "reference", "guide_shape.py")
ONE_PROCESS = os.path.join(ROOT, "scripts", "reference", "one_process.py")

BARE = "python -c pass"
SQLITE, POSTGRES = "prediction, SQLite", "prediction, PostgreSQL"
RULES = "prediction by the rules, SQLite"
REFERENCE_SQLITE, REFERENCE_POSTGRES = "guide-shaped reference, SQLite", "guide-shaped reference, PostgreSQL"
PSQL = "psql -c 'select 1'"


class Command(NamedTuple):
    """What is started; environment holds what differs from ours."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]


class Cost(NamedTuple):
    """One process: wall time and peak resident memory."""

    wall_ms: float
    peak_mib: float


class Goal(NamedTuple):
    """A bound on the ratio of two commands' medians: at most, or at least."""

    above: str
    below: str
    bound: float
    at_most: bool


GOALS = (
    Goal(SQLITE, BARE, 3.5, at_most=True),
    Goal(POSTGRES, BARE, 8.0, at_most=True),
    Goal(REFERENCE_SQLITE, SQLITE, 30.0, at_most=False),
    Goal(REFERENCE_POSTGRES, POSTGRES, 15.0, at_most=False),
    Goal(SQLITE, RULES, 1.15, at_most=True),
)
SQLITE_PEAK_MIB = 20.0


class CannotMeasure(click.ClickException):
    """Raised when something that is to be measured does not run on this machine."""

    exit_code = 69


@click.command()
@click.option("--runs", type=click.IntRange(1, 1000), default=20, show_default=True, help="Rounds to take medians of.")
@click.option("--json", "json_path", type=OutputPath(), help="Write the figures here too.")
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False),
    help="Measure with this interpreter, and with its predictor if it has one installed. Default: a plain install of "
    "this checkout in a new virtual environment.",
)
@click.option(
    "--database-url",
    callback=warned,
    metavar="URL",
    help="A PostgreSQL database that holds the demo learner. Default: a scratch server, started and removed.",
)
@click.option(
    "--reference/--no-reference", default=True, help="Measure the guide-shaped reference, too (needs .[dev])."
)
def startup(runs: int, json_path: str | None, python: str | None, database_url: str | None, reference: bool) -> None:
    """Time and memory of a whole prediction process.

    Beside it: the bare interpreter, psql where there is one, and a reference in the shape of the integration guide
    (asyncio, SQLAlchemy, joblib.load of a calibrated scikit-learn model, the same rows).
    """
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="startup-benchmark-"))
        python = os.path.abspath(python) if python else plain_install(os.path.join(workshop, "venv"))
        postgres_url = database_url or stack.enter_context(_demo_on_postgres())
        commands = _commands(workshop, python, postgres_url, reference)
        for command in commands:
            _check(command)
        costs = measure(commands, runs)
    report = _report(costs, runs)
    click.echo(_table(report))
    if json_path:
        write_whole(json_path, json.dumps(report, indent=2) + "\n")


def plain_install(directory: str) -> str:
    """The interpreter of a new virtual environment in which the predictor is installed, not linked."""
    click.echo("installing the predictor into a virtual environment of its own", err=True)
    python = os.path.join(directory, "bin", "python")
    with tempfile.TemporaryDirectory(prefix="source-") as source:
        # setuptools builds inside the source tree; a copy keeps the tree, and whatever was built there, out of it
        shutil.copytree(
            ROOT,
            os.path.join(source, "tree"),
            ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "node_modules"),
        )
        _run([sys.executable, "-m", "venv", directory])
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", os.path.join(source, "tree")])
    return python


@contextmanager
def _demo_on_postgres() -> Iterator[str]:
    from scripts.testbed.postgres import NoPostgres, scratch_postgres

    try:
        with scratch_postgres() as server:
            url = server.new_database()
            _create_demo(url)
            yield url
    except NoPostgres as error:
        raise CannotMeasure(str(error)) from None


def _create_demo(url: str) -> None:
    _run([sys.executable, "-m", "scripts.create_database", "--database-url", url, "--demo"], cwd=ROOT)


def _commands(workshop: str, python: str, postgres_url: str, reference: bool) -> list[Command]:
    sqlite_url = "sqlite:///" + os.path.join(workshop, "demo.db")
    _create_demo(sqlite_url)
    asked = ("demo-learner", "action-potentials")
    installed = directory_of_predict(python)
    commands = [
        Command(BARE, (python, "-c", "pass"), {}),
        Command(SQLITE, (python, os.path.join(installed, "predict.py"), *asked), {"DATABASE_URL": sqlite_url}),
        Command(POSTGRES, (python, os.path.join(installed, "predict.py"), *asked), {"DATABASE_URL": postgres_url}),
    ]
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
        _run([sys.executable, REFERENCE, "fit", model])
        for name, url in ((REFERENCE_SQLITE, sqlite_url), (REFERENCE_POSTGRES, _without_parameters(postgres_url))):
            commands.append(Command(name, (sys.executable, REFERENCE, "predict", url, model, *asked), {}))
    return commands


def directory_of_predict(python: str) -> str:
    """The directory of the predict.py that this interpreter imports; this checkout where it has none."""
    look = "import importlib.util as u; spec = u.find_spec('predict'); print(spec.origin if spec else '')"
    found = _run([python, "-c", look], cwd=os.path.dirname(python)).strip()
    return os.path.dirname(found) if found else ROOT


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


def environment_of(command: Command) -> dict[str, str]:
    """Ours, without what would reach into a prediction, and with the command's own."""
    from db.libpq_environment import WITHOUT_EFFECT

    # PYTHONDONTWRITEBYTECODE, common in containers, would have a checkout's modules compiled in every run
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "PYTHON"))}
    ours = {name: value for name, value in ours.items() if name not in WITHOUT_EFFECT}
    return {**ours, **command.environment}


def _check(command: Command) -> None:
    """Runs the command once: it must do its work, and its modules get compiled."""
    text = _run(list(command.argv), environment=environment_of(command))
    if "demo-learner" in command.argv:
        answer = json.loads(text)
        if "probability" not in answer or answer.get("degraded"):
            raise CannotMeasure(f"{command.name}: no prediction from real rows: {text[:300]}")


def measure(
    commands: Sequence[Command], runs: int, before: Callable[[str], None] | None = None
) -> dict[str, list[Cost]]:
    """Each command in turn, so often; costs by name, together where several commands have one name.

    before: what to do with a command's name before each time that it is run.
    """
    costs: dict[str, list[Cost]] = {command.name: [] for command in commands}
    with click.progressbar(range(runs), label="measuring", file=sys.stderr) as rounds:
        for _ in rounds:
            for command in commands:
                if before is not None:
                    before(command.name)
                launcher = [sys.executable, "-I", "-S", ONE_PROCESS, *command.argv]
                wall_s, peak_kib, code = _run(launcher, environment=environment_of(command)).split()
                if code != "0":
                    raise CannotMeasure(f"{command.name}: ended with exit code {code}")
                costs[command.name].append(Cost(float(wall_s) * 1000, int(peak_kib) / 1024))
    return costs


def _run(argv: Sequence[str], environment: Mapping[str, str] | None = None, cwd: str | None = None) -> str:
    done = subprocess.run(argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        words = " ".join(os.path.basename(word) for word in argv[:4])
        raise CannotMeasure(f"{words} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def _report(costs: Mapping[str, Sequence[Cost]], runs: int) -> dict[str, Any]:
    """The figures: medians and quartiles per command, the ratio to the bare interpreter, and the goals."""
    wall = {name: median(cost.wall_ms for cost in measured) for name, measured in costs.items()}
    commands = [
        {
            "command": name,
            "wall_ms": round(wall[name], 2),
            "wall_ms_least": round(min(cost.wall_ms for cost in measured), 2),
            "wall_ms_most": round(max(cost.wall_ms for cost in measured), 2),
            "peak_mib": round(median(cost.peak_mib for cost in measured), 1),
            "times_python": round(wall[name] / wall[BARE], 2),
        }
        for name, measured in costs.items()
    ]
    ratios = [
        {
            "ratio": f"{goal.above} / {goal.below}",
            "value": round(wall[goal.above] / wall[goal.below], 3),
            "bound": f"at {'most' if goal.at_most else 'least'} {goal.bound:g}",
            "met": _met(goal, wall[goal.above] / wall[goal.below]),
        }
        for goal in GOALS
        if goal.above in wall and goal.below in wall
    ]
    peak = median(cost.peak_mib for cost in costs[SQLITE])
    ratios.append(
        {
            "ratio": f"peak memory of {SQLITE}, MiB",
            "value": round(peak, 1),
            "bound": f"at most {SQLITE_PEAK_MIB:g}",
            "met": peak <= SQLITE_PEAK_MIB,
        }
    )
    return {
        "benchmark": "startup",
        "runs": runs,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "commands": commands,
        "ratios": ratios,
    }


def _met(goal: Goal, ratio: float) -> bool:
    return ratio <= goal.bound if goal.at_most else ratio >= goal.bound


def _table(report: Mapping[str, Any]) -> str:
    lines = [f"{'command':38}  {'median ms':>9}  {'peak MiB':>8}  {'x python':>8}"]
    for row in report["commands"]:
        lines.append(f"{row['command']:38}  {row['wall_ms']:9.1f}  {row['peak_mib']:8.1f}  {row['times_python']:8.2f}")
    lines.append("")
    for row in report["ratios"]:
        lines.append(f"{row['ratio']:70}  {row['value']:7.2f}  {row['bound']:13}  {'met' if row['met'] else 'MISSED'}")
    return "\n".join(lines)
