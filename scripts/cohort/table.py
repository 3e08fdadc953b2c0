"""Whom to look after first as a table in CSV, which no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any

from ml.study.objective_names import on_one_line

COLUMNS = (
    *("rank", "user_id", "name", "objective_id", "objective", "probability", "low", "high", "confidence"),
    *("risk_level", "reasoning", "advice"),
)
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_MORE_FORMULAS = ("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")


def table(report: Mapping[str, Any]) -> str:
    """One row for each of a learner's likeliest struggles, in the order of the ranks; every cell is quoted.

    A text that a spreadsheet could take for a formula begins with an apostrophe.
    """
    text = StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for learner in report["first"]:
        for each in learner["objectives"]:
            low, high = each["interval"]
            advice = " ".join(found["text"] for found in each["advice"])
            cells = {**learner, **each, "low": low, "high": high, "advice": advice}
            writer.writerow([_cell(cells.get(column)) for column in COLUMNS])
    return text.getvalue()


def _cell(value: object) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    shown = on_one_line(value)
    return f"'{shown}" if shown.startswith((*_FORMULAS, *_MORE_FORMULAS)) else shown
