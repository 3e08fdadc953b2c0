"""Fitted estimators as exact tables, and the arithmetic of additive models made of such tables.

A boosting whose trees use one feature each, a piecewise-linear regression, and any weighted sum of the two are all sums
of one piecewise-linear function per feature. What is saved is that sum, not an approximation of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.evaluation.metrics import Floats, logistic
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import FILLED, FIRST_CARD, Scorecard, Table


class Piece(NamedTuple):
    """One feature's function: values[i] + slopes[i] * x where edges[i-1] < x <= edges[i]; `missing` where x is NaN."""

    edges: Floats
    values: Floats
    slopes: Floats
    missing: float
    stated: bool = False

    def at(self, x: Floats) -> Floats:
        """The function's value at every x, where NaN means "no data"."""
        known = ~np.isnan(x)
        found = np.full(x.shape, self.missing)
        segment = np.searchsorted(self.edges, x[known], side="left")
        found[known] = self.values[segment] + self.slopes[segment] * x[known]
        return found

    def on(self, edges: Floats) -> Piece:
        """The same function with further edges added to its own."""
        finer = np.union1d(self.edges, edges)
        # A segment of the finer grid lies within one segment of the coarser: the one that holds its right end.
        within = np.append(np.searchsorted(self.edges, finer, side="left"), len(self.edges))
        return Piece(finer, self.values[within], self.slopes[within], self.missing, self.stated)

    def plus(self, other: Piece) -> Piece:
        """The sum of two functions; it counts as stated only if neither was learned."""
        a, b = self.on(other.edges), other.on(self.edges)
        stated = (
            (self.stated or self.is_zero) and (other.stated or other.is_zero) and not (self.is_zero and other.is_zero)
        )
        return Piece(a.edges, a.values + b.values, a.slopes + b.slopes, a.missing + b.missing, stated)

    def times(self, factor: float) -> Piece:
        """The function scaled."""
        return Piece(self.edges, factor * self.values, factor * self.slopes, factor * self.missing, self.stated)

    def lowered(self, by: float) -> Piece:
        """The function minus a constant, which is also subtracted from its value without data."""
        return Piece(self.edges, self.values - by, self.slopes, self.missing - by, self.stated)

    @property
    def is_zero(self) -> bool:
        """Whether the function is 0 everywhere, so that the feature has no effect."""
        return not (self.values.any() or self.slopes.any() or self.missing)

    def least_slope(self, low: float, high: float, direction: int) -> float:
        """The smallest slope, seen in `direction`, anywhere between low and high."""
        first = int(np.searchsorted(self.edges, low, side="right"))
        last = int(np.searchsorted(self.edges, high, side="left"))
        return float((direction * self.slopes[first : last + 1]).min())


NOTHING = Piece(np.empty(0), np.zeros(1), np.zeros(1), 0.0)


class Additive(NamedTuple):
    """An additive model: its logit is intercept + the sum of one piece per feature."""

    intercept: float
    pieces: tuple[Piece, ...]

    @classmethod
    def nothing(cls, features: int, intercept: float = 0.0) -> Additive:
        """The model that gives every row the base rate."""
        return cls(intercept, (NOTHING,) * features)

    def contributions(self, x: Floats) -> Floats:
        """The contribution of each feature (column) to the logit of each row of x."""
        return np.column_stack([piece.at(x[:, column]) for column, piece in enumerate(self.pieces)])

    def logits(self, x: Floats) -> Floats:
        """The model's logit of every row."""
        return np.asarray(self.intercept + self.contributions(x).sum(axis=1))

    def probabilities(self, x: Floats) -> Floats:
        """The model's probability of every row."""
        return logistic(self.logits(x))

    def plus(self, other: Additive) -> Additive:
        """The sum of the two models' logits."""
        return Additive(
            self.intercept + other.intercept, tuple(a.plus(b) for a, b in zip(self.pieces, other.pieces, strict=True))
        )

    def times(self, factor: float) -> Additive:
        """The model with its logit scaled."""
        return Additive(factor * self.intercept, tuple(piece.times(factor) for piece in self.pieces))

    def centred(self, x: Floats, weights: Floats | None = None) -> Additive:
        """The same model with each learned contribution shifted to mean 0 over the rows of x.

        This gives its sign a meaning. Stated pieces keep their own zero, since these rows say nothing about them.
        """
        means = np.average(self.contributions(x), axis=0, weights=weights)
        means[[piece.stated for piece in self.pieces]] = 0.0
        return Additive(
            self.intercept + float(means.sum()), tuple(p.lowered(float(m)) for p, m in zip(self.pieces, means))
        )

    def scorecard(self) -> Scorecard:
        """The model in the form that predictions use, with the same numbers to the last bit.

        The caller gives calibration and spread.
        """
        return Scorecard(self.intercept, [_table(piece) for piece in self.pieces])

    @classmethod
    def of(cls, scorecard: Scorecard) -> Additive:
        """A scorecard as an additive model that includes its calibration."""
        slope, offset = scorecard.calibration
        pieces = tuple(_piece(table).times(slope) for table in scorecard.tables)
        return cls(slope * scorecard.intercept + offset, pieces)


def seen_by(scorecard: Scorecard, x: Floats) -> Floats:
    """The rows of x as the scorecard's tables know them: Scorecard.seen, over a matrix."""
    if scorecard.fills_unknown:
        return x
    unknown = ~(x[:, FEATURE_NAMES.index("objective_support")] > 0)
    seen = x.copy()
    for name in FIRST_CARD:
        seen[:, FEATURE_NAMES.index(name)] = np.nan
    for name in FILLED:
        seen[unknown, FEATURE_NAMES.index(name)] = np.nan
    return seen


def asked(scorecard: Scorecard, x: Floats) -> Floats:
    """The scorecard's probability of every row of x."""
    return Additive.of(scorecard).probabilities(seen_by(scorecard, x))


def _table(piece: Piece) -> Table:
    # Neighbours that hold one and the same line become one segment.
    lines = np.column_stack([piece.values, piece.slopes])
    differs = (lines[1:] != lines[:-1]).any(axis=1)
    first = np.append(True, differs)
    values, slopes = piece.values[first].tolist(), piece.slopes[first].tolist()
    return Table(piece.edges[differs].tolist(), values, slopes if any(slopes) else [], piece.missing, piece.stated)


def _piece(table: Table) -> Piece:
    slopes = np.array(table.slopes) if table.slopes else np.zeros(len(table.values))
    return Piece(np.array(table.edges, float), np.array(table.values, float), slopes, table.missing, table.stated)


PARITY = 1e-12
"""How far saved tables may be from the estimator they were made of, in logits."""


class ParityLost(ArithmeticError):
    """Raised when tables differ from the estimator from which they were made; such a model is never saved."""


def check_parity(tables: Floats, estimator: Floats) -> None:
    """Raises ParityLost where any two logits differ by more than PARITY, relative to those beyond 1."""
    gap = np.abs(tables - estimator) / np.maximum(1.0, np.abs(estimator))
    if len(gap) and not gap.max() <= PARITY:
        raise ParityLost(f"tables and estimator differ by {gap.max():.2g}")


def of_line(xs: Floats, ys: Floats, missing: float, stated: bool = False) -> Piece:
    """The polygon through (xs, ys), constant before the first point and after the last; xs must increase strictly."""
    slopes = np.diff(ys) / np.diff(xs)
    slopes = np.concatenate([[0.0], slopes, [0.0]])
    values = np.concatenate([[ys[0]], ys[:-1] - slopes[1:-1] * xs[:-1], [ys[-1]]])
    return Piece(np.asarray(xs, float), values, slopes, missing, stated)


def of_boosting(estimator: object, columns: npt.NDArray[np.int64], features: int) -> Additive:
    """The exact tables of a HistGradientBoostingClassifier(interaction_cst="no_interactions") on these columns."""
    trees = [trees_of_round[0] for trees_of_round in estimator._predictors]  # type: ignore[attr-defined]
    intercept = float(np.ravel(estimator._baseline_prediction)[0])  # type: ignore[attr-defined]
    of_feature: dict[int, list[npt.NDArray[np.void]]] = {}
    for tree in trees:
        inner = tree.nodes[tree.nodes["is_leaf"] == 0]
        if len(inner) == 0:
            intercept += float(tree.nodes["value"][0])
            continue
        split_on = np.unique(inner["feature_idx"])
        if len(split_on) != 1:
            raise ValueError("a tree looks at more than one feature: this boosting is not additive")
        of_feature.setdefault(int(columns[split_on[0]]), []).append(tree.nodes)
    pieces = [NOTHING] * features
    for feature, trees_of_feature in of_feature.items():
        pieces[feature] = _of_trees(trees_of_feature)
    return Additive(intercept, tuple(pieces))


def _of_trees(trees: list[npt.NDArray[np.void]]) -> Piece:
    edges = np.unique(np.concatenate([nodes["num_threshold"][nodes["is_leaf"] == 0] for nodes in trees]))
    edges = edges[np.isfinite(edges)]
    inside = np.append(edges, np.inf)  # the right end of every segment stands for the whole of it
    values = np.sum([_descend(nodes, inside) for nodes in trees], axis=0)
    missing = float(sum(_descend(nodes, np.array([np.nan]))[0] for nodes in trees))
    return Piece(edges, values, np.zeros(len(values)), missing)


def _descend(nodes: npt.NDArray[np.void], x: Floats) -> Floats:
    at = np.zeros(len(x), dtype=np.int64)
    while (inner := nodes["is_leaf"][at] == 0).any():
        here = nodes[at[inner]]
        value = x[inner]
        left = np.where(np.isnan(value), here["missing_go_to_left"] == 1, value <= here["num_threshold"])
        at[inner] = np.where(left, here["left"], here["right"])
    return np.asarray(nodes["value"][at])
