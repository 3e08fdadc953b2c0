"""The stored text of many instants: a day's date is written once, and its time of day by arithmetic."""

from __future__ import annotations

from db.sql.instants import bounded, stored_text

DAY_MS = 86_400_000
MOST_DAYS = 10_000


class InstantTexts:
    """A function from milliseconds since 1970 to the text of db/sql/instants.py's stored_text.

    zone: the end of each text, "" where the column has no zone.
    """

    __slots__ = ("_dates", "_zone")

    def __init__(self, zone: str = "+00:00") -> None:
        self._zone = zone
        self._dates: dict[int, str] = {}

    def __call__(self, instant_ms: int) -> str:
        """The text, such as 2025-03-01T12:34:56.789+00:00."""
        day, rest = divmod(bounded(int(instant_ms)), DAY_MS)
        date = self._dates.get(day)
        if date is None:
            if len(self._dates) >= MOST_DAYS:
                self._dates.clear()
            date = self._dates[day] = stored_text(day * DAY_MS)[:11]
        seconds, milliseconds = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        return f"{date}{hour:02}:{minute:02}:{second:02}.{milliseconds:03}{self._zone}"
