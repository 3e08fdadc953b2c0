"""Workers that are killed, cut off, stopped and kept waiting at random moments: `python -m tests.fuzz.disturb_worker
--times 1000`.

Each disturbance falls into some requests that are under way. What counts as a fault: a wrong or torn answer, a call
that settles later than its deadline, a wrong exit code, a request after a disturbance that does not get its own answer,
and a process or a database session that is left behind. A call has settled when its line is there or the worker is
gone.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from db.demo import LEARNER, OBJECTIVES
from tests.fuzz.soak_worker import demo_of_our_own
from tests.support.outputs import read_output
from tests.support.postgres_server import connected, connections_left, reviews_locked
from tests.support.worker_process import COMMAND, OURS, Worker, printed

TIMEOUT_S, SHORT_S = 20.0, 0.05
MARGIN_S = 10.0
"""What a busy machine may add to a deadline before it counts as missed."""
MARK = "STRUGGLE_DISTURBED"
"""A variable of every worker, by which those that were left behind are found."""

PARENT = """
import os, subprocess, sys
worker = subprocess.Popen(sys.argv[1:])
os.write(2, b"%d\\n" % worker.pid)
worker.wait()
"""


class Disturbed:
    """A database, workers on it one after the other, and what was found of them."""

    def __init__(self, url: str, seed: int) -> None:
        self.url, self.chance = url, random.Random(seed)
        self.mark = secrets.token_hex(8)
        self.expected = {name: printed([LEARNER, name], url) for name in OBJECTIVES}
        self.faults: list[str] = []
        self.slowest_s = 0.0
        self.counted: Counter[str] = Counter()
        self._sent: dict[int, tuple[str, float]] = {}  # id -> objective, when it must have settled
        self._number = 0
        self._worker: Worker | None = None
        self._children: list[int] = []

    @property
    def worker(self) -> Worker:
        """One that lives; a new one after a disturbance that ended the one before."""
        if self._worker is None:
            self._worker = Worker(url=self.url, environment={MARK: self.mark})
            self._children.append(self._worker.pid)
        return self._worker

    def send(self, requests: int, timeout_s: float = TIMEOUT_S) -> None:
        """Sends so many requests at once."""
        worker, lines = self.worker, []  # its start is not a part of any deadline
        for _ in range(requests):
            self._number += 1
            objective = self.chance.choice(list(OBJECTIVES))
            self._sent[self._number] = objective, time.monotonic() + timeout_s
            asked = {"id": self._number, "user_id": LEARNER, "objective_id": objective, "timeout": timeout_s}
            lines.append(json.dumps(asked).encode())
        with suppress(BrokenPipeError):
            worker.send(*lines)

    def settle(self, may_degrade: bool = False) -> None:
        """Reads the answers to all that was sent."""
        while self._sent:
            try:
                line = self.worker.raw_line(self._left_s())
            except AssertionError as error:
                self.faults.append(f"not settled: {error}")
                self._sent.clear()
                return
            self._settled(line, may_degrade)

    def settle_by_end(self, code: int, answers_all: bool = False) -> None:
        """Reads what still comes of a worker that ends, with this code."""
        worker, self._worker = self.worker, None
        assert worker.stdout is not None
        try:
            left = worker._read + (b"" if worker.stdout.closed else worker.stdout.read())
            worker.wait(self._left_s() + 6.0)
        except subprocess.TimeoutExpired:
            self.faults.append(f"a worker went on after it should have ended with {code}")
            worker.kill()
            worker.wait()
        *whole, torn = left.split(b"\n")
        if torn and code >= 0:
            self.faults.append(f"a torn line from a worker that was not killed: {torn[-100:]!r}")
        for line in whole:
            self._settled(line, True)
        if answers_all and self._sent:
            self.faults.append(f"requests {sorted(self._sent)} got no answer")
        if worker.returncode != code:
            self.faults.append(f"ended with {worker.returncode} instead of {code}: {worker.said()[-300:]}")
        self._sent.clear()
        for stream in (worker.stdin, worker.stdout, worker.stderr):
            if stream is not None:
                stream.close()

    def _left_s(self) -> float:
        last = max((by for _, by in self._sent.values()), default=time.monotonic())
        return max(0.0, last - time.monotonic()) + MARGIN_S

    def _settled(self, line: bytes, may_degrade: bool) -> None:
        found = read_output(line.decode("ascii"))
        if found.get("exit_code") in (2, 143) and (found["id"] is None or found["id"] in self._sent):
            self._sent.pop(found["id"], None)
            return
        asked = self._sent.pop(found["id"], None)
        if asked is None:
            self.faults.append(f"a second line, or one for nobody: {line[:100]!r}")
            return
        objective, by = asked
        late_s = time.monotonic() - by
        self.slowest_s = max(self.slowest_s, late_s)
        whole = line.endswith(b'"answer": ' + self.expected[objective] + b"}")
        if not whole and not (may_degrade and found.get("answer", {}).get("degraded")):
            why = found.get("answer", found).get("degraded", found.get("error"))
            self.faults.append(f"a wrong answer about {objective} ({why}): {line[:300]!r}")

    def left_behind(self) -> list[str]:
        """Workers that live, zombies among our children, and sessions of the database."""
        found = [f"process {pid} is a zombie" for pid in self._children if os.path.exists(f"/proc/{pid}")]
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes():
                    found.append(f"process {entry.name} was left behind")
        if not self.url.startswith("file:") and (sessions := connections_left(self.url)):
            found.append(f"{sessions} sessions of the database were left behind")
        return found


def killed(ground: Disturbed) -> None:
    """SIGKILL, with requests under way."""
    ground.send(ground.chance.randint(1, 5))
    time.sleep(ground.chance.uniform(0, 0.03))
    ground.worker.kill()
    ground.settle_by_end(-signal.SIGKILL)


def stopped(ground: Disturbed) -> None:
    """SIGTERM, with requests under way."""
    ground.send(ground.chance.randint(0, 5))
    time.sleep(ground.chance.uniform(0, 0.03))
    ground.worker.terminate()
    ground.settle_by_end(143)


def no_more_asked(ground: Disturbed) -> None:
    """stdin is closed, now and then in the midst of a line."""
    worker = ground.worker
    assert worker.stdin is not None
    ground.send(ground.chance.randint(0, 5))
    if ground.chance.random() < 0.5:
        worker.stdin.write(b'{"id": 1, "user_')
    worker.stdin.close()
    ground.settle_by_end(0, answers_all=True)


def no_longer_read(ground: Disturbed) -> None:
    """stdout is closed, with requests under way."""
    worker = ground.worker
    assert worker.stdout is not None
    ground.send(ground.chance.randint(0, 5))
    time.sleep(ground.chance.uniform(0, 0.03))
    worker.stdout.close()
    ground.settle_by_end(74)


def aborted(ground: Disturbed) -> None:
    """The caller no longer wants some answers, and asks the next question: each line goes to its own."""
    ground.send(ground.chance.randint(1, 5))
    time.sleep(ground.chance.uniform(0, 0.03))
    ground.send(1)
    ground.settle()


def timed_out(ground: Disturbed) -> None:
    """The database is locked for longer than some requests may take; those after them are whole."""
    if ground.url.startswith("file:"):
        path = ground.url.removeprefix("file:")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            _time_out(ground)
            other.execute("ROLLBACK")
    else:
        with reviews_locked(ground.url):
            _time_out(ground)
    ground.send(1)
    ground.settle()


def _time_out(ground: Disturbed) -> None:
    ground.send(ground.chance.randint(1, 3), SHORT_S)
    ground.settle(may_degrade=True)


def restarted(ground: Disturbed) -> None:
    """The database's sessions are cut, or its file is replaced, between two requests."""
    ground.send(1)
    ground.settle()
    if ground.url.startswith("file:"):
        path = ground.url.removeprefix("file:")
        with closing(sqlite3.connect(path)) as before, closing(sqlite3.connect(path + ".new")) as after:
            before.backup(after)
        os.replace(path + ".new", path)
    else:
        with connected(ground.url) as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'struggle-predictor' AND datname = current_database()"
            )
    ground.send(ground.chance.randint(1, 3))
    ground.settle()


def orphaned(ground: Disturbed) -> None:
    """The process that started a worker is killed, at any moment from the worker's start on."""
    variables = {**os.environ, **OURS, "DATABASE_URL": ground.url, MARK: ground.mark}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", PARENT, *COMMAND], env=variables, **pipes) as parent:
        assert parent.stderr is not None
        pid = int(parent.stderr.readline())
        time.sleep(ground.chance.uniform(0, 0.6))
        parent.kill()
    until = time.monotonic() + MARGIN_S
    while os.path.exists(f"/proc/{pid}/environ") and time.monotonic() < until:
        with suppress(OSError):
            if not Path(f"/proc/{pid}/environ").read_bytes():  # a zombie, whose new parent reaps when it likes
                return
        time.sleep(0.01)
    if os.path.exists(f"/proc/{pid}"):
        ground.faults.append(f"the worker {pid} outlived its parent")


KINDS: Sequence[Callable[[Disturbed], None]] = (
    *(killed, stopped, no_more_asked, no_longer_read),
    *(aborted, timed_out, restarted, orphaned),
)


def disturb(times: int, seed: int, url: str, quiet: bool = True) -> dict[str, object]:
    """So many disturbances, of all kinds in turn; returns counts, and faults in words."""
    ground, began = Disturbed(url, seed), time.monotonic()
    for number in tqdm(range(times), disable=quiet):
        kind = KINDS[number % len(KINDS)]
        kind(ground)
        ground.counted[kind.__name__] += 1
        if ground.faults:
            ground.faults[-1] += f" ({kind.__name__}, number {number})"
            break
    if ground._worker is not None:
        assert ground._worker.stdin is not None
        ground._worker.stdin.close()
        ground.settle_by_end(0)
    ground.faults += ground.left_behind()
    return {
        **ground.counted,
        "seconds": round(time.monotonic() - began, 1),
        "slowest beyond its deadline, s": round(ground.slowest_s, 2),
        "faults": ground.faults,
    }


@click.command()
@click.option("--times", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True)
@click.option("--postgres", is_flag=True, help="On a PostgreSQL server of its own, instead of a SQLite file.")
def main(times: int, seed: int, postgres: bool) -> None:
    """Disturb workers so many times; print what was found as JSON. Exit code 1 on a fault."""
    with demo_of_our_own(postgres) as url:
        found = disturb(times, seed, url, quiet=False)
    click.echo(json.dumps(found, indent=1))
    raise SystemExit(bool(found["faults"]))


if __name__ == "__main__":
    main()
