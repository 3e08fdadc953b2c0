"""A benchmark's report as tests read it."""

from __future__ import annotations

from typing import Any

from scripts.benchmarks.run import Run

SOME_RUN = Run("python -m scripts.benchmark x", "abc1234", "2026-01-01T00:00:00Z", "Linux x86_64", 2, "3.11.0", ())


def figures_of(report: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """What --json wrote: thing measured -> figure -> record."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for record in report["records"]:
        found.setdefault(record["of"], {})[record["figure"]] = record
    return found
