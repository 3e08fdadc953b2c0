"""Installs, starts and times the whole processes that a benchmark measures, in turn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import click

from db.libpq_environment import WITHOUT_EFFECT
from scripts.cli.database_options import warned
from scripts.cli.exits import Unavailable
from scripts.testbed.postgres import NoPostgres, ScratchServer, scratch_postgres

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE = os.path.join(ROOT, "scripts", "reference")
GUIDE_SHAPE = os.path.join(REFERENCE, "guide_shape.py")
ONE_PROCESS = os.path.join(REFERENCE, "one_process.py")


class Command(NamedTuple):
    """A command to start; environment holds the variables that differ from ours."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]


class Cost(NamedTuple):
    """What one process took: wall time, processor time and peak resident memory."""

    wall_ms: float
    cpu_ms: float
    peak_mib: float


class CannotMeasure(Unavailable):
    """Raised when something that should be measured does not run on this machine."""


python_option = click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False),
    help="Measure with this interpreter, and with its predictor if it has one installed. Default: a plain install of "
    "this checkout in a new virtual environment.",
)

postgres_option = click.option(
    "--database-url",
    callback=warned,
    metavar="URL",
    help="A PostgreSQL database that holds the demo learner. Default: a scratch server, started and removed.",
)
reference_option = click.option(
    "--reference/--no-reference", default=True, help="Measure the guide-shaped reference, too (needs .[dev])."
)


def chosen_python(python: str | None, workshop: str) -> str:
    """The interpreter that --python names, else the one of a plain install."""
    return os.path.abspath(python) if python else plain_install(os.path.join(workshop, "venv"))


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
        run([sys.executable, "-m", "venv", directory])
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", os.path.join(source, "tree")])
    return python


def directory_of_predict(python: str) -> str:
    """The directory of the predict.py that this interpreter imports; this checkout where it has none."""
    look = "import importlib.util as u; spec = u.find_spec('predict'); print(spec.origin if spec else '')"
    found = run([python, "-c", look], cwd=os.path.dirname(python)).strip()
    return os.path.dirname(found) if found else ROOT


@contextmanager
def postgres() -> Iterator[ScratchServer]:
    """A PostgreSQL server that is removed afterwards."""
    try:
        with scratch_postgres() as server:
            yield server
    except NoPostgres as error:
        raise CannotMeasure(str(error)) from None


@contextmanager
def demo_on_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL database with the demo learner."""
    with postgres() as server:
        url = server.new_database()
        create_demo(url)
        yield url


def postgres_version(url: str) -> str:
    """Name and version of the server behind a URL."""
    import psycopg2

    connection = psycopg2.connect(url.partition("?")[0])
    try:
        major, minor = divmod(connection.server_version, 10_000)
        return f"PostgreSQL {major}.{minor}"
    finally:
        connection.close()


def create_demo(url: str) -> None:
    """Creates the tables and the demo learner, in an existing database or a new SQLite file."""
    run([sys.executable, "-m", "scripts.create_database", "--database-url", url, "--demo"], cwd=ROOT)


def environment_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Our environment without the variables that affect a prediction, and with the given ones."""
    # PYTHONDONTWRITEBYTECODE, common in containers, would have a checkout's modules compiled in every run
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "PYTHON"))}
    ours = {name: value for name, value in ours.items() if name not in WITHOUT_EFFECT}
    return {**ours, **environment}


def prediction(command: Command) -> dict[str, Any]:
    """Runs a prediction command and returns its answer.

    This also compiles its modules, and shows that no error is timed.
    """
    text = run(command.argv, environment_of(command.environment))
    answer: dict[str, Any] = json.loads(text)
    if "probability" not in answer or answer.get("degraded"):
        raise CannotMeasure(f"{command.name}: no prediction from real rows: {text[:300]}")
    return answer


def cost_of(argv: Sequence[str], environment: Mapping[str, str], fine: Sequence[int] = (0,)) -> Cost:
    """Runs a process once. fine: exit codes that are not failures."""
    launcher = [sys.executable, "-I", "-S", ONE_PROCESS, *argv]
    wall_s, peak_kib, code, cpu_s = run(launcher, environment_of(environment), cwd=ROOT).split()
    if int(code) not in fine:
        raise CannotMeasure(f"{_words(argv)} ended with exit code {code}")
    return Cost(float(wall_s) * 1000, float(cpu_s) * 1000, int(peak_kib) / 1024)


def measure(
    commands: Sequence[Command], runs: int, before: Callable[[str], None] | None = None
) -> dict[str, list[Cost]]:
    """The costs of each command by its name; the commands take turns.

    Args:
        commands: Several may have one name, and their costs are then put together.
        runs: How often each command is run.
        before: What to do with a command's name before each time that it is run.
    """
    costs: dict[str, list[Cost]] = {command.name: [] for command in commands}
    with click.progressbar(range(runs), label="measuring", file=sys.stderr) as rounds:
        for _ in rounds:
            for command in commands:
                if before is not None:
                    before(command.name)
                costs[command.name].append(cost_of(command.argv, command.environment))
    return costs


def run(argv: Sequence[str], environment: Mapping[str, str] | None = None, cwd: str | None = None) -> str:
    """Runs a command and returns its standard output. Raises CannotMeasure where it fails."""
    done = subprocess.run(argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotMeasure(f"{_words(argv)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def _words(argv: Sequence[str]) -> str:
    return " ".join(os.path.basename(word) for word in argv[:4])
