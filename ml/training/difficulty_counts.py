"""What one learner's answers add to a difficulty table, counted at once or a little at a time with the same result.

A visit that may still go on when counting stops is counted as it stands. Its rows are kept with the learner's
progress, so that it can be taken back and counted again once there are more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from ml.storage.difficulty_file import LONGEST_ID
from ml.storage.difficulty_table import EVERYBODY, fold_of
from ml.study.correctness import GOOD, is_correct
from ml.study.difficulty import CARD_COUNTS, COUNTS
from ml.study.visits import GRADES, Visit, visits_of
from ml.training.relations import Met, PairCounts, meet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports

Folds = dict[int, list[int]]
"""Counts by fold; those under EVERYBODY are their sum."""


class Setting(NamedTuple):
    """What decides how answers are counted. struggle_below: as in Visit.struggled; correct_from: GOOD or HARD."""

    struggle_below: float | None = None
    correct_from: str = GOOD


class KeptAnswer(NamedTuple):
    """An answer of a visit that may go on."""

    objective_id: str
    rating: str
    reviewed_at_ms: int
    card_id: str = ""
    course_id: str | None = None
    order_only: bool = False


class KeptScore(NamedTuple):
    """A validation score of a visit, or of a run of prompts, that may go on."""

    objective_id: str
    score: float
    responded_at_ms: int
    course_id: str | None = None


class Progress:
    """How far a learner's rows have been counted: what the learner has met, and the rows of visits that may go on."""

    def __init__(self, met: Met, answers: list[KeptAnswer], scores: list[KeptScore]) -> None:
        self.met = met
        self.answers = answers
        self.scores = scores

    @classmethod
    def parsed(cls, text: bytes) -> Progress:
        """What `dumped` wrote."""
        met, answers, scores = json.loads(text)
        return cls(
            {objective_id: (judged, wrong) for objective_id, judged, wrong in met},
            [KeptAnswer(*answer) for answer in answers],
            [KeptScore(*score) for score in scores],
        )

    def dumped(self) -> bytes:
        """Itself as JSON; the order of `met` is kept."""
        answers, scores = ([row[:3] for row in rows] for rows in (self.answers, self.scores))
        met = [(objective_id, *counts) for objective_id, counts in self.met.items()]
        return json.dumps([met, answers, scores], separators=(",", ":")).encode()


class Tally:
    """Counts by row id and fold: {id: {fold: [count, ...]}}; EVERYBODY is the sum."""

    def __init__(self, record: Struct, fields: int) -> None:
        self.record = record
        self.fields = fields
        self.rows: dict[str, Folds] = {}

    def add(self, row_id: str, fold: int, field_counts: Sequence[int], sign: int = 1) -> None:
        """Adds the counts to a row, or takes them off it."""
        folds = self.rows.setdefault(row_id, {})
        for key in (EVERYBODY, fold):
            have = folds.get(key)
            if have is None:
                have = folds[key] = [0] * self.fields
            for field, count in enumerate(field_counts):
                have[field] += sign * count

    def packed_rows(self) -> Iterator[tuple[str, bytes]]:
        """(Id, counts of each fold) of every row, by id."""
        for row_id in sorted(self.rows):
            yield row_id, packed(self.record, self.rows[row_id])


class Counts:
    """Everything that a difficulty table is made of, or what is to be added to it.

    learners: their number by fold. hard: the number of answers rated HARD.
    """

    def __init__(self, objective: Struct, card: Struct) -> None:
        self.objectives = Tally(objective, len(COUNTS))
        self.cards = Tally(card, len(CARD_COUNTS))
        self.pairs = PairCounts()
        self.learners = Counter[int]()
        self.answers = self.hard = 0

    def take(self, rows: ports.Answers, progress: Progress | None, until_ms: int, setting: Setting) -> Progress | None:
        """Counts a learner's new rows strictly before until_ms, and returns how far the learner is counted now.

        Args:
            rows: oldest first; none may be older than what was counted before.
            progress: what was returned the last time; None for a learner of whom nothing is counted.
            until_ms: milliseconds since 1970; later rows are ignored.
            setting: how answers are judged.

        Returns:
            None where nothing is counted of the learner.
        """
        fold = fold_of(rows.learner.id)
        reviews = [r for r in rows.reviews if r.reviewed_at_ms < until_ms and r.rating in GRADES and _named(r)]
        validations = [v for v in rows.validations if v.responded_at_ms < until_ms and _short(v.objective_id)]
        if not reviews and not validations:
            return progress
        if progress is None:
            self.learners[fold] += 1
            progress = Progress({}, [], [])
        self.answers += len(reviews)
        self.hard += sum(review.rating == "HARD" for review in reviews)
        self._count_answers(fold, reviews, progress, setting.correct_from)
        if progress.answers or progress.scores:
            before = visits_of(progress.answers, progress.scores, setting.correct_from, progress.met)
            self._count_visits(fold, before, progress.met, setting, -1)
        answers = progress.answers + [
            KeptAnswer(r.objective_id, r.rating, r.reviewed_at_ms) for r in reviews if r.objective_id is not None
        ]
        scores = progress.scores + [
            KeptScore(v.objective_id, v.score, v.responded_at_ms)
            for v in validations
            if v.objective_id is not None and v.score is not None
        ]
        visits = visits_of(answers, scores, setting.correct_from, progress.met)
        self._count_visits(fold, visits, progress.met, setting, 1)
        return _progress(visits, answers, scores, progress.met, until_ms)

    def totals(self) -> Tally:
        """The sums over all objectives."""
        totals = Tally(self.objectives.record, self.objectives.fields)
        for folds in self.objectives.rows.values():
            for fold, counts in folds.items():
                if fold != EVERYBODY:
                    totals.add("", fold, counts)
        return totals

    def _count_answers(self, fold: int, reviews: Sequence[ports.Review], progress: Progress, correct_from: str) -> None:
        known = {*progress.met, *(answer.objective_id for answer in progress.answers)}
        by_objective: dict[str, list[int]] = {}
        by_card: dict[str, list[int]] = {}
        for review in reviews:
            wrong = not is_correct(review.rating, correct_from)
            card = by_card.setdefault(review.card_id, [0, 0])
            card[0] += 1
            card[1] += wrong
            if review.objective_id is not None:
                objective = by_objective.setdefault(review.objective_id, [0, 0, review.objective_id not in known])
                objective[0] += 1
                objective[1] += wrong
        for objective_id, counts in by_objective.items():
            self.objectives.add(objective_id, fold, counts)
        for card_id, counts in by_card.items():
            self.cards.add(card_id, fold, counts)

    def _count_visits(self, fold: int, visits: list[Visit], met: Met, setting: Setting, sign: int) -> None:
        for visit in visits:
            struggled = visit.struggled(setting.struggle_below)
            counts = [0] * len(COUNTS)
            if not visit.prompted:
                at = 11 if visit.repeat else 9
                counts[at] = visit.judged
                counts[at + 1] = visit.wrong
            if struggled is not None:
                at = 7 if visit.prompted else 5 if visit.repeat else 3
                counts[at] = 1
                counts[at + 1] = int(struggled)
            self.objectives.add(visit.objective_id, fold, counts, sign)
        self.pairs.add(fold, visits, met, sign)


def _progress(
    visits: list[Visit], answers: list[KeptAnswer], scores: list[KeptScore], met: Met, until_ms: int
) -> Progress:
    """Divides the rows where no visit reaches across and none before it may go on."""
    first = len(visits)
    for place in range(len(visits) - 1, -1, -1):
        reaches_over = first < len(visits) and visits[place].last_ms >= visits[first].started_ms
        if reaches_over or not visits[place].is_over(until_ms):
            first = place
    met = dict(met)
    for visit in visits[:first]:
        meet(met, visit)
    if first == len(visits):
        return Progress(met, [], [])
    from_ms = visits[first].started_ms
    return Progress(
        met,
        [answer for answer in answers if answer.reviewed_at_ms >= from_ms],
        [score for score in scores if score.responded_at_ms >= from_ms],
    )


def packed(record: Struct, folds: Mapping[int, Sequence[int]]) -> bytes:
    """The counts of one row as a table keeps them: everybody's, then those of each fold."""
    of_folds = (record.pack(fold, *folds[fold]) for fold in sorted(folds) if fold != EVERYBODY)
    return record.pack(EVERYBODY, *folds[EVERYBODY]) + b"".join(of_folds)


def unpacked(record: Struct, content: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(Fold, counts) of one row, everybody's included."""
    return ((fold, tuple(counts)) for fold, *counts in record.iter_unpack(content))


def _named(review: ports.Review) -> bool:
    return _short(review.card_id) and _short(review.objective_id)


def _short(row_id: str | None) -> bool:
    return row_id is None or len(row_id) <= LONGEST_ID
