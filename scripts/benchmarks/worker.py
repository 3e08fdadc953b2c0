"""What a prediction costs a program that keeps its predictor open, beside one that starts a process for each.

Every way is open at the same time and all of them take turns, so that a busy minute of the machine affects all alike.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median

import click

from db.demo import LEARNER
from db.writing.open import open_writer
from scripts.benchmarks import callers
from scripts.benchmarks.callers import Ask, Question, Times
from scripts.benchmarks.processes import (
    chosen_python,
    create_demo,
    demo_on_postgres,
    directory_of_predict,
    postgres_version,
    python_option,
)
from scripts.benchmarks.report import Goal, Record, Report, reported, spread
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run
from scripts.benchmarks.service import our_service
from scripts.testbed.full_window import FULL_LEARNER, FULL_OBJECTIVE, add_full_learner

BARE = "python -c pass"
COMMAND, WORKER, SHELL, SERVICE = "predict.py", "worker", "python-shell", "HTTP service"
PACKAGE, TWO = "package, one worker", "package, two workers"
SLOW_WAYS, A_TENTH = (BARE, COMMAND, SHELL), 10
"""Ways that do a tenth of the calls."""
IN_FLIGHT = 4
"""Calls at once where one worker is compared with two."""

LEARNERS = {"demo learner": (LEARNER, "action-potentials"), "3,000 answers": (FULL_LEARNER, FULL_OBJECTIVE)}
MOST_BESIDE_BARE = {
    ("demo learner", "SQLite"): 0.4,
    ("demo learner", "PostgreSQL"): 0.6,
    ("3,000 answers", "SQLite"): 0.8,
    ("3,000 answers", "PostgreSQL"): 1.2,
}
MOST_P99, LEAST_OF_TWO = 3.0, 1.6

Turns = Mapping[tuple[str, str], Sequence[Times]]
"""(way, what it asked) -> its turns."""


@click.command()
@reported
@click.option("--calls", type=click.IntRange(10, 100_000), default=300, show_default=True, help="Calls in a turn.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Turns of each way.")
@click.option("--node/--no-node", default=True, help="Measure what needs Node and npm, too.")
@python_option
def worker(calls: int, rounds: int, node: bool, python: str | None) -> Report:
    """The time of a warm prediction, one request at a time, in every way in which a program can ask.

    Beside the worker: a process per prediction, npm's python-shell around the same code, the HTTP service, and the
    package for Node; for the demo learner and for one with a full window of 3,000 answers, on SQLite and PostgreSQL.
    At last, one worker and two under four calls at once.
    """
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="worker-benchmark-"))
        interpreter = chosen_python(python, workshop)
        urls = {
            "SQLite": "sqlite:///" + os.path.join(workshop, "demo.db"),
            "PostgreSQL": stack.enter_context(demo_on_postgres()),
        }
        create_demo(urls["SQLite"])
        for url in urls.values():
            with open_writer(url) as writer:
                add_full_learner(writer)
        places = (callers.python_shell(workshop), callers.package(workshop)) if node else None
        turns: dict[tuple[str, str], list[Times]] = {}
        for database, url in urls.items():
            with our_service(workshop, url) as port:
                for learner, ids in LEARNERS.items():
                    asked = Question(interpreter, url, *ids)
                    with _ways(asked, port, places) as ways:
                        found = _measured(ways, calls, rounds)
                    turns |= {(way, f"{learner}, {database}"): times for way, times in found.items()}
        versions = SQLITE_VERSION, postgres_version(urls["PostgreSQL"])
        return report_of(turns, this_run(versions, interpreter if python else None))


@contextmanager
def _ways(asked: Question, port: int, places: tuple[str, str] | None) -> Iterator[dict[str, Ask]]:
    with ExitStack() as stack:
        predict = os.path.join(directory_of_predict(asked.python), "predict.py")
        ways: dict[str, Ask] = {
            BARE: callers.processes([asked.python, "-c", "pass"], {}),
            COMMAND: callers.processes(
                [asked.python, predict, asked.user_id, asked.objective_id], {"DATABASE_URL": asked.url}
            ),
            WORKER: stack.enter_context(callers.worker(asked)),
            SERVICE: stack.enter_context(callers.service(port, asked)),
        }
        if places is not None:
            shell, package = places
            ways[SHELL] = stack.enter_context(callers.node("python-shell", shell, asked))
            ways[PACKAGE] = stack.enter_context(callers.node("package", package, asked, 1))
            ways[TWO] = stack.enter_context(callers.node("package", package, asked, 2))
        yield ways


def _measured(ways: Mapping[str, Ask], calls: int, rounds: int) -> dict[str, list[Times]]:
    """The turns of each way, and of the package under several calls at once."""
    found: dict[str, list[Times]] = {way: [] for way in ways}
    several = [way for way in (PACKAGE, TWO) if way in ways]
    found |= {_at_once(way): [] for way in several}
    for way, ask in ways.items():
        ask(10, 2 if way == TWO else 1)  # a worker is started when it is first needed
    for _ in range(rounds):
        for way, ask in ways.items():
            found[way].append(ask(max(1, calls // A_TENTH) if way in SLOW_WAYS else calls, 1))
        for way in several:
            found[_at_once(way)].append(ways[way](calls, IN_FLIGHT))
    return found


def _at_once(way: str) -> str:
    return f"{way}, {IN_FLIGHT} calls at once"


def report_of(turns: Turns, measured_by: Run) -> Report:
    """Medians over the turns of their own percentiles, and the goals of the ways that were measured."""
    records: list[Record] = []
    middle: dict[tuple[str, str, str], float] = {}
    for (way, asked), times in turns.items():
        row = f"{way}: {asked}"
        if way.endswith("at once"):
            figures = {"predictions/s": [len(turn.calls_ms) / turn.seconds for turn in times]}
        else:
            figures = {f"p{share} ms": [_percentile(turn.calls_ms, share) for turn in times] for share in (50, 99)}
        for figure, values in figures.items():
            records.append(spread(row, figure, values))
            middle[way, asked, figure] = median(values)
        if "p50 ms" in figures:
            bare = middle[BARE, asked, "p50 ms"]
            records.append(Record(row, f"p50 times {BARE}", middle[way, asked, "p50 ms"] / bare))
    return Report("worker", measured_by, records, list(_goals(middle)), "least and most of the turns")


def _goals(middle: Mapping[tuple[str, str, str], float]) -> Iterator[Goal]:
    for (learner, database), bound in MOST_BESIDE_BARE.items():
        asked = f"{learner}, {database}"
        if (PACKAGE, asked, "p50 ms") in middle:
            p50, p99 = (middle[PACKAGE, asked, figure] for figure in ("p50 ms", "p99 ms"))
            bare = middle[BARE, asked, "p50 ms"]
            yield Goal(f"p50 through the package / {BARE}: {asked}", p50 / bare, bound)
            yield Goal(f"p99 / p50 through the package: {asked}", p99 / p50, MOST_P99)
            one, two = (middle[_at_once(way), asked, "predictions/s"] for way in (PACKAGE, TWO))
            yield Goal(f"two workers / one: {asked}", two / one, LEAST_OF_TWO, at_most=False)


def _percentile(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, share * len(ordered) // 100)]
