"""The stored text of many instants: the text up to the minute is written once for all instants of that minute."""

from __future__ import annotations

from db.sql.instants import bounded, stored_text

MINUTE_MS = 60_000
MOST_MINUTES = 20_000


class InstantTexts:
    """A function from milliseconds since 1970 to the text of db/sql/instants.py's stored_text.

    zone: the end of each text, "" where the column has no zone.
    """

    __slots__ = ("_minutes", "_zone")

    def __init__(self, zone: str = "+00:00") -> None:
        self._zone = zone
        self._minutes: dict[int, str] = {}

    def __call__(self, instant_ms: int) -> str:
        """The text, such as 2025-03-01T12:34:56.789+00:00."""
        minute, rest = divmod(int(instant_ms), MINUTE_MS)
        start = self._minutes.get(minute)
        if start is None:
            if instant_ms != bounded(instant_ms):
                return stored_text(instant_ms)[:23] + self._zone
            if len(self._minutes) >= MOST_MINUTES:
                self._minutes.clear()
            start = self._minutes[minute] = stored_text(minute * MINUTE_MS)[:17]
        second, millisecond = divmod(rest, 1000)
        return f"{start}{second:02}.{millisecond:03}{self._zone}"
