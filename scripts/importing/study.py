"""From one learner's answers to the rows of a study platform: reviews, visits, daily metrics, validations.

These functions are pure: the same answers give the same rows with the same ids, so that importing twice adds nothing
and importing a longer log changes only what the new answers change. Ids are digests of what identifies a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from db import ORDER_ONLY_SESSION
from ml.study.correctness import GOOD, is_correct
from ml.study.history import DAY_MS
from ml.study.visits import runs_of

REVIEW_PREFIX = "answer:"
VISIT_PREFIX = "visit:"


class Review(NamedTuple):
    """One graded answer.

    rating: GOOD or AGAIN, which both settings of ml/study/correctness.py judge alike, or the rating that the log gives.
    spent_ms: how long it took, 0 where that is not known.
    """

    id: str
    learner_id: str
    objective_id: str
    card_id: str
    rating: str
    at_ms: int
    spent_ms: int = 0


class Visit(NamedTuple):
    """A run of answers on one objective with no gap over an hour.

    new_cards: the number of cards never answered before.
    """

    id: str
    learner_id: str
    reviews: Sequence[Review]
    new_cards: int

    @property
    def started_at_ms(self) -> int:
        """When its first answer was given."""
        return self.reviews[0].at_ms

    @property
    def completed_at_ms(self) -> int:
        """When its last answer was given."""
        return self.reviews[-1].at_ms


class DayMetric(NamedTuple):
    """One learner, one objective, one UTC day, which starts at date_ms."""

    id: str
    learner_id: str
    objective_id: str
    date_ms: int
    correct: int
    incorrect: int

    @property
    def retention_score(self) -> float:
        """Share of the day's answers that were correct."""
        return self.correct / (self.correct + self.incorrect)


class Trial(NamedTuple):
    """One answer of a posttest."""

    learner_id: str
    objective_id: str
    at_ms: int
    correct: bool


class Validation(NamedTuple):
    """The score (share correct) of one learner's trials on one objective in one sitting of a posttest."""

    id: str
    learner_id: str
    objective_id: str
    score: float
    responded_at_ms: int


def card_id(objective_id: str, item_id: str) -> str:
    """The card of an item on an objective; a slash inside the objective's id is escaped, so that no two collide."""
    return f"{objective_id.replace('%', '%25').replace('/', '%2F')}/{item_id}"


def review_id(learner_id: str, card: str, at_ms: int, nth: int) -> str:
    """The id of an answer; nth is the number of the learner's earlier answers at exactly the same time.

    Queries order answers of one instant by id, so the id begins with nth: this keeps the log's order where its clock is
    coarse.
    """
    return digest_id(review_prefix(nth), learner_id, card, at_ms)


def review_prefix(nth: int) -> str:
    """How the id of an answer begins that is number nth at its instant, counted from 0."""
    return f"{REVIEW_PREFIX}{nth:04d}:"


def digest_id(prefix: str, *parts: str | int) -> str:
    """A short id that depends on every part and on nothing else: on the parts as a JSON list, as json.dumps has it."""
    listed = ", ".join([encode_basestring_ascii(part) if isinstance(part, str) else str(part) for part in parts])
    return prefix + digest_of(f"[{listed}]")


def digest_of(text: str) -> str:
    """A digest of 24 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=12).hexdigest()


def visits(reviews: Iterable[Review], order_only: bool) -> list[Visit]:
    """The visits of one learner, whose reviews come oldest first, ordered by start."""
    prefix = ORDER_ONLY_SESSION if order_only else VISIT_PREFIX
    answers = list(reviews)
    first_answers = {review.card_id: review.id for review in reversed(answers)}
    return [
        Visit(
            digest_id(prefix, run[0].learner_id, run[0].objective_id, run[0].at_ms),
            run[0].learner_id,
            run,
            sum(first_answers[review.card_id] == review.id for review in run),
        )
        for run in runs_of(answers, lambda review: review.at_ms, lambda review: review.objective_id)
    ]


def day_metrics(reviews: Iterable[Review], correct_from: str = GOOD) -> list[DayMetric]:
    """One row per objective and UTC day of one learner's reviews. correct_from: the lowest grade that is correct."""
    counts: dict[tuple[str, str, int], list[int]] = {}
    for review in reviews:
        day = (review.learner_id, review.objective_id, review.at_ms // DAY_MS * DAY_MS)
        counts.setdefault(day, [0, 0])[is_correct(review.rating, correct_from)] += 1
    return [
        DayMetric(digest_id("day:", *day), *day, correct=correct, incorrect=incorrect)
        for day, (incorrect, correct) in counts.items()
    ]


def validations(trials: Iterable[Trial]) -> list[Validation]:
    """One response per objective and sitting of one learner's posttest trials, which come oldest first.

    All responses of a sitting are dated at its last trial. A score does not exist before its trials are answered, and
    objectives are tested alternately: if each were dated separately, the first ones would be known while the others are
    still being predicted. A sitting ends where more than an hour passes without a trial.
    """
    sittings = runs_of(trials, lambda trial: trial.at_ms)
    return [response for sitting in sittings for response in _responses(sitting)]


def _responses(sitting: Sequence[Trial]) -> Iterable[Validation]:
    outcomes: dict[str, list[bool]] = {}
    for trial in sitting:
        outcomes.setdefault(trial.objective_id, []).append(trial.correct)
    learner_id, started_at_ms = sitting[0].learner_id, sitting[0].at_ms
    for objective_id, correct in outcomes.items():
        yield Validation(
            digest_id("posttest:", learner_id, objective_id, started_at_ms),
            learner_id,
            objective_id,
            sum(correct) / len(correct),
            sitting[-1].at_ms,
        )
