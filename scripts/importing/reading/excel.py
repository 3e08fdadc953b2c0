"""The first sheet of an Excel file (.xlsx), by openpyxl, row by row."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from scripts.importing.answers import MalformedLog
from scripts.importing.reading.json_records import written
from scripts.importing.reading.sheet import Row, Sheet

_DAMAGES = (
    BadZipFile,
    KeyError,
    ValueError,
    TypeError,
    OSError,
    EOFError,
    ParseError,
    IndexError,
    AttributeError,
    zlib.error,
    RuntimeError,
    NotImplementedError,
)


def excel_sheet(file: str, path: str, has_header: bool) -> Sheet:
    """The sheet. Raises MalformedLog, ModuleNotFoundError."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        first = book.worksheets[0]
        rows = _rows(first.iter_rows(values_only=True))
        number, header = next(rows, (1, []))
    except _DAMAGES as error:
        raise _damaged(error) from None
    told = {f"sheets after the first, {first.title!r}, were not read": len(book.worksheets) - 1}
    columns = list(header)
    while columns and not columns[-1]:
        columns.pop()
    if not columns:
        raise MalformedLog(number, "the first sheet is empty", "record")
    if not has_header:
        return Sheet(
            file,
            tuple(str(place + 1) for place in range(len(columns))),
            _cut(_with(number, columns, rows), len(columns)),
            "record",
            told,
        )
    return Sheet(file, tuple(name.strip() for name in columns), _cut(rows, len(columns)), "record", told)


def _rows(found: Iterator[tuple[Any, ...]]) -> Iterator[Row]:
    number = 0
    while True:
        try:
            row = next(found, None)
        except _DAMAGES as error:
            raise _damaged(error) from None
        if row is None:
            return
        number += 1
        yield number, [written(value) for value in row]


def _with(number: int, first: list[str], rest: Iterator[Row]) -> Iterator[Row]:
    yield number, first
    yield from rest


def _cut(rows: Iterator[Row], width: int) -> Iterator[Row]:
    for number, values in rows:
        if any(values):
            yield number, [*values, *[""] * (width - len(values))][:width]


def _damaged(error: Exception) -> MalformedLog:
    return MalformedLog(1, f"the Excel file is damaged ({type(error).__name__}: {str(error)[:80]})", "record")
