"""What is known of a version: its figures with their intervals, what they rest on, and what it was trained on.

It is read from the model file and its card, of which the card may be absent or spoilt; what neither holds is not known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ml.errors import ModelNotFound, ModelRefused
from ml.instants import iso
from ml.places import PRETRAINED, shipped
from ml.scoring.scorecard import SavedModel
from ml.storage import model_file
from ml.storage.registry import Registry
from scripts.cli.model_card import card_of

SHIPPED, CURRENT = "shipped", "current"
"""The names that stand for the shipped model, and for the one that answers, in place of a version."""
FIGURES = {"auc": "AUC", "log_loss": "log-loss", "ece": "ECE"}
CROSS_FITTED, HOLD_OUT, OTHER_PLATFORMS, NOT_KNOWN = "cross-fitted", "hold-out", "other platforms", "not known"
KINDS = {
    CROSS_FITTED: "each visit was predicted by a model fitted again without its learner",
    HOLD_OUT: "the visits are newer than the training",
    OTHER_PLATFORMS: "each platform was predicted by a model of the others",
    NOT_KNOWN: "the card does not say how they came about",
}

Interval = tuple[float | None, float | None, float | None]
"""A figure and the ends of its 95 % interval, each None where it is not known."""


class Standing(NamedTuple):
    """One version.

    figures: by the names of FIGURES; the ECE never has an interval, and ece_floor is what perfect calibration would
    show. kind: one of KINDS. n, learners: the visits that the figures rest on, and their learners. trained_on: how many
    visits the weights were learned from. until: the training's end, in ISO 8601.
    """

    name: str
    answers: bool
    saved: SavedModel
    card: Mapping[str, Any]
    figures: Mapping[str, Interval]
    kind: str
    n: int | None
    learners: int | None
    ece_floor: float | None
    trained_on: int | None

    @property
    def until(self) -> str | None:
        """The training's end, in ISO 8601; None where the sources have no common clock."""
        return None if self.saved.until_ms is None else iso(self.saved.until_ms)

    @property
    def threshold(self) -> float | None:
        """The probability from which the training found it best to speak of a struggle."""
        return self.saved.figures.get("threshold")

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON: the figures of the model file, and beside them what the card adds."""
        return {
            "version": self.name,
            "current": self.answers,
            **self.saved.figures,
            **{name: value for name, (value, _, _) in self.figures.items() if value is not None},
            "intervals": {name: [low, high] for name, (_, low, high) in self.figures.items() if low is not None},
            "kind": self.kind,
            "n": self.n,
            "learners": self.learners,
            "ece_noise_floor": self.ece_floor,
            "trained_on": self.trained_on,
            "trained_until": self.until,
        }


def standing(name: str, answers: bool, saved: SavedModel, card: Mapping[str, Any]) -> Standing:
    """What a model file and its card say."""
    found = card.get("evaluation")
    evaluation: Mapping[str, Any] = found if isinstance(found, dict) else {}
    told = evaluation.get("figures")
    figures = {each: _interval(told.get(each) if isinstance(told, dict) else None, saved, each) for each in FIGURES}
    kind = _kind(saved, card, evaluation)
    return Standing(
        name,
        answers,
        saved,
        card,
        figures,
        kind if any(value is not None for value, _, _ in figures.values()) else NOT_KNOWN,
        _count(evaluation.get("n", card.get("judged_on"))),
        _count(evaluation.get("learners")),
        _number(evaluation.get("ece_noise_floor")),
        _count(_rows(card).get("n", card.get("trained_on"))),
    )


def versions_of(registry: Registry, current: str | None) -> Iterator[Standing | tuple[str, str]]:
    """The shipped model and every version, oldest first; of one whose file is refused, its name and why."""
    try:
        yield _shipped(registry, current)
    except ModelNotFound:
        pass
    except ModelRefused as refusal:
        yield SHIPPED, str(refusal)
    for version in registry.versions():
        try:
            yield standing(version, version == current, registry.read(version), registry.card(version))
        except (ModelNotFound, ModelRefused) as error:
            yield version, str(error)


def named(registry: Registry, name: str, current: str | None) -> Standing:
    """The version of that name, or the one that SHIPPED or CURRENT stands for. Raises ModelNotFound, ModelRefused."""
    if name == CURRENT and current is not None:
        name = current
    elif name in (CURRENT, SHIPPED):
        name = SHIPPED
    if name != SHIPPED and name not in registry.versions():
        found = _shipped(registry, current)
        if found.name != name:
            registry.path(name)  # which says that there is none
        return found
    if name == SHIPPED:
        return _shipped(registry, current)
    return standing(name, name == current, registry.read(name), registry.card(name))


def _shipped(registry: Registry, current: str | None) -> Standing:
    """The model that answers before the first training: of the directory, else of the project."""
    beside = os.path.join(registry.directory, PRETRAINED)
    path = beside if os.path.exists(beside) else shipped()
    saved = model_file.read(path)
    return standing(saved.model_version, current is None, saved, card_of(path.removesuffix(".pkl") + ".json"))


def _kind(saved: SavedModel, card: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """How the figures came about: retraining names the champion on the card, and difficulties alone name a model."""
    if "figures_of" in card or saved.model_version.startswith("pretrained"):
        return OTHER_PLATFORMS
    if not evaluation:
        return NOT_KNOWN
    return HOLD_OUT if "champion" in card else CROSS_FITTED


def _interval(told: object, saved: SavedModel, name: str) -> Interval:
    """The figure that the card tells; without a card the one in the model file, which has no interval."""
    if isinstance(told, dict) and (value := _number(told.get("value"))) is not None:
        return value, _number(told.get("low")), _number(told.get("high"))
    return saved.figures.get(name), None, None


def _rows(card: Mapping[str, Any]) -> Mapping[str, Any]:
    found = card.get("training_rows")
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e9 else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 10**12 else None
