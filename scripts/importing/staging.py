"""A log on disk, sorted by learner and time, so that memory does not grow with the file.

Answers go into a private SQLite database in the directory for temporary files (SQLITE_TMPDIR or TMPDIR), which has no
name there and is gone with the process. One learner's answers are in memory at a time.
"""

from __future__ import annotations

import gc
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from types import TracebackType
from typing import Any, NamedTuple

from scripts.cli.exits import Unavailable
from scripts.importing.answers import ORDER_STEP_MS, START_OF_COUNT_MS, LoggedAnswer

AT_ONCE = 5000
EQUAL_ROWS, SEVERAL_SKILLS = "equal rows", "answers that name several skills"
_CACHE_KIB = 24_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Lets Python look for circles of objects rarely: rows make none, and the search takes a fifth of an import."""
    before = gc.get_threshold()
    gc.set_threshold(500_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Skill(NamedTuple):
    """When a log first meets a skill, in milliseconds since 1970, and whether a posttest asks for it."""

    first_met_ms: int
    is_tested: bool


class StagedLog:
    """The answers of a log, to be added, sorted once, and then read learner by learner as often as needed.

    order_only: whether the log's times only give the order; its answers then get times ten minutes apart per learner.
    is_numbered: whether that order is a column's, so that equal numbers are one instant.
    """

    def __init__(self) -> None:
        self.order_only = self.is_numbered = False
        self.answers = 0
        # A database without a name is a temporary file that is removed as soon as it is open.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in (f"cache_size = -{_CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(f"CREATE TABLE staged ({_COLUMNS})")
        self._database.execute("BEGIN")

    def __enter__(self) -> StagedLog:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes the log from the disk."""
        self._database.close()

    def add(self, answers: Iterable[LoggedAnswer], progress: Callable[[int], object] = lambda answers: None) -> None:
        """Adds answers in the file's own order. Raises Unavailable where the disk is full."""
        rows = iter(answers)
        while chunk := list(islice(rows, AT_ONCE)):
            self._run(partial(self._database.executemany, _INSERT, chunk))
            self.answers += len(chunk)
            progress(len(chunk))

    def drop_after(self, at_ms: int) -> int:
        """Leaves out what is dated later; returns how many rows these are. To be called before the log is sorted."""
        dropped = self._database.execute("DELETE FROM staged WHERE at > ?", [at_ms]).rowcount
        self.answers -= dropped
        return dropped

    def sort(self, drops_equal: bool = False, joins_skills: bool = False) -> Counter[str]:
        """Sorts by learner and time; answers of one instant keep the file's order.

        Args:
            drops_equal: Whether of equal rows only the first is kept.
            joins_skills: Whether rows of one learner, item and instant are one answer, whose first skill is kept.

        Returns:
            How many rows were dropped as equal, and how many answers had several skills.
        """
        ordered = "SELECT * FROM staged ORDER BY learner, at, rowid"
        counts: Counter[str] = Counter()
        if drops_equal or joins_skills:
            self._run(partial(self._database.execute, f"CREATE TABLE sorted ({_COLUMNS})"))
            kept = _kept(_fetched(self._database.execute(ordered)), drops_equal, joins_skills, counts)
            self.answers = 0
            while chunk := list(islice(kept, AT_ONCE)):
                self._run(partial(self._database.executemany, _INSERT.replace("staged", "sorted"), chunk))
                self.answers += len(chunk)
        else:
            self._run(partial(self._database.execute, f"CREATE TABLE sorted AS {ordered}"))
        self._run(partial(self._database.execute, "DROP TABLE staged"))
        return counts

    def learners(self) -> Iterator[tuple[str, list[LoggedAnswer]]]:
        """Each learner with all of their answers, oldest first, in the order of the learners' ids."""
        found = self._database.execute("SELECT * FROM sorted")
        for learner_id, rows in groupby(_fetched(found), itemgetter(1)):
            answers: list[LoggedAnswer] = list(map(_answer, rows))
            yield str(learner_id), _ten_minutes_apart(answers, self.is_numbered) if self.order_only else answers

    def count_of_cards(self) -> int:
        """The number of items, each on its skill."""
        return int(
            self._database.execute("SELECT count(*) FROM (SELECT DISTINCT skill, item FROM sorted)").fetchone()[0]
        )

    def cards(self) -> Iterator[tuple[str, str]]:
        """Each skill with each of its items, once."""
        yield from self._database.execute("SELECT DISTINCT skill, item FROM sorted")

    def _run(self, statement: Callable[[], object]) -> None:
        try:
            statement()
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"The temporary file of the import cannot be written ({error}): TMPDIR chooses where it is."
            ) from None


_COLUMNS = "line, learner, item, skill, at, correct, kind, rating, spent"
"""The fields of a LoggedAnswer, in their order."""
_INSERT = "INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_answer = partial(tuple.__new__, LoggedAnswer)
"""Makes a LoggedAnswer of a row without a call of Python's; its `correct` is then 1, 0 or None."""


def _fetched(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(AT_ONCE):
        yield from rows


def _ten_minutes_apart(answers: list[LoggedAnswer], is_numbered: bool) -> list[LoggedAnswer]:
    """The same answers, the first at START_OF_COUNT_MS, the next ten minutes later, and so on."""
    dated = []
    nth = -1
    before: int | None = None
    for answer in answers:
        if not is_numbered or answer.at_ms != before:
            nth += 1
        before = answer.at_ms
        dated.append(answer._replace(at_ms=START_OF_COUNT_MS + nth * ORDER_STEP_MS))
    return dated


def _kept(
    rows: Iterator[tuple[Any, ...]], drops_equal: bool, joins_skills: bool, counts: Counter[str]
) -> Iterator[tuple[Any, ...]]:
    """The sorted rows without those that StagedLog.sort leaves out."""
    instant: tuple[Any, ...] = ()
    seen: set[tuple[Any, ...]] = set()
    answered: dict[object, bool] = {}
    for row in rows:
        if (row[1], row[4]) != instant:
            instant = (row[1], row[4])
            seen.clear()
            answered.clear()
        if drops_equal:
            if row[2:] in seen:
                counts[EQUAL_ROWS] += 1
                continue
            seen.add(row[2:])
        if joins_skills:
            item = row[2]
            if item in answered:
                counts[SEVERAL_SKILLS] += not answered[item]
                answered[item] = True
                continue
            answered[item] = False
        yield row
