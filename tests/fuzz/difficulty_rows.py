"""Difficulty table rows that are fuzzed: any content under a right checksum."""

from __future__ import annotations

import os
import sqlite3
from math import isfinite

import db
from db.connecting import DEMO
from ml.errors import ModelRefused
from ml.storage.difficulty_table import DifficultyTable, row_checksum
from ml.training.difficulty_build import build_difficulty_table
from tests.fuzz.checks import STORED_AS
from tests.fuzz.seeded import Ground

LEARNER = "u"
TABLE_ROWS = (("totals", "counts"), ("objectives", "counts"), ("cards", "counts"), ("relations", "content"))


class RowsOfATable:
    """The demo's difficulty table, one of whose rows says what the input says, under a right checksum.

    An input's first byte chooses the table, its second how SQLite holds the content.
    """

    def __init__(self, ground: Ground) -> None:
        self.path = os.path.join(ground.directory, "rows.sqlite3")
        with db.connect(f"file:{DEMO}") as client:
            as_of_ms = client.now()
            build_difficulty_table(self.path, client.stream_learners(as_of_ms, None), as_of_ms)
        self.writer = sqlite3.connect(self.path, isolation_level=None)
        self.writer.execute("PRAGMA synchronous = OFF")
        self.rows = [
            self.writer.execute(f"SELECT id, {column} FROM {table}").fetchone() for table, column in TABLE_ROWS
        ]

    def close(self) -> None:
        """Close the file."""
        self.writer.close()

    def seeds(self) -> list[bytes]:
        """Each table's first row, as it is."""
        return [bytes((place, 0)) + content for place, (_, content) in enumerate(self.rows)]

    def row_is_sound(self, octets: bytes) -> None:
        """ModelRefused, or rates within 0..1, finite logits, weights within 0..1, ids that are texts."""
        place, form = (*octets[:2], 0, 0)[:2]
        place %= len(TABLE_ROWS)
        (table, column), (row_id, was) = TABLE_ROWS[place], self.rows[place]
        content = STORED_AS[form % len(STORED_AS)](octets[2:])
        checksum = row_checksum(row_id, content if isinstance(content, bytes) else octets[2:])
        change = f"UPDATE {table} SET {column} = ?, checksum = ? WHERE id = ?"
        self.writer.execute(change, (content, checksum, row_id))
        opened = DifficultyTable.open(self.path)
        try:
            ids = [row_id for row_id, _ in self.rows]
            found = opened.facing(LEARNER, ids, ids, ids)
            for objective in (found.totals, *found.objectives.values()):
                for name in objective.__slots__:
                    value = getattr(objective, name)
                    for number in value if isinstance(value, tuple) else (value,):
                        assert number is None or (isfinite(number) and (name[-4:] != "rate" or 0 <= number <= 1)), name
            assert all(isfinite(found.of_card(each, card)[0]) for each in ids for card in ids)
            for relations in found.relations.values():
                assert all(isinstance(related, str) and 0 <= weight <= 1 for related, weight in relations.weights)
                assert all(isinstance(each, str) for each in relations.predecessors)
        except ModelRefused:
            return
        finally:
            opened.close()
            self.writer.execute(change, (was, row_checksum(row_id, was), row_id))
