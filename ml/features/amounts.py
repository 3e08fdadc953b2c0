"""What is said of a feature's value: which of its clauses, and the amount that the clause mentions.

Each function takes a value from 0 to 1 and returns the key of the clause among the feature's messages, and the amount:
a share from 0 to 1, or a whole number where the clause counts.
"""

from __future__ import annotations

from ml.features.feature import AT_0, EXAM_HORIZON_DAYS, FULL_PAUSE_HOURS, MONTH_DAYS, SAID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Amount = Callable[[float], tuple[str, float]]

BELOW, LESS, SAME, MORE = "below", "less", "same", "more"
HOURS, DAYS = "hours", "days"


def share(value: float) -> tuple[str, float]:
    """A share, or a difference in percentage points."""
    return SAID, value


def rest(value: float) -> tuple[str, float]:
    """What is left of the whole."""
    return SAID, 1 - value


def compared(width: float) -> Amount:
    """How much more or less often than expected something happened; 0.5 stands for "as expected".

    width: The difference between the two shares for which 1 and 0 stand.

    >>> [compared(2)(value) for value in (0.625, 0.25, 0.5)]
    [('more', 0.25), ('less', 0.5), ('same', 0.0)]
    """

    def said(value: float) -> tuple[str, float]:
        apart = width * (value - 0.5)
        if not round(100 * apart):
            return SAME, 0.0
        return (MORE, apart) if apart > 0 else (LESS, -apart)

    return said


def counted(full: int) -> Amount:
    """The amount on a linear scale that is 1 at `full`.

    >>> counted(50)(0.02), counted(50)(0.001)
    (('said', 1), ('at_0', 0))
    """
    return lambda value: _counted(round(full * value))


def counted_on_log(full: int) -> Amount:
    """The amount on the logarithmic scale of `ml.features.feature.grows`, which is 1 at `full`.

    >>> from ml.features.feature import grows
    >>> counted_on_log(2000)(grows(1500, 2000))
    ('said', 1500)
    """
    return lambda value: _counted(round((full + 1) ** value - 1))


def days(value: float) -> tuple[str, float]:
    """Days on a scale of 30.

    >>> days(0.5), days(0.01)
    (('said', 15), ('below', 0))
    """
    return _days(MONTH_DAYS * value)


def days_ahead(value: float) -> tuple[str, float]:
    """Days that are left where 1 is today.

    >>> days_ahead(0.9)
    ('said', 9)
    """
    return _days(EXAM_HORIZON_DAYS * (1 - value))


def pause(value: float) -> tuple[str, float]:
    """A time on the logarithmic scale of 60 days: hours below two days, else days.

    >>> from ml.features.feature import grows
    >>> [pause(grows(hours, FULL_PAUSE_HOURS)) for hours in (5, 72, 0)]
    [('hours', 5), ('days', 3), ('below', 0)]
    """
    hours = (FULL_PAUSE_HOURS + 1) ** value - 1
    if hours >= 48:
        return DAYS, round(hours / 24)
    return (HOURS, round(hours)) if hours >= 0.995 else (BELOW, 0)


def _counted(whole: int) -> tuple[str, float]:
    return (SAID, whole) if whole else (AT_0, 0)


def _days(amount: float) -> tuple[str, float]:
    return (SAID, round(amount)) if amount >= 0.995 else (BELOW, 0)
