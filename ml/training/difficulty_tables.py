"""Builds the difficulty file that ml/difficulty.py reads, out of a stream of learners."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

from ml.difficulty import CARD, EVERYBODY, FOLDS, FORMAT, OBJECTIVE, fold_of, row_checksum
from ml.difficulty_file import LONGEST_ID, PAGE_BYTES, SCHEMA
from ml.training.relations import PairCounts
from ml.visits import GRADES, Visit, is_correct, visits_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports

_OBJECTIVE_FIELDS, _CARD_FIELDS = 13, 2


class TableSize(NamedTuple):
    """What went into a difficulty file."""

    learners: int
    answers: int
    objectives: int
    cards: int


class _Tally:
    """Counts by row id and fold: {id: {fold: [count, ...]}}; EVERYBODY is the sum."""

    def __init__(self, fields: int) -> None:
        self.fields = fields
        self.rows: dict[str, dict[int, list[int]]] = {}

    def add(self, row_id: str, fold: int, field_counts: list[int]) -> None:
        folds = self.rows.setdefault(row_id, {})
        for key in (EVERYBODY, fold):
            have = folds.get(key)
            if have is None:
                folds[key] = list(field_counts)
            else:
                for field, count in enumerate(field_counts):
                    have[field] += count

    def packed(self, record: Struct) -> Iterator[tuple[str, bytes, int]]:
        for row_id in sorted(self.rows):
            folds = self.rows[row_id]
            content = record.pack(EVERYBODY, *folds[EVERYBODY])
            content += b"".join(record.pack(fold, *folds[fold]) for fold in sorted(folds) if fold != EVERYBODY)
            yield row_id, content, row_checksum(row_id, content)


def build_difficulty_table(
    path: str, learners: Iterable[ports.LearnerRows], cutoff_ms: int, struggle_below: float | None = None
) -> TableSize:
    """Writes the file anew from everything the learners did strictly before cutoff_ms.

    Learners who keep out of analytics are left out. struggle_below as in Visit.struggled. The same learners in the
    same order give the same bytes. Memory: per objective, card and contributing fold a few counts, plus those of the
    pairs of objectives that learners met in turn.
    """
    objectives, cards, pairs = _Tally(_OBJECTIVE_FIELDS), _Tally(_CARD_FIELDS), PairCounts()
    seen = answers = 0
    for rows in learners:
        if not rows.learner.include_in_analytics:
            continue
        fold = fold_of(rows.learner.id)
        reviews = [r for r in rows.reviews if r.reviewed_at_ms < cutoff_ms and r.rating in GRADES and _named(r)]
        validations = [v for v in rows.validations if v.responded_at_ms < cutoff_ms and _short(v.objective_id)]
        if not reviews and not validations:
            continue
        seen += 1
        answers += len(reviews)
        visits = visits_of(reviews, validations)
        _count_answers(objectives, cards, fold, reviews)
        _count_visits(objectives, fold, visits, struggle_below)
        pairs.add(fold, visits)
    totals = _Tally(_OBJECTIVE_FIELDS)
    for folds in objectives.rows.values():
        for fold, counts in folds.items():
            if fold != EVERYBODY:
                totals.add("", fold, counts)
    if not totals.rows:
        totals.add("", 0, [0] * _OBJECTIVE_FIELDS)
    _write(path, totals, objectives, cards, pairs, cutoff_ms)
    return TableSize(seen, answers, len(objectives.rows), len(cards.rows))


def _named(review: ports.Review) -> bool:
    return _short(review.card_id) and _short(review.objective_id)


def _short(row_id: str | None) -> bool:
    return row_id is None or len(row_id) <= LONGEST_ID


def _count_answers(objectives: _Tally, cards: _Tally, fold: int, reviews: list[ports.Review]) -> None:
    by_objective: dict[str, list[int]] = {}
    by_card: dict[str, list[int]] = {}
    for review in reviews:
        wrong = not is_correct(review.rating)
        card = by_card.setdefault(review.card_id, [0, 0])
        card[0] += 1
        card[1] += wrong
        if review.objective_id is not None:
            objective = by_objective.setdefault(review.objective_id, [0, 0, 1] + [0] * 10)
            objective[0] += 1
            objective[1] += wrong
    for objective_id, counts in by_objective.items():
        objectives.add(objective_id, fold, counts)
    for card_id, counts in by_card.items():
        cards.add(card_id, fold, counts)


def _count_visits(objectives: _Tally, fold: int, visits: list[Visit], struggle_below: float | None) -> None:
    for visit in visits:
        struggled = visit.struggled(struggle_below)
        counts = [0] * _OBJECTIVE_FIELDS
        if not visit.prompted:
            at = 11 if visit.repeat else 9
            counts[at] = visit.judged
            counts[at + 1] = visit.wrong
            if struggled is None:
                objectives.add(visit.objective_id, fold, counts)
        if struggled is None:
            continue
        at = 7 if visit.prompted else 5 if visit.repeat else 3
        counts[at] = 1
        counts[at + 1] = int(struggled)
        objectives.add(visit.objective_id, fold, counts)


def _write(path: str, totals: _Tally, objectives: _Tally, cards: _Tally, pairs: PairCounts, cutoff_ms: int) -> None:
    if os.path.exists(path):
        os.unlink(path)
    connection = sqlite3.connect(path)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = OFF")
        for statement in SCHEMA.values():
            connection.execute(statement)
        about = (("cutoff_ms", cutoff_ms), ("folds", FOLDS), ("format", FORMAT))
        connection.executemany("INSERT INTO about VALUES (?, ?)", about)
        connection.executemany("INSERT INTO totals VALUES (?, ?, ?)", totals.packed(OBJECTIVE))
        connection.executemany("INSERT INTO objectives VALUES (?, ?, ?)", objectives.packed(OBJECTIVE))
        connection.executemany("INSERT INTO cards VALUES (?, ?, ?)", cards.packed(CARD))
        connection.executemany("INSERT INTO relations VALUES (?, ?, ?, ?)", _packed_relations(pairs))
        # Tables of one size and schema have the same first page but for this: their rows' checksums, in its header.
        stamp = 0
        for table in ("totals", "objectives", "cards", "relations"):
            found = connection.execute(f"SELECT sum(checksum) FROM {table}")  # noqa: S608  (our own names)
            stamp = (stamp + (found.fetchone()[0] or 0)) & 0x7FFFFFFF
        connection.execute(f"PRAGMA user_version = {stamp}")
        connection.commit()
    finally:
        connection.close()


def _packed_relations(pairs: PairCounts) -> Iterator[tuple[str, int, bytes, int]]:
    for objective_id, fold, weights, predecessors in pairs.relations():
        content = json.dumps([weights, predecessors], separators=(",", ":")).encode()
        yield objective_id, fold, content, row_checksum(objective_id, content)
