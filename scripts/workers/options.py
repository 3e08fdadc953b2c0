"""--jobs, --backend and --scheduler: the same options, with the same rules, for every command that shares its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click

from scripts.cli.exits import Usage
from scripts.workers.backends import Workers
from scripts.workers.dask_workers import check_address


def engine_options(jobs: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options, which the command gets as one `workers`; jobs is the default of --jobs."""
    options = (
        click.option(
            "--jobs",
            type=click.IntRange(1, 256),
            default=jobs,
            show_default=True,
            help="How many processes of this machine share the work.",
        ),
        click.option(
            "--backend",
            type=click.Choice(["loky", "dask"]),
            default="loky",
            show_default=True,
            help="Who shares the work: processes of this machine (loky) or a Dask cluster (dask).",
        ),
        click.option("--scheduler", metavar="ADDRESS", help="The Dask cluster's scheduler, such as tcp://host:8786."),
    )

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def decided(*, backend: str, jobs: int, scheduler: str | None, **more: Any) -> Any:
            return command(workers=workers_of(backend, jobs, scheduler), **more)

        made: Callable[..., Any] = decided
        for option in reversed(options):
            made = option(made)
        return made

    return decorated


def workers_of(backend: str, jobs: int, scheduler: str | None) -> Workers:
    """The workers that the options name.

    Raises SchedulerAddress, and Usage for a cluster without an address and vice versa.
    """
    if (backend == "dask") != bool(scheduler):
        raise Usage("--backend dask and --scheduler ADDRESS belong together.")
    if scheduler:
        check_address(scheduler)
    return Workers(backend, jobs, scheduler)


def names_workers(options: Mapping[str, Any]) -> bool:
    """Returns True, or raises what workers_of raises.

    For commands that check these options before they look for a database.
    """
    workers_of(options["backend"], options["jobs"], options["scheduler"])
    return True
