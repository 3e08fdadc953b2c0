"""Answer logs: one answer per row, tab-separated or CSV, plain or gzip, read strictly and with line numbers.

Columns, in any order and beside any others: `user_id item_id timestamp correct skill_id [kind] [rating]
[time_spent_ms]`.

- timestamp: seconds. Below 315360000 (ten years) they count from 2000-01-01, because logs without dates count from
  their start; larger values are epoch seconds. A log whose timestamps are all 0 gives only an order: its answers get
  times ten minutes apart per learner, so that the one-hour rule for a visit means at most five others in between.
- correct: 1 or 0. kind: practice (also when empty or absent), posttest, or study, which answers nothing.
- rating: AGAIN, HARD, GOOD or EASY, which is then stored as it is. time_spent_ms: how long the answer took. Either may
  be empty.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from typing import IO

from scripts.importing.answers import (
    END_OF_TIME_S,
    KINDS,
    LONGEST_ID_BYTES,
    LONGEST_TIME_MS,
    MOST_EMPTY_LINES,
    PRACTICE,
    RATINGS,
    START_OF_COUNT_MS,
    STUDY,
    LoggedAnswer,
    MalformedLog,
    shown,
)
from scripts.importing.reading.containers import stream_of
from scripts.importing.staging import StagedLog

REQUIRED_COLUMNS = ("user_id", "item_id", "timestamp", "correct", "skill_id")
OPTIONAL_COLUMNS = ("kind", "rating", "time_spent_ms")
COUNTED_FROM_START_BELOW_MS = 315_360_000_000  # ten years

LONGEST_LINE_BYTES = 1 << 16

_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


def read_log(path: str) -> StagedLog:
    """Reads a log of the plain layout and sorts it. Raises MalformedLog, OSError, Unavailable."""
    log = StagedLog()
    try:
        with closing(stream_of(path)) as stream:
            add_plain(log, stream)
        log.sort()
    except BaseException:
        log.close()
        raise
    return log


def add_plain(log: StagedLog, stream: IO[bytes], progress: Callable[[int], object] = lambda answers: None) -> None:
    """Adds the answers of a stream of the plain layout. Raises MalformedLog, OSError, Unavailable."""
    dating = _Dating()
    log.add((dating.dated(answer) for answer in _answers(stream)), progress)
    log.order_only = dating.order_only


def is_plain(first: bytes) -> bool:
    """Whether the first line of a file, in bytes, is a header of the plain layout."""
    try:
        header = first.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        return False
    columns = header.split("\t") if "\t" in header else [name.strip('"') for name in header.split(",")]
    return set(REQUIRED_COLUMNS) <= set(columns)


def _lines(stream: IO[bytes], reached: list[int]) -> Iterator[str]:
    """Decoded lines; reached[0] is the number of the last line read."""
    empty = 0
    for number in count(1):
        raw = stream.readline(LONGEST_LINE_BYTES)
        empty = 0 if len(raw) > 2 else empty + 1
        if empty > MOST_EMPTY_LINES:
            raise MalformedLog(number, f"more than {MOST_EMPTY_LINES:,} empty lines in a row")
        if not raw:
            return
        reached[0] = number
        if len(raw) == LONGEST_LINE_BYTES and not raw.endswith(b"\n"):
            raise MalformedLog(number, f"longer than {LONGEST_LINE_BYTES} bytes")
        if b"\0" in raw:
            raise MalformedLog(number, "holds a NUL character")
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise MalformedLog(number, "is not valid UTF-8") from None


def _answers(stream: IO[bytes]) -> Iterator[LoggedAnswer]:
    reached = [1]
    lines = _lines(stream, reached)
    header = next(lines, None)
    if header is None:
        raise MalformedLog(1, "the file is empty")
    tabbed = "\t" in header
    # Quotes mean something in CSV only; in a tab-separated log they are part of an id.
    dialect = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabbed else {"delimiter": ",", "strict": True}
    try:
        columns = next(csv.reader([header], **dialect))  # type: ignore[arg-type]
        place = _places(columns)
        rows = csv.reader(lines, **dialect)  # type: ignore[arg-type]
        for row in rows:
            if row:
                if len(row) != len(columns):
                    raise MalformedLog(reached[0], f"{len(row)} fields where the header names {len(columns)}")
                yield _answer(reached[0], row, place)
    except csv.Error as error:
        fault = str(error).replace("unexpected end of data", "a quotation mark before the end is not closed")
        raise MalformedLog(reached[0], fault) from None


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Where each column stands. Raises MalformedLog when one is missing or named twice."""
    for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS):
        if columns.count(name) > 1:
            raise MalformedLog(1, f"the header names the column {name} twice")
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise MalformedLog(1, f"the header lacks {', '.join(missing)}")
    return {name: columns.index(name) for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in columns}


def _answer(line: int, row: Sequence[str], place: dict[str, int]) -> LoggedAnswer:
    kind = (row[place["kind"]] if "kind" in place else "") or PRACTICE
    if kind not in KINDS:
        raise MalformedLog(line, f"kind is {shown(kind)}, not one of {', '.join(KINDS)}")
    correct = row[place["correct"]]
    if correct not in ("0", "1") and kind != STUDY:
        raise MalformedLog(line, f"correct is {shown(correct)}, not 0 or 1 (--map correct=correct reads words)")
    rating = (row[place["rating"]] if "rating" in place else "") or None
    if rating is not None and rating not in RATINGS:
        raise MalformedLog(line, f"rating is {shown(rating)}, not one of {', '.join(RATINGS)}")
    return LoggedAnswer(
        line,
        _id(line, "user_id", row[place["user_id"]]),
        _id(line, "item_id", row[place["item_id"]]),
        _id(line, "skill_id", row[place["skill_id"]]),
        _milliseconds(line, row[place["timestamp"]]),
        None if kind == STUDY else correct == "1",
        kind,
        rating,
        _spent_ms(line, row[place["time_spent_ms"]]) if "time_spent_ms" in place else 0,
    )


def _id(line: int, column: str, text: str) -> str:
    if not text:
        raise MalformedLog(line, f"{column} is empty")
    if len(text) > LONGEST_ID_BYTES or len(text.encode()) > LONGEST_ID_BYTES:
        raise MalformedLog(line, f"{column} is longer than {LONGEST_ID_BYTES} bytes")
    return text


def _spent_ms(line: int, text: str) -> int:
    if text and not _SECONDS.fullmatch(text):
        raise MalformedLog(line, f"time_spent_ms is {shown(text)}, not a number of milliseconds")
    spent_ms = int(text.partition(".")[0] or 0)
    return spent_ms if spent_ms <= LONGEST_TIME_MS else 0


def _milliseconds(line: int, text: str) -> int:
    if len(text) <= 11 and text.isdigit() and text.isascii():
        return int(text) * 1000
    if not _SECONDS.fullmatch(text):
        raise MalformedLog(
            line, f"timestamp is {shown(text)}, not a number of seconds (--map timestamp=timestamp reads dates)"
        )
    whole, _, fraction = text.partition(".")
    seconds = int(whole)
    if seconds >= END_OF_TIME_S:
        raise MalformedLog(line, f"timestamp {text} lies beyond the year 9999: are these milliseconds?")
    return seconds * 1000 + int(fraction[:3].ljust(3, "0"))


class _Dating:
    """Turns each answer's seconds, kept as read so far, into an instant. order_only: whether all of them are 0."""

    def __init__(self) -> None:
        self.order_only = True
        self._counted: bool | None = None

    def dated(self, answer: LoggedAnswer) -> LoggedAnswer:
        counted = answer.at_ms < COUNTED_FROM_START_BELOW_MS
        if self._counted is None:
            self._counted = counted
        if counted != self._counted:
            # Read each by its own rule, a lone 0 for "unknown" among epoch seconds would become the year 2000.
            raise MalformedLog(answer.line, "its timestamp and the first row's do not count from the same start")
        self.order_only = self.order_only and answer.at_ms == 0
        return answer._replace(at_ms=START_OF_COUNT_MS + answer.at_ms) if counted else answer
