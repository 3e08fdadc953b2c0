"""The difficulty table beside a model, open for reading: the rows that a history needs, without the learner's own fold.

Every row holds counts for everybody and for each fold of learners that contributed. The learner's own fold is
subtracted when a row is read (exactly, since counts are integers), in training and in prediction alike.
"""

from __future__ import annotations

import _sqlite3 as sqlite3  # the C half: the other one brings datetime
from _thread import allocate_lock
from binascii import crc32
from struct import Struct
from time import monotonic

from ml.errors import ModelRefused
from ml.storage import difficulty_file
from ml.study.correctness import GOOD
from ml.study.difficulty import CARD_COUNTS, COUNTS, LearnerDifficulty, ObjectiveDifficulty, Relations, Totals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

FORMAT = 2
"""The file's format. Format 2 says under which setting answers were counted as wrong. A change of the tables, of a
record's fields or of their meaning takes the next number; no other format is read."""
FOLDS = 32
EVERYBODY = 255
NOBODY = 254
"""No fold's number: nothing is left out for a learner of whom nothing was counted."""

OBJECTIVE = Struct(f"<B{len(COUNTS)}I")
CARD = Struct(f"<B{len(CARD_COUNTS)}I")
"""A fold, and what was counted in it."""
_IDS_PER_QUERY = 500
_PATIENCE_S = 5.0
"""The time allowed for one query, which takes a few milliseconds, so that none outlasts a caller's deadline."""


def fold_of(learner_id: str) -> int:
    """The fold, 0 to 31, to which a learner belongs: a fixed function of the id."""
    return crc32(learner_id.encode("utf-8", "surrogatepass")) % FOLDS


def row_checksum(row_id: str, content: bytes) -> int:
    """The crc32 that is stored with a row."""
    return crc32(content, crc32(row_id.encode()))


class DifficultyTable:
    """An open difficulty file. Shared by all predictions of a process; every method only reads."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self.path = path
        self.correct_from = GOOD
        """The setting under which its answers were counted: GOOD or HARD."""
        self.cutoff_ms = 0
        """It knows what happened strictly before this instant."""
        self._connection = connection
        self._totals: dict[int, Totals] = {}
        self._asking = allocate_lock()  # two threads that ask the same at once would share one prepared statement
        self._give_up_at = monotonic() + _PATIENCE_S
        connection.set_progress_handler(lambda: monotonic() > self._give_up_at, difficulty_file.STEPS_BETWEEN_LOOKS)

    @classmethod
    def open(cls, path: str) -> DifficultyTable:
        """Opens the file read-only. Raises ModelRefused when it is absent, damaged, or no table of this format."""
        table = cls(path, difficulty_file.connection_to(path))
        try:
            about = dict(
                table._rows("SELECT name, value FROM about WHERE name IN ('format', 'correct_from', 'cutoff_ms')")
            )
            if about.get("format") != FORMAT:
                raise ModelRefused(f"the difficulty table {path} is of another format than {FORMAT}")
            cutoff_ms = about.get("cutoff_ms")
            if type(cutoff_ms) is not int:
                raise ModelRefused(f"the difficulty table {path} is damaged: it names no cut-off")
        except ModelRefused:
            table.close()
            raise
        table.correct_from, table.cutoff_ms = str(about.get("correct_from")), cutoff_ms
        return table

    def about(self) -> dict[str, object]:
        """The table's own description: its cut-off, and how its answers were counted."""
        return dict(self._rows("SELECT name, value FROM about LIMIT 100"))

    def answers(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """The counts over everybody: (answers, wrong, learners) per objective and (answers, wrong) per card.

        The keys are (table, row id). These counts only grow as long as nobody leaves. Raises ModelRefused.
        """
        found = {}
        for name, record, fields in (("objectives", OBJECTIVE, 3), ("cards", CARD, 2)):
            query = f"SELECT id, substr(counts, 1, {record.size}), checksum FROM {name}"  # noqa: S608  (our own names)
            for row_id, content, _ in self._rows(query, (), record.size):
                if len(content) != record.size:
                    raise self._damaged(row_id)
                found[name, row_id] = record.unpack(content)[1 : 1 + fields]
        return found

    def check(self, sha256: str) -> None:
        """Compares the hash of the whole file with the given one. Raises ModelRefused where they differ."""
        if difficulty_file.checksum(self.path) != sha256:
            raise ModelRefused(f"the difficulty table {self.path} does not match its checksum")

    def close(self) -> None:
        """Closes the file; the table answers nothing afterwards."""
        self._connection.close()

    def facing(
        self,
        learner_id: str | None,
        objective_ids: Iterable[str],
        card_ids: Iterable[str],
        targets: Iterable[str] = (),
        correct_from: str = GOOD,
    ) -> LearnerDifficulty:
        """The difficulty of these objectives and cards, and the relations of `targets`, without the learner's fold.

        learner_id: None for a learner who had answered nothing when the table was made. Leaving out a fold that holds
        others alone would make the same objective harder for one newcomer than for another.

        Objectives and cards that no other learner has met are absent from the answer. Raises ModelRefused where a row
        is damaged, and where the answers were counted under another setting than correct_from.
        """
        if self.correct_from != correct_from:
            raise ModelRefused(
                f"the difficulty table {self.path} counts answers as correct from {self.correct_from},"
                f" not {correct_from}"
            )
        fold = NOBODY if learner_id is None else fold_of(learner_id)
        totals = self._totals_without(fold)
        objectives = {
            row_id: ObjectiveDifficulty(counts, totals)
            for row_id, counts in self._counts("objectives", OBJECTIVE, objective_ids, fold)
            if counts[0] or counts[7]
        }
        cards = dict(self._counts("cards", CARD, card_ids, fold))
        relations = {target: found for target in targets if (found := self._relations(target, fold))}
        return LearnerDifficulty(totals, objectives, cards, relations)

    def _totals_without(self, fold: int) -> Totals:
        totals = self._totals.get(fold)
        if totals is None:
            for _, counts in self._counts("totals", OBJECTIVE, ("",), fold):
                totals = self._totals[fold] = Totals.of_table(counts)
        if totals is None:
            raise ModelRefused(f"the difficulty table {self.path} lacks its totals")
        return totals

    def _counts(
        self, table: str, record: Struct, row_ids: Iterable[str], fold: int
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The counts of each row that is found: everybody's less those of the fold."""
        ids = [row_id for row_id in row_ids if len(row_id) <= difficulty_file.LONGEST_ID]
        for start in range(0, len(ids), _IDS_PER_QUERY):
            chunk = ids[start : start + _IDS_PER_QUERY]
            marks = ",".join("?" * len(chunk))
            for row_id, content, checksum in self._rows(
                f"SELECT id, counts, checksum FROM {table} WHERE id IN ({marks})",  # noqa: S608  (our own names)
                chunk,
                (FOLDS + 1) * record.size,
            ):
                if type(content) is not bytes or len(content) % record.size or not content:
                    raise self._damaged(row_id)
                if row_checksum(row_id, content) != checksum:
                    raise self._damaged(row_id)
                counts = record.unpack_from(content)[1:]
                own = content[:: record.size].find(fold, 1)
                if own > 0:
                    fold_counts = record.unpack_from(content, own * record.size)[1:]
                    counts = tuple([a - b for a, b in zip(counts, fold_counts)])
                # A checksum says that nothing was lost, not who wrote it: a part above its whole has no rate.
                if min(counts) < 0 or counts[1] > counts[0] or any(a > b for a, b in zip(counts[4::2], counts[3::2])):
                    raise self._damaged(row_id)
                yield row_id, counts

    def _relations(self, objective_id: str, fold: int) -> Relations | None:
        if len(objective_id) > difficulty_file.LONGEST_ID:
            return None
        found = self._rows(
            "SELECT content, checksum FROM relations WHERE id = ? AND fold IN (?, ?) ORDER BY fold LIMIT 1",
            (objective_id, fold, EVERYBODY),
        )
        for content, checksum in found:
            if type(content) is not bytes or row_checksum(objective_id, content) != checksum:
                raise self._damaged(objective_id)
            import json  # only a table that knows relations pays for it

            try:
                weights, predecessors = json.loads(content)
                relations = Relations([(row_id, weight) for row_id, weight in weights], predecessors)
                in_range = all(type(row_id) is str and 0 <= weight <= 1 for row_id, weight in relations.weights)
            except (ValueError, TypeError, RecursionError):
                raise self._damaged(objective_id) from None
            if not in_range or type(predecessors) is not list or not set(map(type, predecessors)) <= {str}:
                raise self._damaged(objective_id)
            if not weights and not predecessors:
                return None  # all of it came from the learner's own fold
            return relations
        return None

    def _damaged(self, row_id: str) -> ModelRefused:
        return ModelRefused(f"the difficulty table {self.path} is damaged at {row_id!r}")

    def _rows(self, query: str, parameters: Sequence[object] = (), most: int | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises ModelRefused where one holds more than `most` bytes beside its checksum."""
        rows: list[tuple[Any, ...]] = []
        with self._asking:
            self._give_up_at = monotonic() + _PATIENCE_S
            try:
                for row in self._connection.execute(query, parameters):
                    if most is not None and (type(row[-2]) is not bytes or len(row[-2]) > most):
                        raise ModelRefused(f"the difficulty table {self.path} is damaged: a row is not a record")
                    rows.append(row)
            except sqlite3.DatabaseError as error:
                raise ModelRefused(f"the difficulty table {self.path} is damaged ({error})") from None
        return rows
