"""Runs the import as people do, and reads back what it stored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from db.tables import ddl as tables
from db.writing.open import open_writer
from scripts.import_history import import_history
from tests.support.outputs import read_output

TABLES = (
    "users",
    "learning_objectives",
    "cards",
    "reviews",
    "study_sessions",
    "performance_metrics",
    "validation_responses",
)


def run_import(path: str | os.PathLike[str], *options: str, expected: int = 0) -> tuple[Any, str]:
    """The summary (None where the import failed) and what stderr said."""
    result = CliRunner().invoke(import_history, [os.fspath(path), *options, "--json"])
    assert result.exit_code == expected, result.output
    assert "Traceback" not in result.output
    return (read_output(result.stdout) if expected == 0 else None), result.stderr


def dry_run(path: str | os.PathLike[str], *options: str) -> dict[str, Any]:
    """The summary of a file, of which nothing is stored."""
    return dict(run_import(path, "--dry-run", *options)[0])


def refused(path: str | os.PathLike[str], *options: str) -> str:
    """Why a file is refused."""
    return run_import(path, "--dry-run", *options, expected=2)[1]


def kinds(summary: dict[str, Any]) -> dict[str, int]:
    """The rows of each kind of warning."""
    return {warning["kind"]: warning["rows"] for warning in summary["warnings"]}


def previewed(path: str | os.PathLike[str], *options: str) -> list[tuple[object, ...]]:
    """(learner, objective, card, instant, rating, milliseconds) of the first rows."""
    names = ("user_id", "objective_id", "card_id", "at", "rating", "time_spent_ms")
    return [tuple(row[name] for name in names) for row in dry_run(path, *options)["preview"]]


def stored(path: str | os.PathLike[str], where: Path, *options: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table after an import into a new SQLite file."""
    url = f"sqlite:///{where}"
    run_import(path, "--database-url", url, *options)
    models = {table.name: model for model, table in tables.TABLES.items()}
    with open_writer(url) as reader:
        return {name: sorted(reader.query(f"SELECT * FROM {reader.table(models[name])}"), key=repr) for name in TABLES}
