"""From the values that drivers return to the types of db/reading/rows.py.

These functions never raise; an invalid value becomes None.
"""

from __future__ import annotations

from db.sql.instants import EARLIEST_MS, LATEST_MS
from db.sql.json_values import loads

ORDER_ONLY_SESSION = "order-only:"
"""Starts the sessionId of an imported review whose time is only its place in the learner's order of answers."""


def text(value: object) -> str | None:
    """Ids and enum values as text; an id in a numeric column becomes its digits."""
    if value is None or isinstance(value, str):
        return value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def number(value: object) -> float | None:
    """A finite number. NaN, which PostgreSQL sends as text, and infinity become None."""
    try:
        measured = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return measured if measured - measured == 0 else None


def integer(value: object) -> int | None:
    """A whole number, rounded towards zero."""
    if type(value) is int:
        return value
    measured = number(value)
    return None if measured is None else int(measured)


def instant_ms(value: object) -> int | None:
    """Milliseconds since 1970 within the years 1 to 9999."""
    moment = integer(value)
    return moment if moment is not None and EARLIEST_MS <= moment <= LATEST_MS else None


def flag(value: object, default: bool = False) -> bool:
    """A boolean that is stored as a boolean, as a number or as text."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        word = value.strip().lower()
        return word in TRUE_WORDS or (default if word not in _FALSE_WORDS else False)
    return default if value is None else bool(value)


TRUE_WORDS = ("true", "t", "yes", "y", "on", "1", "1.0")
"""PostgreSQL's own, and what SQLite makes of a number in a column of texts."""
_FALSE_WORDS = ("false", "f", "no", "n", "off", "0", "0.0")


def decoded(value: object) -> object:
    """A JSON column's content, None where its text is broken; numbers that are not finite are null.

    JSON inside a JSON string, as JSON.stringify before Prisma's own encoding produces it, is decoded too.
    """
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str):
        return value
    try:
        found = loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, str) or found.lstrip()[:1] not in ("{", "["):
        return found
    try:
        return loads(found)
    except (ValueError, RecursionError):
        return found


def texts(value: object) -> tuple[str, ...]:
    """A String[] column: PostgreSQL's array, or the JSON list that SQLite holds."""
    listed = decoded(value)
    return tuple(item for item in listed if isinstance(item, str)) if isinstance(listed, (list, tuple)) else ()
