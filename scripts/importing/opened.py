"""From a file of any kind to a log on disk: which format it has, what its columns mean, and its answers."""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import NamedTuple

from scripts.cli.exits import Usage
from scripts.importing.answer_log import LONGEST_LINE_BYTES, REQUIRED_COLUMNS, add_plain, is_plain
from scripts.importing.answers import MalformedLog
from scripts.importing.formats.exports import EDNET, PYKT_ROW, ednet_answers, pykt_text, questions_of
from scripts.importing.formats.format import Format, has
from scripts.importing.formats.known import FORMATS, PLAIN, format_of, is_known
from scripts.importing.mapped import MappedSheet
from scripts.importing.mapping import Mapping, Wishes, lacking, split_joins
from scripts.importing.reading.anki import anki_sheet, holds_a_collection
from scripts.importing.reading.columnar import arrow_sheet, parquet_sheet
from scripts.importing.reading.containers import (
    ARROW,
    PARQUET,
    SQLITE,
    UNPACKING_FAILS,
    ZIP,
    Member,
    check_is_text,
    members_of,
    opened,
    stream_of,
)
from scripts.importing.reading.excel import excel_sheet
from scripts.importing.reading.json_records import json_sheet
from scripts.importing.reading.sheet import Sheet, is_absent
from scripts.importing.reading.text import decoded, text_sheet
from scripts.importing.staging import StagedLog
from scripts.importing.values import NAMES_OF_UNITS

Progress = Callable[[int], object]
_QUESTIONS = ("question_id", "correct_answer", "tags")
_PLACES_OF_QUESTIONS = ("questions.csv", "contents/questions.csv", "../questions.csv", "../contents/questions.csv")


class Understood(NamedTuple):
    """How a file was understood.

    Attributes:
        format: The name of its format, or "table" for one that --map describes.
        title: The same for people.
        columns: Role -> its columns.
        times: What its times are, such as "seconds".
        judges_seconds: Whether the times were taken for seconds because the plain layout says so.
        expects_instants: Whether many answers at one instant are usual.
        counts: What was left out or changed on the way, and how often.
        told: What else people should know about how the file was read, and how often.
    """

    format: str
    title: str
    columns: dict[str, str]
    times: str
    judges_seconds: bool
    expects_instants: bool
    counts: Counter[str]
    told: dict[str, int]


def open_log(path: str, wishes: Wishes, log: StagedLog, progress: Progress = lambda answers: None) -> Understood:
    """Adds a file's answers to a log. Raises MalformedLog, Usage, OSError, Unavailable, ModuleNotFoundError."""
    if _is_plain_file(path, wishes):
        with closing(stream_of(path)) as stream:
            add_plain(log, stream, progress)
        times = "an order" if log.order_only else "seconds"
        columns = {name: name for name in REQUIRED_COLUMNS}
        return Understood(PLAIN.name, PLAIN.title, columns, times, True, False, Counter(), {})
    with ExitStack() as stack:
        return _add_sheets(_Sheets(path, wishes, stack), wishes, log, progress)


def _is_plain_file(path: str, wishes: Wishes) -> bool:
    if os.path.isdir(path) or wishes.format not in (None, PLAIN.name) or wishes.changes_the_plain_layout:
        return False
    with opened(path) as plain:
        if plain.read(4) == ZIP:
            return False
    with closing(stream_of(path)) as stream:
        first = stream.readline(LONGEST_LINE_BYTES)
    return is_plain(first) or (wishes.format == PLAIN.name and b"\0" not in first and first[:2] not in _WIDE)


_WIDE = (b"\xff\xfe", b"\xfe\xff")


def _add_sheets(sheets: _Sheets, wishes: Wishes, log: StagedLog, progress: Progress) -> Understood:
    chosen: Format | None = None
    mapped: MappedSheet | None = None
    told: Counter[str] = Counter()
    others = 0
    for sheet in sheets:
        if mapped is None:
            chosen = _format_of(sheet, wishes)
        elif not (chosen or _of_map(mapped.mapping)).knows(sheet.columns):
            others += 1
            continue
        prepared = chosen.prepared(sheet, wishes) if chosen is not None else sheet
        if mapped is None:
            mapped = MappedSheet(_mapping(chosen, prepared, wishes))
        log.add(mapped.answers(prepared), progress)
        usual = chosen.usual if chosen is not None else ()
        told.update({said: times for said, times in sheet.told.items() if times and said not in usual})
    if mapped is None or mapped.clock is None:
        raise MalformedLog(1, "there is no file with rows in it")
    if others:
        told["files have other columns and were not read"] = others
    log.order_only, log.is_numbered = mapped.order_only, mapped.orders_answers
    unit = mapped.clock.unit
    times = NAMES_OF_UNITS["order" if mapped.order_only else unit] if unit is not None else "dates"
    judges = chosen is PLAIN and wishes.time_unit is None
    name, title = (chosen.name, chosen.title) if chosen is not None else ("table", "table read by --map")
    return Understood(
        name, title, mapped.mapping.told(), times, judges, mapped.mapping.expects_instants, mapped.counts, dict(told)
    )


def _of_map(mapping: Mapping) -> Format:
    needed = {name for names in mapping.columns.values() for name in names if not name.startswith("=")}
    return Format("table", "table", has(*needed), lambda _columns: mapping)


def _format_of(sheet: Sheet, wishes: Wishes) -> Format | None:
    """The format of a sheet; None where --map says all that is needed. Raises Usage."""
    columns = sheet.columns
    if wishes.format is not None:
        chosen = FORMATS[wishes.format]
        if not chosen.knows(columns):
            raise Usage(f"--format {chosen.name}: these are not its columns: {_listed(columns)}.")
        return chosen
    complete = not lacking(wishes.columns)
    found = None if complete else format_of(columns)
    if found is None and not complete:
        absent = [name for name in REQUIRED_COLUMNS if name not in columns]
        first = f"line 1: the header lacks {', '.join(absent)}" if sheet.unit == "line" else "the format is not known"
        missing = f"; --map lacks {', '.join(lacking(wishes.columns))}" if wishes.columns else ""
        raise Usage(
            f"{first}; its columns are {_listed(columns)}. Say which is which, for example"
            " --map user_id=COLUMN,item_id=COLUMN,timestamp=COLUMN,correct=COLUMN,skill_id=COLUMN"
            f"{missing}."
        )
    return found


def _mapping(chosen: Format | None, sheet: Sheet, wishes: Wishes) -> Mapping:
    wishes = wishes._replace(columns=split_joins(wishes.columns, sheet))
    return wishes.applied(chosen.mapping(sheet.columns) if chosen is not None else Mapping({}))


def _listed(columns: tuple[str, ...]) -> str:
    listed = ", ".join(columns)
    return listed if len(listed) <= 300 else listed[:299] + "…"


class _Sheets:
    """The sheets at a path, one after another, each opened when the one before has been read."""

    def __init__(self, path: str, wishes: Wishes, stack: ExitStack) -> None:
        self._path = path
        self._wishes = wishes
        self._stack = stack
        self._questions: dict[str, tuple[str, str]] | None = None

    def __iter__(self) -> Iterator[Sheet]:
        whole = self._of_a_whole_file()
        if whole is not None:
            yield whole
            return
        for member in members_of(self._path):
            sheet = self._sheet(member)
            if sheet is None or has(*_QUESTIONS)(sheet.columns):
                continue
            yield self._joined(sheet) if EDNET.knows(sheet.columns) else sheet

    def _of_a_whole_file(self) -> Sheet | None:
        path, file = self._path, os.path.basename(self._path)
        if os.path.isdir(path):
            return None
        with opened(path) as plain:
            first = plain.read(16)
        if first.startswith(SQLITE):
            return anki_sheet(file, path, self._wishes.learner or "learner")
        if first.startswith(ZIP):
            names = _names(path)
            if holds_a_collection(names):
                return anki_sheet(file, path, self._wishes.learner or "learner")
            if "xl/workbook.xml" in names:
                return excel_sheet(file, path, self._wishes.has_header)
        if first.startswith(PARQUET):
            return parquet_sheet(file, path)
        return arrow_sheet(file, path) if first.startswith(ARROW) else None

    def _sheet(self, member: Member) -> Sheet | None:
        first = member.begins()
        if first.startswith(PARQUET) and member.path is not None and _begins(member.path, PARQUET):
            return parquet_sheet(member.name, member.path)
        check_is_text(member.name, first)
        if not first.strip():
            if not os.path.isdir(self._path) and member.path is not None:
                raise MalformedLog(1, "the file is empty")
            return None
        wishes, told = self._wishes, dict[str, int]()

        def text() -> io.TextIOWrapper:
            return self._stack.enter_context(decoded(member.open(), wishes.encoding, told))

        beginning = _beginning(text())
        told.clear()
        if beginning.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
            return json_sheet(member.name, text(), told)
        if wishes.format in (None, "pykt") and not wishes.columns and _is_pykt_text(beginning):
            lines = ((number, [line]) for number, line in enumerate(text(), 1) if line.strip())
            return pykt_text(Sheet(member.name, PYKT_ROW, lines, "line", told))
        knows = is_known if wishes.format is None else FORMATS[wishes.format].knows
        return text_sheet(member.name, text(), told, wishes.has_header, knows)

    def _joined(self, sheet: Sheet) -> Sheet:
        if self._questions is None:
            self._questions = self._read_questions()
        return ednet_answers(sheet, self._questions, self._wishes.learner)

    def _read_questions(self) -> dict[str, tuple[str, str]]:
        named = self._wishes.questions
        base = self._path if os.path.isdir(self._path) else os.path.dirname(self._path) or os.curdir
        beside = [os.path.join(base, place) for place in _PLACES_OF_QUESTIONS]
        for path in [named] if named else [each for each in beside if os.path.isfile(each)]:
            for member in members_of(path):
                sheet = self._sheet(member)
                if sheet is not None:
                    return questions_of(sheet)
        if named is None:
            for member in members_of(self._path):
                sheet = self._sheet(member)
                if sheet is not None and has(*_QUESTIONS)(sheet.columns):
                    return questions_of(sheet)
        raise Usage("EdNet's answers say only which option was chosen: give its questions.csv with --questions.")


def _begins(path: str, mark: bytes) -> bool:
    with opened(path) as plain:
        return plain.read(len(mark)) == mark


def _names(path: str) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except UNPACKING_FAILS as error:
        raise MalformedLog(1, f"the zip file is damaged ({error})") from None


def _beginning(text: io.TextIOWrapper) -> str:
    try:
        return text.read(1 << 14)
    except UnicodeError as error:
        raise MalformedLog(1, f"cannot be decoded ({error})") from None


def _is_pykt_text(beginning: str) -> bool:
    first, _, rest = beginning.partition("\n")
    heading = first.strip().split(",")
    if len(heading) != 2 or not heading[1].strip().isdigit() or not heading[0].strip():
        return False
    second, newline, _ = rest.partition("\n")
    values = second.strip().split(",")
    is_whole = bool(newline)
    return is_absent(second) or not is_whole or len(values) == int(heading[1])
