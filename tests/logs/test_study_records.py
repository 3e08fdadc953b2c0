"""Answers become visits, daily metrics and validation scores by the platform's own definitions."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from db import ORDER_ONLY_SESSION
from ml.study.history import DAY_MS, HOUR_MS
from scripts.importing.study import (
    Review,
    Trial,
    card_id,
    day_metrics,
    digest_id,
    review_id,
    validations,
    visits,
)

MONDAY_MS = 1447632000000


def review(at_ms: int, objective: str = "s", item: str = "i", rating: str = "GOOD") -> Review:
    card = card_id(objective, item)
    return Review(review_id("ann", card, at_ms, 0), "ann", objective, card, rating, at_ms)


def test_a_gap_of_an_hour_belongs_to_the_visit_and_a_longer_one_ends_it() -> None:
    times = [0, HOUR_MS, 2 * HOUR_MS + 1]
    found = visits([review(at) for at in times], order_only=False)
    assert [[r.at_ms for r in visit.reviews] for visit in found] == [[0, HOUR_MS], [2 * HOUR_MS + 1]]
    assert (found[0].started_at_ms, found[0].completed_at_ms) == (0, HOUR_MS)


def test_visits_of_two_objectives_interleave_and_run_in_the_order_of_their_starts() -> None:
    found = visits([review(0, "b"), review(1, "a"), review(2, "b"), review(3, "a")], order_only=False)
    assert [visit.reviews[0].objective_id for visit in found] == ["b", "a"]
    assert [len(visit.reviews) for visit in found] == [2, 2]


def test_a_card_is_new_once() -> None:
    found = visits([review(0), review(1), review(2, item="j"), review(2 * HOUR_MS + 3)], order_only=False)
    assert [visit.new_cards for visit in found] == [2, 0]


def test_visits_of_an_order_say_so() -> None:
    assert visits([review(0)], order_only=True)[0].id.startswith(ORDER_ONLY_SESSION)
    assert not visits([review(0)], order_only=False)[0].id.startswith(ORDER_ONLY_SESSION)


def test_a_later_answer_keeps_the_visits_id() -> None:
    assert visits([review(0)], False)[0].id == visits([review(0), review(1)], False)[0].id


def test_daily_metrics_count_per_objective_and_utc_day() -> None:
    last_ms = MONDAY_MS + DAY_MS - 1
    found = day_metrics([review(MONDAY_MS), review(last_ms, rating="AGAIN"), review(last_ms + 1), review(last_ms, "t")])
    assert [(m.objective_id, m.date_ms, m.correct, m.incorrect, m.retention_score) for m in found] == [
        ("s", MONDAY_MS, 1, 1, 0.5),
        ("s", MONDAY_MS + DAY_MS, 1, 0, 1.0),
        ("t", MONDAY_MS, 1, 0, 1.0),
    ]


def test_a_posttest_scores_each_objective_once_and_dates_it_when_the_sitting_ends() -> None:
    trials = [
        Trial("ann", "s", 0, True),
        Trial("ann", "t", 1000, False),
        Trial("ann", "s", 2000, False),
        Trial("ann", "s", 3000, False),
        Trial("ann", "t", 4000, True),
        Trial("ann", "s", 5 * HOUR_MS, True),
    ]
    found = validations(trials)
    assert [(v.objective_id, v.score, v.responded_at_ms) for v in found] == [
        ("s", 1 / 3, 4000),
        ("t", 0.5, 4000),
        ("s", 1.0, 5 * HOUR_MS),
    ]
    assert len({v.id for v in found}) == 3


names = st.text(st.sampled_from("ab/%2F"), min_size=1, max_size=5)


@given(names, names, names, names)
def test_no_two_items_share_a_card(objective: str, item: str, other_objective: str, other_item: str) -> None:
    same = (objective, item) == (other_objective, other_item)
    assert (card_id(objective, item) == card_id(other_objective, other_item)) is same


def test_ids_depend_on_every_part_and_its_place() -> None:
    ids = {digest_id("x", *parts) for parts in (("a", "b"), ("ab",), ("a", "b", ""), ("b", "a"), ("a", 1), ("a", "1"))}
    assert len(ids) == 6


moments = st.lists(st.tuples(st.integers(0, 5 * HOUR_MS), st.sampled_from("st")), min_size=1, max_size=40)


@given(moments)
def test_every_answer_is_in_exactly_one_visit_and_no_two_visits_of_an_objective_could_be_one(
    moments: list[tuple[int, str]],
) -> None:
    reviews = [review(at_ms, objective, str(nth)) for nth, (at_ms, objective) in enumerate(sorted(moments))]
    found = visits(reviews, order_only=False)
    assert sorted(r.id for visit in found for r in visit.reviews) == sorted(r.id for r in reviews)
    for _, of_objective in groupby(
        sorted(found, key=lambda v: v.reviews[0].objective_id), lambda v: v.reviews[0].objective_id
    ):
        ordered = list(of_objective)
        assert all(b.started_at_ms - a.completed_at_ms > HOUR_MS for a, b in pairwise(ordered))
