"""What in a log is probably not what it seems: each doubt with the number of rows and, for times, both readings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from scripts.cli.counted import counted
from scripts.importing.answers import START_OF_COUNT_MS
from scripts.importing.mapped import CUT_IDS, NO_ITEM, NO_LEARNER, NO_SPENT, NO_TIME
from scripts.importing.opened import Understood
from scripts.importing.survey import DAY_MS, Survey
from scripts.importing.values import COUNTED_FROM_START_BELOW_MS, EXCEL_START_MS, span_in_words

HOUR_MS = 3_600_000
FEW = 3
"""Fewer gaps between answers say nothing about the unit of the times."""
_DOUBTFUL = (NO_LEARNER, NO_ITEM, NO_TIME, NO_SPENT, CUT_IDS)
_SEVERAL = re.compile(r";|~~|\||,|&&|__")


class Doubt(NamedTuple):
    """Something to look at before the import is trusted. rows: how many rows it is about."""

    kind: str
    rows: int
    text: str


def doubts(understood: Understood, found: Survey, order_only: bool) -> list[Doubt]:
    """Everything that is doubtful about a log."""
    return [
        *([] if found.rows else [Doubt("no-answers", 0, "No row of the log is an answer that can be imported.")]),
        *_of_times(understood, found, order_only),
        *_of_dates(found, order_only),
        *_of_rows(understood, found, order_only),
        *_of_ids(found),
        *_of_reading(understood),
    ]


def day(at_ms: int) -> str:
    """The UTC date of an instant."""
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).date().isoformat()


def _of_times(understood: Understood, found: Survey, order_only: bool) -> Iterator[Doubt]:
    """Doubts that numbers are seconds, which the plain layout says of all of them."""
    if order_only or not understood.judges_seconds or not found.rows:
        return
    is_counted = (
        found.first_ms < START_OF_COUNT_MS + COUNTED_FROM_START_BELOW_MS and found.first_ms >= START_OF_COUNT_MS
    )
    offset = START_OF_COUNT_MS if is_counted else 0
    low, high = (found.first_ms - offset) / 1000, (found.last_ms - offset) / 1000
    rows, span = found.rows, found.last_ms - found.first_ms
    moving = [gap for gap in found.gaps_ms if gap]
    middle = median(moving) if moving else 0.0
    read = f"timestamp is read as seconds: {counted(rows, 'row')} from {day(found.first_ms)} to {day(found.last_ms)}"
    said = f"{read}, {span_in_words(int(middle))} between a learner's answers (median)"
    if not is_counted:
        if found.future_rows * 2 > rows:
            start, end = (START_OF_COUNT_MS + int(each) for each in (low, high))
            if high >= 3e11:
                start, end = int(low), int(high)
            yield Doubt(
                "milliseconds",
                found.future_rows,
                f"{said}; {counted(found.future_rows, 'row')} would lie in the future."
                f" Milliseconds are likelier: {day(start)} to {day(end)} (--time-unit ms).",
            )
        return
    ties = found.same_instant / max(1, len(found.gaps_ms))
    if low >= 20_000 and high < 80_000 and span < DAY_MS:
        start, end = (EXCEL_START_MS + int(each * DAY_MS) for each in (low, high))
        yield Doubt(
            "excel-serials",
            rows,
            f"{said}. Excel serials are likelier: {day(start)} to {day(end)} (--time-unit excel).",
        )
    elif high < 20_000 and _are_days(found, ties):
        start, end = (START_OF_COUNT_MS + int(each * DAY_MS) for each in (low, high))
        yield Doubt(
            "days",
            rows,
            f"{said}; {counted(found.same_instant, 'answer')} at the same instant as the one before, and"
            f" {counted(found.fractions, 'row')} with a fraction."
            f" Days are likelier: they would take {span_in_words(end - start)} (--time-unit d).",
        )
    elif _are_order_numbers(found, span):
        ones = sum(gap == 1000 for gap in found.gaps_ms)
        yield Doubt(
            "order",
            rows,
            f"{said}; {counted(ones, 'gap')} of exactly 1."
            f" Numbers of an order, from {low:,.0f} to {high:,.0f}, are likelier (--time-unit order).",
        )
    elif low >= 19_700_101 and high <= 21_001_231 and _are_written_dates(found):
        yield Doubt(
            "written-dates",
            rows,
            f"{said}. Dates written as YYYYMMDD are likelier: {low:.0f} to {high:.0f} (--time-format %Y%m%d).",
        )
    elif _are_milliseconds(found, middle):
        long = sum(gap > HOUR_MS for gap in found.gaps_ms)
        yield Doubt(
            "milliseconds",
            rows,
            f"{said}, {counted(long, 'gap')} over an hour. Milliseconds are likelier:"
            f" {span_in_words(int(middle / 1000))} between answers, {span_in_words(span // 1000)} in all"
            " (--time-unit ms).",
        )


def _are_days(found: Survey, ties: float) -> bool:
    if len(found.gaps_ms) < FEW:
        return False
    is_crowded = ties >= 0.3
    is_fine = found.fractions * 10 > found.rows and median(found.gaps_ms) < 500
    return is_crowded or is_fine


def _are_order_numbers(found: Survey, span_ms: int) -> bool:
    gaps = found.gaps_ms
    if found.fractions or len(gaps) < FEW:
        return False
    ones = sum(gap == 1000 for gap in gaps)
    if ones * 10 >= len(gaps) * 8:
        return True
    # A number for each row of the file: as many seconds as rows, and no two learners at one of them.
    return not found.same_instant and found.rows >= 10 and 0 < span_ms <= 1500 * (found.rows - 1)


def _are_milliseconds(found: Survey, middle: float) -> bool:
    moving = [gap // 1000 for gap in found.gaps_ms if gap]
    if len(moving) < FEW or middle < HOUR_MS or middle / 1000 > 15 * 60_000:
        return False
    short = sum(gap < 200 for gap in moving)
    rounded = sum(gap % 60 == 0 for gap in moving)
    return short * 50 <= len(moving) and rounded * 2 < len(moving)


def _are_written_dates(found: Survey) -> bool:
    for answer in found.preview:
        text = str((answer.at_ms - START_OF_COUNT_MS) // 1000)
        try:
            datetime.strptime(text, "%Y%m%d")
        except ValueError:
            return False
    return True


def _of_dates(found: Survey, order_only: bool) -> Iterator[Doubt]:
    if order_only or not found.rows:
        return
    if found.future_rows:
        yield Doubt(
            "future",
            found.future_rows,
            f"{counted(found.future_rows, 'row')} dated in the future, the last on {day(found.last_ms)}"
            " (--drop-future leaves them out).",
        )
    days = sorted(found.days)
    main = _main_days(days, found)
    apart = sum(rows for each, rows in found.days.items() if not main[0] <= each <= main[1])
    # More rows than these are no slips but learners who studied at another time.
    if apart and apart <= max(1, min(found.rows // 20, 3), found.rows // 1000):
        far = [each for each in days if not main[0] <= each <= main[1]]
        shown = ", ".join(day(each * DAY_MS) for each in far[:3]) + (" …" if len(far) > 3 else "")
        yield Doubt(
            "far-dates",
            apart,
            f"{counted(apart, 'row')} dated far from the others: {shown}; the others run from"
            f" {day(main[0] * DAY_MS)} to {day(main[1] * DAY_MS)}.",
        )


def _main_days(days: list[int], found: Survey) -> tuple[int, int]:
    """The first and the last day of the stretch with most rows, cut where nothing happens for long."""
    groups = [[days[0], days[0], found.days[days[0]]]]
    widest = 0
    ordered = sorted(following - earlier for earlier, following in pairwise(days))
    usual = ordered[(len(ordered) - 1) * 3 // 4] if len(ordered) >= 4 else 2
    for earlier, following in pairwise(days):
        if following - earlier > max(2, 3 * usual, widest):
            groups.append([following, following, found.days[following]])
            widest = 0
        else:
            groups[-1][1] = following
            groups[-1][2] += found.days[following]
            widest = following - groups[-1][0]
    first, last, _ = max(groups, key=lambda group: group[2])
    return first, last


def _of_rows(understood: Understood, found: Survey, order_only: bool) -> Iterator[Doubt]:
    if found.equal_rows and not order_only:
        yield Doubt(
            "equal-rows",
            found.equal_rows,
            f"{counted(found.equal_rows, 'row')} equal to an earlier one in every column that is read; each is kept as"
            " an answer (--duplicates drop keeps one).",
        )
    if found.crowded and not understood.expects_instants and not order_only:
        yield Doubt(
            "one-instant",
            found.crowded,
            f"{counted(found.crowded, 'row')} at instants at which their learner gave ten or more answers: the times"
            " may be coarse, or those of a whole test.",
        )


def _of_ids(found: Survey) -> Iterator[Doubt]:
    for name, rows in found.absent_ids.items():
        yield Doubt(
            "absent-id", rows, f"{name} in {counted(rows, 'row')} spells a missing value, and is taken for an id."
        )
    several = [skill for skill in found.skills if _is_several(skill, found)]
    if several:
        rows = sum(found.answers_of_skill[skill] for skill in several)
        yield Doubt(
            "several-skills",
            rows,
            f"{counted(rows, 'row')} of {counted(len(several), 'skill')} that look like several, such as"
            f" {several[0][:60]!r} (--skill-separator splits them).",
        )


def _is_several(skill: str, found: Survey) -> bool:
    if _SEVERAL.search(skill):
        parts = [part.strip() for part in _SEVERAL.split(skill)]
        # A sentence with a comma is one skill; ids and names that stand alone elsewhere are several.
        return "," not in skill or all(part in found.skills or " " not in part for part in parts)
    for separator in ("_", "-", "+", "/", "&", " "):
        parts = skill.split(separator)
        if len(parts) > 1 and all(parts) and all(part.isdigit() or part in found.skills for part in parts):
            return not (separator in "-/." and all(part.isdigit() for part in parts))
    return False


def _of_reading(understood: Understood) -> Iterator[Doubt]:
    for what in _DOUBTFUL:
        if rows := understood.counts[what]:
            kept = what in (NO_SPENT, CUT_IDS)
            yield Doubt("values", rows, _sentence(rows, f"{what}{'' if kept else ' were left out'}"))
    for said, times in understood.told.items():
        yield Doubt("reading", times, _sentence(times, said))


_PLURALS = {
    **{f"{noun}s ": f"{noun} " for noun in ("row", "character", "file", "line", "id", "time", "record", "answer")},
    " were ": " was ",
    " are ": " is ",
    " have ": " has ",
    " look ": " looks ",
    " rows of their own": " a row of its own",
}


def _sentence(number: int, plural: str) -> str:
    """A count in a sentence. plural: what it says of several, without their number.

    >>> _sentence(1, "characters are not valid UTF-8 and were read as Latin-1")
    '1 character is not valid UTF-8 and was read as Latin-1.'
    >>> _sentence(1, "response times that are none (negative, or no number)")
    '1 response time that is none (negative, or no number).'
    >>> _sentence(1, "files have other columns and were not read")
    '1 file has other columns and was not read.'
    >>> _sentence(1200, "rows without a time were left out")
    '1,200 rows without a time were left out.'
    """
    said = f" {plural}."
    if number == 1:
        for many, one in _PLURALS.items():
            said = said.replace(many, one)
    return f"{number:,}{said}"


def left_out(understood: Understood) -> dict[str, int]:
    """What was left out as the format has it: rows without an answer, without a skill, and so on."""
    return {what: rows for what, rows in understood.counts.items() if rows and what not in _DOUBTFUL}
