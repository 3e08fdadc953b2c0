"""Times as people write them: "7 days ago", "last monday", 2026-11-16, 2026-11-16T03:00:00Z."""

from __future__ import annotations

from datetime import datetime, timezone

import dateparser

from ml.instants import from_datetime


def moment_ms(text: str, now_ms: int) -> int:
    """Milliseconds since 1970; relative to now_ms, and UTC where no offset is written. Raises ValueError."""
    now = datetime.fromtimestamp(now_ms / 1000, timezone.utc)
    settings = {
        "RELATIVE_BASE": now.replace(tzinfo=None),
        "TIMEZONE": "UTC",
        "RETURN_AS_TIMEZONE_AWARE": True,
        "PREFER_DATES_FROM": "past",
    }
    found = dateparser.parse(text, languages=["en"], settings=settings)
    if found is None:
        raise ValueError(f"{text!r} is no time; write '7 days ago', 2026-11-16 or 2026-11-16T03:00:00Z")
    return from_datetime(found)
