"""Which column of a table is what: --map user_id=studentId,item_id=question,correct=score, and a format's own."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import timezone, tzinfo
from typing import NamedTuple

from scripts.cli.exits import Usage
from scripts.importing.reading.sheet import Sheet

ROLES = ("user_id", "item_id", "timestamp", "correct", "skill_id", "kind", "rating", "time_spent_ms", "time_spent")
NEEDED = ("user_id", "item_id", "skill_id")
CONSTANT = "="
JOINED_BY = " / "


class Mapping(NamedTuple):
    """How a table is read.

    Attributes:
        columns: Role -> the names of its columns, whose values are joined; a name that begins with "=" is a value that
            every row has. A timestamp's columns are alternatives: the first that is not empty is taken.
        time_unit: One of values.TIME_UNITS; None: judged from the first rows.
        time_zone: The zone of texts that name none.
        time_format: A form of datetime.strptime; None: judged.
        spent_unit: The unit of time_spent, as in values.spent.
        skill_separator: What stands between several skills of one answer; "" where there is always one.
        every_skill: Whether an answer of several skills becomes one answer for each of them, instead of one answer for
            the first.
        correct_values: The values that are right, where they are listed; every other one is then wrong.
        only: (column, value): only rows with that value are answers.
        may_lack_times: Whether a file without any time gives the order of its answers.
        expects_instants: Whether many answers at one instant are usual, as in a quiz that is handed in as a whole.
    """

    columns: dict[str, tuple[str, ...]]
    time_unit: str | None = None
    time_zone: tzinfo = timezone.utc
    time_format: str | None = None
    spent_unit: str = "ms"
    skill_separator: str = ""
    every_skill: bool = False
    correct_values: tuple[str, ...] = ()
    only: tuple[tuple[str, str], ...] = ()
    may_lack_times: bool = False
    expects_instants: bool = False

    def told(self) -> dict[str, str]:
        """Role -> its columns, as people read them."""
        joins = {role: " or " if role == "timestamp" else JOINED_BY for role in self.columns}
        return {role: joins[role].join(columns) for role, columns in self.columns.items()}


class Wishes(NamedTuple):
    """What the person who imports says about the table; None or empty where nothing is said."""

    format: str | None = None
    columns: dict[str, tuple[str, ...]] = {}  # noqa: RUF012  # never changed
    time_unit: str | None = None
    time_zone: tzinfo | None = None
    time_format: str | None = None
    skill_separator: str | None = None
    correct_values: tuple[str, ...] = ()
    only: tuple[tuple[str, str], ...] = ()
    every_skill: bool = False
    has_header: bool = True
    encoding: str | None = None
    questions: str | None = None
    learner: str | None = None

    @property
    def changes_the_plain_layout(self) -> bool:
        """Whether anything is said that the plain layout's own strict reader does not know."""
        said = (self.columns, self.time_unit, self.time_zone, self.time_format, self.skill_separator)
        return any(said) or bool(self.correct_values or self.only) or not self.has_header or self.encoding is not None

    def applied(self, mapping: Mapping) -> Mapping:
        """The mapping with what was said in the place of the format's own."""
        units = {"time_spent_ms": "ms", "time_spent": "s"}
        spent_unit = next((unit for role, unit in units.items() if role in self.columns), mapping.spent_unit)
        return mapping._replace(
            columns=mapping.columns | self.columns,
            time_unit=self.time_unit or (None if "timestamp" in self.columns else mapping.time_unit),
            time_zone=self.time_zone or mapping.time_zone,
            time_format=self.time_format or mapping.time_format,
            skill_separator=mapping.skill_separator if self.skill_separator is None else self.skill_separator,
            correct_values=self.correct_values or mapping.correct_values,
            only=self.only or mapping.only,
            every_skill=self.every_skill,
            spent_unit=spent_unit,
        )


def parsed(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Role -> columns, from texts such as "user_id=studentId,item_id=Problem+Step". Raises Usage.

    A comma inside a column's name is written in quotes, as in CSV: '"skill_id=Skill, first"'.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        for pair in _pairs(text):
            role, equals, column = pair.partition("=")
            role = role.strip()
            if role not in ROLES or not equals or not column.strip():
                raise Usage(f"--map: {pair[:60]!r} is not ROLE=COLUMN; the roles are {', '.join(ROLES)}.")
            if role in found:
                raise Usage(f"--map names {role} twice.")
            found[role] = (column.strip(),)
    return found


def _pairs(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise Usage(f"--map: {text[:60]!r} cannot be cut at its commas ({error}).") from None


def pairs(option: str, texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """(column, value) of each text such as "content_type_id=0". Raises Usage."""
    found = []
    for text in texts:
        column, equals, value = text.partition("=")
        if not equals or not column.strip():
            raise Usage(f"{option}: {text[:60]!r} is not COLUMN=VALUE.")
        found.append((column.strip(), value.strip()))
    return tuple(found)


def split_joins(columns: dict[str, tuple[str, ...]], sheet: Sheet) -> dict[str, tuple[str, ...]]:
    """The same with "Problem+Step" as two columns, unless the sheet has a column of that very name."""
    found = {}
    for role, names in columns.items():
        parts: list[str] = []
        for name in names:
            is_whole = name in sheet.columns or name.startswith(CONSTANT) or "+" not in name
            parts += [name] if is_whole else [part.strip() for part in name.split("+")]
        found[role] = tuple(parts)
    return found


def lacking(columns: dict[str, Sequence[str]] | dict[str, tuple[str, ...]]) -> list[str]:
    """The roles that a log needs and the mapping does not name."""
    missing = [role for role in NEEDED if role not in columns]
    if "correct" not in columns and "rating" not in columns:
        missing.append("correct or rating")
    return missing
