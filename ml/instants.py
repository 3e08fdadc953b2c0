"""Instants as integers (milliseconds since 1970-01-01T00:00:00Z) and as ISO 8601 text."""

from __future__ import annotations

from time import gmtime

from ml.errors import InvalidFeatures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime  # imported where it is used: it costs a tenth of the bare interpreter

_EARLIEST_MS, _LATEST_MS = -62_135_596_800_000, 253_402_300_799_999


def iso(instant_ms: int) -> str:
    """The instant as text: 2025-03-01T12:34:56.789Z for 1740832496789.

    Raises OverflowError outside the years 1 to 9999.
    """
    if not _EARLIEST_MS <= instant_ms <= _LATEST_MS:
        raise OverflowError("the year is not between 1 and 9999")
    seconds, milliseconds = divmod(instant_ms, 1000)
    year, month, day, hour, minute, second, *_ = gmtime(seconds)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z"


def parse_iso(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 instant; one without an offset is UTC. Raises InvalidFeatures."""
    from datetime import datetime

    try:
        return from_datetime(datetime.fromisoformat(text.replace("Z", "+00:00")))
    except (ValueError, OverflowError):
        raise InvalidFeatures(f"not an ISO 8601 instant, such as 2026-11-16T03:00:00Z: {text[:40]!r}") from None


def from_datetime(moment: datetime) -> int:
    """Milliseconds since 1970; a naive datetime is UTC. It rounds down, so that no instant moves into the future."""
    from datetime import datetime, timedelta, timezone

    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (aware - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
