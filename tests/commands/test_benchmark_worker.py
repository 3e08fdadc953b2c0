"""The worker's benchmark measures what it says: every way answers from real rows, and the goals are of the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.callers import Times
from scripts.benchmarks.worker import (
    BARE,
    COMMAND,
    IN_FLIGHT,
    LEARNERS,
    PACKAGE,
    SERVICE,
    SHELL,
    TWO,
    WORKER,
    report_of,
)
from tests.conftest import need
from tests.support.benchmarks import SOME_RUN, figures_of

pytestmark = pytest.mark.slow


def test_every_way_is_measured_on_both_databases(tmp_path: Path) -> None:
    for tool in ("postgres", "node", "npm"):
        need(tool)
    out = tmp_path / "figures.json"
    arguments = ["worker", "--calls", "10", "--rounds", "1", "--python", sys.executable]
    result = CliRunner().invoke(benchmark, [*arguments, "--json", str(out)])
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    asked = [f"{learner}, {database}" for database in ("SQLite", "PostgreSQL") for learner in LEARNERS]
    ways = (BARE, COMMAND, WORKER, SERVICE, SHELL, PACKAGE, TWO)
    at_once = [f"{way}, {IN_FLIGHT} calls at once" for way in (PACKAGE, TWO)]
    figures = figures_of(report)
    assert set(figures) == {f"{way}: {each}" for way in (*ways, *at_once) for each in asked}
    for name, row in figures.items():
        if "at once" in name:
            assert row["predictions/s"]["value"] > 0
        else:
            assert 0 < row["p50 ms"]["value"] <= row["p99 ms"]["value"]
    assert len(report["goals"]) == 3 * len(asked)


def test_the_goals_are_ratios_of_medians() -> None:
    asked = "demo learner, SQLite"
    turns = {
        (BARE, asked): [Times([8.0], 0.1)],
        (PACKAGE, asked): [Times([2.0] * 98 + [5.0, 6.0], 1.0), Times([2.0] * 100, 1.0), Times([50.0] * 100, 1.0)],
        (f"{PACKAGE}, {IN_FLIGHT} calls at once", asked): [Times([2.0] * 100, 0.5)],
        (f"{TWO}, {IN_FLIGHT} calls at once", asked): [Times([2.0] * 100, 0.25)],
    }
    report = report_of(turns, SOME_RUN)
    assert [(goal.value, goal.met) for goal in report.goals] == [(0.25, True), (3.0, True), (2.0, True)]
    assert report.records[3].value == 2.0
