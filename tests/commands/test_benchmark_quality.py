"""The quality benchmark on a real log: posttests of learners left out, predicted by each method."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.quality import BOOSTING, ELSEWHERE, FIRST, OURS, RULES, Aim
from scripts.export_history import export_history
from scripts.training.first_labels import OWN_TABLE
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
    first = {name: row["visits"]["value"] for name, row in figures.items() if name.endswith(FIRST)}
    assert set(first) == {RULES + FIRST, OURS + FIRST} or not first  # a posttest follows practice
    assert len({row["visits"]["value"] for name, row in figures.items() if name not in first}) == 1
    assert figures[OURS]["visits"]["value"] > 1000
    assert figures[OURS]["learners"]["value"] > 50
    assert figures[OURS]["AUC"]["low"] < auc[OURS] < figures[OURS]["AUC"]["high"]


def test_the_table_and_the_goals_are_printed(report: dict[str, Any]) -> None:
    assert re.search(rf"\| lkt_cloze: {OURS} +\| 0\.7", report["printed"])
    assert {goal["met"] for goal in report["goals"]} == {True}
    assert len(re.findall(r" \| met +\|", report["printed"])) == len(report["goals"]) == 2


def test_what_was_not_run_is_said_with_the_way_to_run_it(report: dict[str, Any]) -> None:
    told = [note.split(" was not run")[0] for note in report["notes"]]
    assert told == ["The GRU"] if find_spec("interpret") else ["EBM", "The GRU"]
    assert "--torch-python" in report["notes"][-1]


def test_several_logs_show_what_a_new_platform_may_expect(tmp_path: Path) -> None:
    logs = []
    for name, start in (("one", 1_600_000_000), ("two", 1_650_000_000)):
        (tmp_path / name).mkdir()
        make_platform(str(tmp_path / name), first_s=start)
        logs += ["--log", str((tmp_path / name / "log.csv").rename(tmp_path / name / f"{name}.csv"))]
    out = tmp_path / "figures.json"
    result = CliRunner().invoke(benchmark, ["quality", *logs, "--without-pybkt", "--json", str(out)])
    assert result.exit_code == 0, result.output
    figures = figures_of(json.loads(out.read_text()))
    for name in ("one", "two"):
        visits = {
            row["visits"]["value"] for of, row in figures.items() if of in (f"{name}: {ELSEWHERE}", f"{name}: {OURS}")
        }
        assert len(visits) == 1
        assert figures[f"{name}: {ELSEWHERE}{FIRST}"]["visits"]["value"] < visits.pop()
        before = figures[f"{name}: a prior of the other sets, before any label, difficulties none"]
        after = figures[f"{name}: a prior of the other sets, 200 own labels, difficulties none"]
        assert 0 < after["interval's width"]["value"] < before["interval's width"]["value"]
        assert 0.5 < before["AUC"]["value"] < 1
    assert f"mean: a prior of the other sets, 50 own labels, difficulties {OWN_TABLE}" in figures


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
    compared = {name.removeprefix("our-answers: ") for name in figures} - {"EBM"}
    assert compared == {RULES, "PFA", "Best-LR", BOOSTING, OURS, RULES + FIRST, OURS + FIRST}
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
