"""The quality benchmark on a real log: posttests of learners left out, predicted by each method."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.quality import BOOSTING, OURS, RULES, Aim
from scripts.export_history import export_history
from tests.conftest import need
from tests.support.benchmarks import figures_of
from tests.support.small_platform import make_platform

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("quality") / "figures.json"
    arguments = ["quality", "--data", need("STRUGGLE_DATA"), "--set", "lkt_cloze", "--without-pybkt"]
    result = CliRunner().invoke(benchmark, [*arguments, "--json", str(out)])
    assert result.exit_code == 0, result.output
    return {"printed": result.stdout, **json.loads(out.read_text())}


def test_posttests_of_learners_left_out_are_predicted_better_than_by_the_rules_and_by_counting_models(
    report: dict[str, Any],
) -> None:
    figures = {name.removeprefix("lkt_cloze: "): row for name, row in figures_of(report).items()}
    auc = {name: row["AUC"]["value"] for name, row in figures.items()}
    assert auc[OURS] >= auc[RULES] + 0.05
    assert auc[OURS] >= auc[BOOSTING] - 0.003
    assert auc[OURS] >= max(auc["PFA"], auc["Best-LR"]) + 0.05
    assert len({row["visits"]["value"] for row in figures.values()}) == 1
    assert figures[OURS]["visits"]["value"] > 1000
    assert figures[OURS]["learners"]["value"] > 50
    assert figures[OURS]["AUC"]["low"] < auc[OURS] < figures[OURS]["AUC"]["high"]


def test_the_table_and_the_goals_are_printed(report: dict[str, Any]) -> None:
    assert re.search(rf"\| lkt_cloze: {OURS} +\| 0\.7", report["printed"])
    assert {goal["met"] for goal in report["goals"]} == {True}
    assert len(re.findall(r" \| met +\|", report["printed"])) == len(report["goals"]) == 2


def test_a_goal_that_is_missed_says_so() -> None:
    class Told:
        def __init__(self, value: float) -> None:
            self.figures = {"auc": type("Figure", (), {"value": value})}

    methods: Any = {"a": Told(0.70), "b": Told(0.68)}
    verdicts = [
        aim.goal(methods)
        for aim in (
            Aim("set", "auc", "a", "b", 0.03),
            Aim("set", "auc", "a", "b", 0.02 - 1e-9),
            Aim("set", "auc", "a", "", 0.65, at_most=True),
            Aim("set", "auc", "a", "c", 0.0),
        )
    ]
    assert [goal and goal.met_or_missed for goal in verdicts] == ["MISSED", "met", "MISSED", None]


def test_a_platforms_own_answers_are_compared_on_after_an_export(tmp_path: Path) -> None:
    """The log need not be one of the known ones: what a platform exports is enough."""
    url = make_platform(str(tmp_path), learners=80)
    log = tmp_path / "our answers.csv.gz"
    done = CliRunner().invoke(export_history, ["--database-url", url, "--output", str(log), "--pseudonymise"])
    assert done.exit_code == 0, done.output
    out = tmp_path / "figures.json"
    found = CliRunner().invoke(benchmark, ["quality", "--log", str(log), "--without-pybkt", "--json", str(out)])
    assert found.exit_code == 0, found.output
    figures = figures_of(json.loads(out.read_text()))
    assert set(figures) == {f"our-answers: {name}" for name in (RULES, "PFA", "Best-LR", BOOSTING, OURS)}
    assert figures[f"our-answers: {OURS}"]["visits"]["value"] > 50
    assert json.loads(out.read_text())["goals"] == []


def test_a_log_that_is_no_log_or_too_small_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,timestamp,correct,skill_id\na,i,1,1,s\n")
    done = CliRunner().invoke(benchmark, ["quality", "--log", str(log), "--without-pybkt"])
    assert done.exit_code == 1
    assert "log: 0 labelled visits with 0 struggles of the learners who are trained on are too few" in done.stderr
    log.write_text("user_id\n")
    done = CliRunner().invoke(benchmark, ["quality", "--log", str(log), "--without-pybkt"])
    assert done.exit_code == 2
    assert "log.csv: line 1: the header lacks item_id" in done.stderr


def test_a_run_needs_a_directory_or_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRUGGLE_DATA", raising=False)
    done = CliRunner().invoke(benchmark, ["quality"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "with --data, or an answer log with --log" in done.stderr
