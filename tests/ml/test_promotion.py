"""Promotion in simulation: an equal or worse challenger hardly ever passes, a better one mostly does."""

from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.metrics import log_losses
from ml.evaluation.promotion import INSUFFICIENT, PROMOTED, REFUSED, decide
from scripts.benchmarks.promotion import GAIN, SOME, STRONG, Clustering, error_of, power
from scripts.benchmarks.promotion import rivals as clustered_rivals

pytestmark = pytest.mark.slow

RUNS = 150


def sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logit))


def rivals(
    random: np.random.Generator, n: int, champion_noise: float, challenger_noise: float, learners: int | None = None
) -> tuple[np.ndarray, ...]:
    """Labels, the champion's, challenger's and rules' probabilities, and learners; noise spoils a model's logits.

    Each spoiled model is shrunk so that it stays calibrated: it knows less, and says so.
    """
    who = np.arange(n) if learners is None else random.integers(0, learners, n)
    own = random.normal(0.0, 0.7, n if learners is None else learners)[who]
    truth = -0.7 + own + random.normal(0.0, 1.0, n)
    y = (random.random(n) < sigmoid(truth)).astype(float)
    signal_variance = 0.7**2 + 1.0

    def spoiled(noise: float) -> np.ndarray:
        seen = truth + 0.7 + random.normal(0.0, noise, n)
        return sigmoid(-0.7 + seen * signal_variance / (signal_variance + noise**2))

    return y, spoiled(champion_noise), spoiled(challenger_noise), np.full(n, 0.55), who


def share_promoted(seed: int, **how: float | int | None) -> float:
    random = np.random.default_rng(seed)
    verdicts = [decide(*rivals(random, 1000, **how), bootstrap=300) for _ in range(RUNS)]
    return sum(verdict.promote for verdict in verdicts) / RUNS


def test_an_equal_challenger_is_promoted_at_most_one_time_in_ten() -> None:
    assert share_promoted(1, champion_noise=0.3, challenger_noise=0.3) <= 0.10


def test_an_equal_challenger_of_clustered_learners_is_promoted_at_most_one_time_in_ten() -> None:
    assert share_promoted(2, champion_noise=0.3, challenger_noise=0.3, learners=60) <= 0.10


def test_a_truly_worse_challenger_is_promoted_at_most_one_time_in_twenty() -> None:
    assert share_promoted(3, champion_noise=0.3, challenger_noise=0.5) <= 0.05


def test_one_better_by_a_hundredth_is_promoted_at_least_half_the_time() -> None:
    random = np.random.default_rng(4)
    promoted, gains, spreads = 0, [], []
    for _ in range(RUNS):
        logit = -0.7 + random.normal(0.0, 1.2, 1000)
        y = (random.random(1000) < sigmoid(logit)).astype(float)
        champion, challenger = sigmoid(logit + random.normal(0.0, 0.33, 1000)), sigmoid(logit)
        loss = [-(y * np.log(p) + (1 - y) * np.log(1 - p)) for p in (champion, challenger)]
        gains.append((loss[1] - loss[0]).mean())
        spreads.append((loss[1] - loss[0]).std())
        promoted += decide(y, champion, challenger, np.full(1000, 0.55), np.arange(1000), bootstrap=300).promote
    assert -0.0115 < np.mean(gains) < -0.0085
    assert np.mean(spreads) <= 0.15
    assert promoted / RUNS >= 0.5


@pytest.mark.parametrize("clustering", [SOME, STRONG], ids=lambda clustering: clustering.name)
def test_clustered_examples_promote_what_they_are_stated_to(clustering: Clustering) -> None:
    """The table of `python -m scripts.benchmark promotion` at n = 1000 with twenty examples a learner, bounded."""
    found = power(1000, 20, clustering, runs=60)
    assert found.spread <= 0.15
    assert found.design_effect > 1.5
    assert found.equal <= 0.10 + 0.05  # sixty runs tell it to five points
    assert found.worse <= 0.05
    assert found.better >= (0.35 if clustering is SOME else 0.15)


def test_the_simulated_rivals_differ_by_what_they_say() -> None:
    found = clustered_rivals(np.random.default_rng(9), 200_000, 5, STRONG, error_of(STRONG))
    losses = [log_losses(found.labels, p) for p in (found.truer, found.spoiled, found.equally_spoiled)]
    assert losses[1].mean() - losses[0].mean() == pytest.approx(GAIN, abs=0.002)
    assert losses[1].mean() == pytest.approx(losses[2].mean(), abs=0.002)


def test_too_little_data_says_what_is_missing() -> None:
    y = np.zeros(200)
    y[:40] = 1
    verdict = decide(y, np.full(200, 0.5), np.full(200, 0.2), np.full(200, 0.5), np.arange(200))
    assert verdict.outcome == INSUFFICIENT
    assert verdict.checks[0].sentence == (
        "the hold-out needs 100 more examples (of 300) and 60 more struggles (of 100)"
    )


def test_a_challenger_that_beats_the_champion_but_not_the_rules_is_kept_out() -> None:
    random = np.random.default_rng(5)
    y, _, challenger, _, who = rivals(random, 2000, 0.3, 0.3)
    perfect_rules = np.where(y > 0, 0.95, 0.05)
    verdict = decide(y, np.full(2000, 0.1), challenger, perfect_rules, who)
    assert verdict.outcome == REFUSED + "not proven better than the rules"
    assert [check.name for check in verdict.checks if not check.passed] == ["rules"]


def test_a_slice_that_is_proven_worse_blocks_an_otherwise_better_challenger() -> None:
    random = np.random.default_rng(6)
    n = 4000
    y, champion, challenger, rules, who = rivals(random, n, 2.5, 0.1)
    newcomers = np.arange(n) % 5 == 0
    groups = {"history": np.where(newcomers, "none", "100+")}
    assert decide(y, champion, challenger, rules, who, groups).outcome == PROMOTED
    champion = np.where(newcomers, challenger, champion)
    challenger = np.where(newcomers, 1.0 - challenger, challenger)
    verdict = decide(y, champion, challenger, rules, who, groups)
    assert not verdict.promote
    assert "history=none" in [check.name for check in verdict.checks if not check.passed]
