"""What a feature is: its name, its number and its words in one record.

The records are in platform_table.py, expectation_table.py and record_table.py. Everything else follows from them: the
order of a vector, the sentences of an answer, the features' names on pages, and the section on features in ml/README.md
(`python -m tests.features_page` writes it).

To add a feature, append its record to its table and its value to the module that computes the table's features; accept
the new sentences (`python -m tests.golden_sentences > tests/golden_sentences.txt`) and the new page. Models that were
trained before have no table for it and are refused as trained on other features: train them again.
"""

from __future__ import annotations

from math import log1p

from ml.wording.language import ENGLISH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ml.wording.language import Language, Message

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
"""What a clause says of the value: an amount, or that it is at an end of its scale."""


class Feature:
    """One feature: a number in 0..1, what it means, and the clauses in which an answer mentions it.

    neutral: the value without data. direction: +1 where a higher value raises the risk, -1 where it lowers it, 0 where
    training may find either. meaning: the quantity as a noun phrase. unit: what the number counts. ends: what 0 and 1
    stand for. source: where the number comes from, and for a platform feature how it differs from the app's own.

    subject: what the clause is about; one sentence names at most one feature of each subject. amount: what to say of a
    value, and the amount in it (ml/features/amounts.py). sentence: the clause, or the clauses by what amount says;
    ml/wording/language.py explains their places. at_0, at_1: the whole clause at the ends of the scale, where the
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
        amount: Callable[[float], tuple[str, float]],
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

    def absence(self, language: Language = ENGLISH) -> str:
        """Say in a clause that the feature has no data."""
        return str(self._message("missing", language))

    def _message(self, what: str, language: Language) -> Message:
        return language.messages.get(f"{self.name}.{what}") or self.messages[what]


def grows(amount: float, full: float) -> float:
    """An amount on a logarithmic scale: 0 for none, 1 for `full` and more."""
    return min(1.0, log1p(amount) / log1p(full))
