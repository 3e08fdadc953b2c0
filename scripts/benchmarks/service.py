"""The load that the service can carry: requests per second and the time to an answer, compared with the guide's shape.

Both are real uvicorn processes on loopback over the same database; they take turns, so that a busy minute of the
machine affects both. The load is a closed loop: every connection asks again as soon as it has its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

import click

from db.connecting import DEMO
from db.libpq_environment import WITHOUT_EFFECT
from scripts.benchmarks.load import Round, load
from scripts.benchmarks.processes import (
    GUIDE_SHAPE,
    REFERENCE,
    ROOT,
    CannotMeasure,
    demo_on_postgres,
    postgres_option,
    postgres_version,
    reference_option,
    run,
)
from scripts.benchmarks.report import Goal, Record, Report, reported, spread
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run
from scripts.cli.options import Number

OURS, GUIDE = "service", "guide-shaped reference"
AFRESH = "service, no rows kept"
"""The service when each request is for a moment of its own, so that it has to read the learner's rows."""
STARTS_WITHIN_S = 120.0
WARM_UP_S = 1.0
LEAST_THROUGHPUT, MOST_P99 = 6.0, 1.0
"""Beside the reference's."""


@click.command()
@reported
@click.option("--seconds", type=Number(0.2, 600), default=5.0, show_default=True, help="Length of a turn.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Turns of each service.")
@click.option("--connections", type=click.IntRange(1, 5000), default=16, show_default=True, help="At the same time.")
@click.option(
    "--database",
    type=click.Choice(["postgresql", "sqlite"]),
    default="postgresql",
    show_default=True,
    help="The database that the service reads.",
)
@postgres_option
@reference_option
def service(
    seconds: float,
    rounds: int,
    connections: int,
    database: str,
    database_url: str | None,
    reference: bool,
) -> Report:
    """Throughput and latency of the service under load, beside a reference in the shape of the integration guide."""
    with contextlib.ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="service-benchmark-"))
        if database == "postgresql":
            url = database_url or stack.enter_context(demo_on_postgres())
            version = postgres_version(url)
        else:
            url, version = f"sqlite:///{DEMO}", SQLITE_VERSION
        ports = {OURS: stack.enter_context(our_service(workshop, url))}
        if reference:
            ports[GUIDE] = stack.enter_context(_guide(workshop, url))
        ports = {OURS: ports[OURS], AFRESH: ports[OURS], **ports}
        turns: dict[str, list[Round]] = {name: [] for name in ports}
        for port in set(ports.values()):
            asyncio.run(load(port, connections, min(seconds, WARM_UP_S)))
        for _ in range(rounds):
            for name, port in ports.items():
                turns[name].append(asyncio.run(load(port, connections, seconds, name == AFRESH)))
        return report_of(turns, this_run((version,)))


@contextlib.contextmanager
def our_service(workshop: str, url: str) -> Iterator[int]:
    """The port of the service, in a process of its own."""
    with _process(workshop, ["-m", "scripts.service"], DATABASE_URL=url) as port:
        yield port


@contextlib.contextmanager
def _guide(workshop: str, url: str) -> Iterator[int]:
    model_file = os.path.join(workshop, "guide.joblib")
    run([sys.executable, GUIDE_SHAPE, "fit", model_file])
    command = ["-m", "uvicorn", "--no-access-log", "--app-dir", REFERENCE, "guide_service:app"]
    # One thread: on two cores scikit-learn's would wait for each other far longer than one needs.
    with _process(workshop, command, DATABASE_URL=url, MODEL_FILE=model_file, OMP_NUM_THREADS="1") as port:
        yield port


@contextlib.contextmanager
def _process(workshop: str, arguments: Sequence[str], **environment: str) -> Iterator[int]:
    """The port of a service that answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = os.path.join(workshop, f"{port}.log")
    ours = {name: value for name, value in os.environ.items() if name not in WITHOUT_EFFECT}
    with open(log, "wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, *arguments, "--port", str(port)],
            cwd=ROOT,
            env={**ours, **environment},
            stdout=out,
            stderr=out,
        )
    try:
        _wait_for(port, process, log)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    with open(log, encoding="utf-8", errors="replace") as told:
        raise CannotMeasure(f"a service does not start: {told.read().strip()[-500:]}")


def report_of(turns: Mapping[str, Sequence[Round]], measured_by: Run) -> Report:
    """Medians of the turns' own percentiles, and the goals where both services ran."""
    records = []
    for name, found in turns.items():
        records += [
            spread(name, "predictions/s", [turn.throughput for turn in found]),
            spread(name, "p50 ms", [_percentile(turn.latencies_ms, 0.50) for turn in found]),
            spread(name, "p99 ms", [_percentile(turn.latencies_ms, 0.99) for turn in found]),
            Record(name, "answers", sum(len(turn.latencies_ms) for turn in found)),
        ]
    middle = {(record.of, record.figure): record.value for record in records}
    goals = []
    if {OURS, GUIDE} <= set(turns):
        throughput, p99 = (middle[OURS, each] / middle[GUIDE, each] for each in ("predictions/s", "p99 ms"))
        goals = [
            Goal("throughput over the reference's", throughput, LEAST_THROUGHPUT, at_most=False),
            Goal("p99 over the reference's", p99, MOST_P99),
        ]
    return Report("service", measured_by, records, goals, "least and most of the turns")


def _percentile(latencies_ms: Sequence[float], share: float) -> float:
    ordered = sorted(latencies_ms)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
