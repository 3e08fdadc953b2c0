"""A topic to which answers have been added equals the one that is computed anew, also where its first answers go."""

from __future__ import annotations

import random

import pytest

from db.reading.rows import ReviewRow, ValidationRow
from ml.advice.records import Answer
from ml.study.history import DAY_MS, HOUR_MS, MINUTE_MS, StudyHistory
from ml.study.summary import NEWEST_ANSWERS, LearnerSummary
from tests.support.history_builder import AS_OF_MS, COURSE, objective, study

TOLD = ("decline", "last_studied_ms", "level", "level_answers", "retention", "struggles")


def _history(draw: random.Random, scores: int) -> StudyHistory:
    """Of a learner with about as many answers in the course as a topic looks at, and with these validation scores."""
    names = [f"objective-{n}" for n in range(draw.choice((3, 8, 20, 60)))]
    at_ms = AS_OF_MS - 25 * DAY_MS
    reviews: list[ReviewRow] = []
    length = draw.choice((1, 4, 12))
    for n in range(draw.randint(NEWEST_ANSWERS - 10, NEWEST_ANSWERS + 20)):
        if n % length == 0:
            at_ms += draw.choice((MINUTE_MS, HOUR_MS + 1))
        at_ms += draw.randint(1, MINUTE_MS)
        faced = names[n // length % len(names)] if draw.random() < 0.9 else draw.choice(names)
        reviews.append(ReviewRow("card", faced, COURSE, draw.choice(("AGAIN", "HARD", "GOOD")), at_ms, False))
    near = sorted(draw.choice(reviews).reviewed_at_ms + draw.randint(-MINUTE_MS, HOUR_MS) for _ in range(scores))
    validations = [ValidationRow(draw.choice(names), COURSE, draw.random(), each) for each in near]
    faced_last = str(reviews[-1].objective_id)
    return study(reviews=reviews, validations=validations, faced=objective(faced_last))


@pytest.mark.parametrize("scores", [0, 3, 30])
def test_a_topic_with_more_answers_is_the_one_computed_anew(scores: int) -> None:
    draw = random.Random(scores)
    known = 0
    for _ in range(60):
        history = _history(draw, scores)
        past, faced = history.past, history.objective
        past.once(LearnerSummary).topic(faced)
        count = draw.choice((1, 3))
        more = [Answer("card", faced.id, COURSE, AS_OF_MS - count + n) for n in range(count)]
        changed = past.but(reviews=[*past.reviews, *more])
        later = past.once(LearnerSummary).after(changed.bare(), more)
        overflows = len(past.reviews) + count > NEWEST_ANSWERS
        known += overflows and (COURSE, None) in later._topics
        topic, anew = later.topic(faced), LearnerSummary(changed.bare()).topic(faced)
        assert {name: getattr(topic, name) for name in TOLD} == {name: getattr(anew, name) for name in TOLD}
    assert known > 10
