"""The import benchmark imports made-up logs of two sizes in real processes, and knows what it asks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.importing import EARLIER, POSTGRESQL, SQLITE, report_of, write_log
from scripts.benchmarks.processes import Cost
from tests.support.benchmarks import SOME_RUN


@pytest.mark.slow
@pytest.mark.stopwatch
def test_logs_of_two_sizes_are_imported_into_both_databases(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    done = CliRunner().invoke(benchmark, ["import", "--answers", "20000", "--json", str(out)])
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    rows = {each["of"] for each in report["records"]}
    assert rows == {f"{kind}, {size} answers" for kind in (SQLITE, POSTGRESQL) for size in ("2,000", "20,000")}
    memory = [each for each in report["goals"] if each["goal"].endswith("peak MiB")]
    assert len(memory) == 4
    assert all(each["met"] for each in memory)


def test_the_same_seed_draws_the_same_log(tmp_path: Path) -> None:
    one, other = (Path(write_log(str(tmp_path / name), 3000, seed=4)).read_text() for name in "ab")
    assert one == other
    rows = list(csv.DictReader(one.splitlines()))
    assert len(rows) == 3000
    assert 0.6 < sum(row["correct"] == "1" for row in rows) / 3000 < 0.8
    assert rows != sorted(rows, key=lambda row: row["user_id"])


def test_the_goals_are_memory_linearity_and_the_gain() -> None:
    costs = {
        (SQLITE, 10): Cost(10.0, 1.0, 100.0),
        (SQLITE, 100): Cost(110.0, 1.0, 301.0),
        (EARLIER, 10): Cost(14.0, 1.0, 100.0),
    }
    met = {goal.name: goal.met for goal in report_of(costs, (10, 100), SOME_RUN).goals}
    assert met == {
        "SQLite, 10 answers: peak MiB": True,
        "SQLite, 100 answers: peak MiB": False,
        "SQLite: an answer of the larger log / of the smaller": True,
        "the earlier commit / this one, per answer": False,
    }
