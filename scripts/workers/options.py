"""--jobs, --backend and --scheduler: the same options, with the same rules, of every command that shares its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from scripts.cli.exits import CONFIGURATION, USAGE, Refused
from scripts.workers.backends import Workers
from scripts.workers.dask_workers import SchedulerAddress, check_address


def engine_options(jobs: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The three options; jobs is the default of the first."""
    options = (
        click.option(
            "--jobs", type=click.IntRange(1, 256), default=jobs, show_default=True, help="Processes on this machine."
        ),
        click.option("--backend", type=click.Choice(["loky", "dask"]), default="loky", show_default=True),
        click.option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://host:8786."),
    )

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def workers_of(backend: str, jobs: int, scheduler: str | None) -> Workers:
    """What the options name. Refuses a cluster without an address, the reverse, and what can be no address of one."""
    if (backend == "dask") != bool(scheduler):
        raise Refused("--backend dask and --scheduler ADDRESS belong together.", USAGE)
    if scheduler:
        try:
            check_address(scheduler)
        except SchedulerAddress as error:
            raise Refused(str(error), CONFIGURATION) from None
    return Workers(backend, jobs, scheduler)


def names_workers(options: Mapping[str, Any]) -> bool:
    """True; refuses, as workers_of does, for commands that must say so before they look for a database."""
    workers_of(options["backend"], options["jobs"], options["scheduler"])
    return True
