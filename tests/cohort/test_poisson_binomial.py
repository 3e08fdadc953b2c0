"""The chance of so many events or more, against the definition; and false discoveries, against theirs."""

from __future__ import annotations

from itertools import product
from math import comb, isclose

import numpy as np
import pytest

from ml.evaluation import poisson_binomial
from ml.evaluation.false_discoveries import adjusted
from ml.evaluation.poisson_binomial import at_least, at_least_where_shared


def by_definition(probabilities: list[float], count: int) -> float:
    total = 0.0
    for happened in product((0, 1), repeat=len(probabilities)):
        if sum(happened) >= count:
            total += float(np.prod([p if each else 1 - p for p, each in zip(probabilities, happened)]))
    return total


def test_it_is_the_sum_over_all_that_can_happen() -> None:
    draw = np.random.default_rng(1)
    for size in range(1, 9):
        probabilities = draw.random(size)
        for count in range(size + 2):
            found = at_least(probabilities, count)
            assert isclose(found, by_definition(probabilities.tolist(), count), rel_tol=1e-12, abs_tol=1e-15)


def test_far_in_the_tail_it_keeps_its_digits() -> None:
    assert isclose(at_least(np.full(40, 1e-3), 40), 1e-120, rel_tol=1e-9)
    binomial = sum(comb(60, k) * 0.1**k * 0.9 ** (60 - k) for k in range(30, 61))
    assert isclose(at_least(np.full(60, 0.1), 30), binomial, rel_tol=1e-9)


def test_sure_events_and_impossible_ones_are_counted() -> None:
    assert at_least(np.array([1.0, 1.0, 0.0, 0.5]), 2) == 1.0
    assert at_least(np.array([1.0, 1.0, 0.0, 0.5]), 3) == 0.5
    assert at_least(np.array([1.0, 0.0]), 2) == 0.0


def test_the_approximation_for_many_answers_is_within_one_in_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(2)
    for probabilities in (draw.random(601), draw.random(900) * 0.05, 1 - draw.random(700) * 0.1):
        mean, deviation = probabilities.sum(), float(np.sqrt((probabilities * (1 - probabilities)).sum()))
        for away in (-3, -1, -0.2, 0, 0.01, 0.3, 1, 2, 4, 6, 9):
            count = min(round(mean + away * deviation), len(probabilities))
            approximate = at_least(probabilities, count)
            monkeypatch.setattr(poisson_binomial, "EXACT_UP_TO", 10_000)
            exact = at_least(probabilities, count)
            monkeypatch.undo()
            assert isclose(approximate, exact, rel_tol=0.01 if exact > 1e-12 else 0.1), (len(probabilities), away)


def test_what_answers_share_makes_extremes_likelier() -> None:
    logits = np.full(20, -1.0)
    chances = [at_least_where_shared(logits, spread, 14) for spread in (0.0, 0.3, 0.6, 1.2)]
    assert chances[0] == at_least(1 / (1 + np.exp(-logits)), 14)
    assert chances == sorted(chances)
    draw = np.random.default_rng(3)
    moved = logits + 0.6 * draw.standard_normal((40_000, 1))
    often = float(((draw.random(moved.shape) < 1 / (1 + np.exp(-moved))).sum(axis=1) >= 10).mean())
    assert at_least_where_shared(logits, 0.6, 10) == pytest.approx(often, abs=0.005)


def test_adjusted_chances_hold_the_rate_of_false_discoveries() -> None:
    assert adjusted([]).tolist() == []
    assert adjusted([0.04, 0.01, 0.02]).tolist() == pytest.approx([0.04, 0.03, 0.03])
    draw = np.random.default_rng(4)
    shares = []
    for _ in range(400):
        false, true = draw.random(80), draw.random(20) * 1e-4
        found = adjusted(np.concatenate((false, true))) <= 0.1
        shares.append(found[:80].sum() / max(found.sum(), 1))
        assert found[80:].all()
    assert np.mean(shares) < 0.1
