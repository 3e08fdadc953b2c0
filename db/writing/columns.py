"""What a writer must know about a table's columns: the types of ids, and whether the database makes them."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
NUMBERS = ("int2", "int4", "int8", "int", "integer", "smallint", "bigint", "numeric")
SHORTEST = 25
"""Characters of a 128-bit number in DIGITS; Prisma's own cuid is as long."""

_STAMPS = (("updatedAt", True), ("updated_at", True), ("createdAt", False), ("created_at", False))


class Column(NamedTuple):
    """kind: "integer", "uuid" or "text". length: the most characters it takes, None for any number.

    has_default: whether the database makes a value where none is given. is_key: whether its values are unique. unit_ms:
    for a time, its resolution in milliseconds; finer values are rounded, also upwards. is_required: whether every row
    must be given a value.
    """

    kind: str
    length: int | None
    has_default: bool
    is_key: bool = True
    unit_ms: int = 1
    is_required: bool = False

    @property
    def takes_a_uuid(self) -> bool:
        """Tells whether the column can hold a UUID in some form; otherwise the database must make its ids."""
        return self.kind != "integer" and (self.length is None or self.length >= SHORTEST)

    def id_of(self, uuid: str) -> str:
        """The UUID in the longest form that fits into the column."""
        digits = uuid.replace("-", "")
        if self.kind == "uuid" or self.length is None or self.length >= len(uuid):
            return uuid
        return digits if self.length >= len(digits) else _short(int(digits, 16))


def column(
    kind: str,
    length: int | None,
    has_default: bool,
    is_key: bool = True,
    unit_ms: int = 1,
    is_required: bool = False,
) -> Column:
    """From the name of the database's own type, such as int8, uuid, varchar or INTEGER."""
    name = kind.lower()
    named = "integer" if name in NUMBERS else "uuid" if name == "uuid" else "text"
    return Column(named, length, has_default, is_key, unit_ms, is_required and not has_default)


def stamps(described: Mapping[str, Column], known: Collection[str], column_of: Callable[[str], str]) -> dict[str, bool]:
    """Columns that the app's client, and no default, fills with the time of writing.

    By name, whether an update does too. `@updatedAt` makes such a column. described: the table's columns. known: those
    that are written anyway. column_of: the app's column for a field.
    """
    return {
        name: moves
        for field, moves in _STAMPS
        if (name := column_of(field)) in described and name not in known and described[name].is_required
    }


def _short(number: int) -> str:
    digits = ""
    for _ in range(SHORTEST):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
