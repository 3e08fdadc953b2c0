"""What a feature is: its name, its number and its words in one record; and which amount its words mention.

The records are in platform_table.py, expectation_table.py and record_table.py. Everything else follows from them: the
order of a vector, the sentences of an answer, the features' names on pages, and the section on features in ml/README.md
(`python -m tests.features_page` writes it).

To add a feature, append its record to its table and its value to the module that computes the table's features; accept
the new sentences (`python -m tests.golden_sentences > tests/golden_sentences.txt`) and the new page, and translate
the sentences (ml/README.md, Languages). Models that were trained before have no table for it and are refused as trained
on other features: train them again.
"""

from __future__ import annotations

from math import log1p

from ml.language import ENGLISH, MOST_NAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from ml.language import Language, Message, Named

    Amount: TypeAlias = Callable[[float], tuple[str, float]]

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

SAID, AT_0, AT_1 = "said", "at_0", "at_1"
NAMED_ONE, NAMED_TWO, NAMED_MORE = "named_one", "named_two", "named_more"
BELOW, LESS, SAME, MORE, HOURS, DAYS = "below", "less", "same", "more", "hours", "days"
"""What a clause says of the value: an amount, that it is at an end of its scale, how it compares, or which
objectives are behind it."""


class Feature:
    """One feature: a number in 0..1, what it means, and the clauses in which an answer mentions it.

    neutral: the value without data. direction: +1 where a higher value raises the risk, -1 where it lowers it, 0 where
    training may find either. meaning: the quantity as a noun phrase. unit: what the number counts. ends: what 0 and 1
    stand for. source: where the number comes from, and for a platform feature how it differs from the app's own.

    subject: what the clause is about; one sentence names at most one feature of each subject. amount: what to say of a
    value, and the amount in it, a share from 0 to 1 or a whole number. sentence: the clause, or the clauses by what
    amount says; ml/language.py explains their places. at_0, at_1: the whole clause at the ends of the scale, where the
    sentence would not do. missing: what there is no record of, where the feature has no data.

    A clause states a fact that is true for either sign of the contribution: a trained model may have learned that a
    value lowers the risk although the words would lead one to expect the opposite.
    """

    __slots__ = (
        "amount",
        "direction",
        "ends",
        "meaning",
        "messages",
        "name",
        "neutral",
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
        amount: Amount,
        sentence: Message | Mapping[str, Message],
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
        self.messages: dict[str, Message] = {"missing": f"there is no record of {missing}"}
        """The English messages, by what they say of the value."""
        self.messages.update({SAID: sentence} if isinstance(sentence, (str, tuple)) else sentence)
        if at_0:
            self.messages[AT_0] = at_0
        if at_1:
            self.messages[AT_1] = at_1

    def clause(self, value: float, raises: bool, language: Language = ENGLISH) -> str:
        """Say in a clause what the value means.

        Args:
            value: From 0 to 1.
            raises: Whether the feature's contribution raises the risk; else it lowers it.
            language: The language, and the reader.
        """
        what, amount = self.amount(value)
        if value <= 0 and AT_0 in self.messages:
            what = AT_0
        elif value >= 1 and AT_1 in self.messages:
            what = AT_1
        return language.clause(self._message(what, language), amount, raises)

    def names(self, unmastered: Sequence[Named]) -> bool:
        """Whether a clause can name these prerequisites."""
        return bool(unmastered) and NAMED_ONE in self.messages

    def clause_naming(self, value: float, unmastered: Sequence[Named], language: Language = ENGLISH) -> str:
        """Say in a clause what the value means, and which prerequisites are not mastered; it raises the risk."""
        _, amount = self.amount(value)
        what = (NAMED_ONE, NAMED_TWO, NAMED_MORE)[min(len(unmastered), MOST_NAMED + 1) - 1]
        return language.naming(self._message(what, language), amount, unmastered)

    def absence(self, language: Language = ENGLISH) -> str:
        """Say in a clause that the feature has no data."""
        return str(self._message("missing", language))

    def _message(self, what: str, language: Language) -> Message:
        return language.messages.get(f"{self.name}.{what}") or self.messages[what]


def grows(amount: float, full: float) -> float:
    """An amount on a logarithmic scale: 0 for none, 1 for `full` and more."""
    return min(1.0, log1p(amount) / log1p(full))


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
