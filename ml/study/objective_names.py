"""Objectives by name in sentences: which prerequisites are not mastered, and what an objective's text may show.

An objective's text is written by anybody. In a sentence it stands on one line, without control characters, escape
sequences and marks that change the direction of writing, and no longer than LONGEST_NAME.
"""

from __future__ import annotations

from ml.study.scales import MASTERED_FROM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml import ports

LONGEST_NAME = 80
"""Characters of a name, the ellipsis of one that was cut included."""
_JOINERS = "\u200c\u200d"
"""Invisible, and yet a part of Persian and Indic spelling and of emoji."""
VIRAMA = 9
"""Unicode's combining class of the signs that join two consonants."""
_ESCAPE = "\x1b"


class Unmastered:
    """A stated prerequisite that the learner has not mastered. text: the objective's own. mastery: 0 to below 0.7."""

    __slots__ = ("mastery", "objective_id", "text")

    def __init__(self, objective_id: str, text: str | None, mastery: float) -> None:
        self.objective_id = objective_id
        self.text = text
        self.mastery = mastery

    @property
    def name(self) -> str:
        """What it is called in a sentence; a batch makes many more than it names."""
        return name_of(self.text, self.objective_id)

    def to_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {"id": self.objective_id, "name": self.name, "mastery": self.mastery}


def unmastered_of(prerequisites: Sequence[ports.Prerequisite], mastered: Sequence[float]) -> tuple[Unmastered, ...]:
    """Those of the prerequisites that are not mastered, the least mastered first; mastered: 0..1, in their order."""
    found = [
        Unmastered(row.objective_id, row.name, mastery)
        for row, mastery in zip(prerequisites, mastered)
        if mastery < MASTERED_FROM
    ]
    found.sort(key=lambda each: each.mastery)
    return tuple(found)


def name_of(text: str | None, objective_id: str) -> str:
    """What an objective is called in a sentence: its text, or its id where there is no text that can be shown."""
    return (cleaned(text) if text else "") or cleaned(objective_id) or ascii(objective_id)


def cleaned(text: str, longest: int = LONGEST_NAME) -> str:
    r"""A text by somebody as a part of our sentence.

    >>> cleaned("Membrane\n  transport."), cleaned("a\x1b[2Jb\u202ec"), cleaned("one two three", 9)
    ('Membrane transport', 'abc', 'one two…')
    """
    words = on_one_line(text)
    if words.endswith(".") and not words.endswith(".."):
        words = words[:-1].rstrip()
    return words if len(words) <= longest else _cut(words, longest)


def on_one_line(text: str) -> str:
    r"""The text as one line of what is seen.

    >>> on_one_line(" Renal\n\u202efiltration. ")
    'Renal filtration.'
    """
    return " ".join((text if text.isprintable() else _visible(text)).split())


def _visible(text: str) -> str:
    """The text without what moves the cursor or is not seen; line ends and unusual spaces become spaces."""
    if _ESCAPE in text or "\x9b" in text or "\x9d" in text:
        text = _without_sequences(text.replace("\x9b", f"{_ESCAPE}[").replace("\x9d", f"{_ESCAPE}]"))
    seen = "".join(each if each.isprintable() or each in _JOINERS else " " if each.isspace() else "" for each in text)
    return seen if seen.strip(_JOINERS + " ") else ""


def _without_sequences(text: str) -> str:
    """The text without the terminal's escape sequences: `ESC [ ... letter`, and `ESC ] ... BEL` or `... ESC \\`."""
    before, *parts = text.split(_ESCAPE)
    kept = [before]
    for part in parts:
        if part.startswith("["):
            end = next((place for place, each in enumerate(part) if place and "@" <= each <= "~"), len(part))
            part = part[end + 1 :]
        elif part.startswith("]"):
            part = part.partition("\a")[2]
        elif part.startswith("\\"):
            part = part[1:]
        kept.append(part)
    return "".join(kept)


def _cut(words: str, longest: int) -> str:
    """The beginning of the words, which ends before a character that people see as one, and an ellipsis."""
    end = longest - 1
    while end and _continues(words, end):
        end -= 1
    return words[: end or longest - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _continues(words: str, place: int) -> bool:
    """Whether the character there is seen as one with the character before it (Unicode's annex 29)."""
    before, here = words[place - 1], words[place]
    if here.isascii():
        return False
    from unicodedata import category, combining  # few names are cut, and fewer at such a place

    if (
        category(here).startswith("M")
        or here in _JOINERS
        or before == _JOINERS[1]
        or here in "\u0e33\u0eb3\uff9e\uff9f"
    ):
        return True
    if combining(before) == VIRAMA:  # joins Indic consonants
        return True
    if "\U0001f3fb" <= here <= "\U0001f3ff":  # the colour of a hand
        return True
    if _is_flag(here) and _is_flag(before):  # two letters make a flag
        return (place - len(words[:place].rstrip("".join(filter(_is_flag, set(words)))))) % 2 == 1
    return "\u1160" <= here <= "\u11ff" or ("\u1100" <= before <= "\u115f" and "\u1100" <= here <= "\ud7fb")


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
