"""A model as one page: its reliability diagram, what matters to it, and its shape functions.

With a prediction, the page is about that one: its steps from the base rate to the answer, and each shape with the
learner's own value marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ml.features.feature import Feature
from ml.features.vector import FEATURES, FeatureVector
from ml.model import StrugglePredictionModel
from ml.scoring.prediction import Prediction
from ml.scoring.scorecard import SavedModel
from ml.study.correctness import IN_WORDS
from ml.study.scales import logistic
from scripts.cli.counted import counted
from scripts.cli.model_card import SHOWN, Measured, TrainingRows, measured, rows_of, short
from scripts.pages.marks import Picture, line, picture, rectangle
from scripts.pages.reliability import reliability
from scripts.pages.shapes import Own, Part, Row, rows_of_shape, shape
from scripts.pages.steps import Factor, Step, steps
from scripts.pages.templates import number, render, with_separators

NO_PART = 1e-3
"""A table that moves the logit by less than this is not drawn."""
IMPORTANT = 12
"""This many of the features with the largest mean contribution are listed."""


class Asked(NamedTuple):
    """One prediction for the page. objective: its words, or its id where the app has none. as_of: ISO 8601."""

    learner: str
    objective: str
    objective_id: str
    as_of: str
    features: FeatureVector
    prediction: Prediction


class Shape(NamedTuple):
    """One feature with the picture of its table, and the same in numbers."""

    feature: Feature
    stated: bool
    picture: Picture
    rows: Sequence[Row]


class Importance(NamedTuple):
    """One feature and by how much it moved the logit of the training rows, on average."""

    feature: Feature
    moved: float
    bar: Picture


class _Local(NamedTuple):
    """What the page shows of one prediction."""

    asked: Asked
    steps: Sequence[Step]


def page(model: StrugglePredictionModel, card: Mapping[str, Any], asked: Asked | None = None) -> str:
    """The whole page as HTML.

    Raises:
        ValueError: The model is the rules, which have no tables.
        ModuleNotFoundError: Jinja is not installed.
    """
    saved = model.saved
    if saved is None:
        raise ValueError("the rules have no tables")
    rows = rows_of(card)
    parts = [part for part in _parts(saved, rows) if part.reach > NO_PART]
    parts.sort(key=lambda part: (-_weight(part, asked), -part.reach))
    drawn = {part.feature.name for part in parts}
    found, problem = _measured(card)
    slope, offset = saved.scorecard.calibration
    intercept = slope * saved.scorecard.intercept + offset
    return render(
        "pages/model.html",
        version=model.model_version,
        sources=with_separators(short("; ".join(saved.sources))),
        correct=IN_WORDS[saved.correct_from],
        intercept=intercept,
        base=logistic(intercept),
        local=None if asked is None else _Local(asked, _steps(asked)),
        importance=list(_importance(parts)) if rows is not None else [],
        training_rows=0 if rows is None else rows.n,
        bags=len(saved.scorecard.bag_intercepts),
        shapes=[
            Shape(part.feature, part.table.stated, shape(part, _own(part, asked)), list(rows_of_shape(part)))
            for part in parts
        ],
        silent=[feature for feature in FEATURES if feature.name not in drawn],
        measured=found,
        problem=problem,
        figures=[(title, _interval(found.figures[name])) for name, title in SHOWN.items()] if found else [],
        reliability=reliability(found.bins) if found else None,
    )


def _parts(saved: SavedModel, rows: TrainingRows | None) -> Iterator[Part]:
    card = saved.scorecard
    for place, feature in enumerate(FEATURES):
        spread = card.spread[place] if card.spread else None
        there = None if rows is None else rows.features[feature.name]
        yield Part(feature, card.tables[place], card.calibration[0], spread, there)


def _weight(part: Part, asked: Asked | None) -> float:
    """What comes first: the strongest in this prediction, else the most important to the training rows."""
    if asked is not None:
        return abs(part.at(asked.features.known(part.feature.name)))
    return part.rows.moved if part.rows is not None else 0.0


def _own(part: Part, asked: Asked | None) -> Own | None:
    return None if asked is None else Own(asked.features.known(part.feature.name))


def _steps(asked: Asked) -> list[Step]:
    found = asked.prediction
    factors = [Factor(each.text, each.feature, each.points) for each in found.factors if each.value is not None]
    absent = None
    if without := len(asked.features.defaulted):
        many = f"{counted(without, 'feature')} {'has' if without == 1 else 'have'} no data"
        absent = Factor(many, "", sum(each.points for each in found.factors if each.value is None))
    return steps(found.base, factors, found.probability, absent)


def _importance(parts: Sequence[Part]) -> Iterator[Importance]:
    moved = [(part.rows.moved, part.feature) for part in parts if part.rows is not None and part.rows.moved > NO_PART]
    moved.sort(key=lambda each: -each[0])
    for much, feature in moved[:IMPORTANT]:
        wide = 216 * much / moved[0][0]
        marks = [line("rule", 2, 10, 218, 10), rectangle("bar", 2, 4, wide, 12)]
        yield Importance(feature, much, picture("step", 220, 20, number(much), marks))


def _measured(card: Mapping[str, Any]) -> tuple[Measured | None, str]:
    """What the card says, or a sentence on why there is no diagram."""
    if not card:
        return None, "There is no card beside the model, and so there is no reliability diagram."
    try:
        return measured(card), ""
    except (KeyError, TypeError, ValueError):
        return None, "The card has no reliability diagram that can be drawn."


def _interval(figure: tuple[float | None, float | None, float | None]) -> str:
    value, low, high = figure
    between = "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
    return number(value) + between
