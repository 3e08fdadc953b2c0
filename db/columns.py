"""The columns that a table has, as far as a writer must know them: what their ids are made of, and by whom."""

from __future__ import annotations

from typing import NamedTuple

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
NUMBERS = ("int2", "int4", "int8", "int", "integer", "smallint", "bigint", "numeric")
SHORTEST = 25
"""Characters of a 128-bit number in DIGITS; Prisma's own cuid is as long."""


class Column(NamedTuple):
    """kind: "integer", "uuid" or "text". length: the most characters it takes, None for any number.

    has_default: whether the database finds a value where none is given. is_key: whether no two rows can have one value
    of it. unit_ms: of a moment, the finest milliseconds that it holds; finer ones are rounded, upwards too.
    """

    kind: str
    length: int | None
    has_default: bool
    is_key: bool = True
    unit_ms: int = 1

    @property
    def takes_a_uuid(self) -> bool:
        """Whether the column holds a UUID in some form; else the database must make its ids."""
        return self.kind != "integer" and (self.length is None or self.length >= SHORTEST)

    def id_of(self, uuid: str) -> str:
        """The UUID in the longest form that fits into the column."""
        digits = uuid.replace("-", "")
        if self.kind == "uuid" or self.length is None or self.length >= len(uuid):
            return uuid
        return digits if self.length >= len(digits) else _short(int(digits, 16))


def column(kind: str, length: int | None, has_default: bool, is_key: bool = True, unit_ms: int = 1) -> Column:
    """From the name of the database's own type, such as int8, uuid, varchar or INTEGER."""
    name = kind.lower()
    named = "integer" if name in NUMBERS else "uuid" if name == "uuid" else "text"
    return Column(named, length, has_default, is_key, unit_ms)


def _short(number: int) -> str:
    digits = ""
    for _ in range(SHORTEST):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
