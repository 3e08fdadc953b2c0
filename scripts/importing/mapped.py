"""From the rows of a table to answers, by its mapping; rows that are no answers are left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

from scripts.importing.answers import (
    KINDS,
    LONGEST_ID_BYTES,
    PRACTICE,
    START_OF_COUNT_MS,
    STUDY,
    LoggedAnswer,
    MalformedLog,
    shown,
)
from scripts.importing.mapping import CONSTANT, JOINED_BY, Mapping
from scripts.importing.reading.sheet import Row, Sheet, is_absent
from scripts.importing.staging import SEVERAL_SKILLS
from scripts.importing.values import ORDER, Clock, credit, credit_among, judged, rating, spent

NO_LEARNER, NO_ITEM, NO_SKILL = "rows without a learner", "rows without an item", "rows without a skill"
NO_ANSWER, NO_TIME, OTHER_ROWS = "rows without an answer", "rows without a time", "rows that --only leaves out"
NO_SPENT = "response times that are none (negative, or no number)"
CUT_IDS = "ids longer than 500 bytes, which were shortened"

Values = Sequence[str]


class MappedSheet:
    """The answers of one sheet after another, all read by one mapping.

    Attributes:
        counts: What was left out or changed, and how often.
        clock: How times are read; judged from the first sheet's first rows.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.counts: Counter[str] = Counter()
        self.clock: Clock | None = None
        self._instant: Callable[[str], int] = int
        self._least = self._greatest = 0

    @property
    def order_only(self) -> bool:
        """Whether the times only give the order: they are numbers of an order, or all of them are 0."""
        if self.clock is None or self.clock.unit is None:
            return False
        return self.clock.unit == ORDER or (self._least == self._greatest == START_OF_COUNT_MS)

    @property
    def orders_answers(self) -> bool:
        """Whether rows with the same number of the order are one answer, told once for each of its skills."""
        return self.clock is not None and self.clock.unit == ORDER and "timestamp" in self.mapping.columns

    def answers(self, sheet: Sheet) -> Iterator[LoggedAnswer]:
        """The answers of a sheet. Raises MalformedLog for a row that cannot be understood."""
        sample, sheet = sheet.sampled()
        if self.clock is None:
            self.clock = self._clock(sheet, sample)
            self._instant = self.clock.reader()
        yield from self._read(sheet)

    def _clock(self, sheet: Sheet, sample: Sequence[Row]) -> Clock:
        mapping = self.mapping
        if "timestamp" not in mapping.columns:
            return Clock(ORDER)
        time_of = _first_of(sheet, mapping.columns["timestamp"])
        if mapping.may_lack_times and all(is_absent(time_of(values)) for _, values in sample):
            self.mapping = mapping._replace(
                columns={role: names for role, names in mapping.columns.items() if role != "timestamp"}
            )
            return Clock(ORDER)
        if mapping.time_format is not None:
            return Clock(None, mapping.time_zone, mapping.time_format)
        if mapping.time_unit is not None:
            return Clock(mapping.time_unit)
        try:
            return judged((time_of(values) for _, values in sample), mapping.time_zone, mapping.time_format)
        except ValueError as error:
            number = sample[0][0] if sample else 1
            raise MalformedLog(number, str(error), sheet.unit) from None

    def _read(self, sheet: Sheet) -> Iterator[LoggedAnswer]:
        mapping, counts, unit = self.mapping, self.counts, sheet.unit
        columns = mapping.columns
        learner_of, item_of, skill_of = (_joined(sheet, columns[role]) for role in ("user_id", "item_id", "skill_id"))
        time_of = _first_of(sheet, columns["timestamp"]) if "timestamp" in columns else None
        correct_of = _joined(sheet, columns["correct"]) if "correct" in columns else None
        rating_of = _joined(sheet, columns["rating"]) if "rating" in columns else None
        kind_of = _joined(sheet, columns["kind"]) if "kind" in columns else None
        spent_role = next((role for role in ("time_spent_ms", "time_spent") if role in columns), None)
        spent_of = _joined(sheet, columns[spent_role]) if spent_role else None
        only = [(sheet.place(column), value) for column, value in mapping.only]
        credit_of = lru_cache(10_000)(credit_among(mapping.correct_values) if mapping.correct_values else credit)
        rated = lru_cache(1000)(rating)
        instant = self._instant
        skills_of = lru_cache(10_000)(self._skills)
        nothing = lru_cache(10_000)(is_absent)
        try:
            for number, values in sheet.rows:
                if only and any(values[place].strip() != value for place, value in only):
                    counts[OTHER_ROWS] += 1
                    continue
                learner, item = learner_of(values).strip(), item_of(values).strip()
                if nothing(learner):
                    counts[NO_LEARNER] += 1
                    continue
                if nothing(item):
                    counts[NO_ITEM] += 1
                    continue
                skills = skills_of(skill_of(values))
                if not skills:
                    counts[NO_SKILL] += 1
                    continue
                kind = (kind_of(values).strip().lower() if kind_of else "") or PRACTICE
                if kind not in KINDS:
                    raise ValueError(f"kind is {shown(kind)}, not one of {', '.join(KINDS)}")
                correct: bool | None = None
                grade: str | None = None
                if kind != STUDY:
                    text = rating_of(values) if rating_of else ""
                    if text and not nothing(text):
                        grade = rated(text)
                        correct = grade in ("GOOD", "EASY")
                    elif correct_of is None or nothing(text := correct_of(values)):
                        counts[NO_ANSWER] += 1
                        continue
                    else:
                        correct, grade = credit_of(text)
                at = 0
                if time_of is not None:
                    text = time_of(values)
                    if nothing(text):
                        counts[NO_TIME] += 1
                        continue
                    at = instant(text)
                    if at > self._greatest:
                        self._greatest = at
                    if not self._least or at < self._least:
                        self._least = at
                took = 0
                if spent_of is not None and not nothing(text := spent_of(values)):
                    found = spent(text, mapping.spent_unit)
                    took = found or 0
                    if found is None:
                        counts[NO_SPENT] += 1
                if len(skills) > 1:
                    counts[SEVERAL_SKILLS] += 1
                learner, item = self._short(learner), self._short(item)
                for skill in skills if mapping.every_skill else skills[:1]:
                    yield LoggedAnswer(number, learner, item, skill, at, correct, kind, grade, took)
        except ValueError as error:
            raise MalformedLog(number, str(error), unit) from None
        except (ArithmeticError, IndexError) as error:
            raise MalformedLog(number, f"cannot be understood ({type(error).__name__})", unit) from None

    def _skills(self, text: str) -> tuple[str, ...]:
        separator = self.mapping.skill_separator
        parts = text.split(separator) if separator else [text]
        return tuple(dict.fromkeys(self._short(part.strip()) for part in parts if not is_absent(part)))

    def _short(self, text: str) -> str:
        if len(text) <= LONGEST_ID_BYTES // 4 or len(encoded := text.encode("utf-8", "replace")) <= LONGEST_ID_BYTES:
            return text
        self.counts[CUT_IDS] += 1
        digest = blake2b(encoded, digest_size=12).hexdigest()
        return encoded[: LONGEST_ID_BYTES - 40].decode("utf-8", "ignore") + "…" + digest


def _joined(sheet: Sheet, names: Sequence[str]) -> Callable[[Values], str]:
    """A function from a row to the values of the columns, joined where there are several."""
    if len(names) == 1 and not names[0].startswith(CONSTANT):
        place = sheet.place(names[0])
        return lambda values: values[place]
    places = [None if name.startswith(CONSTANT) else sheet.place(name) for name in names]
    constants = [name[len(CONSTANT) :] for name in names]

    def joined(values: Values) -> str:
        parts = [constant if place is None else values[place].strip() for place, constant in zip(places, constants)]
        return JOINED_BY.join(part for part in parts if not is_absent(part))

    return joined


def _first_of(sheet: Sheet, names: Sequence[str]) -> Callable[[Values], str]:
    """A function from a row to the first value of the columns that is not absent."""
    if len(names) == 1:
        return _joined(sheet, names)
    places = [sheet.place(name) for name in names]
    return lambda values: next((values[place] for place in places if not is_absent(values[place])), "")
