"""Builds the difficulty file that ml/storage/difficulty_table.py reads, from a stream of learners."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from ml.features.consent import teaches
from ml.storage.difficulty_file import PAGE_BYTES, SCHEMA
from ml.storage.difficulty_table import CARD, EVERYBODY, FOLDS, FORMAT, OBJECTIVE, row_checksum
from ml.study.correctness import GOOD
from ml.study.difficulty import COUNTS
from ml.training.difficulty_counts import Counts, Setting, packed, unpacked
from ml.training.relations import ObjectivePairs, relations_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports

FEWEST_OF_A_CROWD = 5
FEWEST_FOR_CROWDS = 50
"""From so many learners on, folds are counted together until each count covers at least FEWEST_OF_A_CROWD of them. With
fewer learners, leaving out a whole crowd would lose more than about an eighth of what the others tell."""

Crowds = Sequence[Sequence[int]]
"""Groups of folds; the folds of one group are left out together."""
Row = tuple[str, bytes, int]
"""An id, its counts, and their checksum."""
RelationRow = tuple[str, int, bytes, int]
"""An objective's id, a fold, the relations without it, and their checksum."""


def crowds_of(learners_of: Mapping[int, int]) -> list[list[int]]:
    """The folds in their order, joined until each crowd has enough learners.

    learners_of: how many learners each fold has.

    >>> crowds_of({0: 40, 1: 2, 2: 3, 3: 30, 4: 1})
    [[0], [1, 2], [3, 4]]
    """
    folds = sorted(fold for fold, learners in learners_of.items() if learners)
    if sum(learners_of.values()) < FEWEST_FOR_CROWDS:
        return [[fold] for fold in folds]
    crowds: list[list[int]] = []
    crowd: list[int] = []
    for fold in folds:
        crowd.append(fold)
        if sum(learners_of[each] for each in crowd) >= FEWEST_OF_A_CROWD:
            crowds.append(crowd)
            crowd = []
    crowds[-1].extend(crowd)
    return crowds


class TableSize(NamedTuple):
    """How much went into a difficulty file.

    hard: the number of answers rated HARD, which the two settings judge differently.
    """

    learners: int
    answers: int
    objectives: int
    cards: int
    hard: int


def build_difficulty_table(
    path: str,
    learners: Iterable[ports.LearnerRows],
    cutoff_ms: int,
    struggle_below: float | None = None,
    correct_from: str = GOOD,
    crowds: Crowds | None = None,
) -> TableSize:
    """Writes the file anew from everything that the learners did strictly before cutoff_ms.

    Learners who opted out of analytics are left out. The same learners in the same order give the same bytes. Where
    there are enough learners, the counts of a fold are those of a crowd of at least FEWEST_OF_A_CROWD learners, so that
    no learner's whole record can be derived from them. Memory holds a few counts per objective, card and contributing
    fold, and those of the pairs of objectives that learners met one after the other.

    Args:
        path: where the file is written.
        learners: their rows, oldest first.
        cutoff_ms: milliseconds since 1970; later rows are ignored.
        struggle_below: as in Visit.struggled.
        correct_from: the setting that says which answers are wrong.
        crowds: the folds that are left out together; by default those of crowds_of.
    """
    setting = Setting(struggle_below, correct_from)
    counts = Counts(OBJECTIVE, CARD)
    for rows in learners:
        if teaches(rows.learner):
            counts.take(rows, None, cutoff_ms, setting)
    crowds = crowds_of(counts.learners) if crowds is None else crowds
    tallies = {"totals": counts.totals(), "objectives": counts.objectives, "cards": counts.cards}
    tables = {name: crowded_rows(tally.packed_rows(), tally.record, crowds) for name, tally in tallies.items()}
    relations = (row for each in counts.pairs.of_objectives() for row in relation_rows(*each, crowds))
    write_table(path, description(cutoff_ms, setting), tables, relations)
    return TableSize(
        counts.learners.total(), counts.answers, len(counts.objectives.rows), len(counts.cards.rows), counts.hard
    )


def description(cutoff_ms: int, setting: Setting) -> dict[str, object]:
    """What a table says about itself."""
    return {
        "correct_from": setting.correct_from,
        "cutoff_ms": cutoff_ms,
        "folds": FOLDS,
        "format": FORMAT,
        "struggle_below": setting.struggle_below,
    }


def crowded_rows(rows: Iterable[tuple[str, bytes]], record: Struct, crowds: Crowds) -> Iterator[Row]:
    """The rows of a table, whose folds are counted together by crowds.

    rows: (id, counts of each fold), by id.
    """
    alone = all(len(crowd) == 1 for crowd in crowds)
    for row_id, content in rows:
        if not alone:
            folds = dict(unpacked(record, content))
            by_fold = {EVERYBODY: folds[EVERYBODY]}
            for crowd in crowds:
                present = [folds[fold] for fold in crowd if fold in folds]
                if present:
                    sums = tuple(sum(counts) for counts in zip(*present))
                    by_fold.update((fold, sums) for fold in crowd)
            content = packed(record, by_fold)
        yield row_id, content, row_checksum(row_id, content)


def relation_rows(objective_id: str, pairs: ObjectivePairs, crowds: Crowds) -> Iterator[RelationRow]:
    """The rows that a table has of one objective's relations."""
    for fold, weights, predecessors in relations_of(pairs, crowds):
        content = json.dumps([weights, predecessors], separators=(",", ":")).encode()
        yield objective_id, fold, content, row_checksum(objective_id, content)


def write_table(
    path: str, about: Mapping[str, object], tables: Mapping[str, Iterable[Row]], relations: Iterable[RelationRow]
) -> None:
    """Writes the file anew.

    Args:
        path: where it is written.
        about: what it says about itself.
        tables: the rows of totals, objectives and cards, by id; without totals, they are nought.
        relations: its rows, by id and fold.
    """
    if os.path.exists(path):
        os.unlink(path)
    connection = sqlite3.connect(path)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = OFF")
        for statement in SCHEMA.values():
            connection.execute(statement)
        connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        for table, rows in tables.items():
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)  # noqa: S608  (our own names)
        nothing = packed(OBJECTIVE, {EVERYBODY: [0] * len(COUNTS)})
        connection.execute("INSERT OR IGNORE INTO totals VALUES (?, ?, ?)", ("", nothing, row_checksum("", nothing)))
        connection.executemany("INSERT INTO relations VALUES (?, ?, ?, ?)", relations)
        # Tables of one size and schema have the same first page but for this: their rows' checksums, in its header.
        stamp = 0
        for table in (*tables, "relations"):
            found = connection.execute(f"SELECT sum(checksum) FROM {table}")  # noqa: S608  (our own names)
            stamp = (stamp + (found.fetchone()[0] or 0)) & 0x7FFFFFFF
        connection.execute(f"PRAGMA user_version = {stamp}")
        connection.commit()
    finally:
        connection.close()
