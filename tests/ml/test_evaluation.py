"""Figures equal scikit-learn's; intervals hold what they promise; nothing crashes on little or odd data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from ml.evaluation import metrics
from ml.evaluation.figures import TOO_FEW, evaluate
from ml.evaluation.paired_difference import paired_difference
from ml.evaluation.slices import LARGEST_GROUPS, NOT_RECORDED, OTHERS, history_band, slices
from scripts.benchmarks.coverage import covered
from tests.ml.interval_coverage import CLUSTERED, INDEPENDENT, Learners, coverage, expit, learners_visits
from tests.support.work_done import lines_run

PAIRED = ("log_loss", "brier", "accuracy", "recall", "auc", "ece")


@pytest.mark.parametrize("decimals", [16, 2, 1], ids=["continuous", "ties", "many ties"])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_figures_equal_scikit_learns(decimals: int, threshold: float) -> None:
    y, p, who = learners_visits(3, 400, 8, 0.5)
    p = np.round(p, decimals)
    judged = evaluate(y, p, who, threshold=threshold, bootstrap=0)
    said = p >= threshold
    truths, means = calibration_curve(y, p, n_bins=10, strategy="quantile")
    expected = {
        "auc": sklearn_metrics.roc_auc_score(y, p),
        "log_loss": sklearn_metrics.log_loss(y, p),
        "brier": sklearn_metrics.brier_score_loss(y, p),
        "accuracy": sklearn_metrics.accuracy_score(y, said),
        "recall": sklearn_metrics.recall_score(y, said),
        "precision": sklearn_metrics.precision_score(y, said),
        "ece": sum(each.n * abs(t - m) for each, t, m in zip(judged.reliability, truths, means)) / len(y),
        "struggle_rate": y.mean(),
        "flagged": said.mean(),
    }
    for name, value in expected.items():
        assert judged.figure(name).value == pytest.approx(value, abs=1e-12), name
    assert [each.struggle_rate for each in judged.reliability] == pytest.approx(list(truths), abs=1e-12)
    assert [each.mean_probability for each in judged.reliability] == pytest.approx(list(means), abs=1e-12)


def test_certain_predictions_cost_what_scikit_learn_says() -> None:
    y, p = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])
    assert evaluate(y, p, range(4)).figure("log_loss").value == pytest.approx(sklearn_metrics.log_loss(y, p), abs=1e-12)


def test_calibration_line_is_the_unpenalised_logistic_regression() -> None:
    y, p, who = learners_visits(5, 300, 6, 0.6)
    fitted = LogisticRegression(C=np.inf, tol=1e-14, max_iter=10_000).fit(metrics.logit(p)[:, None], y)
    judged = evaluate(y, p, who, bootstrap=0)
    # The reference stops at its own tolerance; the score equations below hold to the last digits.
    assert judged.figure("calibration_slope").value == pytest.approx(fitted.coef_[0, 0], abs=1e-6)
    assert judged.figure("calibration_intercept").value == pytest.approx(fitted.intercept_[0], abs=1e-6)
    line = metrics.calibration_line(y, p)
    residual = y - expit(line.intercept + line.slope * metrics.logit(p))
    assert abs(residual.sum()) / len(y) < 1e-12
    assert abs((residual * metrics.logit(p)).sum()) / len(y) < 1e-12


def test_the_noise_floor_is_the_error_of_a_calibrated_forecast() -> None:
    rng = np.random.default_rng(11)
    p = rng.beta(2, 5, 3000)
    floor = metrics.calibration_noise_floor(metrics.reliability(np.zeros_like(p), p))
    by_chance = [
        metrics.calibration_error(metrics.reliability((rng.random(len(p)) < p).astype(float), p)) for _ in range(300)
    ]
    assert floor == pytest.approx(np.mean(by_chance), rel=0.05)


LINE = {"calibration_slope", "calibration_intercept"}


@pytest.mark.parametrize(
    ("labels", "probabilities", "learners", "undetermined"),
    [
        ([], [], [], {"auc", "brier", "ece", "accuracy", "recall", "precision", *LINE}),
        ([1], [0.5], ["a"], {"auc", *LINE}),
        ([0, 0], [0.1, 0.6], ["a", "b"], {"auc", "recall", *LINE}),
        ([0, 1], [0.1, 0.2], ["a", "b"], {"precision", *LINE}),
        ([0, 1, 1], [0.3, 0.3, 0.3], ["a", "a", "b"], {"precision", *LINE}),
        ([0, 1, 0, 1], [0.3, 0.8, 0.6, 0.5], ["a"] * 4, set()),
    ],
)
def test_little_data_gives_none_with_a_reason(
    labels: list[int] | list[object],
    probabilities: list[float] | list[object],
    learners: list[object] | list[str],
    undetermined: set[object] | set[str],
) -> None:
    judged = evaluate(labels, probabilities, learners)
    for figures in (judged.figures, judged.decisions[0.5]):
        for name, figure in figures.items():
            assert (figure.value is None) == (name in undetermined or (not labels)), name
            if figure.value is None or figure.low is None:
                assert figure.reason, name
            if figure.low is not None:
                assert figure.low <= figure.value <= figure.high, name
    json.dumps(judged.to_dict(), allow_nan=False)
    for metric in PAIRED:
        json.dumps(paired_difference(labels, probabilities, probabilities, learners, metric=metric).to_dict())


@pytest.mark.parametrize("of_rarer", [1, 9, 10])
@pytest.mark.parametrize("struggles_are_rare", [True, False])
def test_an_auc_of_fewer_than_ten_of_either_outcome_has_no_interval(of_rarer: int, struggles_are_rare: bool) -> None:
    draw = np.random.default_rng(of_rarer)
    rare = np.arange(200) < of_rarer
    y = (rare if struggles_are_rare else ~rare).astype(float)
    auc = evaluate(y, draw.random(200), np.arange(200) % 40, bootstrap=200).figures["auc"]
    assert auc.value is not None
    assert (auc.low is None, auc.reason == TOO_FEW) == (of_rarer < 10, of_rarer < 10)


@pytest.mark.slow
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.integers(0, 4)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_rows_give_ordered_bounds_within_range(rows: list[tuple[bool, float, int]]) -> None:
    y, p, who = zip(*rows) if rows else ((), (), ())
    judged = evaluate(y, p, who, bootstrap=200)
    json.dumps(judged.to_dict(), allow_nan=False)
    for name in ("auc", "brier", "accuracy", "recall", "precision", "struggle_rate"):
        figure = judged.figure(name)
        if figure.low is not None:
            assert 0 <= figure.low <= figure.high <= 1, name


@pytest.mark.parametrize(
    ("labels", "probabilities", "learners"),
    [
        ([0, 1], [0.5], [1, 2]),
        ([0, 2], [0.5, 0.5], [1, 2]),
        ([0, 1], [0.5, 1.5], [1, 2]),
        ([0], [float("nan")], [1]),
        ([0, 1], [0.5, 0.4], [1]),
    ],
)
def test_impossible_rows_are_refused(labels: list[int], probabilities: list[float], learners: list[int]) -> None:
    with pytest.raises(ValueError):
        evaluate(labels, probabilities, learners)


@pytest.mark.slow
def test_the_same_rows_give_the_same_answer_and_ids_may_be_anything() -> None:
    y, p, who = learners_visits(2, 60, 5, 0.5)
    once = evaluate(y, p, who)
    assert once == evaluate(y.tolist(), p.tolist(), who.tolist())
    named = evaluate(y, p, [f"learner-{each:04}" for each in who])
    assert once.to_dict() == named.to_dict()


@pytest.mark.slow
def test_a_learners_repeated_rows_are_no_new_evidence() -> None:
    y, p, who = learners_visits(4, 200)
    once, tenfold = evaluate(y, p, who), evaluate(np.tile(y, 10), np.tile(p, 10), np.tile(who, 10))
    for name in ("auc", "log_loss", "brier", "accuracy", "recall", "calibration_slope"):
        first, repeated = once.figure(name), tenfold.figure(name)
        assert repeated.high - repeated.low == pytest.approx(first.high - first.low, rel=0.15), name


@pytest.mark.slow
def test_thirty_thousand_rows_are_no_more_python_than_three_thousand() -> None:
    """What is done for every row is numpy's, and what is done for every learner is little."""

    def work(learners: int) -> int:
        rows = learners_visits(6, learners, 11, 0.5)
        return lines_run(lambda: evaluate(*rows))

    assert work(2500) < 10 * work(250) + 10_000


@pytest.mark.slow
def test_slices_are_evaluations_of_their_rows() -> None:
    y, p, who = learners_visits(8, 300, 6, 0.3)
    answers = np.random.default_rng(1).choice([0, 5, 50, 500], len(y))
    bands = [history_band(int(each)) for each in answers]
    course = [None if each % 20 == 0 else f"course {each % 20}" for each in range(len(y))]
    found = slices(y, p, who, {"history": bands, "course": course}, bootstrap=100)
    assert [each.value for each in found if each.dimension == "history"] == ["0", "1-19", "20-99", "100+"]
    for each in found:
        if each.dimension == "history":
            rows = np.array(bands) == each.value
            assert each.evaluation == evaluate(y[rows], p[rows], who[rows], bootstrap=100)
    courses = [each for each in found if each.dimension == "course"]
    assert len(courses) <= LARGEST_GROUPS + 1
    assert {OTHERS} <= {each.value for each in courses} <= {OTHERS, NOT_RECORDED} | set(filter(None, course))
    assert sum(each.evaluation.n for each in courses) == len(y)


@pytest.mark.slow
def test_paired_differences_are_differences_of_the_figures() -> None:
    y, p, who = learners_visits(9, 300, 6, 0.3)
    worse = np.clip(p + np.random.default_rng(0).normal(0, 0.15, len(p)), 0.001, 0.999)
    before, after = evaluate(y, p, who, bootstrap=0), evaluate(y, worse, who, bootstrap=0)
    for metric in PAIRED:
        change = paired_difference(y, p, worse, who, metric=metric)
        assert change.value == pytest.approx(after.figure(metric).value - before.figure(metric).value, abs=1e-12)
        assert change.low <= change.lower <= change.value <= change.upper <= change.high, metric
    assert paired_difference(y, p, worse, who).lower > 0
    assert paired_difference(y, p, worse, who, metric="auc").upper < 0
    mirrored = paired_difference(y, worse, p, who)
    assert mirrored.upper < 0
    with pytest.raises(ValueError, match="no paired difference"):
        paired_difference(y, p, worse, who, metric="precision")


@pytest.mark.slow
@pytest.mark.parametrize("learners", [INDEPENDENT, CLUSTERED], ids=["independent", "clustered"])
def test_intervals_cover_what_they_promise(learners: Learners) -> None:
    """95 % +- 2, up to what 1000 simulations can tell (two standard errors are 1.4 %)."""
    found = coverage(learners, 1000)
    assert all(0.93 - 0.008 <= each <= 0.97 + 0.008 for each in found.values()), found


@pytest.mark.slow
def test_one_sided_bounds_call_an_equal_model_better_one_time_in_twenty() -> None:
    runs, better = 1000, 0
    for run in range(runs):
        y, p, who = learners_visits(run, 80, 8, 0.3)
        noise = np.random.default_rng([run, 1]).normal(0, 0.6, (2, len(p)))
        champion, challenger = expit(metrics.logit(p) + noise[0]), expit(metrics.logit(p) + noise[1])
        better += paired_difference(y, champion, challenger, who, seed=run).upper < 0
    assert 0.03 <= better / runs <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize(("struggles", "each"), [(10, 1), (30, 5)])
def test_the_interval_of_an_auc_holds_the_truth(struggles: int, each: int) -> None:
    """A small run of `python -m scripts.benchmark coverage`; 300 runs tell 95 % to within four points."""
    assert 0.91 <= covered(struggles, each, runs=300, bootstrap=300).share <= 0.985
