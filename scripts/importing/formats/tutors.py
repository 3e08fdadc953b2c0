"""ASSISTments and the exports of DataShop, to which the sets of KDD Cup 2010 belong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.importing.formats.format import Format, first_present, has, merged
from scripts.importing.mapping import Mapping, Wishes
from scripts.importing.reading.sheet import Row, Sheet, is_absent
from scripts.importing.reading.text import AS_LATIN_1
from scripts.importing.values import ORDER

STUDENT, PROBLEM, STEP = "Anon Student Id", "Problem Name", "Step Name"
FIRST_RIGHT, FIRST_ATTEMPT, OUTCOME, ATTEMPT = (
    "Correct First Attempt",
    "First Attempt",
    "Outcome",
    "Attempt At Step",
)
_FIRST_TIME = "First Transaction Time"


def _assistments(columns: Sequence[str]) -> Mapping:
    start = first_present(columns, "start_time")
    order = first_present(columns, "order_id", "problem_log_id")
    return Mapping(
        merged(
            {
                "user_id": "user_id",
                "item_id": "problem_id",
                "timestamp": start or order,
                "correct": "correct",
                "skill_id": first_present(columns, "skill_id", "skill", "skill_name"),
                "time_spent_ms": first_present(columns, "ms_first_response", "ms_first_response_time"),
            }
        ),
        time_unit=None if start else ORDER,
        skill_separator="_" if "skill_id" in columns else "",
    )


def _is_datashop(columns: Sequence[str]) -> bool:
    outcomes = (FIRST_RIGHT, FIRST_ATTEMPT, OUTCOME)
    return STUDENT in columns and any(outcome in columns for outcome in outcomes) and _skill_column(columns) is not None


def _skill_column(columns: Sequence[str]) -> str | None:
    models = [name for name in columns if name.startswith(("KC (", "KC(")) and name.endswith(")")]
    return first_present(models, "KC (Default)", "KC(Default)") or next(iter(models), None)


def _datashop(columns: Sequence[str]) -> Mapping:
    times = [name for name in (_FIRST_TIME, "Step Start Time", "Time", "Step End Time") if name in columns]
    return Mapping(
        merged(
            {
                "user_id": STUDENT,
                "item_id": tuple(name for name in (PROBLEM, STEP) if name in columns) or None,
                "timestamp": tuple(times) or None,
                "correct": first_present(columns, FIRST_RIGHT, FIRST_ATTEMPT, OUTCOME),
                "skill_id": _skill_column(columns),
                "time_spent": first_present(columns, "Step Duration (sec)", "Duration (sec)"),
            }
        ),
        spent_unit="s",
        skill_separator="~~",
    )


def _first_attempts(sheet: Sheet, _wishes: Wishes) -> Sheet:
    """Of a transaction export the first attempts, which are what the other exports of DataShop count.

    Its model of skills may stand in several columns of the same name: the first one that is filled is taken.
    """
    kept = sheet
    if OUTCOME in sheet.columns and ATTEMPT in sheet.columns:
        attempt, outcome = sheet.place(ATTEMPT), sheet.columns.index(OUTCOME)

        def first() -> Iterator[Row]:
            for number, values in sheet.rows:
                if values[attempt].strip() in ("1", "1.0") or is_absent(values[attempt]):
                    known = values[outcome].strip().lower() in _OUTCOMES
                    yield number, values if known else [*values[:outcome], "", *values[outcome + 1 :]]

        kept = sheet._replace(rows=first())
    return _with_one_skill_column(kept)


_OUTCOMES = ("correct", "incorrect", "hint", "error", "ok", "bug")


def _with_one_skill_column(sheet: Sheet) -> Sheet:
    skill = _skill_column(sheet.columns)
    places = [place for place, name in enumerate(sheet.columns) if name == skill]
    if skill is None or len(places) < 2:
        return sheet
    names = [f"{name} #{place}" if place in places[1:] else name for place, name in enumerate(sheet.columns)]

    def joined() -> Iterator[Row]:
        for number, values in sheet.rows:
            skills = [values[place] for place in places if not is_absent(values[place])]
            row = list(values)
            row[places[0]] = "~~".join(skills)
            yield number, row

    return sheet._replace(columns=tuple(names), rows=joined())


ASSISTMENTS = Format(
    "assistments",
    "ASSISTments skill builder",
    lambda columns: (
        has("user_id", "problem_id", "correct")(columns)
        and any(name in columns for name in ("skill_id", "skill_name", "skill"))
        and any(name in columns for name in ("order_id", "problem_log_id", "start_time"))
    ),
    _assistments,
    usual=(AS_LATIN_1,),  # its names of skills are Latin-1
)
DATASHOP = Format("datashop", "DataShop export, KDD Cup 2010", _is_datashop, _datashop, _first_attempts)
