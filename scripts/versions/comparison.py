"""Two versions beside each other: their figures and settings, and the features whose tables differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml.features.feature import Feature
from ml.features.vector import FEATURES
from ml.scoring.scorecard import SavedModel, Table
from ml.storage.contests import Contest
from ml.storage.levels_file import OPERATING_POINT
from scripts.cli.counted import counted
from scripts.cli.model_card import rows_of
from scripts.versions.standing import FIGURES, Interval, Standing

GRID = 101
NO_DIFFERENCE = 1e-6
SHOWN = 8
"""The features that are shown to people; JSON has all of them."""


class Difference(NamedTuple):
    """How far two tables of one feature lie apart, in logits, after calibration.

    mean: over the values that training rows had where a card tells, else over the whole range. furthest: at `where`
    (None: without data), what A adds, and what B adds.
    """

    feature: Feature
    mean: float
    where: float | None
    first: float
    second: float

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {
            "feature": self.feature.name,
            "mean_difference": self.mean,
            "furthest_at": self.where,
            "first": self.first,
            "second": self.second,
        }


class Row(NamedTuple):
    """A line of the comparison: what it is about, and each version's text."""

    title: str
    first: str
    second: str


class Comparison(NamedTuple):
    """Two versions, their lines, and the features by how far their tables lie apart, the furthest first."""

    first: Standing
    second: Standing
    rows: Sequence[Row]
    differences: Sequence[Difference]
    remark: str

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {
            "first": _plain(self.first),
            "second": _plain(self.second),
            "remark": self.remark,
            "shapes": [each.to_dict() for each in self.differences],
        }


def compared(first: Standing, second: Standing, contests: Sequence[Contest] = ()) -> Comparison:
    """The comparison of two versions. contests: how challengers compared with champions, oldest first."""
    lines = zip(_lines(first), _lines(second), strict=True)
    rows = [Row(title, one, other) for (title, one), (_, other) in lines]
    return Comparison(first, second, rows, _differences(first, second), _remark(first, second, contests))


def told(figure: Interval) -> str:
    """A figure and its interval as text."""
    value, low, high = figure
    if value is None:
        return "not known"
    return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")


def _lines(one: Standing) -> list[tuple[str, str]]:
    saved = one.saved
    floor = "" if one.ece_floor is None else f" (perfect calibration: {one.ece_floor:.3f})"
    return [
        ("answers now", "yes" if one.answers else "no"),
        ("trained until", one.until or "not known"),
        ("training visits", _counted(one.trained_on)),
        ("a struggle is below", f"{saved.struggle_below:.0%}"),
        ("correct from", saved.correct_from),
        ("threshold", _threshold(one)),
        *((title, told(one.figures[name]) + (floor if name == "ece" else "")) for name, title in FIGURES.items()),
        ("figures", one.kind),
        ("visits", _counted(one.n)),
        ("learners", _counted(one.learners)),
        ("intercept", f"{_intercept(saved):+.3f}"),
        # a deployment's own come last, and only a terminal's first words are shown
        ("sources", "; ".join(reversed(saved.sources)) or "not known"),
    ]


def _threshold(one: Standing) -> str:
    """The operating threshold that training chose, and for what."""
    if one.threshold is None:
        return "not known"
    point = one.card.get(OPERATING_POINT)
    aim = point.get("for") if isinstance(point, dict) else None
    told = f"{one.threshold:.2f}"
    if isinstance(aim, dict) and isinstance(recall := aim.get("recall"), float):
        return f"{told} (for a recall of {recall:.2f})"
    if isinstance(aim, dict) and type(capacity := aim.get("capacity")) is int:
        return f"{told} (for {counted(capacity, 'flag')} a day)"
    return told


def _counted(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _intercept(saved: SavedModel) -> float:
    slope, offset = saved.scorecard.calibration
    return slope * saved.scorecard.intercept + offset


def _differences(first: Standing, second: Standing) -> list[Difference]:
    found = []
    rows = rows_of(second.card) or rows_of(first.card)
    slopes = [each.saved.scorecard.calibration[0] for each in (first, second)]
    for place, feature in enumerate(FEATURES):
        one, other = (each.saved.scorecard.tables[place] for each in (first, second))
        each = _difference(feature, one, other, slopes, rows.features[feature.name] if rows else None)
        if each.mean > NO_DIFFERENCE:
            found.append(each)
    return sorted(found, key=lambda each: -each.mean)


def _difference(feature: Feature, one: Table, other: Table, slopes: Sequence[float], rows: Any) -> Difference:
    values: list[float | None] = [*(step / (GRID - 1) for step in range(GRID)), None]
    bins = 0 if rows is None else len(rows.bins)
    mean, total, furthest = 0.0, 0.0, (-1.0, None, 0.0, 0.0)
    for value in values:
        a, b = slopes[0] * one.at(value), slopes[1] * other.at(value)
        if rows is None:
            weight = 0.0 if value is None else 1.0
        else:
            weight = rows.absent * GRID / bins if value is None else rows.bins[min(bins - 1, int(value * bins))]
        mean, total = mean + weight * abs(a - b), total + weight
        if (weight or rows is None) and abs(a - b) > furthest[0]:
            furthest = abs(a - b), value, a, b  # type: ignore[assignment]
    return Difference(feature, mean / total if total else 0.0, *furthest[1:])


def _remark(first: Standing, second: Standing, contests: Sequence[Contest]) -> str:
    """What a reader must know before comparing the figures."""
    for contest in reversed(contests):
        if {contest.champion, contest.challenger} == {first.name, second.name} and contest.gain is not None:
            better = "better" if contest.gain < 0 else "worse"
            return (
                f"Retraining compared them on the same {counted(contest.examples, 'visit')}: {contest.challenger} had a"
                f" log-loss {abs(contest.gain):.4f} {better} than {contest.champion}. Its verdict: {contest.outcome}."
            )
    for new, old in ((second, first), (first, second)):
        if new.card.get("champion") == old.name and isinstance(gain := _gain(new.card), float):
            better = "better" if gain < 0 else "worse"
            return (
                f"On the same visits, {new.name} had a log-loss {abs(gain):.4f} {better} than {old.name}; its card has"
                " the checks."
            )
    if first.kind != second.kind or first.n != second.n:
        return (
            "The figures rest on different visits, so their difference says little about the models: retraining"
            " compares a challenger with the model that answers on the same visits."
        )
    return ""


def _gain(card: Mapping[str, Any]) -> object:
    verdict = card.get("verdict")
    gain = verdict.get("gain") if isinstance(verdict, dict) else None
    return gain.get("value") if isinstance(gain, dict) else None


def _plain(one: Standing) -> dict[str, object]:
    saved = one.saved
    return {
        **one.to_dict(),
        "sources": list(saved.sources),
        "struggle_below": saved.struggle_below,
        "correct_from": saved.correct_from,
        "intercept": _intercept(saved),
        "difficulty": saved.difficulty and saved.difficulty[0],
    }
