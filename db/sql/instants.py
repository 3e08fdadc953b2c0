"""Instants in SQL, per dialect: every stored form of DateTime becomes milliseconds since 1970, or null.

SQLite holds whatever form the writer chose, and orders any number before any text, so a form must be normalised before
it is compared, ordered or limited. PostgreSQL has one type, and comparisons use the bare column, so that its indexes
can be used.
"""

from __future__ import annotations

EARLIEST_MS = -62_135_596_800_000  # 0001-01-01T00:00:00Z
LATEST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z: beyond, Python's datetime ends
_DAY_MS = 86_400_000
_FARTHEST_OFFSET_MS = 26 * 3_600_000
"""A stored text begins with its local date, at most this far from the same instant's date in UTC."""


def bounded(instant_ms: int) -> int:
    """The instant, or the nearest one that both dialects can represent."""
    return min(max(instant_ms, EARLIEST_MS), LATEST_MS)


def stored_text(instant_ms: int) -> str:
    """The text that Prisma's driver adapters store in SQLite, such as 2025-03-01T12:34:56.789+00:00."""
    from datetime import datetime, timedelta, timezone

    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (epoch + timedelta(milliseconds=bounded(instant_ms))).isoformat(timespec="milliseconds")


def local_dates(from_ms: int, until_ms: int) -> tuple[str, str]:
    """Two dates between which the text of every instant in [from_ms, until_ms) sorts, whatever its offset."""
    first = stored_text(bounded(from_ms) - _FARTHEST_OFFSET_MS)
    last = stored_text(bounded(until_ms) + _FARTHEST_OFFSET_MS + _DAY_MS)
    return first[:10], last[:10]


def range_of(floor_ms: int, as_of_ms: int) -> dict[str, object]:
    """The parameters of a dialect's `in_range`."""
    floor_date, as_of_date = local_dates(floor_ms, as_of_ms)
    return {"floor": bounded(floor_ms), "floor_date": floor_date, "as_of_date": as_of_date}


def sqlite_ms(column: str) -> str:
    """Milliseconds since 1970 for any form in the column; null for a value that is not an instant.

    Numbers are milliseconds (Prisma's own form). Text must start with a full date: julianday() would also take
    'now', '12:00' and a bare Julian day for instants.
    """
    return (
        f"CASE typeof({column})"
        f" WHEN 'integer' THEN CASE WHEN {column} BETWEEN {EARLIEST_MS} AND {LATEST_MS} THEN {column} END"
        f" WHEN 'real' THEN CASE WHEN {column} BETWEEN {EARLIEST_MS} AND {LATEST_MS}"
        f" THEN CAST({column} AS INTEGER) - ({column} < CAST({column} AS INTEGER)) END"
        f" WHEN 'text' THEN CASE WHEN {column} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"
        f" THEN CAST(round((julianday({column}) - 2440587.5) * 86400000) AS INTEGER) END END"
    )


def postgres_moment(parameter: str) -> str:
    """A parameter in milliseconds since 1970 as a timestamp in UTC; the planner folds it into a constant."""
    return f"(timestamp '1970-01-01' + ({parameter} * interval '1 millisecond'))"


def postgres_ms(column: str) -> str:
    """Milliseconds since 1970 of a timestamp, rounded down; null for infinity and for years before 1 or after 9999.

    Up to PostgreSQL 13 extract() yields a double, which may fall 0.0002 ms short of the millisecond it stands for.
    """
    return (
        f"CASE WHEN {column} >= timestamp '0001-01-01' AND {column} < timestamp '10000-01-01'"
        f" THEN CAST(floor(extract(epoch FROM {column}) * 1000 + 0.0005) AS bigint) END"
    )
