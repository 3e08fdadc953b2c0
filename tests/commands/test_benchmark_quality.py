"""The quality benchmark on a real log: posttests of learners left out, predicted by each method."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.quality import BOOSTING, OURS, RULES, Aim
from tests.conftest import need
from tests.support.benchmarks import figures_of

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
