"""One answer of a log, whatever the file it was read from, and the limits that every log keeps."""

from __future__ import annotations

from typing import NamedTuple

from scripts.cli.exits import Usage

PRACTICE, POSTTEST, STUDY = "practice", "posttest", "study"
KINDS = (PRACTICE, POSTTEST, STUDY)
RATINGS = ("AGAIN", "HARD", "GOOD", "EASY")

START_OF_COUNT_MS = 946_684_800_000  # 2000-01-01T00:00:00Z
END_OF_TIME_S = 253_402_300_800  # the year 10000, beyond which no database holds an instant
ORDER_STEP_MS = 10 * 60_000

MOST_EMPTY_LINES = 100_000
"""In a row: a file of a few kilobytes can unpack to a thousand million of them."""
LONGEST_ID_BYTES = 500
"""PostgreSQL indexes keys up to about 2,700 bytes, and a card's id holds the ids of its skill and its item."""
LONGEST_TIME_MS = 24 * 3_600_000
"""The longest response time that is kept: the column is a 32-bit integer, and nobody answers for a day."""


class MalformedLog(Usage):
    """Raised when an answer log breaks its format; names the line, counted from 1."""

    def __init__(self, line: int, fault: str, unit: str = "line") -> None:
        super().__init__(f"{unit} {line}: {fault}")
        self.line = line


class LoggedAnswer(NamedTuple):
    """One answer of a log.

    Attributes:
        line: The line, or the record, of the file, counted from 1.
        at_ms: Milliseconds since 1970 UTC; in a log that gives only an order, any number that sorts its answers.
        correct: None for a study row, which answers nothing.
        kind: One of KINDS.
        rating: One of RATINGS; None where the log tells right from wrong only.
        spent_ms: How long the answer took, 0 where the log does not say.
    """

    line: int
    learner_id: str
    item_id: str
    skill_id: str
    at_ms: int
    correct: bool | None
    kind: str
    rating: str | None = None
    spent_ms: int = 0


def shown(text: str) -> str:
    """A value of the file as a message shows it: quoted, and cut after forty characters."""
    return repr(text if len(text) <= 40 else text[:39] + "…")
