"""Review logs of spaced repetition: the CSV layouts of FSRS, and Anki's own collection read as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.importing.answers import MalformedLog
from scripts.importing.formats.format import Format, first_present, has, merged, stem
from scripts.importing.mapping import Mapping, Wishes
from scripts.importing.reading.sheet import Row, Sheet
from scripts.importing.values import DAY_MS, number

REVIEW_TIME, DELTA, ANKI_COLUMNS = (
    "review_time",
    "delta_t",
    ("learner", "card_id", "review_time", "ease", "time", "deck", "tags", "notetype"),
)
ALL_CARDS = "cards"
_LEARNER, _INSTANT = "(learner)", "(instant)"
_BETWEEN_REVIEWS_MS = 10_000


def _fsrs(columns: Sequence[str]) -> Mapping:
    return Mapping(
        merged(
            {
                "user_id": first_present(columns, "user_id", _LEARNER),
                "item_id": "card_id",
                "timestamp": first_present(columns, REVIEW_TIME, _INSTANT),
                "rating": first_present(columns, "review_rating", "rating"),
                "skill_id": first_present(columns, "deck_id", "preset_id", "(cards)"),
                "time_spent_ms": first_present(columns, "review_duration", "duration"),
            }
        ),
        time_unit="ms",
    )


def _with_learner(sheet: Sheet, wishes: Wishes) -> Sheet:
    """The reviews with the learner that the file's name gives, a date where it counts days, and without resets."""
    learner = wishes.learner or _learner_of(sheet.file)
    rated = sheet.place(first_present(sheet.columns, "review_rating", "rating") or "rating")
    columns = (*sheet.columns, _LEARNER, _INSTANT, "(cards)")
    if REVIEW_TIME in sheet.columns:
        instants: Iterator[tuple[Row, str]] = ((row, row[1][sheet.place(REVIEW_TIME)]) for row in sheet.rows)
    elif "day_offset" in sheet.columns:
        instants = _by_day(sheet, sheet.place("day_offset"))
    else:
        instants = _by_gap(sheet)

    def reviews() -> Iterator[Row]:
        for (line, values), instant in instants:
            # Ratings of 0 are cards set back by hand, which nobody answered.
            if values[rated].strip() not in ("0", "0.0"):
                yield line, [*values, learner, instant, ALL_CARDS]

    return sheet._replace(columns=columns, rows=reviews())


def _learner_of(file: str) -> str:
    return stem(file) if stem(file) not in ("revlog", "review_logs", "reviews", "data") else "learner"


def _by_day(sheet: Sheet, place: int) -> Iterator[tuple[Row, str]]:
    """Rows in the order of the file, ten seconds apart within a day."""
    nth, day_before = 0, None
    for row in sheet.rows:
        day = number(row[1][place])
        if day is None or day < 0 or day >= 36_500:
            raise MalformedLog(row[0], f"day_offset is {row[1][place][:40]!r}, not a number of days", sheet.unit)
        nth = nth + 1 if day == day_before else 0
        day_before = day
        yield row, str(int(day) * DAY_MS + nth * _BETWEEN_REVIEWS_MS)


def _by_gap(sheet: Sheet) -> Iterator[tuple[Row, str]]:
    """Rows that are numbered (review_th) and know the days since the same card's review before (delta_t).

    The latest day known so far is the day of a card's first review.
    """
    th, gap, card = (sheet.place(name) for name in ("review_th", DELTA, "card_id"))
    last_day: dict[str, int] = {}
    today, nth = 0, 0
    for row in _in_order(sheet, th):
        line, values = row
        days = number(values[gap])
        if days is None or days < -1 or days >= 36_500:
            raise MalformedLog(line, f"delta_t is {values[gap][:40]!r}, not a number of days", sheet.unit)
        before = last_day.get(values[card])
        day = today if before is None or days < 0 else max(today, before + int(days))
        nth = nth + 1 if day == today else 0
        today = last_day[values[card]] = day
        yield row, str(day * DAY_MS + nth * _BETWEEN_REVIEWS_MS)


def _in_order(sheet: Sheet, place: int) -> list[Row]:
    """One learner's rows by their number; the files that are known are sorted by card."""
    numbered = []
    for row in sheet.rows:
        nth = number(row[1][place])
        if nth is None:
            raise MalformedLog(row[0], f"review_th is {row[1][place][:40]!r}, not a number", sheet.unit)
        numbered.append((nth, row))
    numbered.sort(key=lambda each: each[0])
    return [row for _, row in numbered]


def _anki(_columns: Sequence[str]) -> Mapping:
    return Mapping(
        merged(
            {
                "user_id": "learner",
                "item_id": "card_id",
                "timestamp": "review_time",
                "rating": "ease",
                "skill_id": "deck",
                "time_spent_ms": "time",
            }
        ),
        time_unit="ms",
        skill_separator="",
    )


def _knows_fsrs(columns: Sequence[str]) -> bool:
    return "card_id" in columns and (
        has("review_rating", REVIEW_TIME)(columns)
        or has("rating", "review_th", DELTA)(columns)
        or has("rating", "day_offset")(columns)
    )


FSRS = Format("fsrs", "FSRS review log", _knows_fsrs, _fsrs, _with_learner)
ANKI = Format("anki", "Anki collection", lambda columns: tuple(columns) == ANKI_COLUMNS, _anki)
