"""What a feature is: its name, its number and its words in one record; and how amounts are put into words.

The records are in platform_table.py, expectation_table.py and record_table.py. Everything else follows from them: the
order of a vector, the sentences of an answer, the features' names on pages, and the section on features in ml/README.md
(`python -m tests.features_page` writes it).

To add a feature, append its record to its table and its value to the module that computes the table's features; accept
the new sentences (`python -m tests.golden_sentences > tests/golden_sentences.txt`) and the new page. Models that were
trained before have no table for it and are refused as trained on other features: train them again.
"""

from __future__ import annotations

from math import log1p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FULL_HISTORY = 2000
FULL_PRACTICE = 100
FULL_VISITS = 30
FULL_SUPPORT = 1000
FULL_BETWEEN = 1000
FULL_PAUSE_HOURS = 1440
"""Amounts that are 1 on their logarithmic scale: answers in all; answers on and visits to an objective; other learners;
answers between two visits; hours between two answers."""
FULL_STREAK = 5
FULL_WORKLOAD = 50
FULL_DAY_ANSWERS = 300
FULL_DAY_MINUTES = 240
FULL_DAY_NEW_CARDS = 60
EXAM_HORIZON_DAYS = 90
MONTH_DAYS = 30
"""Amounts that are 1 on their linear scale; an exam that is 90 days away is 0."""

LITTLE_WHERE_LITTLE_RAISES = 65
LITTLE_WHERE_LITTLE_LOWERS = 25
LITTLE_COUNT = 10
"""An amount below this may be called "only" so much. 65 % is the platform's mark below which a visit is a struggle."""


class Feature:
    """One feature: a number in 0..1, what it means, and the clauses in which an answer mentions it.

    neutral: the value without data. direction: +1 where a higher value raises the risk, -1 where it lowers it, 0 where
    training may find either. meaning: the quantity as a noun phrase. unit: what the number counts. ends: what 0 and 1
    stand for. source: where the number comes from, and for a platform feature how it differs from the app's own.

    subject: what the clause is about; one sentence names at most one feature of each subject. amount: how the value is
    put into words. sentence: the clause, with "#" for the amount; "[+only ]" appears where the amount is small and the
    feature raises the risk, "[-only ]" where it is small and the feature lowers it. at_0, at_1: the whole clause at the
    ends of the scale, where "#" would not do. missing: what there is no record of, where the feature has no data.

    A clause states a fact that is true for either sign of the contribution: a trained model may have learned that a
    value lowers the risk although the words would lead one to expect the opposite.
    """

    __slots__ = (
        "amount",
        "at_0",
        "at_1",
        "direction",
        "ends",
        "meaning",
        "missing",
        "name",
        "neutral",
        "sentence",
        "source",
        "subject",
        "unit",
    )

    def __init__(
        self,
        name: str,
        *,
        neutral: float,
        direction: int,
        meaning: str,
        unit: str,
        ends: str,
        source: str,
        subject: str,
        amount: Callable[[float], str],
        sentence: str,
        missing: str,
        at_0: str = "",
        at_1: str = "",
    ) -> None:
        self.name = name
        self.neutral = neutral
        self.direction = direction
        self.meaning = meaning
        self.unit = unit
        self.ends = ends
        self.source = source
        self.subject = subject
        self.amount = amount
        self.sentence = sentence
        self.missing = missing
        self.at_0 = at_0
        self.at_1 = at_1

    def clause(self, value: float, raises: bool) -> str:
        """Say in a clause what the value means.

        Args:
            value: From 0 to 1.
            raises: Whether the feature's contribution raises the risk; else it lowers it.
        """
        if value <= 0 and self.at_0:
            return self.at_0
        if value >= 1 and self.at_1:
            return self.at_1
        amount = self.amount(value)
        before, opening, rest = self.sentence.partition("[")
        if not opening:
            return before.replace("#", amount)
        only, _, after = rest.partition("]")
        said = only[1:] if (only[0] == "+") == raises and _is_little(amount, raises) else ""
        return (before + said + after).replace("#", amount)

    def absence(self) -> str:
        """Say in a clause that the feature has no data."""
        return f"there is no record of {self.missing}"


def _is_little(amount: str, raises: bool) -> bool:
    number, _, unit = amount.partition(" ")
    if not number.isdigit() or number == "0":
        return False
    if unit.startswith("%"):
        return int(number) < (LITTLE_WHERE_LITTLE_RAISES if raises else LITTLE_WHERE_LITTLE_LOWERS)
    return int(number) < LITTLE_COUNT


def grows(amount: float, full: float) -> float:
    """An amount on a logarithmic scale: 0 for none, 1 for `full` and more."""
    return min(1.0, log1p(amount) / log1p(full))


def percent(share: float) -> str:
    """A share as a percentage.

    >>> percent(0.3), percent(0.004), percent(0.998), percent(1.0)
    ('30 %', 'less than 1 %', 'more than 99 %', '100 %')
    """
    whole = round(100 * share)
    if whole == 0 and share > 1e-9:
        return "less than 1 %"
    if whole == 100 and share < 1 - 1e-9:
        return "more than 99 %"
    return f"{whole} %"


def part(share: float) -> str:
    """A share of things that are counted one by one: "none of the answers", "30 % of the answers".

    >>> part(0.0), part(0.3), part(1.0)
    ('none', '30 %', 'all')
    """
    return "none" if share <= 0 else "all" if share >= 1 else percent(share)


def rest(share: float) -> str:
    """What is left of the whole, as a percentage.

    >>> rest(0.3)
    '70 %'
    """
    return percent(1 - share)


def points(difference: float) -> str:
    """A difference of two shares.

    >>> points(0.01), points(0.3), points(0.001)
    ('1 percentage point', '30 percentage points', 'less than 1 percentage point')
    """
    whole = round(100 * difference)
    return _counted(whole, "percentage point") if whole else "less than 1 percentage point"


def compared(width: float) -> Callable[[float], str]:
    """Say how much more or less often than expected something happened; 0.5 stands for "as expected".

    width: The difference between the two shares for which 1 and 0 stand.

    >>> compared(2)(0.53), compared(2)(0.5)
    ('6 percentage points more often than', 'about as often as')
    """

    def said(value: float) -> str:
        apart = width * (value - 0.5)
        if not round(100 * apart):
            return "about as often as"
        return f"{points(abs(apart))} {'more' if apart > 0 else 'less'} often than"

    return said


def counted(full: int, unit: str, plural: str) -> Callable[[float], str]:
    """The amount on a linear scale that is 1 at `full`.

    >>> counted(50, "objective is", "objectives are")(0.02)
    '1 objective is'
    """
    return lambda value: _counted(round(full * value), unit, plural)


def counted_on_log(full: int, unit: str, plural: str) -> Callable[[float], str]:
    """The amount on the logarithmic scale of `grows`, which is 1 at `full`.

    >>> counted_on_log(2000, "answer is", "answers are")(grows(1500, 2000))
    '1,500 answers are'
    """
    return lambda value: _counted(round((full + 1) ** value - 1), unit, plural)


def days(value: float) -> str:
    """Days on a scale of 30.

    >>> days(0.5), days(0.01)
    ('15 days', 'less than a day')
    """
    return _days(MONTH_DAYS * value)


def days_ahead(value: float) -> str:
    """Days that are left where 1 is today.

    >>> days_ahead(0.9)
    '9 days'
    """
    return _days(EXAM_HORIZON_DAYS * (1 - value))


def pause(value: float) -> str:
    """A time on the logarithmic scale of 60 days: hours below two days, else days.

    >>> pause(grows(5, FULL_PAUSE_HOURS)), pause(grows(72, FULL_PAUSE_HOURS)), pause(0.0)
    ('5 hours', '3 days', 'less than an hour')
    """
    hours = (FULL_PAUSE_HOURS + 1) ** value - 1
    if hours >= 48:
        return _counted(round(hours / 24), "day")
    return _counted(round(hours), "hour") if hours >= 0.995 else "less than an hour"


def _days(amount: float) -> str:
    return _counted(round(amount), "day") if amount >= 0.995 else "less than a day"


def _counted(whole: int, unit: str, plural: str = "") -> str:
    return f"1 {unit}" if whole == 1 else f"{f'{whole:,}' if whole else 'no'} {plural or unit + 's'}"
