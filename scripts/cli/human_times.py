"""Times as people write them: ISO 8601 everywhere, and words such as "7 days ago" where an option allows them."""

from __future__ import annotations

from ml.errors import InvalidFeatures
from ml.instants import from_datetime, iso, parse_iso

WRITTEN = "2026-11-16 or 2026-11-16T03:00:00Z"
"""How an instant may be written, as every refusal shows it."""


def instant_ms(text: str) -> int:
    """The instant as milliseconds since 1970, in UTC where no offset is written. Raises ValueError.

    >>> instant_ms("1970-01-02")
    86400000
    >>> instant_ms("yesterday")
    Traceback (most recent call last):
    ...
    ValueError: 'yesterday' is not an ISO 8601 instant: write 2026-11-16 or 2026-11-16T03:00:00Z
    """
    try:
        found = parse_iso(text)
        iso(found)  # an offset can lead out of the years that can be written
    except (InvalidFeatures, OverflowError):
        raise ValueError(f"{text[:40]!r} is not an ISO 8601 instant: write {WRITTEN}") from None
    return found


def moment_ms(text: str, now_ms: int) -> int:
    """A time in words or ISO 8601 as milliseconds since 1970, in UTC where no offset is written. Raises ValueError."""
    from datetime import datetime, timezone

    import dateparser  # of the train extra

    now = datetime.fromtimestamp(now_ms / 1000, timezone.utc)
    settings = {
        "RELATIVE_BASE": now.replace(tzinfo=None),
        "TIMEZONE": "UTC",
        "RETURN_AS_TIMEZONE_AWARE": True,
        "PREFER_DATES_FROM": "past",
    }
    found = dateparser.parse(text, languages=["en"], settings=settings)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a time: write '7 days ago', {WRITTEN}")
    return from_datetime(found)
