"""How the report calls learners and objectives. Stored texts are data: they are put on one line and cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ml.evaluation.causes import CARD, LEARNER, OBJECTIVE, UNCLEAR

LONGEST_NAME = 120
CAUSES = {
    LEARNER: "hard for this learner",
    CARD: "a card may be at fault",
    OBJECTIVE: "hard for many",
    UNCLEAR: "too little to tell why",
}
"""The cause of a learner's sign -> its words."""


class Names(NamedTuple):
    """learners: id -> name, empty without --names. objectives, courses: id -> text."""

    learners: Mapping[str, str]
    objectives: Mapping[str, str]
    courses: Mapping[str, str]


def on_one_line(text: str) -> str:
    """The text as one line of visible characters.

    Line ends, escape sequences and marks that change the direction of writing become spaces.

    >>> on_one_line(" Renal\\n\\u202efiltration ")
    'Renal filtration'
    """
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def shortened(text: str) -> str:
    """The text on one line, at most LONGEST_NAME long."""
    shown = on_one_line(text)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1].rstrip()}…"


def cleaned(names: Mapping[str, str]) -> dict[str, str]:
    """The names as they are shown, without those of which nothing is left."""
    return {key: shown for key, name in names.items() if (shown := shortened(name))}
