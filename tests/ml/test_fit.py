"""Fits: tables equal their estimators, directions hold, few labels leave the prior alone, more correct it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from ml.features.vector import FEATURE_NAMES, FEATURES
from ml.training.calibration import calibration, threshold_for_recall
from ml.training.expert_tables import POLYGONS, stated_tables
from ml.training.fit import BASE, DIRECTIONS, Candidate, Labels, candidates_for, fit
from ml.training.regression import Regression
from ml.training.tables import Additive, ParityLost, check_parity, of_boosting, of_line

RISING = FEATURE_NAMES.index("review_lapse_rate")
FALLING = FEATURE_NAMES.index("retention_score")


def labels(n: int = 1500, seed: int = 0, learners: int = 60, known: float = 0.8) -> Labels:
    """Made-up learners: two features matter, the rest are noise or have no data at all."""
    draw = np.random.default_rng(seed)
    x = np.full((n, len(FEATURE_NAMES)), np.nan)
    for column in {RISING, FALLING, *range(20, 26)}:
        x[:, column] = np.where(draw.random(n) < known, draw.random(n), np.nan)
    z = 2.5 * np.nan_to_num(x[:, RISING], nan=0.5) ** 2 - 2.0 * np.nan_to_num(x[:, FALLING], nan=0.5) - 0.3
    y = (draw.random(n) < 1 / (1 + np.exp(-z))).astype(float)
    return Labels.of(x, y, np.array([f"learner-{i}" for i in draw.integers(0, learners, n)]))


def boundary_rows(model: Additive) -> np.ndarray:
    """Rows that put each feature on each of its edges, a hair above and below, at 0 and 1, and without data."""
    rows = []
    for feature, piece in enumerate(model.pieces):
        for edge in piece.edges:
            for value in (edge, np.nextafter(edge, 2.0), np.nextafter(edge, -1.0)):
                row = np.full(len(model.pieces), np.nan)
                row[feature] = value
                rows.append(row)
    return np.array([np.full(len(model.pieces), v) for v in (0.0, 1.0, 0.5, np.nan)] + rows)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_boosting_equals_its_tables_at_every_edge_and_without_data(seed: int) -> None:
    given = labels(seed=seed)
    columns = np.flatnonzero(~np.isnan(given.x).all(axis=0))
    estimator = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=6, interaction_cst="no_interactions", max_features=0.5, random_state=seed
    )
    estimator.fit(given.x[:, columns], given.y)
    tables = of_boosting(estimator, columns, len(FEATURE_NAMES))
    rows = np.concatenate([given.x, boundary_rows(tables)])
    p = estimator.predict_proba(rows[:, columns])[:, 1]
    check_parity(tables.logits(rows), np.log(p / (1 - p)))


@pytest.mark.slow
def test_a_boosting_with_interactions_is_refused() -> None:
    given = labels()
    estimator = HistGradientBoostingClassifier(max_iter=5).fit(given.x[:, [RISING, FALLING]], given.y)
    with pytest.raises(ValueError, match="additive"):
        of_boosting(estimator, np.array([RISING, FALLING]), len(FEATURE_NAMES))


@pytest.mark.slow
def test_a_scorecard_says_what_the_fit_says_at_every_edge() -> None:
    given = labels()
    result = fit(given, stated_tables(given.x), [Candidate("regression", BASE, knots=3)])
    rows = boundary_rows(result.model)
    check_parity(Additive.of(result.model.scorecard()).logits(rows), result.model.logits(rows))


def test_parity_that_is_lost_is_an_error() -> None:
    with pytest.raises(ParityLost):
        check_parity(np.array([0.0]), np.array([1e-9]))
    with pytest.raises(ParityLost):
        check_parity(np.array([0.0]), np.array([np.nan]))


@pytest.mark.slow
@pytest.mark.parametrize("boosting", [False, True])
def test_the_fit_keeps_every_features_direction(boosting: bool) -> None:
    given = labels()
    # Outcomes that contradict the features' meaning: the table may go flat, never the other way.
    turned = given._replace(y=1.0 - given.y)
    result = fit(turned, stated_tables(turned.x), [Candidate("regression", BASE, boosting, 3)])
    grid = np.linspace(0, 1, 501)
    for piece, direction in zip(result.model.pieces, DIRECTIONS):
        if direction:
            assert (direction * np.diff(piece.at(grid))).min() >= -1e-9


@pytest.mark.slow
def test_a_correction_keeps_the_direction_of_prior_and_correction_together() -> None:
    given = labels()
    prior = fit(given, stated_tables(given.x), [Candidate("regression", BASE, knots=3)]).model
    turned = given._replace(y=1.0 - given.y)
    result = fit(turned, prior, [Candidate("corrected", BASE, knots=3)])
    grid = np.linspace(0, 1, 501)
    assert result.model.pieces[RISING].at(np.array([1.0])) < prior.pieces[RISING].at(np.array([1.0]))
    for piece, direction in zip(result.model.pieces, DIRECTIONS):
        if direction:
            assert (direction * np.diff(piece.at(grid))).min() >= -1e-9


def test_below_a_hundred_labels_the_prior_is_left_alone() -> None:
    given = labels(99)
    prior = stated_tables(given.x)
    result = fit(given, prior, candidates_for(99))
    assert (result.chosen, result.model, result.calibration) == ("prior", prior, (1.0, 0.0))


@pytest.mark.slow
def test_a_good_prior_is_kept_until_labels_contradict_it() -> None:
    teacher = labels(6000, seed=1)
    prior = fit(teacher, stated_tables(teacher.x), [Candidate("regression", BASE, knots=3)]).model
    agreeing = labels(150, seed=2)
    kept = fit(agreeing, prior, candidates_for(150))
    assert np.abs(kept.model.logits(agreeing.x) - prior.logits(agreeing.x)).mean() < 0.25
    other = labels(1500, seed=3)
    other = other._replace(y=(np.random.default_rng(0).random(1500) < 0.8).astype(float))
    corrected = fit(other, prior, candidates_for(1500))
    assert corrected.chosen != "prior"
    p = 1 / (1 + np.exp(-(corrected.calibration[0] * corrected.model.logits(other.x) + corrected.calibration[1])))
    assert p.mean() == pytest.approx(0.8, abs=0.03)


def test_a_learner_left_out_is_left_out_whole() -> None:
    given = labels(600, learners=17)
    folds = given.folds()
    assert set(folds) == {0, 1, 2, 3, 4}
    for learner in np.unique(given.learners):
        assert len(set(folds[given.learners == learner])) == 1


@pytest.mark.slow
def test_features_without_any_data_or_spread_play_no_part() -> None:
    given = labels()
    given.x[:, 30] = 0.4
    result = fit(given, stated_tables(given.x), [Candidate("regression", BASE, knots=3)])
    dead = np.flatnonzero(np.isnan(given.x).all(axis=0))
    assert all(result.model.pieces[j].is_zero or result.model.pieces[j].stated for j in dead)
    assert np.isfinite(result.model.logits(given.x)).all()


@pytest.mark.slow
def test_the_same_labels_give_the_same_bytes() -> None:
    given = labels(400)
    first, second = (fit(given, stated_tables(given.x), candidates_for(400)) for _ in range(2))
    assert first.model.intercept == second.model.intercept
    for a, b in zip(first.model.pieces, second.model.pieces):
        assert a.values.tobytes() == b.values.tobytes()


def test_stated_tables_are_silent_without_data_and_follow_the_directions() -> None:
    model = stated_tables(np.full((3, len(FEATURE_NAMES)), np.nan))
    directions = {feature.name: feature.direction for feature in FEATURES}
    for name in POLYGONS:
        piece = model.pieces[FEATURE_NAMES.index(name)]
        assert piece.stated
        assert piece.missing == 0.0
        assert (directions[name] * np.diff(piece.at(np.linspace(0, 1, 101)))).min() >= 0
    assert model.logits(np.full((1, len(FEATURE_NAMES)), np.nan))[0] == 0.0


def test_a_feature_that_the_rows_inform_is_not_stated() -> None:
    x = np.full((1000, len(FEATURE_NAMES)), np.nan)
    workload = FEATURE_NAMES.index("workload_level")
    x[:10, workload] = np.linspace(0, 1, 10)
    assert stated_tables(x).pieces[workload].is_zero
    x[4:, workload] = np.nan
    assert stated_tables(x).pieces[workload].stated


@pytest.mark.slow
def test_own_labels_outweigh_a_stated_table() -> None:
    draw = np.random.default_rng(5)
    n, gap = 3000, FEATURE_NAMES.index("prerequisite_gap_count")
    x = np.full((n, len(FEATURE_NAMES)), np.nan)
    stated = stated_tables(x)
    x[:, gap] = draw.integers(0, 3, n) / 2
    given = Labels.of(x, (draw.random(n) < 0.3).astype(float), np.array([f"l{i}" for i in draw.integers(0, 90, n)]))
    before, after = stated, fit(given, stated, candidates_for(n)[:-1]).model
    rise = [float(np.ptp(model.pieces[gap].at(np.array([0.0, 1.0])))) for model in (before, after)]
    assert rise[1] < 0.35 * rise[0]


def test_calibration_finds_the_line_that_made_the_outcomes() -> None:
    draw = np.random.default_rng(0)
    z = draw.normal(0, 2, 40000)
    y = (draw.random(40000) < 1 / (1 + np.exp(-(0.7 * z - 0.4)))).astype(float)
    assert calibration(z, y) == pytest.approx((0.7, -0.4), abs=0.04)
    assert calibration(z, 1 - y)[0] > 0  # an order is never turned round


def test_calibration_by_levels_takes_the_slope_within_them() -> None:
    draw = np.random.default_rng(0)
    z, level = draw.normal(0, 1, 40000), np.arange(40000) % 2
    y = (draw.random(40000) < 1 / (1 + np.exp(-(z + np.where(level, 2.0, -2.0))))).astype(float)
    slope, offset = calibration(z, y, levels=level)
    assert (slope, offset) == pytest.approx((1.0, 0.0), abs=0.05)


def test_the_threshold_finds_seven_in_ten_struggles() -> None:
    draw = np.random.default_rng(0)
    p = draw.random(5000)
    y = (draw.random(5000) < p).astype(float)
    threshold = threshold_for_recall(p, y)
    assert (p[y > 0] >= threshold).mean() >= 0.7
    assert (p[y > 0] >= threshold + 0.02).mean() < 0.7


def test_a_polygon_is_level_beyond_its_ends() -> None:
    piece = of_line(np.array([0.2, 0.6]), np.array([1.0, 3.0]), -1.0)
    at = piece.at(np.array([0.0, 0.2, 0.4, 0.6, 1.0, np.nan]))
    assert at == pytest.approx([1, 1, 2, 3, 3, -1])


@pytest.mark.slow
def test_a_regression_is_the_sum_of_its_tables() -> None:
    given = labels()
    regression = Regression(given.x, DIRECTIONS, knots=4)
    fitted = regression.fit(given.x, given.y, given.weights, BASE)
    expected = fitted.theta[0] + regression.matrix @ fitted.theta[1:]
    check_parity(fitted.model.logits(given.x), expected)
