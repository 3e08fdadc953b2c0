"""The hot path's additive model: exact sums, exact edges, bounded logits."""

from __future__ import annotations

from math import log, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.scoring.scorecard import LOGIT_BOUND, Deviations, Scorecard, Table
from ml.study.scales import probability_of

numbers = st.floats(-3, 3)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    edges = sorted(draw(st.sets(st.floats(0, 1), max_size=5)))
    values = draw(st.lists(numbers, min_size=len(edges) + 1, max_size=len(edges) + 1))
    slopes = draw(st.sampled_from([[], [draw(numbers)] * len(values)]))
    return Table(edges, values, slopes, draw(numbers))


@st.composite
def scorecards(draw: st.DrawFn) -> Scorecard:
    few = draw(st.lists(tables(), min_size=3, max_size=3))
    every = [few[position % 3] for position in range(len(FEATURE_NAMES))]
    return Scorecard(draw(numbers), every, (draw(st.floats(0.2, 2)), draw(numbers)))


vectors = st.dictionaries(st.sampled_from(FEATURE_NAMES), st.floats(0, 1)).map(lambda known: FeatureVector.of(known, 0))


@pytest.mark.slow
@given(scorecards(), vectors)
def test_contributions_and_intercept_sum_to_the_logit_of_the_probability(
    scorecard: Scorecard, features: FeatureVector
) -> None:
    score = scorecard.score(features)
    assert score.logit == pytest.approx(score.intercept + sum(score.contributions), abs=1e-12)
    probability = probability_of(score.logit)
    assert log(probability / (1 - probability)) == pytest.approx(score.logit, abs=1e-9)
    assert abs(score.logit) <= LOGIT_BOUND + 1e-9


def test_an_edge_belongs_to_the_segment_on_its_left() -> None:
    table = Table([0.25, 0.5], [1.0, 2.0, 3.0], [], -1.0)
    assert [table.at(x) for x in (0.0, 0.25, nextafter(0.25, 1), 0.5, nextafter(0.5, 1), 1.0)] == [1, 1, 2, 2, 3, 3]
    assert table.at(None) == -1.0


def test_a_sloped_table_is_a_line_in_each_segment() -> None:
    table = Table([0.5], [1.0, 2.0], [2.0, -1.0], 0.0)
    assert (table.at(0.25), table.at(0.5), table.at(0.75)) == (1.5, 2.0, 1.25)


def test_a_defaulted_feature_is_missing_whatever_its_neutral_value() -> None:
    zero = Table([], [0.0], [], 0.0)
    speaking = Table([], [5.0], [], -2.0)
    scorecard = Scorecard(0.0, [speaking] + [zero] * (len(FEATURE_NAMES) - 1))
    assert scorecard.score(FeatureVector.of({}, 0)).logit == -2.0
    assert scorecard.score(FeatureVector.of({FEATURE_NAMES[0]: 0.5}, 0)).logit == 5.0


def test_an_extreme_logit_is_bounded_and_its_parts_still_sum() -> None:
    loud = [Table([], [50.0], [], 50.0)] * len(FEATURE_NAMES)
    score = Scorecard(25.0, loud).score(FeatureVector.of({}, 0))
    assert score.logit == pytest.approx(LOGIT_BOUND)
    assert score.contributions == pytest.approx([2 * score.intercept] * len(FEATURE_NAMES))  # shrunk alike
    assert score.intercept + sum(score.contributions) == pytest.approx(LOGIT_BOUND, abs=1e-12)


def test_bags_depart_from_the_logit_by_the_segment_each_feature_falls_in() -> None:
    zero = Table([], [0.0], [], 0.0)
    still = Deviations([], [0.0] * 4, 2)
    moving = Deviations([0.5], [1.0, -1.0, 2.0, -2.0, 3.0, -3.0], 2)
    card = Scorecard(
        0.0,
        [zero] * len(FEATURE_NAMES),
        (2.0, 0.0),
        [moving] + [still] * (len(FEATURE_NAMES) - 1),
        [0.5, 0.0],
    )
    name = FEATURE_NAMES[0]
    assert card.bag_logits(FeatureVector.of({name: 0.5}, 0), 1.0) == [1 + 2 * 1.5, 1 - 2 * 1.0]
    assert card.bag_logits(FeatureVector.of({name: 0.6}, 0), 1.0) == [1 + 2 * 2.5, 1 - 2 * 2.0]
    assert card.bag_logits(FeatureVector.of({}, 0), 1.0) == [1 + 2 * 3.5, 1 - 2 * 3.0]


def test_a_deviation_is_one_number_a_bag() -> None:
    moving = Deviations([0.5], [1.0, -1.0, 2.0, -2.0, 3.0, -3.0], 2)
    assert [moving.at(x) for x in (0.5, 0.51, None)] == [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]]


def test_what_is_stated_is_told_apart_from_what_was_learned() -> None:
    learned, stated = Table([], [5.0], [], 0.0), Table([], [5.0], [], 0.0, stated=True)
    card = Scorecard(0.0, [stated, learned, stated])
    assert card.stated_part([3.0, 100.0, -4.0]) == 5.0


@pytest.mark.slow
@given(st.floats(-800, 800))
def test_the_logistic_function_never_overflows(logit: float) -> None:
    assert 0.0 <= probability_of(logit) <= 1.0
