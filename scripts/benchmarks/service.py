"""What load the service carries: requests per second and the time to an answer, beside a service of the guide's shape.

Both are real uvicorn processes on loopback over the same database; they take turns, so that a busy minute of the
machine falls on both. The load is closed: every connection asks again as soon as it has its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import click

from db.connecting import DEMO
from db.demo import LEARNER, OBJECTIVES
from db.libpq_environment import WITHOUT_EFFECT
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

OURS, GUIDE = "service", "guide-shaped reference"
STARTS_WITHIN_S = 120.0
WARM_UP_S = 1.0
LEAST_THROUGHPUT, MOST_P99 = 3.0, 1.0
"""Beside the reference's."""


class Round(NamedTuple):
    """One turn under load: answers per second, and the time to each answer."""

    throughput: float
    latencies_ms: Sequence[float]


class Asker(asyncio.Protocol):
    """One keep-alive connection that asks again as soon as it is answered; httpx would cost more than the service."""

    def __init__(self, requests: Sequence[bytes], until: float, latencies_ms: list[float]) -> None:
        self.requests, self.until, self.latencies_ms = requests, until, latencies_ms
        self.finished = asyncio.get_running_loop().create_future()
        self.asked = 0
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.received = b""
        self.started = time.perf_counter()
        self.transport.write(self.requests[self.asked % len(self.requests)])  # type: ignore[attr-defined]
        self.asked += 1

    def data_received(self, data: bytes) -> None:
        """Collects an answer, and notes the time once it is whole."""
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self.latencies_ms.append((now - self.started) * 1000)
        if not head.startswith(b"HTTP/1.1 200 "):
            self._end(CannotMeasure(f"an answer under load was an error: {head[:60]!r} {body[:200]!r}"))
        elif now < self.until:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """A service that hangs up has failed."""
        self._end(CannotMeasure("the service closed a connection under load"))

    def _end(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(error) if error else self.finished.set_result(None)
            self.transport.close()


async def load(port: int, connections: int, seconds: float) -> Round:
    """Keeps up the load for so many seconds."""
    requests = [_request(port, LEARNER, objective) for objective in OBJECTIVES]
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    latencies_ms: list[float] = []
    askers = []
    for place in range(connections):
        turned = requests[place % len(requests) :] + requests[: place % len(requests)]
        begin = partial(Asker, turned, started + seconds, latencies_ms)
        _, asker = await loop.create_connection(begin, "127.0.0.1", port)
        askers.append(asker)
    try:
        await asyncio.gather(*(asker.finished for asker in askers))
    finally:
        for asker in askers:
            asker.transport.close()
        await asyncio.sleep(0)  # a transport closes its socket when the loop next turns
    return Round(len(latencies_ms) / (time.perf_counter() - started), latencies_ms)


@click.command()
@reported
@click.option("--seconds", type=click.FloatRange(0.2, 600), default=5.0, show_default=True, help="Length of a turn.")
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
        ports = {OURS: stack.enter_context(_ours(workshop, url))}
        if reference:
            ports[GUIDE] = stack.enter_context(_guide(workshop, url))
        turns: dict[str, list[Round]] = {name: [] for name in ports}
        for port in ports.values():
            asyncio.run(load(port, connections, min(seconds, WARM_UP_S)))
        for _ in range(rounds):
            for name, port in ports.items():
                turns[name].append(asyncio.run(load(port, connections, seconds)))
        return report_of(turns, this_run((version,)))


@contextlib.contextmanager
def _ours(workshop: str, url: str) -> Iterator[int]:
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


def _request(port: int, user_id: str, objective_id: str) -> bytes:
    body = json.dumps({"user_id": user_id, "objective_id": objective_id}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def report_of(turns: Mapping[str, Sequence[Round]], measured_by: Run) -> Report:
    """Medians over the turns, each turn's percentiles being its own, and the goals where both services ran."""
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
