"""A log on disk, sorted by learner and time, so that memory does not grow with the file.

Answers go into a private SQLite database in the directory for temporary files (SQLITE_TMPDIR or TMPDIR), which has no
name there and is gone with the process. One learner's answers are in memory at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from types import TracebackType
from typing import Any, NamedTuple

from scripts.cli.exits import Unavailable
from scripts.importing.answers import KINDS, ORDER_STEP_MS, POSTTEST, START_OF_COUNT_MS, STUDY, LoggedAnswer

AT_ONCE = 5000
_CACHE_KIB = 48_000


class Skill(NamedTuple):
    """When a log first meets a skill, in milliseconds since 1970, and whether a posttest asks for it."""

    first_met_ms: int
    is_tested: bool


class StagedLog:
    """The answers of a log, to be added, sorted once, and then read learner by learner as often as needed.

    order_only: whether the log's times only give the order; its answers then get times ten minutes apart per learner.
    """

    def __init__(self) -> None:
        self.order_only = False
        self.answers = 0
        self._skills: dict[str, Skill] | None = None
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
        rows = ((*answer[:6], _PLACE_OF_KIND[answer[6]], answer[7], answer[8]) for answer in answers)
        while chunk := list(islice(rows, AT_ONCE)):
            self._run(partial(self._database.executemany, _INSERT, chunk))
            self.answers += len(chunk)
            progress(len(chunk))

    def sort(self) -> None:
        """Sorts by learner and time; answers of one instant keep the file's order."""
        self._run(
            partial(self._database.execute, "CREATE TABLE sorted AS SELECT * FROM staged ORDER BY learner, at, rowid")
        )
        self._run(partial(self._database.execute, "DROP TABLE staged"))

    def learners(self) -> Iterator[tuple[str, list[LoggedAnswer]]]:
        """Each learner with all of their answers, oldest first, in the order of the learners' ids."""
        found = self._database.execute("SELECT * FROM sorted")
        for learner_id, rows in groupby(_fetched(found), itemgetter(1)):
            answers = [_answer(row) for row in rows]
            yield str(learner_id), _ten_minutes_apart(answers) if self.order_only else answers

    def skills(self) -> dict[str, Skill]:
        """Each skill of the log."""
        if self._skills is None:
            found: dict[str, Skill] = {}
            for _, answers in self.learners():
                for answer in answers:
                    is_tested = answer.kind == POSTTEST
                    known = found.get(answer.skill_id)
                    if known is None:
                        found[answer.skill_id] = Skill(answer.at_ms, is_tested)
                    elif answer.at_ms < known.first_met_ms or is_tested > known.is_tested:
                        first_ms = min(answer.at_ms, known.first_met_ms)
                        found[answer.skill_id] = Skill(first_ms, is_tested or known.is_tested)
            self._skills = found
        return self._skills

    def count_of_learners(self) -> int:
        """The number of learners."""
        return int(self._database.execute("SELECT count(DISTINCT learner) FROM sorted").fetchone()[0])

    def study_rows(self) -> int:
        """The number of rows that answer nothing."""
        found = self._database.execute("SELECT count(*) FROM sorted WHERE kind = ?", [_PLACE_OF_KIND[STUDY]])
        return int(found.fetchone()[0])

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
_INSERT = "INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PLACE_OF_KIND = {kind: place for place, kind in enumerate(KINDS)}


def _fetched(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(AT_ONCE):
        yield from rows


def _answer(row: tuple[Any, ...]) -> LoggedAnswer:
    line, learner, item, skill, at, correct, kind, rating, spent = row
    right = None if correct is None else correct == 1
    return LoggedAnswer(line, learner, item, skill, at, right, KINDS[kind], rating, spent)


def _ten_minutes_apart(answers: list[LoggedAnswer]) -> list[LoggedAnswer]:
    """The same answers, the first at START_OF_COUNT_MS, the next ten minutes later, and so on."""
    return [answer._replace(at_ms=START_OF_COUNT_MS + nth * ORDER_STEP_MS) for nth, answer in enumerate(answers)]
