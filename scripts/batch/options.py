"""The options of predict_batch.py as a record."""

from __future__ import annotations

from typing import NamedTuple

from scripts.workers.backends import Workers

PARQUET = ".parquet"
"""The end of an output's name that makes it a Parquet table."""


class BatchOptions(NamedTuple):
    """The command's help says what each option means. learners: sorted ids, None for all. output: None for stdout."""

    database_url: str
    schema: str | None
    learners: list[str] | None
    days_ahead: int
    objectives: str
    as_of_ms: int | None
    model: str | None
    output: str | None
    full: bool
    language: str | None
    audience: str | None
    store: bool
    capacity: int | None
    correct_from: str
    workers: Workers
    part: int
    as_json: bool
    quiet: bool

    @property
    def lines(self) -> str:
        """The form of the lines: "full", "short", or "" where the predictions are only stored."""
        if self.output or not self.store:
            return "full" if self.full else "short"
        return ""
