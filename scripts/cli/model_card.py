"""Reads a model's card without trusting it, since anybody may have put it there: numbers are checked, texts cut."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml.features.vector import FEATURE_NAMES
from ml.places import content_of

MOST_BYTES_OF_A_CARD = 4 << 20
LONGEST_TEXT = 2000
"""Characters of a text out of a card or a model that the page shows."""
MOST_BINS = 100


def card_of(path: str) -> Mapping[str, Any]:
    """The model's card; empty where there is none, or where the file is not a card."""
    try:
        found = json.loads(content_of(path, MOST_BYTES_OF_A_CARD))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def card_name(model_version: str) -> str:
    """The card's bare name beside the model; a version is a text from a file, and may look like a path."""
    name = "pretrained" if model_version.startswith("pretrained") else os.path.basename(model_version)
    return name + ".json"


def card_beside(model_path: str | None, model_version: str) -> Mapping[str, Any]:
    """The card of that version beside the model's file; empty where there is none."""
    return card_of(os.path.join(os.path.dirname(model_path or ""), card_name(model_version)))


class Bin(NamedTuple):
    """Predictions with similar probabilities: their mean probability and the share that struggled, both in 0..1."""

    said: float
    came: float
    n: int


class Measured(NamedTuple):
    """What a card says about the model's quality. figures: name -> value, low, high, each None where there is none.

    levels: one sentence for each risk level.
    """

    how: str
    bins: Sequence[Bin]
    figures: Mapping[str, tuple[float | None, float | None, float | None]]
    n: int
    learners: int
    levels: Sequence[str]


SHOWN = {
    "auc": "AUC",
    "log_loss": "log-loss",
    "brier": "Brier",
    "ece": "ECE",
    "calibration_slope": "calibration slope",
    "struggle_rate": "struggle rate",
}


def measured(card: Mapping[str, Any]) -> Measured:
    """The card's figures as numbers, so that a card cannot put text into the page in place of a figure.

    Raises KeyError, TypeError or ValueError where the card does not hold them.
    """
    evaluation = card["evaluation"]
    bins = [
        Bin(_share(each["mean_probability"]), _share(each["struggle_rate"]), _count(each["n"]))
        for each in evaluation["reliability"][:MOST_BINS]
    ]
    if not bins or not any(each.n for each in bins):
        raise ValueError("no bins")
    figures = {
        name: (_figure(each["value"]), _figure(each["low"]), _figure(each["high"]))
        for name, each in ((name, evaluation["figures"][name]) for name in SHOWN)
    }
    told = card.get("levels")
    levels = [short(str(each)) for each in told[:3]] if isinstance(told, list) else []
    how = short(str(card.get("how_measured", "")))
    return Measured(how, bins, figures, _count(evaluation["n"]), _count(evaluation["learners"]), levels)


class RowsOfFeature(NamedTuple):
    """Where the training rows lay in one feature.

    absent: the share of the rows without data. bins: the share in each of equal bins of 0..1. moved: by how much the
    feature moved the logit of a row, on average.
    """

    absent: float
    bins: Sequence[float]
    moved: float


class TrainingRows(NamedTuple):
    """The rows that the weights were learned from: their number, and where they lay in each feature."""

    n: int
    features: Mapping[str, RowsOfFeature]


def rows_of(card: Mapping[str, Any]) -> TrainingRows | None:
    """What a card says about the training rows, as numbers; None where it says nothing that can be used."""
    try:
        found = card["training_rows"]
        features = {
            name: RowsOfFeature(
                _share(found["features"][name]["absent"]),
                [_share(each) for each in found["features"][name]["bins"][:MOST_BINS]],
                abs(_figure(found["features"][name]["mean_contribution"]) or 0.0),
            )
            for name in FEATURE_NAMES
        }
        rows = TrainingRows(_count(found["n"]), features)
    except (KeyError, TypeError, ValueError):
        return None
    return rows if rows.n and all(each.bins for each in features.values()) else None


def _figure(value: object) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not -1e9 < value < 1e9:  # type: ignore[operator]
        raise ValueError("no figure")
    return float(value)  # type: ignore[arg-type]


def _share(value: object) -> float:
    share = _figure(value)
    if share is None or not 0 <= share <= 1:
        raise ValueError("no share")
    return share


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 10**12:
        raise ValueError("no count")
    return value


def of_each_level(card: Mapping[str, Any]) -> Sequence[str]:
    """What the card says to expect of each risk level; nothing where it does not."""
    try:
        return measured(card).levels
    except (KeyError, TypeError, ValueError):
        return []


def short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."
