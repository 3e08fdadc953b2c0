"""Evidence over weeks: it counts learners, not visits, and may be looked at as often as one likes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ml.evaluation.challengers import (
    LARGEST_SHARE,
    LEAST_GAIN,
    YEAR_MS,
    YEARLY_ERROR,
    error_share,
    given_up,
    possible_gain,
)
from ml.evaluation.evidence import MOST, RATES, WEIGHTS, Evidence, as_normal, as_student, evidence, of_differences
from ml.evaluation.metrics import log_losses
from ml.evaluation.paired_difference import paired_difference
from ml.evaluation.promotion import INCONCLUSIVE, INSUFFICIENT, PROMOTED, REFUSED, RISK_LEVEL, WORSE, decide, flagged
from ml.study.history import DAY_MS
from ml.study.scales import PLATFORM
from scripts.benchmarks.promotion import NONE, error_of, rivals
from scripts.benchmarks.promotion_year import ALIKE, ONCE, SAME, TWENTY, Crowd, power, usual_share, years

WEEK_MS = 7 * DAY_MS


def sigmoid(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def test_the_weights_are_a_mean() -> None:
    assert sum(WEIGHTS) == pytest.approx(1.0)
    assert len(WEIGHTS) == len(RATES)


def test_a_fair_walk_reaches_the_bound_at_any_of_many_looks_less_often_than_is_granted() -> None:
    steps = np.random.default_rng(0).normal(0.0, 0.15, (400, 3000))
    looks = range(100, 3001, 100)
    hits = [any(of_differences(row[:n], np.arange(n), 0.2).better for n in looks) for row in steps]
    assert 0.02 <= np.mean(hits) <= 0.2


def test_one_learner_proves_nothing_however_many_visits_there_are() -> None:
    found = of_differences(np.full(5000, -0.3) + np.random.default_rng(1).normal(0, 0.1, 5000), np.zeros(5000), 0.05)
    assert (found.e_value, found.better, found.upper, found.learners) == (1.0, False, None, 1)


def test_a_visit_copied_is_no_new_learner() -> None:
    random = np.random.default_rng(2)
    change = random.normal(-0.008, 0.15, 800)
    once = of_differences(change, np.arange(800), 0.01)
    tenfold = of_differences(np.tile(change, 10), np.tile(np.arange(800), 10), 0.01)
    as_if_new = of_differences(np.tile(change, 10), np.arange(8000), 0.01)
    assert once.value == pytest.approx(tenfold.value)
    assert not tenfold.better
    assert as_if_new.better


def test_few_learners_need_a_larger_quotient() -> None:
    assert as_normal(4.0, 5) < 3.0 < as_normal(4.0, 500) < 4.0
    assert as_normal(-4.0, 5) == pytest.approx(-as_normal(4.0, 5))
    assert as_student(as_normal(4.0, 5), 5) == pytest.approx(4.0)
    assert np.isfinite(as_normal(1e4, 1e5))


def test_the_bound_is_where_the_proof_begins() -> None:
    random = np.random.default_rng(3)
    change, who = random.normal(-0.01, 0.15, 3000), np.arange(3000)
    found = of_differences(change, who, 0.01)
    assert found.upper is not None
    assert found.lower is not None
    assert of_differences(change - found.upper - 1e-6, who, 0.01).better
    assert not of_differences(change - found.upper + 1e-4, who, 0.01).better
    assert found.lower < -0.01 < found.upper


@pytest.mark.parametrize("change", [np.zeros(0), np.zeros(500), np.full(500, -0.1)], ids=["none", "equal", "constant"])
def test_where_nothing_varies_nothing_is_proven(change: np.ndarray) -> None:
    found = of_differences(change, np.arange(len(change)), 0.05)
    assert (found.e_value, found.better, found.worse) == (1.0, False, False)


def test_it_is_json_without_an_infinite_number() -> None:
    y = np.tile([0.0, 1.0], 20_000)
    said = np.clip(y, 0.1, 0.9) + np.random.default_rng(4).uniform(0, 0.05, 40_000)
    found = evidence(y, 1.0 - said, said, np.arange(40_000))
    assert found.better
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["e_value"] == MOST
    with pytest.raises(ValueError, match="between 0 and 1"):
        evidence(y, said, said, np.arange(40_000), error=0.0)


@pytest.mark.parametrize("which", ["equal", "worse"])
@pytest.mark.parametrize("crowd", [ONCE, SAME, TWENTY, ALIKE], ids=["once", "same", "twenty", "alike"])
def test_in_a_year_of_weekly_looks_no_better_challengers_are_promoted_at_most_in_one_of_twenty(
    crowd: Crowd, which: str
) -> None:
    """`python -m scripts.benchmark promotion-year` has the real number of runs."""
    found = years(crowd, which, runs=60)
    assert found.promoted <= YEARLY_ERROR + 2 * np.sqrt(0.05 * 0.95 / 60)
    assert found.challengers >= 3


def test_a_test_at_each_look_would_promote_an_equal_challenger_in_most_years() -> None:
    """What the evidence is for: one test of 95 % confidence each week, as before."""
    error, promoted = error_of(NONE), 0
    for run in range(40):
        found = rivals(np.random.default_rng(run), 26_000, 1, NONE, error)
        losses = [-np.log(np.where(found.labels > 0, p, 1 - p)) for p in (found.spoiled, found.equally_spoiled)]
        weeks = (losses[1] - losses[0]).reshape(52, 500)
        quotients = weeks.mean(axis=1) / (weeks.std(axis=1, ddof=1) / np.sqrt(500))
        promoted += bool((quotients < -1.645).any())
    assert promoted > 30


def test_a_hundredth_is_found_within_eight_weeks() -> None:
    for share in (LARGEST_SHARE, usual_share()):
        assert power(ONCE, share, runs=150).share >= 0.80
        for crowd in (SAME, TWENTY):
            found = power(crowd, share, runs=150)
            assert found.share >= 0.50 - 2 * np.sqrt(0.25 / 150)
            assert found.design_effect == pytest.approx(1.8, abs=0.15)


def test_the_shares_of_any_year_add_up_to_at_most_the_years_error() -> None:
    random = np.random.default_rng(5)
    for _ in range(20):
        spent: list[tuple[int, float]] = []
        spans: list[tuple[int, int, float]] = []
        now_ms = 0
        while now_ms < 3 * YEAR_MS:
            share = error_share(spent, now_ms)
            assert 0.0 < share <= LARGEST_SHARE
            last_ms = now_ms + int(random.integers(0, 25)) * WEEK_MS
            spent.append((last_ms, share))
            spans.append((now_ms, last_ms, share))
            now_ms = last_ms + WEEK_MS
        for start in range(0, 2 * YEAR_MS, WEEK_MS):
            looked_at = sum(share for first, last, share in spans if last >= start and first < start + YEAR_MS)
            assert looked_at <= YEARLY_ERROR + 1e-5


@pytest.mark.parametrize(
    ("weeks", "e_value", "over"), [(1, 0.1, ""), (11, 0.1, ""), (12, 0.1, "12 weeks"), (12, 3.0, ""), (24, 3.0, "24")]
)
def test_an_unpromising_challenger_makes_room_for_a_newer_one(weeks: int, e_value: float, over: str) -> None:
    reason = given_up(weeks * WEEK_MS, Evidence(0.0, e_value, 0.01, 0.1, -0.1, 100, 100))
    assert over in reason
    assert bool(reason) == bool(over)


def test_a_challenger_that_is_proven_worse_is_given_up_at_once() -> None:
    random = np.random.default_rng(6)
    y = (random.random(4000) < 0.3).astype(float)
    champion = np.full(4000, 0.3) + random.normal(0, 0.01, 4000)
    verdict = decide(y, champion, 1.0 - champion, np.full(4000, 0.5), np.arange(4000), error=0.0125)
    assert verdict.outcome == WORSE
    assert verdict.evidence is not None
    assert "proven worse" in given_up(0, verdict.evidence)


def test_lower_recall_at_a_threshold_does_not_hold_back_what_is_proven_better_and_better_calibrated() -> None:
    """The champion overstates every risk, which gives it recall at any threshold, and larger losses."""
    random = np.random.default_rng(7)
    logit = random.normal(-0.6, 1.2, 6000)
    y = (random.random(6000) < sigmoid(logit)).astype(float)
    champion, challenger = sigmoid(0.9 * logit + random.normal(0, 0.2, 6000) + 0.3), sigmoid(logit)
    at_half = paired_difference(y, champion, challenger, np.arange(6000), metric="recall")
    assert at_half.upper is not None
    assert at_half.upper < -0.03, "by its recall at 0.5 the challenger is proven worse"
    verdict = decide(y, champion, challenger, np.full(6000, 0.5), np.arange(6000), error=0.0125, threshold=0.5)
    assert verdict.outcome == PROMOTED, verdict.failed
    assert -0.03 < verdict.evidence.value < -0.01 if verdict.evidence and verdict.evidence.value else False


def test_proven_harm_holds_back_what_is_proven_better_and_says_so() -> None:
    """The challenger knows the many who struggle little much better, and puts those who struggle most among them."""
    random = np.random.default_rng(8)
    logit = random.normal(-0.6, 1.2, 8000)
    y = (random.random(8000) < sigmoid(logit)).astype(float)
    champion = sigmoid(np.where(logit > 0.5, logit, 0.05 * logit - 1.1))
    challenger = sigmoid(np.where((logit > 0.8) & (random.random(8000) < 0.9), 0.0, logit))
    verdict = decide(y, champion, challenger, np.full(8000, 0.5), np.arange(8000), error=0.0125, threshold=0.6)
    assert verdict.evidence is not None
    assert verdict.evidence.better
    assert verdict.outcome == REFUSED + "its recall is proven worse"


def test_slices_of_the_champions_own_making_say_nothing_of_recall() -> None:
    found = rivals(np.random.default_rng(10), 6000, 1, NONE, error_of(NONE))
    levels = {RISK_LEVEL: [PLATFORM.of(each) for each in found.spoiled.tolist()]}
    verdict = decide(
        *(found.labels, found.spoiled, found.truer, np.full(6000, 0.5), found.learners, levels),
        error=0.0125,
        threshold=0.7,
    )
    assert verdict.outcome == PROMOTED, verdict.failed
    assert [check.name for check in verdict.checks if RISK_LEVEL in check.name and "recall" in check.name] == []


def test_without_proof_it_is_inconclusive_whatever_else_holds() -> None:
    found = rivals(np.random.default_rng(9), 1000, 1, NONE, error_of(NONE))
    verdict = decide(
        found.labels, found.spoiled, found.equally_spoiled, np.full(1000, 0.5), found.learners, error=0.0125
    )
    assert verdict.outcome == INCONCLUSIVE
    assert "evidence" in verdict.checks[1].sentence
    assert "of the 80 that is a proof" in verdict.checks[1].sentence
    few = rivals(np.random.default_rng(9), 100, 1, NONE, error_of(NONE))
    too_few = decide(few.labels, few.spoiled, few.truer, np.full(100, 0.5), few.learners, error=0.0125)
    assert too_few.outcome == INSUFFICIENT


def test_as_many_are_flagged_by_lot_among_equals() -> None:
    said = np.array([0.1, 0.5, 0.3, 0.5, 0.9])
    assert [flagged(said, many).sum() for many in range(6)] == [0, 1, 2, 3, 4, 5]
    assert flagged(said, 1).tolist() == [0, 0, 0, 0, 1]
    assert flagged(said, 3).tolist() == [0, 1, 0, 1, 1]
    assert flagged(np.full(5, 0.5), 2).sum() == 2


def test_a_challengers_possible_gain_is_what_it_gains_where_it_is_right() -> None:
    random = np.random.default_rng(11)
    logit = random.normal(-0.6, 1.0, 200_000)
    y = (random.random(200_000) < sigmoid(logit)).astype(float)
    champion, challenger = sigmoid(logit + random.normal(0, 0.3, 200_000)), sigmoid(logit)
    gained = -float((log_losses(y, challenger) - log_losses(y, champion)).mean())
    assert possible_gain(champion, challenger) == pytest.approx(gained, abs=0.001)
    assert possible_gain(challenger, challenger) == 0.0
    assert possible_gain(sigmoid(logit + 0.05), challenger) < LEAST_GAIN < possible_gain(champion, challenger)
