"""The benchmark of difficulty tables measures real predictions from tables that the training command made."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.difficulty import EVICTED, report_of
from scripts.benchmarks.processes import Cost
from tests.support.benchmarks import SOME_RUN, figures_of

pytestmark = pytest.mark.slow


def test_two_tables_of_different_size_answer_the_same_question(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ["--objectives", "1400", "--runs", "1", "--python", sys.executable, "--json", str(out)]
    result = CliRunner().invoke(benchmark, ["difficulty", *arguments])
    assert result.exit_code == 0, result.output
    figures = figures_of(json.loads(out.read_text()))
    assert list(figures) == [
        f"a table of {count} objectives{kind}" for count in ("140", "1,400") for kind in ("", EVICTED)
    ]
    few, _, many, _ = figures.values()
    assert many["table MiB"]["value"] > 5 * few["table MiB"]["value"]
    assert all(row["wall ms"]["value"] > 0 for row in figures.values())


def test_the_bound_is_on_the_difference_of_the_medians() -> None:
    costs = {"few": [100, 90, 110], "few, evicted": [120], "many": [104, 105, 999], "many, evicted": [126]}
    report = report_of(
        {name: [Cost(ms, ms, 14.0) for ms in taken] for name, taken in costs.items()}, dict.fromkeys(costs, 1), SOME_RUN
    )
    assert [(goal.value, goal.met) for goal in report.goals] == [(5.0, True), (6.0, False)]
