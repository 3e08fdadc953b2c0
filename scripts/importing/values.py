"""What the values of a log mean: instants, right and wrong, ratings and response times, each from its text.

Every function raises ValueError with a sentence for what it does not understand: nothing is guessed row by row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from scripts.importing.answers import END_OF_TIME_S, LONGEST_TIME_MS, RATINGS, START_OF_COUNT_MS, shown
from scripts.importing.reading.sheet import is_absent

DAY_MS = 86_400_000
COUNTED_FROM_START_BELOW_MS = 3650 * DAY_MS  # ten years
FIRST_EPOCH_MS, LAST_EPOCH_MS = 315_360_000_000, 4_102_444_800_000
"""1979-12-30 and 2100: numbers between them, in some unit, are taken for an epoch's."""
EXCEL_START_MS = -2_209_161_600_000  # 1899-12-30T00:00:00Z, from which Excel's serial numbers count days
MS_OF_UNIT = {
    "ns": Decimal("0.000001"),
    "us": Decimal("0.001"),
    "ms": Decimal(1),
    "s": Decimal(1000),
    "min": Decimal(60_000),
    "h": Decimal(3_600_000),
    "d": Decimal(DAY_MS),
    "excel": Decimal(DAY_MS),
}
ORDER = "order"
TIME_UNITS = (*MS_OF_UNIT, ORDER)
NAMES_OF_UNITS = {
    "ns": "nanoseconds",
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "excel": "Excel serials (days)",
    ORDER: "an order",
}

_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?", re.ASCII)
_WORDS_OF_ZONES = re.compile(r"\s*(UTC|GMT|Z)$")
_LONG_FORMATS = (
    "%d %B %Y %I:%M %p",
    "%d %B %Y, %I:%M %p",
    "%A, %d %B %Y, %I:%M %p",
    "%A, %d %B %Y %I:%M %p",
    "%d %B %Y %H:%M",
    "%d %b %Y %H:%M:%S",
    "%d %B %Y %I:%M:%S %p",
    "%B %d, %Y %I:%M %p",
    "%b %d, %Y %I:%M:%S %p",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
)
"""Forms that only one reading fits, unlike 03/04/2021; each names its month or begins with its year."""


def number(text: str) -> Decimal | None:
    """The number in a text, None where it holds none."""
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        return None
    try:
        return Decimal(stripped)
    except InvalidOperation:
        return None


class Clock(NamedTuple):
    """How the times of a log are read.

    Attributes:
        unit: One of TIME_UNITS for numbers; None for texts.
        zone: The zone of texts that name none.
        form: A form of datetime.strptime for texts; None for ISO 8601 and the forms of _LONG_FORMATS.
        bounds: The least and the greatest millisecond that numbers may give; None for no such bounds.
    """

    unit: str | None
    zone: tzinfo = timezone.utc
    form: str | None = None
    bounds: tuple[int, int] | None = None

    def reader(self) -> Callable[[str], int]:
        """A function from a text to milliseconds since 1970, or, for an order, to a number that sorts."""
        if self.unit is None:
            return self._of_text
        factor = MS_OF_UNIT.get(self.unit, Decimal(1000))
        unit, bounds = self.unit, self.bounds
        is_counted: bool | None = None

        def instant(text: str) -> int:
            nonlocal is_counted
            stripped = text.strip()
            value = Decimal(stripped) if stripped.isascii() and stripped.isdigit() else number(stripped)
            if value is None:
                dates = " (--map timestamp=COLUMN, without --time-unit, reads dates)" if bounds is None else ""
                raise ValueError(f"timestamp is {shown(text)}, not a number{dates}")
            # A serial is rounded: its fraction of a day rarely is a whole number of milliseconds.
            found = round(value * factor) if unit == "excel" else int(value * factor)
            if unit == ORDER:
                if abs(found) >= 1 << 62:
                    raise ValueError(f"timestamp {stripped[:40]} is too large for an order")
                return found
            if unit == "excel":
                found += EXCEL_START_MS
            else:
                counted = found < COUNTED_FROM_START_BELOW_MS
                if is_counted is None:
                    is_counted = counted
                elif counted != is_counted:
                    raise ValueError("its timestamp and the first row's do not count from the same start")
                found += START_OF_COUNT_MS if counted else 0
            if value < 0 or found >= END_OF_TIME_S * 1000:
                raise ValueError(f"timestamp {stripped[:40]} lies outside of the years that a database holds")
            if bounds is not None and not bounds[0] <= found <= bounds[1]:
                raise ValueError(
                    f"timestamp {stripped[:40]} does not fit the first rows,"
                    f" which are {NAMES_OF_UNITS[unit]} since 1970"
                )
            return found

        return instant

    def _of_text(self, text: str) -> int:
        stripped = text.strip()
        moment: datetime | None = None
        if self.form is not None:
            try:
                moment = datetime.strptime(stripped, self.form)
            except ValueError:
                raise ValueError(f"timestamp is {shown(text)}, not of the form {self.form}") from None
        else:
            moment = _iso(stripped)
            if moment is None:
                raise ValueError(
                    f"timestamp is {shown(text)}, not a date that has one reading (--time-format gives its form)"
                )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        found = (moment - _EPOCH) // timedelta(milliseconds=1)
        if not 0 <= found < END_OF_TIME_S * 1000:
            raise ValueError(f"timestamp is {shown(text)}, which lies before 1970 or after 9999")
        return found


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _iso(text: str) -> datetime | None:
    if text.isdigit() or "W" in text:
        return None
    plain = _WORDS_OF_ZONES.sub("+00:00", text)
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        pass
    squeezed = " ".join(text.split())
    for form in _LONG_FORMATS:
        try:
            return datetime.strptime(squeezed, form)
        except ValueError:
            continue
    return None


def judged(texts: Iterable[str], zone: tzinfo, form: str | None) -> Clock:
    """The one reading of a foreign log's times. Raises ValueError where there is none, or more than one.

    texts: the times of its first rows.
    """
    present = [text for text in texts if not is_absent(text)]
    if not present:
        raise ValueError("no row has a time: leave timestamp out of --map for a log that gives only the order")
    numbers = [value for text in present if (value := number(text)) is not None]
    if form is not None or not numbers:
        return Clock(None, zone, form)
    if len(numbers) < len(present):
        raise ValueError("some times are numbers and some are texts: name the unit with --time-unit")
    low, high = min(numbers), max(numbers)
    if low == high == 0:
        return Clock(ORDER)
    for unit in ("s", "ms", "us", "ns"):
        factor = MS_OF_UNIT[unit]
        if low * factor >= FIRST_EPOCH_MS and high * factor <= LAST_EPOCH_MS:
            return Clock(unit, bounds=(FIRST_EPOCH_MS, LAST_EPOCH_MS))
    raise ValueError(
        f"the times run from {low} to {high}, which may be {', '.join(_readings(low, high))}:"
        " say which with --time-unit (s, ms, min, h, d, excel or order)"
    )


def _readings(low: Decimal, high: Decimal) -> Sequence[str]:
    span = high - low
    found = [f"seconds from a start ({span_in_words(int(span * 1000))})", f"milliseconds ({span_in_words(int(span))})"]
    if high < 100_000:
        found.append(f"days ({span_in_words(int(span * DAY_MS))})")
    if low >= 20_000 and high < 80_000:
        found.append(f"Excel serials ({excel_date(low)} to {excel_date(high)})")
    return [*found, "an order"]


def excel_date(serial: Decimal | float) -> str:
    """The date of an Excel serial."""
    return (datetime(1899, 12, 30) + timedelta(days=int(serial))).date().isoformat()


def span_in_words(milliseconds: int) -> str:
    """How long a time is, in the largest unit that fits, such as "33 hours"."""
    for name, unit in (("years", 365 * DAY_MS), ("days", DAY_MS), ("hours", 3_600_000), ("minutes", 60_000)):
        if milliseconds >= 2 * unit:
            return f"{milliseconds / unit:,.0f} {name}"
    return f"{milliseconds / 1000:,.3g} seconds"


_RIGHT = frozenset(("1", "true", "t", "yes", "y", "correct", "right", "passed", "ok"))
_WRONG = frozenset(("0", "false", "f", "no", "n", "incorrect", "wrong", "hint", "failed"))


class Credit(NamedTuple):
    """Whether an answer is right, and its rating where it is more than right or wrong."""

    correct: bool
    rating: str | None = None


RIGHT, WRONG = Credit(True), Credit(False)


def credit(text: str) -> Credit:
    """The credit in a text: a word, 1 or 0, or a share between them, which becomes a rating.

    1 is GOOD, from a half it is HARD, below it is AGAIN.
    """
    word = text.strip().lower()
    if word in _RIGHT:
        return RIGHT
    if word in _WRONG:
        return WRONG
    share = number(word.replace(",", ".") if word[1:2] == "," else word)
    if share is None or not 0 <= share <= 1:
        raise ValueError(
            f"correct is {shown(text)}, not right or wrong, or a share from 0 to 1"
            " (--correct-values lists what is right)"
        )
    if share in (0, 1):
        return RIGHT if share == 1 else WRONG
    return Credit(False, "HARD" if share >= Decimal("0.5") else "AGAIN")


def credit_among(right: Iterable[str]) -> Callable[[str], Credit]:
    """A function that takes the listed values for right and every other one for wrong."""
    listed = {_normal(value) for value in right}
    return lambda text: RIGHT if _normal(text) in listed else WRONG


def _normal(text: str) -> str:
    value = number(text)
    return text.strip().lower() if value is None else str(value.normalize())


_RATING_OF = {
    **{name.lower(): name for name in RATINGS},
    **{str(place): name for place, name in enumerate(RATINGS, 1)},
    **{f"{place}.0": name for place, name in enumerate(RATINGS, 1)},
}


def rating(text: str) -> str:
    """The rating in a text: a name or 1 to 4."""
    found = _RATING_OF.get(text.strip().lower())
    if found is None:
        raise ValueError(f"rating is {shown(text)}, not AGAIN, HARD, GOOD or EASY, or 1 to 4")
    return found


def spent(text: str, unit: str) -> int | None:
    """The response time in milliseconds, at most a day; None for what is no time.

    unit: one of MS_OF_UNIT, or "iso" for texts such as PT12.5S.
    """
    if unit == "iso":
        return _iso_duration(text)
    value = number(text)
    if value is None or value < 0:
        return None
    return min(int(value * MS_OF_UNIT[unit]), LONGEST_TIME_MS)


_DURATION = re.compile(
    r"P(?:([0-9.]{1,12})D)?(?:T(?:([0-9.]{1,12})H)?(?:([0-9.]{1,12})M)?(?:([0-9.]{1,12})S)?)?", re.ASCII
)


def _iso_duration(text: str) -> int | None:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    units = (Decimal(DAY_MS), Decimal(3_600_000), Decimal(60_000), Decimal(1000))
    parts = [number(part) for part in found.groups(default="0")]
    if None in parts:
        return None
    total = sum((part * unit for part, unit in zip(parts, units) if part is not None), Decimal(0))
    return min(int(total), LONGEST_TIME_MS)
