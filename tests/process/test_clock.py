"""The wall clock jumps while predict.py runs, and before: deadlines rest on another clock, and later rows stay unseen.

The jumps happen in the process itself, whose time functions count on from another hour every fifth of a second, so
that one falls into every wait: the machine's own clock is everybody's.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time

import psycopg2
import pytest

from db.demo import NOW_MS
from db.tables.models import DEMO_CLOCK
from db.writing.open import open_writer
from ml.study.history import DAY_MS
from tests.support.postgres_server import Databases, backend_of, connections_left, reviews_locked, with_demo
from tests.support.running_predict import LEARNER, OBJECTIVE, PREDICT, Running, altered, filled_pipe, finished

HOUR_S = 3600.0
JUMPS = pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S, -400 * 24 * HOUR_S], ids=["back", "forward", "far back"])
PROLOGUE = """
import os, runpy, sys, time
every_s, by_ns, began, real_ns = float(sys.argv[1]), int(float(sys.argv[2]) * 1e9), time.monotonic(), time.time_ns
time.time_ns = lambda: real_ns() + by_ns * (int((time.monotonic() - began) / every_s) if every_s else 1)
time.time = lambda: time.time_ns() / 1e9
time.clock_gettime = time.clock_gettime_ns = None
del sys.argv[:3]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def started(by_s: float, *options: str, every_s: float = 0.2, url: str, **how: object) -> Running:
    """predict.py, whose wall clock jumps every so many seconds; with 0 seconds once, before it starts."""
    words = [sys.executable, "-c", PROLOGUE, str(every_s), str(by_s), PREDICT, LEARNER, OBJECTIVE, *options]
    environment = {**os.environ, "DATABASE_URL": url}
    return Running(words, env=environment, **how)


@pytest.fixture
def app(postgres_databases: Databases) -> str:
    return with_demo(postgres_databases.empty())


@pytest.mark.slow
@JUMPS
def test_the_deadline_is_neither_later_nor_earlier(app: str, by_s: float) -> None:
    with reviews_locked(app):
        result = finished(started(by_s, "--timeout", "1", url=app))
        reason = result.degraded()
        assert "in time" in reason or "deadline" in reason
        assert result.seconds > 0.95
    assert connections_left(app) == 0


@pytest.mark.slow
@JUMPS
def test_the_deadline_of_what_no_database_hurries(demo_copy: str, by_s: float) -> None:
    """Features from a stdin on which nothing comes: nobody but the deadline itself ends that."""
    reading, writing = os.pipe()
    process = started(by_s, "--timeout", "1", "--features", "-", url=demo_copy, stdin=reading)
    result = finished(process)
    assert "deadline" in result.degraded()
    assert result.seconds > 0.95
    os.close(reading)
    os.close(writing)


@pytest.mark.slow
@JUMPS
def test_a_wait_that_is_within_the_deadline_ends_with_an_answer(app: str, by_s: float) -> None:
    with contextlib.closing(psycopg2.connect(app)) as connection:
        connection.cursor().execute("LOCK TABLE reviews IN ACCESS EXCLUSIVE MODE")
        process = started(by_s, "--timeout", "30", url=app)
        backend_of(app)
        time.sleep(0.6)
        connection.rollback()
        finished(process).is_whole()


@pytest.mark.slow
@JUMPS
def test_a_locked_sqlite_file_is_waited_for_all_the_same(demo_copy: str, by_s: float) -> None:
    held = threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(demo_copy.removeprefix("file:"), isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            held.set()
            time.sleep(0.8)
            holder.execute("ROLLBACK")

    holding = threading.Thread(target=hold)
    holding.start()
    held.wait()
    finished(started(by_s, "--timeout", "30", url=demo_copy)).is_whole()
    holding.join()


@pytest.mark.slow
@JUMPS
def test_a_reader_that_never_reads_is_given_up(demo_copy: str, by_s: float) -> None:
    reading, writing = filled_pipe()
    assert finished(started(by_s, url=demo_copy, stdout=writing)).code == 74
    os.close(reading)
    os.close(writing)


@pytest.mark.slow
def test_rows_later_than_a_clock_that_was_set_back_are_not_used(demo_copy: str) -> None:
    """They were written before the clock was set back two days: they neither count nor crash."""
    altered(demo_copy, f'DROP TABLE "{DEMO_CLOCK}"')  # from here on the host's clock counts

    def features(days: int) -> dict[str, float]:
        by_s = NOW_MS / 1000 + days * 24 * HOUR_S - time.time()
        answer = finished(started(by_s, every_s=0, url=demo_copy)).answer()
        assert answer["degraded"] == ""
        return {name: round(value, 5) for name, value in answer["features"].items() if isinstance(value, float)}

    earlier = features(0)
    with open_writer(demo_copy) as writer:
        later = NOW_MS + DAY_MS
        rows = [(f"r{n}", LEARNER, f"card-{OBJECTIVE}-{n}", "AGAIN", later + n * 1000) for n in range(8)]
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), rows)
    assert features(0) == earlier
    assert features(2) != earlier
    far_back = finished(started(-time.time() + 1, every_s=0, url=demo_copy)).answer()
    assert far_back["degraded"] == ""
