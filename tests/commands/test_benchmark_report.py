"""Every benchmark returns one report, which names the run that its figures belong to and judges its goals."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scripts.benchmark import COMMANDS, benchmark
from scripts.benchmarks.monitor import monitor
from scripts.benchmarks.processes import ROOT
from scripts.benchmarks.promotion import NONE, Power, report_of
from scripts.benchmarks.promotion_year import Found, Year
from scripts.benchmarks.promotion_year import report_of as year_report_of
from scripts.benchmarks.report import Goal, Record, Report, number, reported, spread
from scripts.benchmarks.run import SQLITE_VERSION, commit_of, this_run
from tests.support.benchmarks import SOME_RUN, figures_of


@click.command("sample")
@reported
@click.option("--runs", default=3)
@click.option("--database-url", metavar="URL")
@click.option("--reference/--no-reference", default=True)
@click.option("--size", "sizes", multiple=True, type=int)
def sample(runs: int, database_url: str | None, reference: bool, sizes: tuple[int, ...]) -> Report:
    records = [spread("a way", "wall ms", [30.0, 10.0, 11.0]), Record("a way", "peak MiB", 1234.5), Record("b", "n", 2)]
    goals = [Goal("kept", 2.0, 3.0), Goal("broken", 2.0, 3.0, at_most=False), Goal("none was set", 2.0, None)]
    return Report("sample", this_run((SQLITE_VERSION,)), records, goals, notes=("A note.",))


def test_a_report_prints_tables_the_run_and_every_verdict(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    arguments = ["--runs", "5", "--no-reference", "--size", "1", "--size", "2", "--json", str(out)]
    ran = CliRunner().invoke(sample, [*arguments, "--database-url", "postgresql://me:secret@host/db"])
    assert ran.exit_code == 0, ran.output
    told = "python -m scripts.benchmark sample --runs 5 --database-url URL --no-reference --size 1 --size 2"
    assert ran.stdout.splitlines()[0] == told
    assert "secret" not in ran.output
    assert SQLITE_VERSION in ran.stdout.splitlines()[1]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in ran.stdout.splitlines() if "|" in line]
    assert rows[0] == ["", "wall ms", "peak MiB", "n"]
    assert rows[2:4] == [["a way", "11 [10, 30]", "1,234", ""], ["b", "", "", "2"]]
    assert rows[6:] == [
        ["kept", "2", "at most 3", "met"],
        ["broken", "2", "at least 3", "MISSED"],
        ["none was set", "2", "", ""],
    ]
    assert "In brackets: least and most of the runs." in ran.stdout
    assert "A note." in ran.stdout
    report = json.loads(out.read_text())
    assert report["run"]["command"] == told
    assert set(report["run"]) == {"command", "commit", "at", "machine", "cores", "python", "databases"}
    assert figures_of(report)["a way"]["wall ms"] == {"of": "a way", "figure": "wall ms"} | {
        "value": 11.0,
        "low": 10.0,
        "high": 30.0,
    }
    assert [goal["met"] for goal in report["goals"]] == [True, False, None]


def test_a_commit_is_told_only_of_a_checkout_and_changes_are_not_hidden(tmp_path: Path) -> None:
    assert commit_of(str(tmp_path)) == "unknown"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    commit = commit_of(str(tmp_path))
    assert len(commit) >= 7
    (tmp_path / "file").write_text("2")
    assert commit_of(str(tmp_path)) == commit + "-dirty"
    (tmp_path / "inner").mkdir()
    assert commit_of(str(tmp_path / "inner")) == "unknown"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_benchmark_writes_its_report_by_the_same_option(name: str) -> None:
    shown = CliRunner().invoke(benchmark, [name, "--help"]).stdout
    assert "--json FILE" in shown
    page = Path(ROOT, "scripts", "benchmarks", "README.md").read_text(encoding="utf-8")
    assert f"\n## {name}: " in page
    assert f"`python -m scripts.benchmark {name}" in page


@pytest.mark.slow
def test_monitoring_is_measured_as_a_process_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    ran = CliRunner().invoke(monitor, ["--rows", "1000", "--learners", "50", "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    report = json.loads(out.read_text())
    (figures,) = figures_of(report).values()
    assert figures["seconds"]["value"] > 0
    assert figures["peak MiB"]["value"] > 20
    assert [goal["bound"] for goal in report["goals"]] == ["at most 60", "at most 1,024"]


def test_a_year_of_promotions_has_its_goals_in_every_row() -> None:
    promoted = [("a crowd", "equal", Year(0.01, 0.005, 4.0)), ("a crowd", "worse", Year(0.06, 0.005, 9.0))]
    found = [("a crowd", "first", Found(0.7, 0.01, 1.0)), ("a crowd", "first, clustered", Found(0.7, 0.01, 1.8))]
    report = year_report_of(promoted, found, SOME_RUN)
    assert [(goal.bound, goal.met) for goal in report.goals] == [(0.05, True), (0.05, False), (0.8, False), (0.5, True)]
    assert "standard error" in {record.figure for record in report.records}


def test_promotion_has_its_goals_in_every_row() -> None:
    rows = [Power(1000, each, NONE.name, 0.0, 1.0, 0.1, 0.4, 0.1, 0.06) for each in (1, 20)]
    goals = report_of(rows, SOME_RUN).goals
    assert [goal.met_or_missed for goal in goals] == ["MISSED", "met", "MISSED", "met", "MISSED"]


def test_figures_are_written_as_people_write_them() -> None:
    assert [number(each) for each in (11991.0, 1226.41, 158.66, 27.5, -0.4, 0.0)] == [
        "11,991",
        "1,226",
        "158.7",
        "27.50",
        "-0.4000",
        "0",
    ]
