"""Text tables: CSV and its relatives, with any of tab, comma, semicolon and bar between the values.

The csv module of the standard library reads them: it is as fast as pyarrow where Python takes the rows, and it knows
the line of each of them, which a message about a malformed row must name.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import IO

from scripts.importing.answers import MOST_EMPTY_LINES, MalformedLog
from scripts.importing.reading.sheet import Row, Sheet

DELIMITERS = "\t,;|"
LONGEST_HEADER_BYTES = 1 << 16
LONGEST_LINE = 1 << 24
"""Characters: pyKT's files hold all answers of a learner in one line."""
AS_LATIN_1 = "characters are not valid UTF-8 and were read as Latin-1 (--encoding names the encoding)"
SWALLOWED = "lines inside quotation marks look like rows of their own, and were read as a part of a cell"
_FALLBACK = "struggle-latin-1"
_END = "\0end"
"""A line after the last. Where it is no row by itself, a quotation mark is not closed. No other line holds a NUL."""


def decoded(stream: IO[bytes], encoding: str | None, told: dict[str, int]) -> io.TextIOWrapper:
    """The text of a stream: in the encoding, in that of its first bytes, or in UTF-8 with Latin-1 for stray bytes."""
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[type-var]
    if encoding is not None:
        return io.TextIOWrapper(buffered, encoding=_without_mark(encoding), newline="")
    first = buffered.peek(4096)[:4096]
    for mark, named in _MARKS:
        if first.startswith(mark):
            return io.TextIOWrapper(buffered, encoding=named, newline="")
    if first[1:2] == b"\0" or first[:1] == b"\0":
        return io.TextIOWrapper(buffered, encoding="utf-16-le" if first[1:2] == b"\0" else "utf-16-be", newline="")

    def fall_back(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        told[AS_LATIN_1] = told.get(AS_LATIN_1, 0) + error.end - error.start
        return error.object[error.start : error.end].decode("latin-1"), error.end

    codecs.register_error(_FALLBACK, fall_back)
    return io.TextIOWrapper(buffered, encoding="utf-8", errors=_FALLBACK, newline="")


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _without_mark(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def text_sheet(
    file: str, text: io.TextIOWrapper, told: dict[str, int], has_header: bool, knows: Callable[[Sequence[str]], bool]
) -> Sheet:
    """The sheet in a text. knows: whether columns are those of a known format, which decides between delimiters.

    Raises MalformedLog for what no delimiter makes a table.
    """
    lines = _lines(text)
    first = next(lines, "")
    while first and not first.strip():
        first = next(lines, "")
    if not first:
        raise MalformedLog(1, "the file is empty")
    if len(first) >= LONGEST_HEADER_BYTES and has_header:
        raise MalformedLog(1, f"longer than {LONGEST_HEADER_BYTES} bytes")
    delimiter, columns = _columns(first, has_header, knows)
    reader = _reader(chain(lines if has_header else _again(first, lines), [_END]), delimiter)
    rows = _rows(reader, len(columns), delimiter, 1 if has_header else 0, told)
    return Sheet(file, tuple(columns), rows, "line", told)


def _columns(first: str, has_header: bool, knows: Callable[[Sequence[str]], bool]) -> tuple[str, list[str]]:
    cut: dict[str, list[str]] = {}
    for delimiter in DELIMITERS:
        try:
            row = next(_reader([first], delimiter), [])
        except csv.Error:
            continue
        cut[delimiter] = [_unquoted(value).strip() for value in row]
    if not cut:
        raise MalformedLog(1, "the header cannot be cut into columns")
    if not has_header:
        delimiter = max(cut, key=lambda each: len(cut[each]))
        return delimiter, [str(place + 1) for place in range(len(cut[delimiter]))]
    known = [delimiter for delimiter, columns in cut.items() if knows(columns)]
    delimiter = known[0] if known else max(cut, key=lambda each: len(cut[each]))
    return delimiter, cut[delimiter]


def _reader(lines: Iterator[str] | list[str], delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_LINE)
    # Between tabs, quotes are mostly part of a text: DataShop's step names hold single ones.
    if delimiter == "\t":
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter)


def _rows(reader: Iterator[list[str]], width: int, delimiter: str, before: int, told: dict[str, int]) -> Iterator[Row]:
    is_tabbed = delimiter == "\t"
    number = before
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise MalformedLog(_number_of(reader, before) or number, str(error)) from None
        except UnicodeError as error:
            raise MalformedLog(_number_of(reader, before) + 1, f"cannot be decoded ({error})") from None
        if row is None or row == [_END]:
            return
        if row and row[-1].endswith(_END):
            raise MalformedLog(number + 1, "a quotation mark is opened in this row, and is not closed")
        above, number = number, _number_of(reader, before)
        if number > above + 1 and width > 2 and (swallowed := _swallowed(row, width, delimiter)):
            told[SWALLOWED] = told.get(SWALLOWED, 0) + swallowed
        if not row:
            continue
        if len(row) != width:
            if len(row) == width + 1 and not row[-1]:
                row = row[:-1]
            elif len(row) == 1 and not row[0].strip():
                continue
            else:
                raise MalformedLog(number, f"{len(row)} fields where the header names {width}")
        yield number, [_unquoted(value) for value in row] if is_tabbed else row


def _swallowed(row: list[str], width: int, delimiter: str) -> int:
    """How many lines inside the cells of a row have as many fields as a row has."""
    inner = (line for cell in row if "\n" in cell for line in cell.splitlines()[1:])
    return sum(line.count(delimiter) == width - 1 for line in inner)


def _number_of(reader: Iterator[list[str]], before: int) -> int:
    return int(getattr(reader, "line_num", 0)) + before


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == '"' and value[-1] == '"':
        return value[1:-1].replace('""', '"')
    return value


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    number = empty = 0
    while True:
        number += 1
        try:
            line = text.readline(LONGEST_LINE)
        except UnicodeError as error:
            raise MalformedLog(number, f"cannot be decoded ({error})") from None
        empty = 0 if len(line) > 2 else empty + 1
        if empty > MOST_EMPTY_LINES:
            raise MalformedLog(number, f"more than {MOST_EMPTY_LINES:,} empty lines in a row")
        if not line:
            return
        if len(line) >= LONGEST_LINE:
            raise MalformedLog(number, f"longer than {LONGEST_LINE} characters")
        if "\0" in line:
            raise MalformedLog(number, "holds a NUL character")
        yield line


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
