"""Reads objectives and prerequisites from delimited text: what each column is, and each row with its line.

A file holds objectives (one per row, with a column that lists the prerequisites), or edges (one prerequisite per row),
or both. Columns are recognised by their names, and --map names the others.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scripts.cli.exits import Usage
from scripts.importing.answers import LONGEST_ID_BYTES

FIELDS = {
    "id": ("objective_id", "objectiveid", "skill_id", "skill", "exercise_id", "exercise", "kc_id", "ucid", "id"),
    "name": (
        "pretty_display_name",
        "objective_name",
        "skill_name",
        "display_name",
        "content_pretty_name",
        "title",
        "name",
    ),
    "course_id": ("course_id", "courseid"),
    "course": ("course", "course_name", "area", "subject"),
    "lecture": ("lecture", "lecture_title", "topic", "unit", "chapter", "module"),
    "complexity": ("complexity",),
    "prerequisites": ("prerequisites", "prerequisite_ids", "prereqs", "requires"),
    "prerequisite": ("prerequisite_id", "prerequisiteid", "prerequisite", "prereq"),
    "strength": ("strength", "weight"),
}
"""Field -> the names of columns that mean it, the likeliest first."""
COMPLEXITIES = ("BASIC", "INTERMEDIATE", "ADVANCED")
NO_VALUE = ("", "n/a", "nan", "none", "null")
"""Texts that other programs write where there is no value, in any case of letters."""
DELIMITERS = ("\t", ";", "|", ",")
MOST_BYTES = 64 << 20
"""A hundred thousand objectives take about ten MiB."""
LONGEST_NAME = 2000

_SEPARATORS = re.compile(r"[,;|]")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class MalformedStructure(Usage):
    """Raised when a file of objectives breaks its format; names the file and the line, counted from 1."""

    def __init__(self, place: Place, fault: str) -> None:
        super().__init__(f"{place}: {fault}")


class Place(NamedTuple):
    """A line of a file."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}: line {self.line}"


class Prerequisite(NamedTuple):
    """An edge as written. strength: from above 0 to 1, None where the file has no such column."""

    place: Place
    objective_id: str
    prerequisite_id: str
    strength: float | None


class Described(NamedTuple):
    """What one row says of an objective; an empty text is one that the file leaves open."""

    place: Place
    id: str
    name: str
    course_id: str
    course: str
    lecture: str
    complexity: str
    prerequisites: Sequence[Prerequisite]


class StructureFile(NamedTuple):
    """One file: its columns by field as understood, and its rows. An edge's row describes nothing but the edge."""

    path: str
    columns: Mapping[str, str]
    rows: Sequence[Described]


def read_structure(path: str, columns: Mapping[str, str], encoding: str | None, separator: str | None) -> StructureFile:
    """Reads one file.

    Args:
        path: A regular file.
        columns: Field -> column, for what is not recognised by its name.
        encoding: None for UTF-8, or UTF-16 where the file begins with its mark.
        separator: What stands between the prerequisites of a cell; None for any of `,`, `;` and `|`.

    Raises:
        MalformedStructure: The file is not such a table.
        OSError: It cannot be read.
    """
    shown = os.fsdecode(path).encode("ascii", "backslashreplace").decode()
    lines = _text(path, shown, encoding).splitlines(keepends=True)
    if not lines or not lines[0].strip():
        raise MalformedStructure(Place(shown, 1), "the file has no header")
    delimiter = max(DELIMITERS, key=lambda each: (lines[0].count(each), each == ","))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        known = _recognised(Place(shown, 1), header, columns)
        place_of = {field: header.index(name) for field, name in known.items()}
        rows = list(_rows(reader, shown, len(header), place_of, separator))
    except csv.Error as error:
        raise MalformedStructure(Place(shown, reader.line_num or 1), str(error)) from None
    return StructureFile(shown, known, rows)


def _text(path: str, shown: str, encoding: str | None) -> str:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is not a regular file")
        octets = file.read(MOST_BYTES + 1)
    if len(octets) > MOST_BYTES:
        raise MalformedStructure(Place(shown, 1), f"the file has more than {MOST_BYTES >> 20} MiB")
    named = encoding or next((name for mark, name in _MARKS if octets.startswith(mark)), "utf-8")
    try:
        text = octets.decode(named)
    except UnicodeError as error:
        line = octets.count(b"\n", 0, getattr(error, "start", 0)) + 1
        said = f"is not valid {named.upper()}" + ("" if encoding else "; name another with --encoding")
        raise MalformedStructure(Place(shown, line), said) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise MalformedStructure(Place(shown, line), "holds a NUL character; if it is UTF-16, give --encoding")
    return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


def _recognised(place: Place, header: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Field -> column: the given ones first, then by name. A column is never used twice."""
    for name in {name for name in header if name and header.count(name) > 1}:
        raise MalformedStructure(place, f"the header names the column {name} twice")
    for field, column in given.items():
        if column not in header:
            raise MalformedStructure(place, f"--map {field}={column}: the header has no such column")
    found = dict(given)
    plain = {re.sub(r"[\s-]+", "_", name).lower(): name for name in header if name not in found.values()}
    for field, names in FIELDS.items():
        taken = next((plain[name] for name in names if name in plain), None)
        if field not in found and taken is not None and taken not in found.values():
            found[field] = taken
    if "id" not in found and found.get("name", "").lower() != "name" and "name" in plain:
        found["id"] = plain["name"]  # as on the maths site Junyi, where a name is the id and another column the title
    if "id" not in found:
        raise MalformedStructure(
            place, "no column holds the objectives' ids: call it objective_id, or name it with --map id=COLUMN"
        )
    if len(found) == 1:
        raise MalformedStructure(
            place, "beside the ids there is no column of names, courses or prerequisites: name one with --map"
        )
    return found


def _rows(
    reader: Iterable[Sequence[str]], path: str, width: int, place_of: Mapping[str, int], separator: str | None
) -> Iterator[Described]:
    before = 1
    for row in reader:
        # A quoted cell may hold line ends: a row is named by its first line.
        place, before = Place(path, before + 1), reader.line_num  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != width:
            raise MalformedStructure(place, f"{len(row)} fields where the header names {width}")
        yield _described(place, {field: _value(row[at]) for field, at in place_of.items()}, separator)


def _described(place: Place, cells: Mapping[str, str], separator: str | None) -> Described:
    identifier = _id(place, "the objective's id", cells["id"])
    strength = _strength(place, cells.get("strength", ""))
    named = [*_listed(place, cells.get("prerequisites", ""), separator), cells.get("prerequisite", "")]
    edges = [
        Prerequisite(place, identifier, _id(place, "a prerequisite's id", each), strength) for each in named if each
    ]
    complexity = cells.get("complexity", "").upper()
    if complexity and complexity not in COMPLEXITIES:
        raise MalformedStructure(place, f"the complexity {complexity[:40]!r} is not one of {', '.join(COMPLEXITIES)}")
    course_id = cells.get("course_id", "")
    return Described(
        place,
        identifier,
        _short(place, "the name", cells.get("name", ""), LONGEST_NAME),
        _id(place, "the course's id", course_id) if course_id else "",
        _short(place, "the course", cells.get("course", ""), LONGEST_ID_BYTES // 2),
        _short(place, "the lecture", cells.get("lecture", ""), LONGEST_ID_BYTES // 2),
        complexity,
        edges,
    )


def _listed(place: Place, cell: str, separator: str | None) -> list[str]:
    if cell.startswith("["):
        try:
            listed = json.loads(cell)
        except (ValueError, RecursionError):
            listed = None
        if isinstance(listed, list) and all(isinstance(each, (str, int)) for each in listed):
            return [_value(str(each)) for each in listed]
    if separator is not None:
        return [_value(each) for each in cell.split(separator)]
    return [_value(each) for each in _SEPARATORS.split(cell)]


def _value(cell: str) -> str:
    stripped = cell.strip()
    return "" if stripped.lower() in NO_VALUE else stripped


def _strength(place: Place, text: str) -> float | None:
    if not text:
        return None
    try:
        strength = float(text)
    except ValueError:
        strength = -1.0
    if not 0 < strength <= 1:
        raise MalformedStructure(place, f"the strength is {text[:40]!r}, not a number above 0 and at most 1")
    return strength


def _id(place: Place, what: str, text: str) -> str:
    if not text:
        raise MalformedStructure(place, f"{what} is empty")
    return _short(place, what, text, LONGEST_ID_BYTES)


def _short(place: Place, what: str, text: str, most: int) -> str:
    if len(text.encode()) > most:
        raise MalformedStructure(place, f"{what} is longer than {most} bytes")
    return text
