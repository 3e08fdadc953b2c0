"""Two hundred predict.py processes in twenty seconds: on PostgreSQL, on SQLite, and while the model is switched."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from db import connecting
from db.demo import NOW_MS
from db.writing.open import open_writer
from ml.scoring.scorecard import SavedModel
from ml.storage import model_file
from ml.storage.registry import Registry
from ml.study.history import DAY_MS
from tests.support.postgres_server import Databases, connected, with_demo
from tests.support.running_predict import LEARNER, OBJECTIVE, Ran, ran
from tests.support.trained_models import save_model

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 200
EVERY_S = 0.1
MOST_AT_ONCE = 16
"""Where a busy machine cannot keep the pace, the next process waits, as it would behind a route's own limit."""
REVIEW = ("id", "userId", "cardId", "rating", "reviewedAt")


def all_ran(run: Callable[[int], Ran]) -> list[Ran]:
    """What became of processes number 0, 1, 2, ...: ten a second, side by side."""
    began = time.monotonic()
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        ran_to_the_end = []
        for number in range(PROCESSES):
            time.sleep(max(0.0, began + number * EVERY_S - time.monotonic()))
            ran_to_the_end.append(pool.submit(run, number))
        return [each.result() for each in ran_to_the_end]


@contextlib.contextmanager
def meanwhile(each_s: float, act: Callable[[], object]) -> Iterator[list[object]]:
    """act() every so often as long as the block lasts, and what it returned; what it raises fails the test."""
    stop, results, raised = threading.Event(), [], []

    def repeat() -> None:
        try:
            while not stop.wait(each_s):
                results.append(act())
        except Exception as error:
            raised.append(error)

    acting = threading.Thread(target=repeat)
    acting.start()
    try:
        yield results
    finally:
        stop.set()
        acting.join()
    assert not raised, raised
    assert len(results) > PROCESSES * EVERY_S  # at the very least one a second


def test_two_hundred_processes_on_postgresql_within_a_connection_limit(postgres_databases: Databases) -> None:
    """One session each, properly closed, never more than processes that live; the writer beside them is not kept."""
    url = with_demo(postgres_databases.empty())
    name = url.rpartition("/")[2]
    with connected(url) as cursor:
        cursor.execute(f"CREATE ROLE limited LOGIN CONNECTION LIMIT {MOST_AT_ONCE + 4}")
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO limited")
    with connected(postgres_databases.server.url()) as elsewhere, connected(url) as writer:

        def sessions() -> tuple[int, int]:
            elsewhere.execute(
                "SELECT sessions, sessions_abandoned + sessions_fatal + sessions_killed FROM pg_stat_database"
                " WHERE datname = %s",
                (name,),
            )
            return elsewhere.fetchone()

        def count() -> Counter[str]:
            elsewhere.execute("SELECT application_name FROM pg_stat_activity WHERE usename = 'limited'")
            return Counter(each for (each,) in elsewhere.fetchall())

        def settled() -> tuple[int, int]:
            """Once the last session is gone and has been counted: sessions are, at their end."""
            give_up_at = time.monotonic() + 20
            found = sessions()
            while time.monotonic() < give_up_at:
                time.sleep(1.1)
                before, found = found, sessions()
                if before == found and not count():
                    return found
            pytest.fail(f"sessions of processes that ended are left: {count()}")

        def write() -> None:
            writer.execute('UPDATE "cards" SET "reviewCount" = "reviewCount" + 1')

        before = settled()
        with meanwhile(0.02, write), meanwhile(0.005, count) as seen:
            as_limited = url.replace("postgres@", "limited@")
            for each in all_ran(lambda number: ran(url=f"{as_limited}?application_name=struggle-{number}")):
                each.is_whole()
        peak = max(sum(each.values()) for each in seen)
        seen_of_each = [each[process] for each in seen for process in each]
        assert len(seen_of_each) > PROCESSES / 4  # the quickest are not seen
        assert max(seen_of_each) == 1
        assert peak <= MOST_AT_ONCE
        after = settled()
        assert after[0] - before[0] == PROCESSES
        assert after[1] == before[1]
    with connected(url) as cursor:
        cursor.execute("DROP OWNED BY limited")
        cursor.execute("DROP ROLE limited")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A directory with predict.py, and with models of its own."""
    for part in ("db", "ml", "scripts"):
        (tmp_path / part).symlink_to(ROOT / part)
    shutil.copy2(ROOT / "predict.py", tmp_path)
    (tmp_path / "models").mkdir()
    return tmp_path


def versions_in(house: Path) -> list[str]:
    """Two versions in its models directory, with other weights and another difficulty table each."""
    registry = Registry(str(house / "models"))
    names = []
    for seed, until_ms in ((1, NOW_MS), (2, NOW_MS - 15 * DAY_MS)):
        made = house / f"training-{seed}"
        made.mkdir()
        saved = model_file.read(save_model(str(made), seed, f"file:{connecting.DEMO}", until_ms))
        table = registry.add_difficulty((made / "difficulty.sqlite3").read_bytes())
        names.append(registry.add(SavedModel("", saved.scorecard, [], {}, 0.65, until_ms, table), "2026-11-23"))
    return names


def test_two_hundred_processes_on_sqlite_while_the_model_is_switched(house: Path) -> None:
    """A writer works on each of two databases, one with a write-ahead log, and current.pkl changes every 50 ms."""
    urls = []
    for mode in ("wal", "delete"):
        path = house / f"{mode}.sqlite3"
        shutil.copyfile(connecting.DEMO, path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        urls.append(f"file:{path}")

    number = itertools.count()

    def write() -> None:
        """The learner studies on, after the moment that the predictions are for."""
        for url in urls:
            with open_writer(url) as writer:
                own_id = f"later-{next(number)}"
                writer.insert(
                    "Review", REVIEW, [(own_id, LEARNER, "card-physiology-cardiac-cycle-0", "AGAIN", NOW_MS + DAY_MS)]
                )

    names = versions_in(house)
    registry, script, switched = Registry(str(house / "models")), str(house / "predict.py"), itertools.cycle(names)

    def switch() -> None:
        with registry.locked():
            registry.promote(next(switched), "2026-11-24T00:00:00+00:00", "a test")

    own = {name: ran(LEARNER, OBJECTIVE, "--model", registry.path(name)).answer() for name in names}
    assert own[names[0]]["probability"] != own[names[1]]["probability"]
    switch()
    with meanwhile(0.02, write), meanwhile(0.05, switch):
        answered = [each.answer() for each in all_ran(lambda number: ran(url=urls[number % 2], script=script))]
    for answer in answered:
        assert answer == own[str(answer["model_version"])]
    assert {answer["model_version"] for answer in answered} == set(names)
