"""A table of a file: named columns and rows of text, read once from the first row to the last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from scripts.importing.answers import MalformedLog

ABSENT = frozenset(("", "nan", "na", "n/a", "null", "none", "nat", "#n/a", "\\n", "<na>"))
"""What programs write where a value is missing, in lower case."""
SAMPLE_ROWS = 2000

Row = tuple[int, Sequence[str]]
"""The number of the line or record in its file, counted from 1, and a text for each column."""


class Sheet(NamedTuple):
    """A table.

    Attributes:
        file: The name of the file, or of the member of an archive, without its directories.
        columns: The names of the columns.
        rows: Its rows; they can be read once.
        unit: What the numbers of the rows count: "line" or "record".
        told: Filled while the rows are read: what people should know about how they were read, and how often.
    """

    file: str
    columns: tuple[str, ...]
    rows: Iterator[Row]
    unit: str = "line"
    told: dict[str, int] = {}  # noqa: RUF012  # every reader gives its own

    def sampled(self) -> tuple[list[Row], Sheet]:
        """The first rows, and the sheet with these rows still in it."""
        sample = list(islice(self.rows, SAMPLE_ROWS))
        return sample, self._replace(rows=chain(sample, self.rows))

    def place(self, column: str) -> int:
        """Where a column stands. Raises MalformedLog where there is none, or more than one."""
        found = [place for place, name in enumerate(self.columns) if name == column]
        if len(found) == 1:
            return found[0]
        if found:
            raise MalformedLog(1, f"the header names the column {column} twice", self.unit)
        listed = ", ".join(self.columns)
        raise MalformedLog(
            1, f"there is no column {column!r} among {listed if len(listed) < 400 else listed[:400] + ' …'}", self.unit
        )

    def exploded(
        self, columns: Sequence[str], rows_of: Callable[[int, Sequence[str]], Iterable[Sequence[str]]]
    ) -> Sheet:
        """A sheet that has, for each row of this one, the rows that a function makes of it."""
        made = ((number, row) for number, values in self.rows for row in rows_of(number, values))
        return self._replace(columns=tuple(columns), rows=made)


def is_absent(text: str) -> bool:
    """Whether a value says that there is none."""
    return text.strip().lower() in ABSENT
