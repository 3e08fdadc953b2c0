"""Instants as integers (milliseconds since 1970-01-01T00:00:00Z) and as ISO 8601 text."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ml.errors import InvalidFeatures

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


def iso(instant_ms: int) -> str:
    """2025-03-01T12:34:56.789Z for 1740832496789. Raises OverflowError outside the years 1 to 9999."""
    return (_EPOCH + instant_ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 instant; one without an offset is UTC. Raises InvalidFeatures."""
    try:
        return from_datetime(datetime.fromisoformat(text.replace("Z", "+00:00")))
    except (ValueError, OverflowError):
        raise InvalidFeatures(f"not an ISO 8601 instant: {text[:40]!r}") from None


def from_datetime(moment: datetime) -> int:
    """Milliseconds since 1970; a naive datetime is UTC. Floors, so that no instant moves into the future."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // _MILLISECOND
