"""Alerts: what a person should act on. One shift is one alert, and what follows from it stands below it.

What is raised about all predictions in one period is taken for one shift. The cause that comes first in the order of
causes names the alert, because it may have brought about the others: default features make drift and bad figures, other
learners make other probabilities, and wrong probabilities miss their targets. A group of learners that is served badly
while nothing is raised about all of them makes an alert of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ml.evaluation.drift import FeatureDrift
from ml.evaluation.figures import Evaluation, Figure
from ml.instants import iso
from scripts.cli.counted import counted
from scripts.monitoring import detectors
from scripts.monitoring.detectors import WEEKS_OF_A_YEAR, Raised
from scripts.monitoring.targets import Finding, Target, sufficient

INPUTS, GROUP = "inputs", "group"
CAUSES = (
    detectors.DEGRADED,
    INPUTS,
    detectors.LESS_SHARP,
    detectors.TOO_LOW,
    detectors.TOO_HIGH,
    detectors.FLATTER,
    detectors.ACCURACY,
    detectors.RECALL,
    GROUP,
)
"""In the order in which one may bring about another."""

_RETRAIN = "run scripts/retrain_model.py, which fits the model to the latest outcomes"
NEXT_STEPS: Mapping[str, str] = {
    detectors.DEGRADED: "Find out why features were not computed: run predict.py --doctor, and look for time-outs and"
    " missing tables in the log. What else is listed here probably follows from it.",
    INPUTS: "See first whether a source is missing or was imported differently (the shares missing tell). If the"
    f" learners themselves have changed, {_RETRAIN}.",
    detectors.LESS_SHARP: f"See whether a source of features is missing or no longer filled; otherwise {_RETRAIN}.",
    detectors.TOO_LOW: "See whether outcomes are decided by the same rule as before (--correct-from), and whether"
    f" harder material was added; then {_RETRAIN}.",
    detectors.TOO_HIGH: "See whether outcomes are decided by the same rule as before (--correct-from), and whether"
    f" help that follows a prediction now prevents struggles; then {_RETRAIN}.",
    detectors.FLATTER: "See whether new kinds of learners or objectives are predicted (the slices tell); then"
    f" {_RETRAIN}.",
    detectors.ACCURACY: f"See which slices are worst; then {_RETRAIN}.",
    detectors.RECALL: f"See which slices are worst; then {_RETRAIN}. If the only fault is too few flags, choose a lower"
    " threshold.",
    GROUP: "Look at what this group does differently (its objectives, its amount of history), and compare its"
    " figures with those of the same group on the model's card.",
}


class Alert(NamedTuple):
    """Something to act on.

    Attributes:
        cause: One of CAUSES.
        message: A sentence.
        next_step: What to do about it, in a sentence or two.
        raised_ms: The end of the look that raised it.
        once_in_years: While nothing is wrong, its evidence arises at most once in this many years on average; None
            where it is judged by an interval.
        findings: What follows from it, or shows it.
    """

    cause: str
    message: str
    next_step: str
    raised_ms: int
    once_in_years: float | None
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {
            "cause": self.cause,
            "message": self.message,
            "next_step": self.next_step,
            "raised_at": iso(self.raised_ms),
            "once_in_years": self.once_in_years,
            "findings": [each.to_dict() for each in self.findings],
        }


class Shown(NamedTuple):
    """The figures of the period that alerts speak of."""

    evaluation: Evaluation
    degraded: Figure
    targets: Mapping[str, Target]
    minimum: int


def alerts(
    raised: Sequence[Raised],
    drift: Sequence[FeatureDrift],
    of_all: Sequence[Finding],
    of_groups: Mapping[str, Sequence[Finding]],
    proven_groups: Mapping[str, Sequence[Finding]],
    shown: Shown,
    until_ms: int,
) -> tuple[Alert, ...]:
    """The alerts of a period, the most important first.

    Args:
        raised: The alarms of looks within the period.
        drift: The features' changes since the period before.
        of_all: What the figures of all predictions show.
        of_groups: What those of groups show, by dimension.
        proven_groups: Likewise at the level of an alert.
        shown: The figures to speak of.
        until_ms: The end of the period.
    """
    latest = {each.cause: each for each in raised}
    causes = [cause for cause in CAUSES if cause in latest]
    if any(each.proven for each in drift):
        causes = sorted([*causes, INPUTS], key=CAUSES.index)
    if causes:
        first = latest.get(causes[0])
        sentences = [_sentence(cause, shown, drift, latest.get(cause)) for cause in causes]
        whole = Alert(
            causes[0],
            sentences[0],
            NEXT_STEPS[causes[0]],
            until_ms if first is None else first.at_ms,
            None if first is None else first.weeks / WEEKS_OF_A_YEAR,
            (
                *(_as_finding(cause, sentence, shown) for cause, sentence in zip(causes[1:], sentences[1:])),
                *of_all,
                *(each for found in of_groups.values() for each in found),
            ),
        )
        return (whole,)
    return tuple(_of_groups(of_groups, proven_groups, until_ms))


def _of_groups(
    of_groups: Mapping[str, Sequence[Finding]], proven: Mapping[str, Sequence[Finding]], until_ms: int
) -> Iterator[Alert]:
    """An alert for each dimension with a proven finding, below it everything that the slices concerned show."""
    for dimension, sure in proven.items():
        places = list(dict.fromkeys(each.where for each in sure))
        below = [each for each in of_groups.get(dimension, sure) if each.where in places]
        named = ", ".join(places)
        are = "is" if len(places) == 1 else "are"
        message = f"{counted(len(places), 'group')} {are} served worse than the others: {named}"
        yield Alert(GROUP, message, NEXT_STEPS[GROUP], until_ms, None, tuple(below))


def _sentence(cause: str, shown: Shown, drift: Sequence[FeatureDrift], raised: Raised | None) -> str:
    """What has happened. Where the period's figure is on the other side, the sentence says so and names the look."""
    sentence, figure = _told_of(cause, shown, drift)
    if raised is None or figure is None or _agrees(cause, figure[0], shown):
        return sentence + ("" if figure is None else f": {figure[1]}")
    return f"{sentence}, as the look of {iso(raised.at_ms)[:10]} found; over the whole period, {figure[1]}"


def _told_of(cause: str, shown: Shown, drift: Sequence[FeatureDrift]) -> tuple[str, tuple[float, str] | None]:
    """The sentence, and the figure that shows it: its value, and its words; None where it rests on too little."""
    figure = shown.evaluation.figure
    if cause == detectors.DEGRADED:
        told = _figure(shown.degraded, shown, lambda share: f"{_percent(share)} of them")
        return "More predictions rest on default features than should", told
    if cause == INPUTS:
        moved = [each for each in drift if each.drifted]
        most = max(moved, key=lambda each: each.distance - each.limit).feature
        features = f"{counted(len(moved), 'feature')} drifted, {most} most"
        return f"What the model sees of the learners has changed: {features}", None
    if cause == detectors.LESS_SHARP:
        return (
            "The model tells learners apart less well than in its earlier weeks: its probabilities lie closer together"
        ), None
    if cause in (detectors.TOO_LOW, detectors.TOO_HIGH):
        rate, gap = figure("struggle_rate"), figure("calibration_gap")
        more = "More" if cause == detectors.TOO_LOW else "Fewer"
        sentence = f"{more} visits are struggles than the probabilities say"
        if rate.value is None or gap.value is None or not sufficient(rate, shown.minimum):
            return sentence, None
        expected = _percent(rate.value + gap.value)
        return sentence, (gap.value, f"{_percent(rate.value)} struggled where {expected} were expected")
    if cause == detectors.FLATTER:
        told = _figure(
            figure("calibration_slope"),
            shown,
            lambda slope: f"the outcomes follow them with a slope of {slope:.2f} instead of 1",
        )
        return "The probabilities promise a sharper distinction than the outcomes show", told
    target = shown.targets.get(cause)
    best = None if target is None else target.attainable
    could = "" if best is None else f", while calibrated probabilities would give {best:.3f}"
    reached = _figure(figure(cause), shown, lambda value: f"{value:.3f}{could}")
    return f"{cause.capitalize()} misses its target, {target}", reached


def _agrees(cause: str, value: float, shown: Shown) -> bool:
    """Whether the figure of the whole period lies on the side that the cause speaks of."""
    if cause == detectors.TOO_LOW:
        return value < 0.0
    if cause == detectors.TOO_HIGH:
        return value > 0.0
    if cause == detectors.FLATTER:
        return value < 1.0
    target = shown.targets.get(cause)
    return target is None or not target.is_met_by(value)


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _figure(figure: Figure, shown: Shown, words: Callable[[float], str]) -> tuple[float, str] | None:
    """The figure's value and words, or None where it rests on too little to be told."""
    if figure.value is None or not sufficient(figure, shown.minimum):
        return None
    return figure.value, words(figure.value)


def _as_finding(cause: str, sentence: str, shown: Shown) -> Finding:
    name = {
        detectors.DEGRADED: "degraded",
        detectors.ACCURACY: "accuracy",
        detectors.RECALL: "recall",
        detectors.FLATTER: "calibration_slope",
    }.get(cause, "calibration_gap")
    figure = shown.degraded if name == "degraded" else shown.evaluation.figure(name)
    told = figure if sufficient(figure, shown.minimum) else figure._replace(value=None, low=None, high=None)
    return Finding(cause, "", told.value, told.low, told.high, figure.n, sentence)
