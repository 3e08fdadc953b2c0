"""Many requests through one worker: `python -m tests.fuzz.soak_worker --requests 100000`.

Every answer is compared with the bytes that predict.py printed for the same question; lines that are no requests are
mixed in. Memory is looked at after the first tenth of the requests and at the end, and so are open files and threads.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import click
from tqdm import tqdm

from db.connecting import DEMO
from db.demo import CLASSMATES, LEARNER, OBJECTIVES
from ml.places import shipped
from scripts.testbed.postgres import scratch_postgres
from tests.support.outputs import read_output
from tests.support.postgres_server import with_demo
from tests.support.worker_process import Worker, printed

MOMENTS = (None, None, None, "2025-10-10T09:00:00Z")
"""Most questions are asked as of now, which is always the same moment in the demo."""
AT_ONCE = 8
"""How many requests are sent before their answers are read."""


class Question(NamedTuple):
    """A request without its id, and the rest of the line that must come back."""

    fields: bytes
    answer: bytes


class Footprint(NamedTuple):
    """What a process holds: resident memory, open files, threads."""

    kib: int
    files: int
    threads: int


def footprint(pid: int) -> Footprint:
    """Of a running process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        told = dict(line.split(":", 1) for line in status)
    return Footprint(int(told["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(told["Threads"]))


def questions(url: str) -> list[Question]:
    """Questions with answers, with errors, and lines that are no requests."""
    found = []
    pairs = [(learner, objective) for learner in (LEARNER, CLASSMATES[0], "nobody") for objective in OBJECTIVES]
    for place, (learner, objective) in enumerate(pairs):
        moment = MOMENTS[place % len(MOMENTS)]
        options = [] if moment is None else ["--as-of", moment]
        text = printed([*options, learner, objective], url)
        asked = {"user_id": learner, "objective_id": objective} | ({} if moment is None else {"as_of": moment})
        expected = read_output(text)
        rest = b'"answer": ' + text if "error" not in expected else text[1:-1] + b', "exit_code": 66'
        found.append(Question(json.dumps(asked).encode(), b", " + rest + b"}"))
    return found


def soak(requests: int, seed: int, url: str, threads: int = 1, quiet: bool = True) -> dict[str, object]:
    """So many requests, so many answered at once; returns counts, the footprints, and faults in words."""
    chance, asked, faults = random.Random(seed), questions(url), list[str]()
    with Worker("--threads", str(threads), url=url) as worker:
        began, first = time.monotonic(), footprint(worker.pid)
        answered, wrong, refused = 0, 0, 0
        with tqdm(total=requests, disable=quiet, unit="request") as bar:
            while answered < requests:
                batch = [
                    (answered + place, None if chance.random() < 0.01 else chance.choice(asked))
                    for place in range(min(AT_ONCE, requests - answered))
                ]
                worker.send(*map(_line_of, batch))
                expected = {_expected(*each) for each in batch}
                for _ in batch:
                    line = worker.raw_line()
                    if line in expected:
                        expected.discard(line)
                    elif b'"exit_code": 2' in line and b'"id": null' in line:
                        refused += 1
                    else:
                        wrong += 1
                        faults.append(f"a wrong line: {line[:300]!r}")
                refused -= sum(question is None for _, question in batch)
                before, answered = answered, answered + len(batch)
                if before < requests // 10 <= answered:
                    first = footprint(worker.pid)
                bar.update(len(batch))
        last, seconds = footprint(worker.pid), time.monotonic() - began
        code, said = worker.ended()
    if refused:
        faults.append(f"{refused} lines too many were refused")
    if code or said:
        faults.append(f"the worker ended with {code}: {said}")
    if last.kib > 1.1 * first.kib:
        faults.append(f"memory grew from {first.kib} to {last.kib} KiB")
    if last.files > first.files or last.threads > first.threads + threads:  # one more where a request is under way
        faults.append(f"open files and threads went from {first} to {last}")
    return {
        "requests": answered,
        "wrong": wrong,
        "seconds": round(seconds, 1),
        "after a tenth": first._asdict(),
        "at the end": last._asdict(),
        "growth": round(last.kib / first.kib - 1, 4),
        "faults": faults[:20],
    }


def _line_of(asked: tuple[int, Question | None]) -> bytes:
    number, question = asked
    return b'{"id": %d' % number if question is None else b'{"id": %d, ' % number + question.fields[1:]


def _expected(number: int, question: Question | None) -> bytes | None:
    return None if question is None else b'{"id": %d' % number + question.answer


@contextmanager
def demo_of_our_own(postgres: bool) -> Iterator[str]:
    """The URL of a database with the demo learner, which may be changed."""
    with ExitStack() as stack:
        yield _made(postgres, stack)


def _made(postgres: bool, stack: ExitStack) -> str:
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="soaked-"))
    # A model that nobody replaces: the worker would notice, and rightly answer otherwise than predict.py did before.
    os.environ["STRUGGLE_MODEL"] = shutil.copy(shipped(), os.path.join(directory, "model.pkl"))
    if postgres:
        return with_demo(stack.enter_context(scratch_postgres()).new_database())
    path = os.path.join(directory, "demo.sqlite3")
    shutil.copyfile(DEMO, path)
    return f"file:{path}"


@click.command()
@click.option("--requests", default=100_000, show_default=True, type=click.IntRange(100))
@click.option("--seed", default=1, show_default=True)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--postgres", is_flag=True, help="On a PostgreSQL server of its own, instead of a SQLite file.")
def main(requests: int, seed: int, threads: int, postgres: bool) -> None:
    """Send so many requests through one worker; print what was found as JSON. Exit code 1 on a fault."""
    with demo_of_our_own(postgres) as url:
        found = soak(requests, seed, url, threads, quiet=False)
    click.echo(json.dumps(found, indent=1))
    raise SystemExit(bool(found["faults"]))


if __name__ == "__main__":
    main()
