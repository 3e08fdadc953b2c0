"""JSON: one object per line, or one array of objects, alone or under a key such as xAPI's "statements"."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from scripts.importing.answers import MalformedLog
from scripts.importing.reading.sheet import SAMPLE_ROWS, Sheet

AT_ONCE = 1 << 16
LONGEST_RECORD = 1 << 24
LIST_SEPARATOR = ";"
DEEPEST = 8

Record = dict[str, Any]


def json_sheet(file: str, text: io.TextIOWrapper, told: dict[str, int]) -> Sheet:
    """The sheet of the records, their columns named as in `result.score.scaled`. Raises MalformedLog."""
    records = json_records(text)
    sample = [(number, flat(record)) for number, record in islice(records, SAMPLE_ROWS)]
    columns = list(dict.fromkeys(name for _, values in sample for name in values))
    if not columns:
        raise MalformedLog(1, "no JSON object was found", "record")
    every = chain(sample, ((number, flat(record)) for number, record in records))
    rows = ((number, [values.get(name, "") for name in columns]) for number, values in every)
    return Sheet(file, tuple(columns), rows, "record", told)


def json_records(text: io.TextIOWrapper) -> Iterator[tuple[int, Record]]:
    """Each object with its number, counted from 1. Raises MalformedLog where the text is not such JSON."""
    decoder = json.JSONDecoder()
    buffer, number, ended = "", 0, False
    is_inside = False
    while True:
        buffer = buffer.lstrip(" \t\r\n,\ufeff")
        if is_inside and buffer.startswith("]"):
            return  # what follows a list, such as xAPI's "more", is no record
        if not is_inside and buffer.startswith("["):
            buffer, is_inside = buffer[1:], True
            continue
        if not is_inside and number == 0 and (opening := _opening_of_list(buffer)):
            buffer, is_inside = buffer[opening:], True
            continue
        try:
            found, end = decoder.raw_decode(buffer)
            if end == len(buffer) and not ended:
                raise json.JSONDecodeError("more may follow", buffer, end)
        except (json.JSONDecodeError, RecursionError, ValueError) as error:
            if not ended:
                if len(buffer) > LONGEST_RECORD:
                    raise MalformedLog(number + 1, f"longer than {LONGEST_RECORD} characters", "record") from None
                more = _more(text, number, max(AT_ONCE, len(buffer)))
                ended = not more
                buffer += more
                continue
            if not buffer and not is_inside:
                return
            raise MalformedLog(number + 1, f"is not JSON ({_first_line(error)})", "record") from None
        number += 1
        if not isinstance(found, dict):
            raise MalformedLog(number, "is no JSON object", "record")
        buffer = buffer[end:]
        yield number, found


def _opening_of_list(buffer: str) -> int:
    """How many characters lead into the list of an object that has one as its first member; 0 where none has."""
    if not buffer.startswith("{"):
        return 0
    head = buffer[:200].split("[", 1)
    words = "".join(head[0].split()) if len(head) == 2 else ""
    return len(head[0]) + 1 if words in _LISTS else 0


_LISTS = frozenset(f'{{"{name}":' for name in ("statements", "data", "results", "records", "items", "reviews"))


def _more(text: io.TextIOWrapper, number: int, size: int) -> str:
    try:
        return text.read(size)
    except UnicodeError as error:
        raise MalformedLog(number + 1, f"cannot be decoded ({error})", "record") from None


def _first_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "its lists or objects are nested too deeply"
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def flat(record: Record, prefix: str = "", depth: int = 0) -> dict[str, str]:
    """The values by their paths; the members of a list of plain values are joined by a semicolon."""
    values: dict[str, str] = {}
    for name, value in record.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            if depth < DEEPEST:
                values |= flat(value, path + ".", depth + 1)
        elif isinstance(value, list):
            plain = [written(each) for each in value if not isinstance(each, (dict, list))]
            values[path] = LIST_SEPARATOR.join(plain)
            if depth < DEEPEST and value and isinstance(value[0], dict):
                values |= flat(value[0], path + ".0.", depth + 1)
        else:
            values[path] = written(value)
    return values


def written(value: object) -> str:
    """A plain value as a text table would have it; whole numbers have no fraction."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    text = str(value).replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()  # half a pair of surrogates is no text
