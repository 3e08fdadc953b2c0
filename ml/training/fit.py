"""Fits the additive model: compares candidates on learners left out, and refits, calibrates and bags the best one.

Every candidate is the prior with a correction learned from the labels: by ridge regression (ml/training/regression.py),
shrunk more or less, or by the average of that and a monotone boosting. Whichever is chosen is a sum of exact tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from ml.evaluation.metrics import Floats, Integers, log_losses, logistic, logit
from ml.features.vector import FEATURES
from ml.training.calibration import calibration, threshold_for_recall
from ml.training.regression import Fitted, Regression, Shrinkage
from ml.training.tables import NOTHING, Additive, check_parity, of_boosting

DIRECTIONS = np.array([feature.direction for feature in FEATURES])
BASE = Shrinkage(line=30.0, hinge=100.0, missing=30.0, intercept=1.0)
FEW = 100
"""Below this many labels the features' weights are left alone: every correction that was tried made them worse."""
HINGES_FROM = 1000
KNOTS = 3
BOOSTING_FROM = 2000
"""Labels from which a boosting is worth comparing."""
HELD_OUT_FOLDS = 5
BAGS = 8
SIMPLER_WITHIN = 0.0003
"""A candidate must beat a simpler one by more than this log-loss, in nats."""


class Labels(NamedTuple):
    """What is fitted: x (NaN where there is no data), y 0/1, and each row's learner as a number, weight and platform.

    levels: for each row, the group whose own base rate is fitted beside the features and then dropped.
    """

    x: Floats
    y: Floats
    learners: Integers
    weights: Floats
    platforms: Integers | None = None
    levels: Integers | None = None

    @classmethod
    def of(cls, x: Floats, y: Floats, learner_ids: npt.NDArray[np.str_]) -> Labels:
        """Rows of equal weight from one platform."""
        learners = np.unique(learner_ids, return_inverse=True)[1].astype(np.int64)
        return cls(x.astype(float), y.astype(float), learners, np.ones(len(y)))

    def folds(self, count: int = HELD_OUT_FOLDS) -> Integers:
        """Each row's fold. Whole learners are assigned, in an order that depends on their numbers alone.

        A single learner cannot be left out; stretches of rows then take the place of learners.
        """
        learners = np.unique(self.learners)
        if len(learners) < 2:
            return np.arange(len(self.y)) * count // max(1, len(self.y))
        order = sorted(learners, key=lambda learner: crc32(b"%d" % learner))
        place = {learner: position % min(count, len(learners)) for position, learner in enumerate(order)}
        return np.array([place[learner] for learner in self.learners])


class Candidate(NamedTuple):
    """One way to fit: how the correction is shrunk (None: the prior as it is), how many hinges a feature may have, and
    whether a boosting is averaged in."""

    name: str
    shrinkage: Shrinkage | None
    boosting: bool = False
    knots: int = 0


class FitResult(NamedTuple):
    """The chosen model in uncalibrated logits, its calibration, and what was measured on rows left out of each fit.

    deviations: for each bag, how far its model departs from the correction fitted to all rows.
    """

    model: Additive
    calibration: tuple[float, float]
    chosen: str
    held_out_logits: Floats
    log_losses: dict[str, float]
    threshold: float
    deviations: tuple[Additive, ...]


def candidates_for(labels: int) -> list[Candidate]:
    """The candidates that are worth comparing with this number of labels, simplest first."""
    if labels < FEW:
        return [Candidate("prior", None)]
    found = [Candidate("prior", None)]
    # Few labels cannot bend a line: below a thousand, hinges only add noise.
    knots = KNOTS if labels >= HINGES_FROM else 0
    found += [Candidate(f"corrected, shrunk x{f:g}", BASE.times(f), knots=knots) for f in (10.0, 3.0, 1.0)]
    if labels >= BOOSTING_FROM:
        found.append(Candidate("average with boosting", BASE, boosting=True, knots=knots))
    return found


def fit(
    labels: Labels,
    prior: Additive,
    candidates: list[Candidate],
    folds: Integers | None = None,
    each: Callable[[str], object] = lambda step: None,
) -> FitResult:
    """Chooses among candidates by the log-loss of left-out folds, then fits the chosen one on all rows.

    folds: the fold of each row; by default whole learners. each: called with the name of every step when it is done,
    for a progress bar.
    """
    fitter = _Fitter(labels, prior)
    folds = labels.folds() if folds is None else folds
    held_out = {candidate.name: np.zeros(len(labels.y)) for candidate in candidates}
    for fold in np.unique(folds):
        inside, outside = labels.weights * (folds != fold), folds == fold
        models = fitter.models(candidates, inside)
        for candidate in candidates:
            held_out[candidate.name][outside] = models[candidate.name].logits(labels.x[outside])
        each("fold")
    losses = {
        name: float(np.average(log_losses(labels.y, logistic(logits)), weights=labels.weights))
        for name, logits in held_out.items()
    }
    chosen = candidates[0]
    for candidate in candidates[1:]:
        if losses[candidate.name] < losses[chosen.name] - SIMPLER_WITHIN:
            chosen = candidate
    everything = fitter.models([chosen], labels.weights)
    line = (1.0, 0.0)
    if chosen.shrinkage:
        line = calibration(held_out[chosen.name], labels.y, labels.weights, labels.levels)
    logits = line[0] * held_out[chosen.name] + line[1]
    deviations = fitter.bags(chosen.shrinkage, chosen.knots, each) if chosen.shrinkage else ()
    return FitResult(
        everything[chosen.name].centred(labels.x, labels.weights) if chosen.shrinkage else prior,
        line,
        chosen.name,
        logits,
        losses,
        threshold_for_recall(logistic(logits), labels.y),
        deviations,
    )


class _Fitter:
    """The columns of one set of labels, fitted again and again under different weights."""

    def __init__(self, labels: Labels, prior: Additive) -> None:
        self.labels = labels
        self.prior = prior
        self.offset = prior.logits(labels.x)
        self.stated = np.array([piece.stated for piece in prior.pieces])
        self.regressions: dict[int, Regression] = {}
        self.start: dict[tuple[Shrinkage, int], Floats] = {}

    def models(self, candidates: list[Candidate], weights: Floats) -> dict[str, Additive]:
        """Each candidate fitted to the weighted rows."""
        found: dict[str, Additive] = {}
        corrected: dict[tuple[Shrinkage, int], Additive] = {}
        for candidate in candidates:
            if candidate.shrinkage is None:
                found[candidate.name] = self.prior
                continue
            key = candidate.shrinkage, candidate.knots
            if key not in corrected:
                corrected[key] = self.prior.plus(self.correction(*key, weights).model)
            model = corrected[key]
            found[candidate.name] = self.averaged(model, weights) if candidate.boosting else model
        return found

    def correction(self, shrinkage: Shrinkage, knots: int, weights: Floats) -> Fitted:
        """The correction of the prior that the weighted rows suggest."""
        if knots not in self.regressions:
            self.regressions[knots] = Regression(self.labels.x, DIRECTIONS, knots, self.prior)
        fitted = self.regressions[knots].fit(
            self.labels.x,
            self.labels.y,
            weights,
            shrinkage,
            self.offset,
            self.prior,
            self.labels.levels,
            self.start.get((shrinkage, knots)),
        )
        self.start[shrinkage, knots] = fitted.theta
        return fitted

    def averaged(self, model: Additive, weights: Floats) -> Additive:
        """The mean of the model's logit and a boosting's; stated tables stay as they are."""
        stated = Additive(0.0, tuple(p if s else NOTHING for p, s in zip(model.pieces, self.stated)))
        boosted = self.boosted(weights).plus(stated)
        return model.times(0.5).plus(boosted.times(0.5))

    def boosted(self, weights: Floats) -> Additive:
        """A monotone boosting without interactions, as tables."""
        x, rows = self.labels.x, weights > 0
        known = ~np.isnan(x[rows])
        low = np.where(known, x[rows], np.inf).min(axis=0)
        high = np.where(known, x[rows], -np.inf).max(axis=0)
        columns = np.flatnonzero((high > low) & ~self.stated)  # it raises on a column without data
        estimator = HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=200,
            max_leaf_nodes=6,
            min_samples_leaf=40,
            l2_regularization=5.0,
            max_features=0.5,
            max_bins=48,
            early_stopping=False,
            interaction_cst="no_interactions",
            monotonic_cst=DIRECTIONS[columns],
            random_state=0,
        )
        # Many trees of few leaves: threads would wait for each other longer than they work.
        with threadpool_limits(limits=1, user_api="openmp"):
            estimator.fit(x[np.ix_(rows, columns)], self.labels.y[rows], sample_weight=weights[rows])
        boosting = of_boosting(estimator, columns, x.shape[1])
        probabilities = estimator.predict_proba(x[np.ix_(rows, columns)])[:, 1]
        check_parity(boosting.logits(x[rows]), logit(probabilities))
        return boosting

    def bags(self, shrinkage: Shrinkage, knots: int, each: Callable[[str], object]) -> tuple[Additive, ...]:
        """Corrections refitted on learners drawn with replacement, minus the one fitted to all."""
        whole = self.correction(shrinkage, knots, self.labels.weights).model.times(-1.0)
        draw = np.random.default_rng(0)
        count = int(self.labels.learners.max()) + 1
        found = []
        for _ in range(BAGS):
            drawn = np.bincount(draw.integers(0, count, count), minlength=count)[self.labels.learners]
            found.append(self.correction(shrinkage, knots, self.labels.weights * drawn).model.plus(whole))
            each("bag")
        return tuple(found)
