"""The start-up benchmark measures what it says: real predictions, whole processes, medians and their ratios."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.demo import load_demo
from db.writing.open import open_writer
from scripts.benchmark import COMMANDS, benchmark
from scripts.benchmarks.startup import BARE, ONE_PROCESS, POSTGRES, REFERENCE, SQLITE, Cost, _report

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def demo_on_postgres(postgres_url: str):
    with open_writer(postgres_url) as writer:
        writer.create_tables()
        load_demo(writer)
    return postgres_url


def run(*arguments: str):
    return CliRunner().invoke(benchmark, ["startup", "--python", sys.executable, *arguments])


@pytest.mark.stopwatch
def test_startup_measures_both_databases_beside_the_bare_interpreter(demo_on_postgres, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    result = run("--runs", "2", "--no-reference", "--database-url", demo_on_postgres, "--json", str(out))
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    figures = {row["command"]: row for row in report["commands"]}
    assert figures[BARE]["times_python"] == 1
    for name in (SQLITE, POSTGRES):
        assert figures[name]["wall_ms_least"] <= figures[name]["wall_ms"] <= figures[name]["wall_ms_most"]
        assert figures[name]["wall_ms"] > figures[BARE]["wall_ms"]
        assert figures[name]["peak_mib"] > figures[BARE]["peak_mib"]
        assert f"\n{name} " in result.stdout
    assert figures[SQLITE]["peak_mib"] <= 20
    assert [row["ratio"] for row in report["ratios"]][:2] == [f"{SQLITE} / {BARE}", f"{POSTGRES} / {BARE}"]


def test_a_prediction_that_is_none_is_not_measured(postgres_url: str) -> None:
    result = run("--runs", "1", "--no-reference", "--database-url", postgres_url)
    assert result.exit_code == 69
    assert "Error: " in result.stderr


def test_ratios_are_those_of_the_medians_and_goals_know_both_directions() -> None:
    costs = {BARE: [10, 11, 99], SQLITE: [30, 33, 34], "guide-shaped reference, SQLite": [900, 990, 1000]}
    report = _report({name: [Cost(ms, 14.0) for ms in measured] for name, measured in costs.items()}, 3)
    found = {row["ratio"]: (row["value"], row["met"]) for row in report["ratios"]}
    assert found[f"{SQLITE} / {BARE}"] == (3.0, True)
    assert found[f"guide-shaped reference, SQLite / {SQLITE}"] == (30.0, True)
    costs[SQLITE] = [50, 55, 60]
    report = _report({name: [Cost(ms, 24.0) for ms in measured] for name, measured in costs.items()}, 3)
    assert not any(row["met"] for row in report["ratios"])


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


def reference(*arguments: str) -> str:
    # threads that wait for each other are slow on a machine that is busy with other tests
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, REFERENCE, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def reference_model(tmp_path_factory: pytest.TempPathFactory):
    path = str(tmp_path_factory.mktemp("reference") / "model.joblib")
    reference("fit", path)
    return path


def test_the_reference_reads_the_demo_learner_and_answers(demo_database: str, reference_model) -> None:
    url = demo_database.replace("file:", "sqlite:///", 1)
    answer = json.loads(reference("predict", url, reference_model, "demo-learner", "action-potentials"))
    assert 0 <= answer["probability"] <= 1


def test_every_command_of_the_group_can_be_imported() -> None:
    result = CliRunner().invoke(benchmark, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert CliRunner().invoke(benchmark, [name, "--help"]).exit_code == 0
