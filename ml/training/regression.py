"""A ridge logistic regression on piecewise-linear terms, monotone where a feature's meaning requires it.

Each feature gives a line, a few hinges (the rise between two neighbouring knots) and an indicator of missing data; all
coefficients are shrunk towards 0, those of the hinges most. With an offset it is a correction of a prior: the penalty
is then the Gaussian prior around the prior's tables, and few labels leave them nearly as they are.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve

from ml.evaluation.metrics import Floats, logistic, logit_losses
from ml.training.tables import NOTHING, Additive, Piece, check_parity, of_line

Flags = npt.NDArray[np.bool_]


class Shrinkage(NamedTuple):
    """Ridge penalties per unit of squared logit, on standardised columns, measured in labels."""

    line: float
    hinge: float
    missing: float
    intercept: float = 0.0
    group: float = 4.0

    def times(self, factor: float) -> Shrinkage:
        """The same penalties, all multiplied by a factor."""
        return Shrinkage(*(factor * part for part in self))


class _Column(NamedTuple):
    feature: int
    kind: str  # line, hinge, missing
    low: float
    high: float
    scale: float
    mean: float


class Regression:
    """The columns made of a feature matrix; one set of them serves every fold and every bag.

    directions: one of +1, -1, 0 per feature. knots: the most hinges per feature. prior: what will be corrected; where a
    table of it is stated, the hinges are at that table's own knots, so that labels can undo each of its rises.
    """

    def __init__(self, x: Floats, directions: npt.NDArray[np.int64], knots: int, prior: Additive | None = None) -> None:
        self.features = x.shape[1]
        self.directions = directions
        self.columns: list[_Column] = []
        made: list[Floats] = []
        for feature in range(self.features):
            piece = NOTHING if prior is None else prior.pieces[feature]
            stated_knots = piece.edges if piece.stated else np.empty(0)
            for column, values in _columns_of(feature, x[:, feature], knots, stated_knots):
                self.columns.append(column)
                made.append(values)
        self.matrix = np.column_stack(made) if made else np.empty((len(x), 0))

    def fit(
        self,
        x: Floats,
        y: Floats,
        weights: Floats,
        shrinkage: Shrinkage,
        offset: Floats | None = None,
        prior: Additive | None = None,
        groups: npt.NDArray[np.int64] | None = None,
        start: Floats | None = None,
    ) -> Fitted:
        """The penalised maximum-likelihood coefficients of the rows with a weight; x is what the columns were made of.

        groups: the number of each row's group, from 0. The base rate of each group (a platform) is fitted beside the
        features and then left out, so that no feature, and no absence of one, stands for a platform. prior: the tables
        that the offset contains, so that prior and correction together keep each feature's direction.
        """
        rows = np.flatnonzero(weights)
        count = len(self.columns)
        group_count = 0 if groups is None else int(groups.max()) + 1
        design = np.zeros((len(rows), 1 + count + group_count))
        design[:, 0] = 1.0
        design[:, 1 : count + 1] = self.matrix[rows]
        if groups is not None:
            design[np.arange(len(rows)), 1 + count + groups[rows]] = 1.0
        problem = _Problem(
            design,
            y[rows],
            weights[rows],
            np.zeros(len(rows)) if offset is None else offset[rows],
            np.array(
                [shrinkage.intercept]
                + [getattr(shrinkage, column.kind) for column in self.columns]
                + [shrinkage.group] * group_count
            ),
        )
        free = [(-np.inf, np.inf)]
        low, high = np.array(free + self._bounds(prior) + free * group_count).T
        theta = problem.minimum(np.zeros(design.shape[1]) if start is None else start, low, high)
        present = np.zeros(0, np.int64) if groups is None else np.unique(groups[rows])
        group_mean = float(theta[count + 1 + present].mean()) if len(present) else 0.0
        model = self._additive(theta, group_mean)
        levels = problem.design[:, : count + 1] @ theta[: count + 1] + group_mean
        check_parity(model.logits(x[rows]), levels)
        return Fitted(theta, model)

    def _bounds(self, prior: Additive | None) -> list[tuple[float, float]]:
        """The bounds that keep each line and hinge in its feature's direction, less what the prior rises there by
        itself."""
        bounds: list[tuple[float, float]] = []
        for column in self.columns:
            direction = self.directions[column.feature]
            if column.kind == "missing" or direction == 0:
                bounds.append((-np.inf, np.inf))
                continue
            slack = 0.0
            if prior is not None and column.kind == "hinge":
                least = prior.pieces[column.feature].least_slope(column.low, column.high, direction)
                slack = max(0.0, least) * (column.high - column.low) * column.scale
            bounds.append((-slack, np.inf) if direction > 0 else (-np.inf, slack))
        return bounds

    def _additive(self, theta: Floats, group_mean: float) -> Additive:
        intercept = float(theta[0]) + group_mean
        pieces = [NOTHING] * self.features
        of_feature: dict[int, list[tuple[_Column, float]]] = {}
        for column, coefficient in zip(self.columns, theta[1:]):
            intercept -= float(coefficient) * column.mean / column.scale
            of_feature.setdefault(column.feature, []).append((column, float(coefficient) / column.scale))
        for feature, parts in of_feature.items():
            pieces[feature] = _piece_of(parts)
        return Additive(intercept, tuple(pieces))


class Fitted(NamedTuple):
    """The coefficients, from which the next fit may start, and the model that they define."""

    theta: Floats
    model: Additive


class _Problem(NamedTuple):
    """Weighted logistic loss plus a quadratic penalty, to be minimised within bounds."""

    design: Floats
    y: Floats
    weights: Floats
    offset: Floats
    penalties: Floats

    def loss(self, theta: Floats) -> float:
        logits = self.offset + self.design @ theta
        return 0.5 * float(self.penalties @ theta**2) + float(self.weights @ logit_losses(self.y, logits))

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """Gradient and Hessian."""
        p = logistic(self.offset + self.design @ theta)
        gradient = self.design.T @ (self.weights * (p - self.y)) + self.penalties * theta
        hessian = (self.design * (self.weights * p * (1.0 - p))[:, None]).T @ self.design
        hessian[np.diag_indices_from(hessian)] += self.penalties + 1e-9
        return gradient, hessian

    def minimum(self, theta: Floats, low: Floats, high: Floats) -> Floats:
        """Projected Newton steps (Bertsekas 1982): the coefficients at a bound are left out of the step's equations."""
        theta = np.clip(theta, low, high)
        loss = self.loss(theta)
        for _ in range(_MOST_STEPS):
            gradient, hessian = self.derivatives(theta)
            held = ((theta <= low + _AT_BOUND) & (gradient > 0)) | ((theta >= high - _AT_BOUND) & (gradient < 0))
            moving = ~held
            step = np.zeros_like(theta)
            step[moving] = -solve(hessian[np.ix_(moving, moving)], gradient[moving], assume_a="pos")
            theta, before, loss = self._along(theta, step, gradient, loss, low, high)
            if loss > before - _NO_GAIN:
                break
        return theta

    def _along(
        self, theta: Floats, step: Floats, gradient: Floats, loss: float, low: Floats, high: Floats
    ) -> tuple[Floats, float, float]:
        """The best point found along the projected step: (the point, the loss before, the loss there)."""
        length = 1.0
        while length > 1e-4:
            ahead = np.clip(theta + length * step, low, high)
            reached = self.loss(ahead)
            if reached <= loss + 1e-4 * float(gradient @ (ahead - theta)):
                return ahead, loss, reached
            length /= 2.0
        return theta, loss, loss


_MOST_STEPS = 60
_AT_BOUND = 1e-9
_NO_GAIN = 1e-3
"""The gain in nats over all rows below which the steps end; one label tells far more than that."""


def _columns_of(feature: int, x: Floats, knots: int, stated_knots: Floats) -> list[tuple[_Column, Floats]]:
    known = ~np.isnan(x)
    found: list[tuple[_Column, Floats]] = []
    if not known.any():
        return found
    values = x[known]
    low, high = float(values.min()), float(values.max())
    if not known.all():
        found.append(_standardised(feature, "missing", 0.0, 0.0, (~known).astype(float), np.ones(len(x), bool)))
    if high - low < 1e-9:
        return found
    found.append(_standardised(feature, "line", 0.0, 1.0, x, known))
    inner = np.unique(np.quantile(values, np.linspace(0, 1, knots + 1)[1:-1])) if knots > 1 else np.empty(0)
    if len(stated_knots):
        inner = stated_knots
    places = [low, *[float(k) for k in inner if low + 0.01 < k < high - 0.01], high]
    places = [p for i, p in enumerate(places) if i == 0 or p - places[i - 1] > 1e-3]
    if len(places) > 2:
        for start, end in pairwise(places):
            risen = np.clip((x - start) / (end - start), 0.0, 1.0)
            found.append(_standardised(feature, "hinge", start, end, risen, known))
    return found


def _standardised(
    feature: int, kind: str, low: float, high: float, values: Floats, known: Flags
) -> tuple[_Column, Floats]:
    """The column with mean 0 and unit spread over its known rows; rows without data are 0."""
    mean, spread = float(values[known].mean()), float(values[known].std())
    # A column that is nearly constant would be blown up to a loud one.
    scale = max(spread, 0.05)
    column = np.where(known, (values - mean) / scale, 0.0)
    return _Column(feature, kind, low, high, scale, mean), column


def _piece_of(parts: list[tuple[_Column, float]]) -> Piece:
    """One feature's columns as a polygon; its constant, which rows without data lack, goes into `missing`."""
    line = sum(rate for column, rate in parts if column.kind == "line")
    missing = sum(rate for column, rate in parts if column.kind == "missing")
    constant = sum(rate * column.mean for column, rate in parts if column.kind != "missing")
    hinges = [(column, rate) for column, rate in parts if column.kind == "hinge"]
    xs = np.array(sorted({0.0, 1.0, *[h.low for h, _ in hinges], *[h.high for h, _ in hinges]}))
    ys = line * xs
    for hinge, rate in hinges:
        ys = ys + rate * np.clip((xs - hinge.low) / (hinge.high - hinge.low), 0.0, 1.0)
    return of_line(xs, ys, missing + constant)
