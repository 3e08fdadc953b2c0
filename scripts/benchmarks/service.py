"""What the service carries: requests a second and the time to an answer, beside a service of the guide's shape.

Both are real uvicorn processes on loopback over the same database; they take turns, so that a busy minute of the
machine falls on both. The load is closed: every connection asks again as soon as it has its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import click

from db.connecting import DEMO
from db.demo import LEARNER, OBJECTIVES
from db.libpq_environment import WITHOUT_EFFECT
from scripts.benchmarks.startup import ROOT, CannotMeasure, _demo_on_postgres
from scripts.cli.database_options import warned
from scripts.cli.output_file import OutputPath, write_whole

REFERENCE = os.path.join(ROOT, "scripts", "reference")
OURS, GUIDE = "service", "guide-shaped reference"
STARTS_WITHIN_S = 120.0
WARM_UP_S = 1.0
LEAST_RATIO = 3.0


class Round(NamedTuple):
    """One turn under load: answers a second, and the time to each answer."""

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
        """Collects an answer; whole, its time is noted."""
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
            self._end(CannotMeasure(f"an answer under load was none: {head[:60]!r} {body[:200]!r}"))
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
    """Holds the load for so many seconds."""
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
@click.option("--seconds", type=click.FloatRange(0.2, 600), default=5.0, show_default=True, help="Length of a turn.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Turns of each service.")
@click.option("--connections", type=click.IntRange(1, 5000), default=16, show_default=True, help="At the same time.")
@click.option("--database", type=click.Choice(["postgresql", "sqlite"]), default="postgresql", show_default=True)
@click.option(
    "--database-url",
    callback=warned,
    metavar="URL",
    help="A PostgreSQL database that holds the demo learner. Default: a scratch server.",
)
@click.option(
    "--reference/--no-reference", default=True, help="Measure the guide-shaped reference, too (needs .[dev])."
)
@click.option("--json", "json_path", type=OutputPath(), help="Write the figures here too.")
def service(
    seconds: float,
    rounds: int,
    connections: int,
    database: str,
    database_url: str | None,
    reference: bool,
    json_path: str | None,
) -> None:
    """Throughput and latency of the service under load, beside a reference in the shape of the integration guide."""
    with contextlib.ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="service-benchmark-"))
        if database == "postgresql":
            url = database_url or stack.enter_context(_demo_on_postgres())
        else:
            url = f"sqlite:///{DEMO}"
        ports = {OURS: stack.enter_context(_ours(workshop, url))}
        if reference:
            ports[GUIDE] = stack.enter_context(_guide(workshop, url))
        turns: dict[str, list[Round]] = {name: [] for name in ports}
        for port in ports.values():
            asyncio.run(load(port, connections, min(seconds, WARM_UP_S)))
        for _ in range(rounds):
            for name, port in ports.items():
                turns[name].append(asyncio.run(load(port, connections, seconds)))
    report = _report(turns, database, connections, seconds)
    click.echo(_table(report))
    if json_path:
        write_whole(json_path, json.dumps(report, indent=2) + "\n")


@contextlib.contextmanager
def _ours(workshop: str, url: str) -> Iterator[int]:
    with _process(workshop, ["-m", "scripts.service"], DATABASE_URL=url) as port:
        yield port


@contextlib.contextmanager
def _guide(workshop: str, url: str) -> Iterator[int]:
    model_file = os.path.join(workshop, "guide.joblib")
    shape = os.path.join(REFERENCE, "guide_shape.py")
    subprocess.run([sys.executable, shape, "fit", model_file], check=True)  # noqa: S603 - our own arguments
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


def _report(turns: dict[str, list[Round]], database: str, connections: int, seconds: float) -> dict[str, Any]:
    """Medians over the turns, each turn's percentiles being its own."""
    rows: list[dict[str, Any]] = [
        {
            "service": name,
            "predictions_per_s": round(median(turn.throughput for turn in found), 1),
            "p50_ms": round(median(_percentile(turn.latencies_ms, 0.50) for turn in found), 2),
            "p99_ms": round(median(_percentile(turn.latencies_ms, 0.99) for turn in found), 2),
            "answers": sum(len(turn.latencies_ms) for turn in found),
        }
        for name, found in turns.items()
    ]
    goals = []
    if len(rows) == 2:
        ours, guide = rows
        ratio = ours["predictions_per_s"] / guide["predictions_per_s"]
        goals = [
            {"goal": "throughput over the reference's", "value": round(ratio, 2), "bound": f"at least {LEAST_RATIO:g}"},
            {
                "goal": "p99 over the reference's",
                "value": round(ours["p99_ms"] / guide["p99_ms"], 2),
                "bound": "at most 1",
            },
        ]
        goals[0]["met"], goals[1]["met"] = ratio >= LEAST_RATIO, ours["p99_ms"] <= guide["p99_ms"]
    return {
        "benchmark": "service",
        "database": database,
        "connections": connections,
        "seconds": seconds,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "services": rows,
        "goals": goals,
    }


def _percentile(latencies_ms: Sequence[float], share: float) -> float:
    ordered = sorted(latencies_ms)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _table(report: dict[str, Any]) -> str:
    lines = [f"{'service':24}  {'predictions/s':>13}  {'p50 ms':>8}  {'p99 ms':>8}  {'answers':>8}"]
    for row in report["services"]:
        figures = f"{row['predictions_per_s']:13.1f}  {row['p50_ms']:8.2f}  {row['p99_ms']:8.2f}  {row['answers']:8}"
        lines.append(f"{row['service']:24}  {figures}")
    for goal in report["goals"]:
        met = "met" if goal["met"] else "MISSED"
        lines.append(f"{goal['goal']:38}  {goal['value']:7.2f}  {goal['bound']:12}  {met}")
    return "\n".join(lines)
