"""From nothing to the first prediction in a new Next.js application: `python -m scripts.benchmark new-application`."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from scripts.benchmarks.processes import CannotMeasure
from scripts.benchmarks.report import Report, reported, spread
from scripts.benchmarks.run import SQLITE_VERSION, this_run
from scripts.testbed.new_application import NewApplication
from scripts.testbed.node_package import install_example, tarball

NEEDED = ("node", "npm", "npx", "git", "chromium")


@click.command()
@reported
@click.option(
    "--runs", default=3, type=click.IntRange(1, 50), show_default=True, help="How many applications are made."
)
def new_application(runs: int) -> Report:
    """Make an application by create-next-app, install the package for Node, and predict in Chromium; time each step."""
    if missing := [name for name in NEEDED if not shutil.which(name)]:
        raise CannotMeasure(f"{', '.join(missing)} cannot be found on PATH.")
    try:
        packed = tarball()
        install_example()
        turns = [_seconds(packed) for _ in range(runs)]
    except RuntimeError as error:
        raise CannotMeasure(str(error)) from None
    return report_of(turns)


def _seconds(packed: Path) -> dict[str, float]:
    """Seconds per step."""
    with tempfile.TemporaryDirectory(prefix="new-application-") as workshop:
        application = NewApplication(Path(workshop, "new-app"))
        application.create()
        application.install(packed)
        application.init(str(Path(sys.base_prefix, "bin", "python3")))
        application.fill_in()
        chromium = shutil.which("chromium") or ""
        with application.served(_free_port(), Path(workshop, "server.log")) as address:
            for step in ("first prediction, from click to answer", "second prediction"):
                shown = application.ask_in_chromium(address, chromium, step)
                if "HIGH" not in shown:
                    raise CannotMeasure(f"The page shows {shown!r} instead of a prediction.")
        return application.seconds


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def report_of(turns: Sequence[dict[str, float]]) -> Report:
    """One row per step, in the order in which they are taken, and one for all of them."""
    records = [spread(step, "seconds", [turn[step] for turn in turns]) for step in turns[0]]
    records.append(spread("all steps", "seconds", [sum(turn.values()) for turn in turns]))
    return Report("new-application", this_run((SQLITE_VERSION,)), records)
