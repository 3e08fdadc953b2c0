"""The start-up benchmark measures what it says: real predictions, whole processes, medians and their ratios."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from db.demo import load_demo
from db.writing.open import open_writer
from scripts.benchmark import COMMANDS, benchmark
from scripts.benchmarks.processes import GUIDE_SHAPE, ONE_PROCESS, Cost
from scripts.benchmarks.startup import BARE, COMPILED, FULL_SQLITE, POSTGRES, SQLITE, WITHOUT_BYTECODE, report_of
from tests.support.benchmarks import SOME_RUN, figures_of

pytestmark = pytest.mark.slow

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def demo_on_postgres(postgres_url: str) -> str:
    with open_writer(postgres_url) as writer:
        writer.create_tables()
        load_demo(writer)
    return postgres_url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(benchmark, ["startup", "--python", sys.executable, *arguments])


@pytest.mark.stopwatch
def test_startup_measures_both_databases_beside_the_bare_interpreter(demo_on_postgres: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    result = run("--runs", "2", "--no-reference", "--database-url", demo_on_postgres, "--json", str(out))
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    figures = figures_of(report)
    assert figures[BARE][f"times {BARE}"]["value"] == 1
    for name in (SQLITE, POSTGRES, FULL_SQLITE, WITHOUT_BYTECODE, COMPILED):
        wall = figures[name]["wall ms"]
        assert wall["low"] <= wall["value"] <= wall["high"]
        assert figures[name]["CPU ms"]["value"] > figures[BARE]["CPU ms"]["value"]  # wall time is the load's
        assert figures[name]["peak MiB"]["value"] > figures[BARE]["peak MiB"]["value"]
        assert f"\n| {name} " in result.stdout
    assert figures[SQLITE]["peak MiB"]["value"] <= 20
    named = [f"{SQLITE} / {BARE}", f"{POSTGRES} / {BARE}", f"{FULL_SQLITE} / {SQLITE}"]
    assert [goal["goal"] for goal in report["goals"]][:3] == named
    databases = report["run"]["databases"]
    assert [name.split()[0] for name in databases] == ["SQLite", "PostgreSQL"]


def test_a_prediction_that_is_none_is_not_measured(postgres_url: str) -> None:
    result = run("--runs", "1", "--no-reference", "--database-url", postgres_url)
    assert result.exit_code == 69
    assert "Error: " in result.stderr


def test_ratios_are_those_of_the_medians_and_goals_know_both_directions() -> None:
    costs = {BARE: [10, 11, 99], SQLITE: [30, 33, 34], "guide-shaped reference, SQLite": [900, 990, 1000]}
    report = report_of({name: [Cost(ms, ms, 14.0) for ms in measured] for name, measured in costs.items()}, SOME_RUN)
    found = {goal.name: (goal.value, goal.met) for goal in report.goals}
    assert found[f"{SQLITE} / {BARE}"] == (3.0, True)
    assert found[f"guide-shaped reference, SQLite / {SQLITE}"] == (30.0, True)
    costs[SQLITE] = [50, 55, 60]
    report = report_of({name: [Cost(ms, ms, 24.0) for ms in measured] for name, measured in costs.items()}, SOME_RUN)
    assert not any(goal.met for goal in report.goals)


@pytest.mark.stopwatch
def test_the_launcher_reports_the_child_alone() -> None:
    child = "import sys; x = bytearray(60 << 20); sys.exit(3)"
    command = [sys.executable, "-I", "-S", ONE_PROCESS, sys.executable, "-c"]
    heavy = subprocess.run([*command, child], capture_output=True, text=True, check=True).stdout.split()
    light = subprocess.run([*command, "pass"], capture_output=True, text=True, check=True).stdout.split()
    assert heavy[2] == "3"
    assert light[2] == "0"
    assert 60 << 10 < int(heavy[1]) < 90 << 10
    assert int(light[1]) < 20 << 10
    assert float(light[0]) > 0
    assert float(light[3]) > 0


def reference(*arguments: str) -> str:
    # threads that wait for each other are slow on a machine that is busy with other tests
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, GUIDE_SHAPE, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def reference_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("reference") / "model.joblib")
    reference("fit", path)
    return path


def test_the_reference_reads_the_demo_learner_and_answers(demo_database: str, reference_model: str) -> None:
    url = demo_database.replace("file:", "sqlite:///", 1)
    answer = json.loads(reference("predict", url, reference_model, "demo-learner", "action-potentials"))
    assert 0 <= answer["probability"] <= 1


def test_every_command_of_the_group_can_be_imported() -> None:
    result = CliRunner().invoke(benchmark, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert CliRunner().invoke(benchmark, [name, "--help"]).exit_code == 0
