"""The additive model: one small table per feature turns a FeatureVector into a logit and its exact contributions.

logit = intercept + sum of contributions, and each contribution depends on one feature alone, so that the effect of a
feature can be read from its table, and drawn. ml/training makes the tables, ml/storage/model_file.py keeps them in
files, and this module only reads them.
"""

from __future__ import annotations

from bisect import bisect_left
from math import sqrt

from ml.features.vector import FEATURE_NAMES
from ml.study.correctness import GOOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ml.features.vector import FeatureVector

LOGIT_BOUND = 12.0
"""The largest logit of an answer (a probability of 0.999994); beyond it the logit of a rounded probability is noise."""


FILLED = ("opening_ability_gap", "expected_error", "ability_gap", "objective_ability_gap", "expected_struggle")
"""Features that models of format 2 had no data for where nobody knows the objective."""
FIRST_CARD = ("first_card_difficulty",)
"""Meant the cards' own error rate to them; no labelled visit held it."""


class Table:
    """One feature's part of the logit: values[i] + slopes[i] * x where edges[i-1] < x <= edges[i]; else `missing`.

    edges: strictly increasing, n of them; values: n + 1; slopes: n + 1 of them, or empty for a step function. `stated`
    tables come from the platform's rules, not from learners' answers.
    """

    __slots__ = ("edges", "missing", "slopes", "stated", "values")

    def __init__(
        self,
        edges: Sequence[float],
        values: Sequence[float],
        slopes: Sequence[float],
        missing: float,
        stated: bool = False,
    ) -> None:
        self.edges = edges
        self.values = values
        self.slopes = slopes
        self.missing = missing
        self.stated = stated

    def at(self, x: float | None) -> float:
        """The table's part of the logit at x, uncalibrated; x is None where there is no data."""
        if x is None:
            return self.missing
        segment = bisect_left(self.edges, x)
        return self.values[segment] + self.slopes[segment] * x if self.slopes else self.values[segment]


class Deviations:
    """How far each bagged model departs from the main one, for each segment of one feature's values.

    rows: len(edges) + 2 rows of one number per bag, one after the other; the last row is for "no data".
    """

    __slots__ = ("bags", "edges", "rows")

    def __init__(self, edges: Sequence[float], rows: Sequence[float], bags: int) -> None:
        self.edges = edges
        self.rows = rows
        self.bags = bags

    def at(self, x: float | None) -> Sequence[float]:
        """One deviation per bag, in uncalibrated logits."""
        row = len(self.edges) + 1 if x is None else bisect_left(self.edges, x)
        return self.rows[row * self.bags : (row + 1) * self.bags]


class Scorecard:
    """Tables in the order of FEATURE_NAMES, an intercept, and an affine calibration (slope, offset) of the logit.

    The calibration is affine in the logit so that it distributes over the contributions without a remainder.
    `spread` is empty or runs in the order of FEATURE_NAMES, with one number per bag in bag_intercepts.
    `fills_unknown` is whether the tables were learned where an unknown objective counts as an average one.
    """

    __slots__ = ("bag_intercepts", "calibration", "fills_unknown", "intercept", "spread", "tables")

    def __init__(
        self,
        intercept: float,
        tables: Sequence[Table],
        calibration: tuple[float, float] = (1.0, 0.0),
        spread: Sequence[Deviations] = (),
        bag_intercepts: Sequence[float] = (),
        fills_unknown: bool = True,
    ) -> None:
        self.fills_unknown = fills_unknown
        self.intercept = intercept
        self.tables = tables
        self.calibration = calibration
        self.spread = spread
        self.bag_intercepts = bag_intercepts

    def seen(self, features: FeatureVector) -> FeatureVector:
        """The features as the tables know them; a vector that was seen already stays as it is."""
        if self.fills_unknown:
            return features
        unknown = not features.known("objective_support")
        return features.without(FILLED + FIRST_CARD if unknown else FIRST_CARD)

    def on_line(self, slope: float, level: float) -> Scorecard:
        """The same scorecard, its calibrated logit put on a line."""
        calibration = slope * self.calibration[0], slope * self.calibration[1] + level
        return Scorecard(self.intercept, self.tables, calibration, self.spread, self.bag_intercepts, self.fills_unknown)

    def score(self, features: FeatureVector) -> Score:
        """The calibrated logit (within LOGIT_BOUND), and the intercept and contributions that sum to it."""
        return self.score_of(self.unbounded_parts(features))

    def score_of(self, contributions: Sequence[float]) -> Score:
        """The same from what `unbounded_parts` gives."""
        slope, offset = self.calibration
        intercept = slope * self.intercept + offset
        logit = intercept + sum(contributions)
        if abs(logit) > LOGIT_BOUND:
            shrink = LOGIT_BOUND / abs(logit)
            contributions = [shrink * contribution for contribution in contributions]
            intercept *= shrink
            logit = intercept + sum(contributions)
        return Score(logit, intercept, contributions)

    def unbounded_parts(self, features: FeatureVector) -> list[float]:
        """The contributions before they are shrunk to LOGIT_BOUND, in the order of FEATURE_NAMES."""
        slope = self.calibration[0]
        return [slope * table.at(x) for table, x in zip(self.tables, known_values(features))]

    def bag_logits(self, features: FeatureVector, logit: float) -> list[float]:
        """The logit that each bagged model gives in place of `logit`; empty where the model carries no bags."""
        totals = list(self.bag_intercepts)
        for deviations, x in zip(self.spread, known_values(features)):
            totals = [total + deviation for total, deviation in zip(totals, deviations.at(x))]
        return [logit + self.calibration[0] * total for total in totals]

    def stated_part(self, contributions: Sequence[float]) -> float:
        """The root sum of squares of the contributions that are stated rather than learned."""
        return sqrt(sum(c * c for c, table in zip(contributions, self.tables) if table.stated))


LEVEL_KNOWN, LEVEL_UNKNOWN = "level_spread_known", "level_spread_unknown"
"""Figures of a model that has not learned its platform's base rate: standard deviations in logits, where the
objective's difficulty is known and where it is not."""


class SavedModel:
    """A scorecard, and what is known about its training.

    sources: one sentence per training source. figures: what was measured on learners left out of the training, and
    counts. until_ms: the training cut-off, None where the sources have no common clock. struggle_below: the label's
    threshold. difficulty: (file name beside the model, its sha256) of the difficulty table, or None. correct_from: the
    setting that it was trained under, GOOD or HARD, or ANY (ml/study/correctness.py). folds: into how many groups of
    learners the visits before until_ms were divided for the held-out figures; 0 where the weights were not trained on
    them; None where the file does not say.
    """

    __slots__ = (
        "correct_from",
        "difficulty",
        "figures",
        "folds",
        "model_version",
        "scorecard",
        "sources",
        "struggle_below",
        "until_ms",
    )

    def __init__(
        self,
        model_version: str,
        scorecard: Scorecard,
        sources: Sequence[str],
        figures: Mapping[str, float],
        struggle_below: float,
        until_ms: int | None = None,
        difficulty: tuple[str, str] | None = None,
        correct_from: str = GOOD,
        folds: int | None = None,
    ) -> None:
        self.folds = folds
        self.model_version = model_version
        self.scorecard = scorecard
        self.sources = tuple(sources)
        self.figures = dict(figures)
        self.struggle_below = struggle_below
        self.until_ms = until_ms
        self.difficulty = difficulty
        self.correct_from = correct_from

    def level_spread(self, features: FeatureVector) -> float:
        """How far, in logits, the platform's base rate may lie from the one that the model assumes."""
        return self.figures.get(LEVEL_KNOWN if features.known("objective_support") else LEVEL_UNKNOWN, 0.0)

    def but(self, **changes: Any) -> SavedModel:
        """The same model with some of its fields changed.

        >>> SavedModel("a", Scorecard(0.0, ()), (), {}, 0.65).but(model_version="b").model_version
        'b'
        """
        fields = {name: getattr(self, name) for name in self.__slots__}
        return SavedModel(**{**fields, **changes})


class Score:
    """logit = intercept + sum(contributions); contributions run in the order of FEATURE_NAMES."""

    __slots__ = ("contributions", "intercept", "logit")

    def __init__(self, logit: float, intercept: float, contributions: Sequence[float]) -> None:
        self.logit = logit
        self.intercept = intercept
        self.contributions = contributions


def known_values(features: FeatureVector) -> list[float | None]:
    """The features in the order of FEATURE_NAMES, None where there is no data."""
    defaulted = features.defaulted
    return [None if name in defaulted else x for name, x in zip(FEATURE_NAMES, features.values)]
