"""What each monitored figure should be, and when it proves to be otherwise: its whole interval is on the wrong side."""

from __future__ import annotations

from typing import NamedTuple

from ml.evaluation.figures import Figure

MEETS = "meets target"
BELOW = "misses target"
UNDECIDED = "undecided"
INSUFFICIENT = "insufficient data"
OUT_OF_REACH = "target out of reach"
NO_TARGET = ""

MINIMUM_LEARNERS = 10
"""Fewer learners than this say too little about others, however many predictions they have."""


class Target(NamedTuple):
    """Bounds that a figure should keep, or None. alerts: whether missing them may raise an alert, or is only shown.

    attainable: what perfectly calibrated probabilities would give (scripts/monitoring/attainable.py); None where the
    figure does not depend on a threshold, or where nothing is known. is_calibrated: whether the probabilities are not
    proven to be off.
    """

    figure: str
    at_least: float | None
    at_most: float | None
    alerts: bool
    attainable: float | None = None
    is_calibrated: bool = True

    def __str__(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least:+.2f} to {self.at_most:+.2f}"
        if self.at_least is not None:
            return f"at least {self.at_least:.2f}"
        return "" if self.at_most is None else f"at most {self.at_most:.2f}"

    def is_met_by(self, value: float) -> bool:
        """Whether the value lies within the bounds."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


class Finding(NamedTuple):
    """A figure that is not as it should be. where: the slice; empty where it is a figure of the whole period."""

    figure: str
    where: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    message: str

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return dict(self._asdict())


WITHIN_POINTS = 0.10
"""Each predicted probability should lie within ten points of the rate observed (the platform's target)."""


def targets(accuracy: float, recall: float, degraded: float) -> dict[str, Target]:
    """The targets by figure. The platform aims at a precision above 0.65, but missing that aim raises no alert."""
    found = (
        Target("accuracy", accuracy, None, True),
        Target("recall", recall, None, True),
        Target("precision", 0.65, None, False),
        Target("calibration_gap", -WITHIN_POINTS, WITHIN_POINTS, True),
        Target("degraded", None, degraded, True),
    )
    return {target.figure: target for target in found}


def sufficient(figure: Figure, minimum: int) -> bool:
    """Whether a figure rests on enough rows of enough learners."""
    return figure.n >= minimum and figure.learners >= MINIMUM_LEARNERS


def standing(figure: Figure, target: Target | None, minimum: int) -> str:
    """How a figure compares with its target: one of the words above."""
    if not sufficient(figure, minimum):
        return INSUFFICIENT
    if target is None or figure.value is None or figure.low is None or figure.high is None:
        return NO_TARGET
    low = float("-inf") if target.at_least is None else target.at_least
    high = float("inf") if target.at_most is None else target.at_most
    if figure.high < low or figure.low > high:
        return OUT_OF_REACH if _is_out_of_reach(figure.high, target) else BELOW
    return MEETS if figure.low >= low and figure.high <= high else UNDECIDED


def _is_out_of_reach(upper: float, target: Target) -> bool:
    """Whether calibrated probabilities would miss the target too, and the figure is not proven to be below theirs."""
    at_least, attainable = target.at_least, target.attainable
    return (
        target.is_calibrated
        and at_least is not None
        and attainable is not None
        and attainable < at_least
        and upper >= attainable
    )


def finding(figure: Figure, target: Target | None, where: str, minimum: int) -> Finding | None:
    """What a figure shows that misses its target, or None."""
    if target is None or not target.alerts or figure.value is None or standing(figure, target, minimum) != BELOW:
        return None
    name = target.figure.replace("_", " ")
    place = f" ({where})" if where else ""
    message = f"{name}{place} is {figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]; the target is {target}"
    if target.at_least is not None and target.attainable is not None and target.attainable < target.at_least:
        message += f", and calibrated probabilities would give {target.attainable:.3f}"
    return Finding(target.figure, where, figure.value, figure.low, figure.high, figure.n, message)
