"""A feature's value in the feature's own unit: 0.5 of a scale of 30 days is 15 days."""

from __future__ import annotations

from ml.features.feature import DAYS, HOURS, LESS, MORE, SAME, Feature, days, days_ahead, pause, rest, share
from scripts.cli.counted import counted
from scripts.pages.templates import percent

_DIFFERENCES = ("difference of two shares, halved", "chance of a right answer where the general ability")
_COUNTS = ("answers", "visits", "learners", "objectives")


def in_own_unit(feature: Feature, value: float) -> str:
    """The value in a few words or as a percentage.

    value: from 0 to 1.
    """
    what, amount = feature.amount(value)
    if feature.amount in (share, rest):
        return percent(value)
    if feature.amount in (days, days_ahead):
        return "below 1 day" if not amount else counted(round(amount), "day")
    if feature.amount is pause:
        unit = {DAYS: "day", HOURS: "hour"}.get(what)
        return "below 1 hour" if unit is None else counted(round(amount), unit)
    points = {MORE: amount, LESS: -amount, SAME: 0.0}.get(what)
    if points is not None and feature.unit.startswith(_DIFFERENCES):
        return f"{100 * points:+.0f} points".replace("-", "\N{MINUS SIGN}") if round(100 * points) else "as expected"
    first = feature.unit.split()[0].rstrip(",")
    if first in _COUNTS:
        return counted(round(amount), first[:-1])
    return f"{value:.2f}"
