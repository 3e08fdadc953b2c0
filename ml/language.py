"""A language in which answers are written: its messages, its plural rule, and how it writes numbers.

A message is one whole sentence or clause. Its places have names in braces: {share} is a percentage, {points} a
difference in percentage points, {n} a whole number; other places hold text. A message that counts is a tuple of plural
forms. "[+only ]" is said only where the amount is small and the feature raises the risk, "[-only ]" only where it is
small and the feature lowers it.

The messages that the code itself holds are English, for teachers. GENERAL below has those that belong to no feature;
those of the features are in ml/features/*_table.py. ml/wording/ has the catalogues of other languages and readers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol, TypeAlias

    Message: TypeAlias = str | tuple[str, ...]

    class Named(Protocol):
        """An objective with the learner's mastery of it, from 0 to 1."""

        @property
        def name(self) -> str: ...
        @property
        def mastery(self) -> float: ...


LITTLE_WHERE_LITTLE_RAISES = 65
LITTLE_WHERE_LITTLE_LOWERS = 25
LITTLE_COUNT = 10
"""An amount below this may be called "only" so much. 65 % is the platform's mark below which a visit is a struggle."""

MOST_NAMED = 2
"""A sentence names at most this many objectives, and counts the others."""
WORDS_OF_A_TERM = 3
_INNER_MARKS = str.maketrans('"„“”«»', "'\u201a\u2018\u2019\u2039\u203a")
"""Quotation marks within a name that is itself in quotation marks."""

GENERAL: dict[str, Message] = {
    "share": "{n} %",
    "share_below": "less than 1 %",
    "share_above": "more than 99 %",
    "points": ("{n} percentage point", "{n} percentage points"),
    "points_below": "less than 1 percentage point",
    "day": "{year}-{month}-{day}",
    "quoted": '"{name}"',
    "list_two": "{first} and {last}",
    "list_more": "{first}, and {last}",
    "level_HIGH": "High risk of struggling ({share})",
    "level_MEDIUM": "Medium risk of struggling ({share})",
    "level_LOW": "Low risk of struggling ({share})",
    "because": "{level}: {reasons}.",
    "although": "{level}, although {reasons}.",
    "no_reason": "{level}: no single reason stands out.",
    "no_record": "{level}: too little is on record to name a reason.",
    "default": "{cause}: this is a default estimate of {share}.",
    "change_more": "{points} more than on {day}",
    "change_less": "{points} less than on {day}",
    "change_none": "about as much as on {day}",
    "change_because": "{change}, above all because {reason}",
    "unread": "We could not read the study records ({cause})",
}


class Language:
    """One language for one kind of reader; immutable.

    code: "en", "de". audience: "teacher" or "learner". plural: which form of a message goes with a number. thousands:
    what stands between groups of three digits. messages: by key; a feature's key is its name, a full stop, and the
    variant. The messages of features that are absent are those of the code.
    """

    __slots__ = ("audience", "code", "messages", "plural", "thousands")

    def __init__(
        self,
        code: str,
        audience: str,
        plural: Callable[[int], int],
        thousands: str,
        messages: Mapping[str, Message],
    ) -> None:
        self.code = code
        self.audience = audience
        self.plural = plural
        self.thousands = thousands
        self.messages = messages

    def say(self, key: str, **places: str) -> str:
        """The message with its places filled by text; {Reasons} is filled by `reasons` with a capital letter."""
        message = str(self.messages[key])
        for name in [name for name in places if f"{{{name.capitalize()}}}" in message]:
            places[name.capitalize()] = places[name][:1].upper() + places[name][1:]
        return message.format_map(places)

    def clause(self, message: Message, amount: float, raises: bool) -> str:
        """A message about an amount.

        Args:
            message: It has the place {share}, {points} or {n}, or none.
            amount: A share or a difference from 0 to 1, or a whole number for {n}.
            raises: Whether what is said raises the risk; else it lowers it.
        """
        text = message if isinstance(message, str) else message[self.plural(int(amount))]
        before, opening, rest = text.partition("[")
        if opening:
            only, _, after = rest.partition("]")
            is_little = _is_little(amount, raises, "{n}" in text)
            text = before + (only[1:] if (only[0] == "+") == raises and is_little else "") + after
        if "{share}" in text:
            return text.replace("{share}", self.share(amount))
        if "{points}" in text:
            return text.replace("{points}", self.points(amount))
        return text.replace("{n}", self.number(int(amount))) if "{n}" in text else text

    def naming(self, message: Message, amount: float, named: Sequence[Named]) -> str:
        """A message that names objectives.

        Args:
            message: It has the places {first} and {second}, with {first_share} and {second_share}; it counts {n} more.
            amount: For {share}.
            named: The objectives, at least as many as the message has places for.
        """
        more = max(0, len(named) - MOST_NAMED)
        text = message if isinstance(message, str) else message[self.plural(more)]
        places = {"share": self.share(amount), "n": self.number(more)}
        for place, each in zip(("first", "second"), named):
            places[place] = self.name(each.name)
            places[f"{place}_share"] = self.share(each.mastery)
        return text.format_map(places)

    def name(self, name: str) -> str:
        """A name as a part of a sentence: in quotation marks where it is nearly a sentence of its own."""
        if name.count(" ") < WORDS_OF_A_TERM:
            return name
        return self.say("quoted", name=name.translate(_INNER_MARKS))

    def number(self, whole: int) -> str:
        """A whole number, its digits in groups of three."""
        return str(whole) if whole < 1000 else f"{whole:,}".replace(",", self.thousands)

    def share(self, share: float) -> str:
        """A share as a percentage.

        >>> [ENGLISH.share(share) for share in (0.3, 0.004, 0.998, 1.0)]
        ['30 %', 'less than 1 %', 'more than 99 %', '100 %']
        """
        whole = round(100 * share)
        if whole == 0 and share > 1e-9:
            return str(self.messages["share_below"])
        if whole == 100 and share < 1 - 1e-9:
            return str(self.messages["share_above"])
        return self._percent(whole)

    def probability(self, probability: float) -> str:
        """A probability as a percentage, rounded down, so that 70 % is HIGH wherever it is printed."""
        whole = int(100 * probability + 1e-9)
        if whole == 0:
            return str(self.messages["share_below"])
        return str(self.messages["share_above"]) if probability > 0.99 + 1e-9 else self._percent(whole)

    def points(self, difference: float) -> str:
        """A difference of two shares.

        >>> [ENGLISH.points(difference) for difference in (0.01, 0.3, 0.001)]
        ['1 percentage point', '30 percentage points', 'less than 1 percentage point']
        """
        whole = round(100 * difference)
        if not whole:
            return str(self.messages["points_below"])
        return self.messages["points"][self.plural(whole)].replace("{n}", str(whole))

    def day(self, instant: str) -> str:
        """The date of an instant in ISO 8601.

        >>> ENGLISH.day("2025-10-16T09:00:00.000Z")
        '2025-10-16'
        """
        year, month, day = instant[:10].split("-")
        return self.say("day", year=year, month=month, day=day)

    def listed(self, clauses: list[str]) -> str:
        """ "a", "a and b", "a, b, and c"."""
        if len(clauses) < 2:
            return "".join(clauses)
        key = "list_two" if len(clauses) == 2 else "list_more"
        return self.say(key, first=", ".join(clauses[:-1]), last=clauses[-1])

    def _percent(self, whole: int) -> str:
        return str(self.messages["share"]).replace("{n}", str(whole))


def _is_little(amount: float, raises: bool, counts: bool) -> bool:
    if counts:
        return 0 < amount < LITTLE_COUNT
    whole = round(100 * amount)
    return 0 < whole < (LITTLE_WHERE_LITTLE_RAISES if raises else LITTLE_WHERE_LITTLE_LOWERS)


def one_or_more(n: int) -> int:
    """The plural rule of English, German and many others: the first form for 1, the second for all else."""
    return 0 if n == 1 else 1


ENGLISH = Language("en", "teacher", one_or_more, ",", GENERAL)
"""The language of the code and of what is stored."""
