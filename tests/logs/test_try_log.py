"""From a log to a page in one command: what it prints is true, and nothing is written elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ml.places import HOUSE
from scripts.trial.place import default_directory
from scripts.try_log import try_log
from tests.support.outputs import read_output
from tests.support.small_platform import make_platform

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>"
FILES = ["models", "platform.sqlite3", "trial.html", "trial.json"]


def tried(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(try_log, [*map(str, arguments), "--jobs", "1", "--json"])
    assert done.exit_code == code, done.output
    return read_output(done.stdout) if code == 0 else done.stderr


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An answer log of eighty learners."""
    made = tmp_path_factory.mktemp("log")
    make_platform(str(made), learners=80)
    return made / "log.csv"


@pytest.fixture(scope="module")
def trial(log: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a trial of that log, with names of its objectives."""
    made = tmp_path_factory.mktemp("trial")
    names = made / "names.csv"
    names.write_text(f"objective_id,name,prerequisites\ns11,{HOSTILE},s10\ns10,Sines,\n")
    report: dict[str, Any] = tried(log, "--output", made / "out", "--structure", names)
    return report


def test_a_log_becomes_a_page_and_nothing_else(trial: dict[str, Any], log: Path) -> None:
    directory = Path(trial["directory"])
    assert sorted(path.name for path in directory.iterdir()) == FILES
    assert sorted(path.name for path in directory.parent.iterdir()) == ["names.csv", "out"]
    assert sorted(path.name for path in log.parent.iterdir()) == ["log.csv", "platform.sqlite3"]
    assert json.loads((directory / "trial.json").read_text()) == trial
    assert (trial["log"]["learners"], trial["log"]["answers"]) == (80, 4000)
    page = Path(trial["page"]).read_text(encoding="utf-8")
    assert "Sines" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert trial["why"] in page


def test_it_measures_on_learners_left_out(trial: dict[str, Any]) -> None:
    methods = trial["methods"]
    assert set(methods) >= {"the shipped model", "the platform's rules"}
    assert ("this platform's model" in methods) == trial["trained"]
    for found in methods.values():
        assert (found["learners"], found["visits"]) == (trial["learners_left_out"], 10 * trial["learners_left_out"])
    assert methods["the shipped model"]["figures"]["auc"]["value"] > 0.6
    assert 8 <= trial["learners_left_out"] <= 24


def test_the_command_for_one_learner_answers_as_the_trial_says(trial: dict[str, Any], tmp_path: Path) -> None:
    argv = trial["example"]["command"]
    assert argv[0] == "python"
    place = Path(HOUSE) if argv[1] == "predict.py" else tmp_path
    done = subprocess.run(
        [sys.executable, *argv[1:]], cwd=place, capture_output=True, text=True, check=True, timeout=60
    )
    answer = read_output(done.stdout)
    assert answer["probability"] == pytest.approx(trial["example"]["probability"], abs=1e-12)
    assert answer["as_of"] == trial["example"]["as_of"]
    assert done.stderr == ""


def test_a_log_too_small_to_learn_from_says_so(tmp_path: Path) -> None:
    small = tmp_path / "tiny.csv"
    small.write_text("user_id,item_id,timestamp,correct,skill_id\nann,i,1700000000,1,s\n")
    report = tried(small, "--output", tmp_path / "out")
    assert not report["trained"]
    assert "too few" in report["why"]
    assert (report["methods"], report["example"]) == ({}, None)
    page = Path(report["page"]).read_text(encoding="utf-8")
    assert "There is no labelled visit of a learner left out" in page


def test_an_earlier_trial_is_replaced_and_anything_else_is_kept(tmp_path: Path) -> None:
    small, out = tmp_path / "tiny.csv", tmp_path / "out"
    small.write_text("user_id,item_id,timestamp,correct,skill_id\nann,i,1700000000,1,s\n")
    for _ in range(2):
        assert tried(small, "--output", out)["log"]["answers"] == 1
    (out / "trial.json").unlink()
    assert "holds something other than an earlier trial" in tried(small, "--output", out, code=2)
    assert sorted(path.name for path in out.iterdir()) == FILES[:3]
    assert "holds something other" in tried(small, "--output", small, code=2)
    assert small.read_text().startswith("user_id")


def test_an_earlier_trial_stays_where_the_next_cannot_begin(tmp_path: Path) -> None:
    """A slip in the file's name or in an option costs nobody an earlier trial, and a new directory is not made."""
    small, bad, out = tmp_path / "tiny.csv", tmp_path / "bad.csv", tmp_path / "out"
    small.write_text("user_id,item_id,timestamp,correct,skill_id\nann,i,1700000000,1,s\n")
    bad.write_text("user_id\nann\n")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    tried(small, "--output", out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    tried(bad, "--output", out, code=2)
    tried(small, "--output", out, "--map", "user_id=nobody", code=2)
    tried(small, "--output", out, "--structure", bad, code=2)
    said = tried(small, "--output", out, "--structure", pipe, code=2)
    assert f"{pipe} cannot be read" in said
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    tried(bad, "--output", tmp_path / "new", code=2)
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    for text in ("user_id,item_id,timestamp,correct,skill_id\n", "user_id,item_id,timestamp,correct,skill_id\na,b\n"):
        bad.write_text(text)
        assert tried(bad, "--output", tmp_path / "out", code=2).count("\n") == 1


def test_without_output_the_directory_is_named_after_the_file_and_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [default_directory(each) for each in ("/a/Our log.csv.gz", ".hidden")] == ["Our-log-trial", "log-trial"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    (elsewhere / "tiny.csv").write_text("user_id,item_id,timestamp,correct,skill_id\nann,i,1700000000,1,s\n")
    report = tried(elsewhere / "tiny.csv")
    assert report["directory"] == os.path.join(tmp_path, "tiny-trial")
    assert [path.name for path in elsewhere.iterdir()] == ["tiny.csv"]
