"""The file from which a difficulty table is kept up to date: reading only new answers gives what counting all does.

It holds the counts of every fold, the sums of every pair of objectives, and for each learner what the learner has met
and the rows of visits that may still go on, under a hash of the learner's id whose key is drawn for each file. That is
still about single learners, so it is for its owner alone, and is never published: a table is written from it by
`publish`. It can be made anew from the database at any time, and whoever finds it damaged does so.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import numpy as np

from ml.features.consent import teaches
from ml.storage.difficulty_table import CARD, OBJECTIVE
from ml.training.difficulty_build import (
    Crowds,
    RelationRow,
    TableSize,
    crowded_rows,
    crowds_of,
    description,
    relation_rows,
    write_table,
)
from ml.training.difficulty_counts import Counts, Progress, Setting, Tally, packed, unpacked
from ml.training.relations import PAIR_SUMS, ObjectivePairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports

FORMAT = 1
"""The file's format. A change of its tables, of their meaning, or of what is counted takes the next number; a file of
another format is made anew."""

_SCHEMA = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE key (key BLOB)",
    "CREATE TABLE learners (id BLOB PRIMARY KEY, progress BLOB) WITHOUT ROWID",
    "CREATE TABLE totals (id TEXT PRIMARY KEY, counts BLOB) WITHOUT ROWID",
    "CREATE TABLE objectives (id TEXT PRIMARY KEY, counts BLOB) WITHOUT ROWID",
    "CREATE TABLE cards (id TEXT PRIMARY KEY, counts BLOB) WITHOUT ROWID",
    "CREATE TABLE pairs (id TEXT PRIMARY KEY, sums BLOB)",
    "CREATE TABLE relations (id TEXT, fold INTEGER, content BLOB, checksum INTEGER, PRIMARY KEY (id, fold))"
    " WITHOUT ROWID",
)
_RECORDS = {"totals": OBJECTIVE, "objectives": OBJECTIVE, "cards": CARD}
_DAMAGE = (sqlite3.DatabaseError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What reading a file that somebody has changed may raise."""


class StateRefused(Exception):
    """The file is absent, damaged, or of another format; it must be made anew."""


class Counted(NamedTuple):
    """What has been counted.

    until_ms: rows strictly before it. whole_at_ms: when everything was last counted from the beginning. mark: the
    fingerprint of the rows (whoever reads them defines it). source: the database they came from. learners: their number
    by fold. answers, hard: as in TableSize.
    """

    until_ms: int
    whole_at_ms: int
    mark: tuple[int, ...]
    source: str
    setting: Setting
    learners: dict[int, int]
    answers: int
    hard: int


class DifficultyState:
    """The open file. Changes are kept by `commit`; what is closed without it stays as it was."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: str) -> DifficultyState:
        """Opens the file at path. Raises StateRefused."""
        if os.path.islink(path) or not os.path.isfile(path):
            raise StateRefused
        state = cls(path, sqlite3.connect(path))
        try:
            state.counted()
        except StateRefused:
            state.close()
            raise
        return state

    @classmethod
    def create(cls, path: str) -> DifficultyState:
        """Makes an empty file, for its owner alone; there must be none at path."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = sqlite3.connect(path)
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT INTO key VALUES (?)", (os.urandom(32),))
        return cls(path, connection)

    def counted(self) -> Counted:
        """What has been counted. Raises StateRefused."""
        try:
            about = {name: json.loads(value) for name, value in self._connection.execute("SELECT * FROM about")}
            if about.pop("format") != FORMAT:
                raise StateRefused
            about["setting"] = Setting(*about["setting"])
            about["learners"] = {int(fold): int(number) for fold, number in about["learners"].items()}
            return Counted(**{**about, "mark": tuple(about["mark"])})
        except _DAMAGE:
            raise StateRefused from None

    def add(self, learners: Iterable[ports.Answers], counted: Counted) -> None:
        """Counts new rows of learners; none of a learner's may be older than those already counted.

        learners: those with new rows, each once. counted: what will have been counted; its learners, answers and hard
        are those of before. Raises StateRefused.
        """
        try:
            self._add(learners, counted)
        except _DAMAGE:
            raise StateRefused from None

    def _add(self, learners: Iterable[ports.Answers], counted: Counted) -> None:
        new = Counts(OBJECTIVE, CARD)
        ask = put = self._connection.execute
        (key,) = ask("SELECT key FROM key").fetchone()
        for rows in learners:
            if not teaches(rows.learner):
                continue
            hashed = blake2b(rows.learner.id.encode("utf-8", "surrogatepass"), key=key, digest_size=16).digest()
            found = ask("SELECT progress FROM learners WHERE id = ?", (hashed,)).fetchone()
            before = Progress.parsed(found[0]) if found else None
            now = new.take(rows, before, counted.until_ms, counted.setting)
            if now is not None:
                put("INSERT OR REPLACE INTO learners VALUES (?, ?)", (hashed, now.dumped()))
        learners_of = Counter(counted.learners)
        crowds = crowds_of(learners_of)
        learners_of.update(new.learners)
        for table, tally in (("totals", new.totals()), ("objectives", new.objectives), ("cards", new.cards)):
            self._add_counts(table, tally)
        touched = self._add_pairs(new)
        now_crowds = crowds_of(learners_of)
        self._relate(touched if crowds == now_crowds else None, now_crowds)
        kept = counted._replace(
            learners=dict(learners_of), answers=counted.answers + new.answers, hard=counted.hard + new.hard
        )
        about = {"format": FORMAT, **kept._asdict()}
        put("DELETE FROM about")
        self._connection.executemany(
            "INSERT INTO about VALUES (?, ?)", ((name, json.dumps(value)) for name, value in about.items())
        )

    def _add_counts(self, table: str, tally: Tally) -> None:
        """Adds to the rows of totals, objectives or cards."""
        record = tally.record
        ask = f"SELECT counts FROM {table} WHERE id = ?"  # noqa: S608  (our own names)
        put = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"  # noqa: S608  (our own names)
        for row_id, folds in tally.rows.items():
            found = self._connection.execute(ask, (row_id,)).fetchone()
            for fold, counts in unpacked(record, found[0]) if found else ():
                have = folds.get(fold)
                folds[fold] = list(counts) if have is None else [a + b for a, b in zip(counts, have)]
            content = packed(record, folds)
            self._connection.execute(put, (row_id, content))

    def _add_pairs(self, new: Counts) -> list[str]:
        """Adds to the sums of pairs, and returns the objectives whose relations may have changed."""
        touched = []
        for objective_id, pairs in new.pairs.of_objectives():
            found = self._connection.execute("SELECT sums FROM pairs WHERE id = ?", (objective_id,)).fetchone()
            if found:
                pairs = _pairs_from(found[0]).plus(pairs)
            self._connection.execute("INSERT OR REPLACE INTO pairs VALUES (?, ?)", (objective_id, _as_bytes(pairs)))
            touched.append(objective_id)
        return touched

    def _relate(self, objective_ids: list[str] | None, crowds: Crowds) -> None:
        """Works out the relations of these objectives; None is all."""
        if objective_ids is None:
            self._connection.execute("DELETE FROM relations")
            objective_ids = [row[0] for row in self._connection.execute("SELECT id FROM pairs ORDER BY id")]
        else:
            self._connection.executemany("DELETE FROM relations WHERE id = ?", ((each,) for each in objective_ids))
        self._connection.executemany("INSERT INTO relations VALUES (?, ?, ?, ?)", self._related(objective_ids, crowds))

    def _related(self, objective_ids: list[str], crowds: Crowds) -> Iterator[RelationRow]:
        for objective_id in objective_ids:
            (sums,) = self._connection.execute("SELECT sums FROM pairs WHERE id = ?", (objective_id,)).fetchone()
            yield from relation_rows(objective_id, _pairs_from(sums), crowds)

    def publish(self, path: str) -> TableSize:
        """Writes the difficulty table of what has been counted, to the byte what a whole build writes.

        Raises StateRefused.
        """
        counted = self.counted()
        try:
            crowds = crowds_of(counted.learners)
            tables = {name: crowded_rows(self._rows(name), record, crowds) for name, record in _RECORDS.items()}
            related = self._connection.execute("SELECT id, fold, content, checksum FROM relations ORDER BY id, fold")
            write_table(path, description(counted.until_ms, counted.setting), tables, related)
            objectives, cards = (self._number(table) for table in ("objectives", "cards"))
        except _DAMAGE:
            raise StateRefused from None
        return TableSize(sum(counted.learners.values()), counted.answers, objectives, cards, counted.hard)

    def _rows(self, table: str) -> Iterator[tuple[str, bytes]]:
        return iter(self._connection.execute(f"SELECT id, counts FROM {table} ORDER BY id"))  # noqa: S608  (our own names)

    def _number(self, table: str) -> int:
        found = self._connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  (our own names)
        return int(found.fetchone()[0])

    def commit(self) -> None:
        """Keeps the changes."""
        self._connection.commit()

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


_HEAD = Struct("<II")


def _as_bytes(pairs: ObjectivePairs) -> bytes:
    partners = json.dumps(pairs.partners, separators=(",", ":")).encode()
    arrays = pairs.position.astype("<u4"), pairs.fold.astype("u1"), pairs.sums.astype("<i8")
    return _HEAD.pack(len(partners), len(pairs.fold)) + partners + b"".join(array.tobytes() for array in arrays)


def _pairs_from(content: bytes) -> ObjectivePairs:
    size, rows = _HEAD.unpack_from(content)
    at = _HEAD.size + size
    position = np.frombuffer(content, "<u4", rows, at).astype(np.int64)
    fold = np.frombuffer(content, "u1", rows, at + 4 * rows).astype(np.int64)
    sums = np.frombuffer(content, "<i8", rows * PAIR_SUMS, at + 5 * rows).reshape(rows, PAIR_SUMS)
    return ObjectivePairs(json.loads(content[_HEAD.size : at]), position, fold, sums.astype(np.int64))
