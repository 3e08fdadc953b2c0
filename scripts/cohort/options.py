"""The options of cohort_report.py as a record."""

from __future__ import annotations

from typing import NamedTuple

from scripts.workers.backends import Workers


class CohortOptions(NamedTuple):
    """The command's help says what each option means. learners: sorted ids, or None. as_of_ms: None for now."""

    database_url: str
    schema: str | None
    course: str | None
    learners: list[str] | None
    as_of_ms: int | None
    days_ahead: int
    weeks: int
    minimum: int
    names: bool
    model: str | None
    html: str | None
    csv: str | None
    correct_from: str
    workers: Workers
    as_json: bool
    quiet: bool
