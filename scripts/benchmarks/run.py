"""What a benchmark's figures belong to: the command, the commit, the machine and the date."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from scripts.benchmarks.processes import ROOT, directory_of_predict, run

SQLITE_VERSION = f"SQLite {sqlite3.sqlite_version}"
UNKNOWN = "unknown"


class Run(NamedTuple):
    """One run of a benchmark.

    Attributes:
        command: The command line, without a URL's value and without --json.
        commit: The commit that was measured, with "-dirty" behind it where files had been changed since; "unknown"
            outside a git checkout.
        at: When the run ended, in ISO 8601, UTC, to the second.
        machine: The system and the kind of processor.
        cores: How many processors the system has.
        python: The version of the interpreter that was measured.
        databases: Name and version of every database that took part.
    """

    command: str
    commit: str
    at: str
    machine: str
    cores: int
    python: str
    databases: tuple[str, ...]

    def __str__(self) -> str:
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        facts = (f"commit {self.commit}", self.at, self.machine, cores, f"Python {self.python}", *self.databases)
        return f"{self.command}\n{', '.join(facts)}"


def this_run(databases: Sequence[str] = (), python: str | None = None) -> Run:
    """What is running now.

    Args:
        databases: Such as SQLITE_VERSION.
        python: The interpreter that was measured, where it is not this one; the commit is then that of its predict.py.
    """
    version = "import platform; print(platform.python_version())"
    return Run(
        command=_command_line(click.get_current_context(silent=True)),
        commit=commit_of(directory_of_predict(python) if python else ROOT),
        at=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        machine=f"{platform.system()} {platform.machine()}",
        cores=os.cpu_count() or 1,
        python=run([python, "-c", version]).strip() if python else platform.python_version(),
        databases=tuple(databases),
    )


def commit_of(directory: str) -> str:
    """The commit that is checked out in this directory; a directory below a checkout's root does not count as one."""
    if not os.path.exists(os.path.join(directory, ".git")):
        return UNKNOWN
    command = ["git", "-C", directory, "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    except OSError:
        return UNKNOWN
    return done.stdout.strip() or UNKNOWN


def _command_line(context: click.Context | None) -> str:
    """The command as somebody would type it, with the options that were given."""
    if context is None:
        return ""
    words = ["python -m scripts.benchmark", context.info_name or ""]
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") == ParameterSource.COMMANDLINE
        if given and isinstance(option, click.Option) and "--json" not in option.opts:
            words += _as_typed(option, context.params[option.name or ""])
    return " ".join(words)


def _as_typed(option: click.Option, value: Any) -> Iterator[str]:
    if option.is_flag:
        yield option.opts[0] if value else option.secondary_opts[0]
        return
    for each in value if option.multiple else (value,):
        yield f"{option.opts[0]} {'URL' if option.metavar == 'URL' else each}"  # a URL may hold a password
