"""Builds the difficulty file that ml/storage/difficulty_table.py reads, from a stream of learners."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from ml.features.consent import teaches
from ml.storage.difficulty_file import LONGEST_ID, PAGE_BYTES, SCHEMA
from ml.storage.difficulty_table import CARD, EVERYBODY, FOLDS, FORMAT, OBJECTIVE, fold_of, row_checksum
from ml.study.correctness import GOOD, is_correct
from ml.study.difficulty import CARD_COUNTS, COUNTS
from ml.study.visits import GRADES, Visit, visits_of
from ml.training.relations import PairCounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports

FEWEST_OF_A_CROWD = 5
FEWEST_FOR_CROWDS = 50
"""From so many learners on, folds are counted together until each count covers at least FEWEST_OF_A_CROWD of them. With
fewer learners, leaving out a whole crowd would lose more than about an eighth of what the others tell."""

Crowds = Sequence[Sequence[int]]
"""Groups of folds; the folds of one group are left out together."""


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

    def records(self, record: Struct, crowds: Crowds) -> Iterator[tuple[str, bytes, int]]:
        for row_id in sorted(self.rows):
            folds = self.rows[row_id]
            content = record.pack(EVERYBODY, *folds[EVERYBODY])
            by_fold: dict[int, list[int]] = {}
            for crowd in crowds:
                present = [folds[fold] for fold in crowd if fold in folds]
                if present:
                    sums = [sum(counts) for counts in zip(*present)]
                    by_fold.update((fold, sums) for fold in crowd)
            content += b"".join(record.pack(fold, *by_fold[fold]) for fold in sorted(by_fold))
            yield row_id, content, row_checksum(row_id, content)


def build_difficulty_table(
    path: str,
    learners: Iterable[ports.LearnerRows],
    cutoff_ms: int,
    struggle_below: float | None = None,
    correct_from: str = GOOD,
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
    """
    objectives, cards, pairs = _Tally(len(COUNTS)), _Tally(len(CARD_COUNTS)), PairCounts()
    answers = hard = 0
    learners_of = Counter[int]()
    for rows in learners:
        if not teaches(rows.learner):
            continue
        fold = fold_of(rows.learner.id)
        reviews = [r for r in rows.reviews if r.reviewed_at_ms < cutoff_ms and r.rating in GRADES and _named(r)]
        validations = [v for v in rows.validations if v.responded_at_ms < cutoff_ms and _short(v.objective_id)]
        if not reviews and not validations:
            continue
        learners_of[fold] += 1
        answers += len(reviews)
        hard += sum(review.rating == "HARD" for review in reviews)
        visits = visits_of(reviews, validations, correct_from)
        _count_answers(objectives, cards, fold, reviews, correct_from)
        _count_visits(objectives, fold, visits, struggle_below)
        pairs.add(fold, visits)
    totals = _Tally(len(COUNTS))
    for folds in objectives.rows.values():
        for fold, counts in folds.items():
            if fold != EVERYBODY:
                totals.add("", fold, counts)
    if not totals.rows:
        totals.add("", 0, [0] * len(COUNTS))
    about = {
        "correct_from": correct_from,
        "cutoff_ms": cutoff_ms,
        "folds": FOLDS,
        "format": FORMAT,
        "struggle_below": struggle_below,
    }
    _write(path, about, (totals, objectives, cards), pairs, crowds_of(learners_of))
    return TableSize(learners_of.total(), answers, len(objectives.rows), len(cards.rows), hard)


def _named(review: ports.Review) -> bool:
    return _short(review.card_id) and _short(review.objective_id)


def _short(row_id: str | None) -> bool:
    return row_id is None or len(row_id) <= LONGEST_ID


def _count_answers(
    objectives: _Tally, cards: _Tally, fold: int, reviews: list[ports.Review], correct_from: str
) -> None:
    by_objective: dict[str, list[int]] = {}
    by_card: dict[str, list[int]] = {}
    for review in reviews:
        wrong = not is_correct(review.rating, correct_from)
        card = by_card.setdefault(review.card_id, [0, 0])
        card[0] += 1
        card[1] += wrong
        if review.objective_id is not None:
            objective = by_objective.setdefault(review.objective_id, [0, 0, 1] + [0] * (len(COUNTS) - 3))
            objective[0] += 1
            objective[1] += wrong
    for objective_id, counts in by_objective.items():
        objectives.add(objective_id, fold, counts)
    for card_id, counts in by_card.items():
        cards.add(card_id, fold, counts)


def _count_visits(objectives: _Tally, fold: int, visits: list[Visit], struggle_below: float | None) -> None:
    for visit in visits:
        struggled = visit.struggled(struggle_below)
        counts = [0] * len(COUNTS)
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


def _write(
    path: str,
    about: Mapping[str, object],
    tallies: tuple[_Tally, _Tally, _Tally],
    pairs: PairCounts,
    crowds: Crowds,
) -> None:
    totals, objectives, cards = tallies
    if os.path.exists(path):
        os.unlink(path)
    connection = sqlite3.connect(path)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = OFF")
        for statement in SCHEMA.values():
            connection.execute(statement)
        connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        connection.executemany("INSERT INTO totals VALUES (?, ?, ?)", totals.records(OBJECTIVE, crowds))
        connection.executemany("INSERT INTO objectives VALUES (?, ?, ?)", objectives.records(OBJECTIVE, crowds))
        connection.executemany("INSERT INTO cards VALUES (?, ?, ?)", cards.records(CARD, crowds))
        connection.executemany("INSERT INTO relations VALUES (?, ?, ?, ?)", _packed_relations(pairs, crowds))
        # Tables of one size and schema have the same first page but for this: their rows' checksums, in its header.
        stamp = 0
        for table in ("totals", "objectives", "cards", "relations"):
            found = connection.execute(f"SELECT sum(checksum) FROM {table}")  # noqa: S608  (our own names)
            stamp = (stamp + (found.fetchone()[0] or 0)) & 0x7FFFFFFF
        connection.execute(f"PRAGMA user_version = {stamp}")
        connection.commit()
    finally:
        connection.close()


def _packed_relations(pairs: PairCounts, crowds: Crowds) -> Iterator[tuple[str, int, bytes, int]]:
    for objective_id, fold, weights, predecessors in pairs.relations(crowds):
        content = json.dumps([weights, predecessors], separators=(",", ":")).encode()
        yield objective_id, fold, content, row_checksum(objective_id, content)
