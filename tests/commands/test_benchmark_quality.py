"""The quality benchmark on a real log: posttests of learners left out, foretold by each method."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.quality import BOOSTING, OURS, RULES, Goal
from tests.conftest import need


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("quality") / "figures.json"
    arguments = ["quality", "--data", need("STRUGGLE_DATA"), "--set", "lkt_cloze", "--without-pybkt"]
    result = CliRunner().invoke(benchmark, [*arguments, "--json", str(out)])
    assert result.exit_code == 0, result.output
    return {"printed": result.stdout, **json.loads(out.read_text())}


def test_posttests_of_learners_left_out_are_foretold_better_than_by_the_rules_and_by_counting_models(report) -> None:
    methods = report["sets"]["lkt_cloze"]
    auc = {name: method["figures"]["auc"]["value"] for name, method in methods.items()}
    assert auc[OURS] >= auc[RULES] + 0.05
    assert auc[OURS] >= auc[BOOSTING] - 0.003
    assert auc[OURS] >= max(auc["PFA"], auc["Best-LR"]) + 0.05
    assert len({method["n"] for method in methods.values()}) == 1
    assert methods[OURS]["n"] > 1000
    assert methods[OURS]["learners"] > 50


def test_the_table_and_the_goals_are_printed(report) -> None:
    assert f"| {OURS} | 0.7" in report["printed"]
    assert {goal["met"] for goal in report["goals"]} == {True}
    assert report["printed"].count(" met\n") == len(report["goals"]) == 2


def test_a_goal_that_is_missed_says_so() -> None:
    class Told:
        def __init__(self, value: float) -> None:
            self.figures = {"auc": type("Figure", (), {"value": value})}

    methods = {"a": Told(0.70), "b": Told(0.68)}
    assert Goal("set", "auc", "a", "b", 0.03).told(methods)["met"] is False
    assert Goal("set", "auc", "a", "b", 0.02 - 1e-9).told(methods)["met"] is True
    assert Goal("set", "auc", "a", "", 0.65, at_most=True).told(methods)["met"] is False
    assert Goal("set", "auc", "a", "c", 0.0).told(methods) is None
