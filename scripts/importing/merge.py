"""What a log adds to the answers of a learner's earlier imports, and which stored rows it makes obsolete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from db import ORDER_ONLY_SESSION
from ml.study.correctness import GOOD
from scripts.importing.answers import POSTTEST, LoggedAnswer, MalformedLog
from scripts.importing.study import (
    DayMetric,
    Review,
    Trial,
    Validation,
    Visit,
    card_id,
    day_metrics,
    digest_of,
    review_prefix,
    validations,
    visits,
)


class LearnerLog(NamedTuple):
    """One learner's rows of a log, oldest first. lines: the line number of each review in the file."""

    id: str
    reviews: Sequence[Review]
    lines: Sequence[int]
    trials: Sequence[Trial]


class StoredReview(NamedTuple):
    """An answer that an earlier import stored, with its session."""

    review: Review
    session_id: str


class Changes(NamedTuple):
    """What to write for one learner.

    moved: (session, review) of stored answers whose visit now starts at another answer. ended: stored sessions, and
    days by id, that must be deleted.
    """

    new_reviews: Sequence[tuple[Review, str]]
    visits: Sequence[Visit]
    metrics: Sequence[DayMetric]
    validations: Sequence[Validation]
    moved: Sequence[tuple[str, str]]
    ended: Sequence[str]


def learner_log(learner_id: str, answers: Sequence[LoggedAnswer]) -> LearnerLog:
    """One learner's answers, oldest first, as rows. Study rows contain no answer and are left out."""
    reviews, lines, trials = [], [], []
    at_ms, nth = -1, 0
    cards: dict[tuple[str, str], tuple[str, str]] = {}
    start = f"[{encode_basestring_ascii(learner_id)}, "
    for answer in answers:
        if answer.kind == POSTTEST:
            trials.append(Trial(learner_id, answer.skill_id, answer.at_ms, bool(answer.correct)))
        elif answer.correct is not None:
            at_ms, nth = answer.at_ms, (nth + 1 if answer.at_ms == at_ms else 0)
            known = cards.get((answer.skill_id, answer.item_id))
            if known is None:
                card = card_id(answer.skill_id, answer.item_id)
                known = cards[answer.skill_id, answer.item_id] = (card, encode_basestring_ascii(card))
            card, quoted = known
            rating = answer.rating or ("GOOD" if answer.correct else "AGAIN")
            # The same as review_id(learner_id, card, at_ms, nth), whose texts are quoted once here.
            identifier = review_prefix(nth) + digest_of(f"{start}{quoted}, {at_ms}]")
            reviews.append(Review(identifier, learner_id, answer.skill_id, card, rating, at_ms, answer.spent_ms))
            lines.append(answer.line)
    return LearnerLog(learner_id, reviews, lines, trials)


def changes(learner: LearnerLog, stored: Sequence[StoredReview], order_only: bool, correct_from: str = GOOD) -> Changes:
    """The changes that importing these rows makes. Raises MalformedLog where a row contradicts what is stored.

    correct_from: the lowest grade that is a correct answer.
    """
    _refuse_contradictions(learner, stored, order_only)
    known = {row.review.id: row for row in stored}
    new = [review for review in learner.reviews if review.id not in known]
    scores = validations(learner.trials)
    if not new:
        return Changes((), (), (), scores, (), ())
    # Sorted as the queries sort: by time, then by id.
    everything = sorted([*(row.review for row in stored), *new], key=lambda review: (review.at_ms, review.id))
    visited = visits(everything, order_only)
    session_of = {review.id: visit.id for visit in visited for review in visit.reviews}
    return Changes(
        new_reviews=[(review, session_of[review.id]) for review in new],
        visits=visited,
        metrics=day_metrics(everything, correct_from),
        validations=scores,
        moved=[(session_of[id], id) for id, row in known.items() if session_of[id] != row.session_id],
        ended=sorted({row.session_id for row in stored} - {visit.id for visit in visited}),
    )


def _refuse_contradictions(learner: LearnerLog, stored: Sequence[StoredReview], order_only: bool) -> None:
    if not stored or not learner.reviews:
        return
    if any(row.session_id.startswith(ORDER_ONLY_SESSION) is not order_only for row in stored):
        raise MalformedLog(
            learner.lines[0], f"learner {learner.id[:40]!r} was imported from a log with dates and one without"
        )
    rating: Mapping[str, str] = {row.review.id: row.review.rating for row in stored}
    taken = {row.review.at_ms for row in stored} if order_only else set()
    for review, line in zip(learner.reviews, learner.lines, strict=True):
        if rating.get(review.id, review.rating) != review.rating:
            raise MalformedLog(line, "this answer was imported before as the opposite")
        if review.at_ms in taken and review.id not in rating:
            raise MalformedLog(
                line, f"learner {learner.id[:40]!r} answered otherwise in an earlier import: an order is imported whole"
            )
