"""Ways in which a program asks for predictions, each kept open and timed call by call, one request at a time."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple

from scripts.benchmarks.processes import REFERENCE, ROOT, CannotMeasure, environment_of, run

CALLERS = os.path.join(REFERENCE, "callers")
PACKAGE = os.path.join(ROOT, "scripts", "node")


class Times(NamedTuple):
    """Milliseconds of each call, and the seconds of all of them together."""

    calls_ms: Sequence[float]
    seconds: float


Ask = Callable[[int, int], Times]
"""Does so many calls, so many at once."""


class Question(NamedTuple):
    """Whom a way asks about, by which interpreter, in which database."""

    python: str
    url: str
    user_id: str
    objective_id: str


def timed(calls: int, call: Callable[[], object]) -> Times:
    """The times of calls, one after the other."""
    times, began = [], perf_counter()
    for _ in range(calls):
        started = perf_counter()
        call()
        times.append((perf_counter() - started) * 1000)
    return Times(times, perf_counter() - began)


def processes(argv: Sequence[str], environment: Mapping[str, str]) -> Ask:
    """A new process for each call."""

    def ask(calls: int, _at_once: int) -> Times:
        return timed(calls, lambda: run(argv, environment_of(environment)))

    return ask


@contextlib.contextmanager
def piped(argv: Sequence[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is spoken to in lines."""
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment_of({"DATABASE_URL": url}),
        bufsize=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _answer_to(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process has no pipes")
    process.stdin.write(line + b"\n")
    return _line_of(process)


def _line_of(process: subprocess.Popen[bytes]) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        octets = os.read(process.stdout.fileno(), 1 << 16) if process.stdout is not None else b""
        if not octets:
            raise CannotMeasure(f"a process that should answer has ended, after {read[-200:]!r}")
        read += octets
    return read


@contextlib.contextmanager
def worker(asked: Question) -> Iterator[Ask]:
    """The worker, through its pipes."""
    line = json.dumps({"id": 1, "user_id": asked.user_id, "objective_id": asked.objective_id}).encode()
    with piped([asked.python, "-m", "scripts.worker"], asked.url) as process:
        _line_of(process)

        def call() -> None:
            found = _answer_to(process, line)
            if b'"probability"' not in found or b'"degraded": ""' not in found:
                raise CannotMeasure(f"no prediction from real rows: {found[:200]!r}")

        yield lambda calls, _at_once: timed(calls, call)


@contextlib.contextmanager
def node(way: str, where: str, asked: Question, workers: int = 1) -> Iterator[Ask]:
    """A program of Node (scripts/reference/callers/ask.mjs). where: the directory with what it imports."""
    words = [way, asked.python, asked.user_id, asked.objective_id, where, str(workers)]
    with piped([_program("node"), os.path.join(CALLERS, "ask.mjs"), *words], asked.url) as process:

        def ask(calls: int, at_once: int) -> Times:
            found = json.loads(_answer_to(process, json.dumps({"requests": calls, "at_once": at_once}).encode()))
            return Times(found["times"], found["seconds"])

        yield ask


@contextlib.contextmanager
def service(port: int, asked: Question) -> Iterator[Ask]:
    """The HTTP service, on one connection for all calls of a turn; between turns the service may close it."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"user_id": asked.user_id, "objective_id": asked.objective_id})

    def call() -> None:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answered = connection.getresponse()
        found = answered.read()
        if answered.status != 200:
            raise CannotMeasure(f"the service answered {answered.status}: {found[:200]!r}")

    def ask(calls: int, _at_once: int) -> Times:
        connection.close()
        connection.connect()
        return timed(calls, call)

    with contextlib.closing(connection):
        yield ask


def python_shell(workshop: str) -> str:
    """A directory with npm's python-shell."""
    return _installed(workshop, "python-shell", CALLERS, ("package.json", "package-lock.json"))


def package(workshop: str) -> str:
    """A directory with the package for Node, compiled."""
    names = ("package.json", "package-lock.json", "tsconfig.json", "src")
    where = _installed(workshop, "package", PACKAGE, names)
    run([_program("node"), os.path.join("node_modules", "typescript", "bin", "tsc")], cwd=where)
    return where


def _installed(workshop: str, name: str, source: str, names: Sequence[str]) -> str:
    where = os.path.join(workshop, name)
    os.mkdir(where)
    for each in names:
        path = os.path.join(source, each)
        copy = shutil.copytree if os.path.isdir(path) else shutil.copy
        copy(path, os.path.join(where, each))
    run([_program("npm"), "ci", "--silent", "--no-audit", "--no-fund"], cwd=where)
    return where


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise CannotMeasure(f"{name} is not installed; --no-node leaves out what needs it")
    return found
