"""scripts/weekly_retrain.sh as cron runs it: nothing in the environment, a lock, a log, an exit code that says why."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db.writing.open import open_writer
from ml.places import HOUSE
from scripts.benchmarks.monitor import PREDICTION_FIELDS
from tests.commands.test_monitor import certain_rows

pytestmark = pytest.mark.slow

SCRIPT = os.path.join(HOUSE, "scripts", "weekly_retrain.sh")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a platform without learners."""
    url = f"file:{tmp_path}/platform.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    return url


def weekly(models: Path, url: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"DATABASE_URL": url, "MODELS_DIR": str(models), "PYTHON": sys.executable, **more}
    return subprocess.run([SCRIPT], env=environment, cwd="/", capture_output=True, text=True, check=False)


def steps(models: Path) -> list[str]:
    """What the log says of each step's end."""
    lines = (models / "weekly_retrain.log").read_text().splitlines()
    return [line.partition("Z ")[2] for line in lines if " ended with " in line]


def test_a_quiet_week_ends_with_zero_and_says_nothing(store: str, tmp_path: Path) -> None:
    done = weekly(tmp_path / "models", store)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    scripts = ("record_outcomes.py", "retrain_model.py", "monitor.py")
    assert steps(tmp_path / "models") == [f"{script} ended with 0" for script in scripts]


@pytest.mark.parametrize(("argument", "code"), [("-h", 0), ("--help", 0), ("--hepl", 2), ("3", 2)])
def test_an_argument_starts_no_run(store: str, tmp_path: Path, argument: str, code: int) -> None:
    models = tmp_path / "models"
    environment = {"DATABASE_URL": store, "MODELS_DIR": str(models), "PYTHON": sys.executable}
    done = subprocess.run([SCRIPT, argument], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, models.exists()) == (code, False)
    assert "MODELS_DIR" in done.stdout if code == 0 else done.stderr.count("\n") == 1


@pytest.mark.parametrize("blank", ["", " ", '""'])
def test_without_a_database_nothing_is_run(tmp_path: Path, blank: str) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=file:/nonexistent/app.db\n")
    environment = {"DATABASE_URL": blank, "STRUGGLE_MODELS_DIR": str(tmp_path), "PYTHON": sys.executable}
    done = subprocess.run([SCRIPT], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, os.listdir(tmp_path)) == (78, [".env"])
    assert "set DATABASE_URL" in done.stderr


def test_a_file_may_name_the_database_and_a_variable_the_directory(store: str, tmp_path: Path) -> None:
    (tmp_path / "struggle.env").write_text(f"DATABASE_URL='{store}'\n")
    models = tmp_path / "models"
    done = weekly(
        models, "", STRUGGLE_ENV_FILE=f"{tmp_path}/struggle.env", MODELS_DIR="", STRUGGLE_MODELS_DIR=str(models)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(steps(models)) == 3


def test_an_alert_ends_with_one(store: str, tmp_path: Path) -> None:
    with open_writer(store) as writer:
        rows = certain_rows(wrong=0.5, at_ms=time.time_ns() // 1_000_000 - 86_400_000)
        writer.insert("StrugglePrediction", PREDICTION_FIELDS, rows)
    done = weekly(tmp_path / "models", store)
    assert done.returncode == 1, done.stderr
    assert "monitoring raised an alert" in done.stderr
    kept = json.loads((tmp_path / "models" / "monitoring.json").read_text())
    assert kept["raised"], "the evidence is kept for the next week's run"


def test_an_unreachable_database_ends_with_69_and_no_secret_in_the_log(tmp_path: Path) -> None:
    done = weekly(tmp_path / "models", "postgresql://someone:s3cr3t@127.0.0.1:1/app")
    assert done.returncode == 69
    assert re.search(r"record_outcomes\.py ended with 69, see \S+: The .* cannot be ", done.stderr)
    assert steps(tmp_path / "models") == ["record_outcomes.py ended with 69", "monitor.py ended with 69"]
    assert "s3cr3t" not in done.stderr + (tmp_path / "models" / "weekly_retrain.log").read_text()


def test_a_crash_does_not_pass_for_an_alert_and_monitoring_runs_nevertheless(store: str, tmp_path: Path) -> None:
    crashing = tmp_path / "python"
    crashing.write_text(f'#!/bin/sh\ncase "$1" in *retrain_model.py) exit 1;; esac\nexec {sys.executable} "$@"\n')
    crashing.chmod(0o755)
    assert weekly(tmp_path / "models", store, PYTHON=str(crashing)).returncode == 70
    assert steps(tmp_path / "models")[1:] == ["retrain_model.py ended with 70", "monitor.py ended with 0"]


@pytest.mark.parametrize(("lock", "said"), [(".weekly.lock", "another run"), (".lock", "retrain_model.py ended")])
def test_two_at_once_end_with_75(store: str, tmp_path: Path, lock: str, said: str) -> None:
    with open(tmp_path / lock, "w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = weekly(tmp_path, store)
    assert done.returncode == 75
    assert said in done.stderr


@pytest.mark.parametrize("broken", [{"PYTHON": "/nonexistent/python"}, {"MODELS_DIR": "/proc/models"}])
def test_what_cannot_work_is_a_sentence_and_78(store: str, tmp_path: Path, broken: dict[str, str]) -> None:
    done = weekly(tmp_path, store, **broken)
    assert done.returncode == 78
    assert done.stderr.startswith("weekly_retrain: ")
    assert len(done.stderr.splitlines()) == 1


def test_it_works_through_links(store: str, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "script").symlink_to(SCRIPT)
    (tmp_path / "weekly").symlink_to("kept/script")
    models = tmp_path / "models"
    environment = {"DATABASE_URL": store, "MODELS_DIR": str(models), "PYTHON": sys.executable}
    done = subprocess.run([tmp_path / "weekly"], env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(steps(models)) == 3


def tools(directory: Path, flock: str | None) -> str:
    """A PATH with all that the script needs, flock being absent or what is given."""
    directory.mkdir()
    for name in ("bash", "dirname", "readlink", "mkdir", "date", "cat", "sh"):
        found = shutil.which(name)
        assert found is not None
        (directory / name).symlink_to(found)
    if flock is not None:
        (directory / "flock").write_text(f"#!/bin/sh\n{flock}\n")
        (directory / "flock").chmod(0o755)
    return str(directory)


def test_without_flock_it_takes_the_lock_itself(store: str, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", None)
    done = weekly(tmp_path / "models", store, PATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    with open(tmp_path / "models" / ".weekly.lock", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = weekly(tmp_path / "models", store, PATH=path)
    assert (done.returncode, done.stderr) == (75, "weekly_retrain: another run is under way\n")


@pytest.mark.parametrize("code", [1, 65, 66, 71])
def test_a_lock_that_fails_for_another_reason_is_71_and_says_the_reason(store: str, tmp_path: Path, code: int) -> None:
    path = tools(tmp_path / "bin", f"echo 'flock: 9: No locks available' >&2; exit {code}")
    done = weekly(tmp_path / "models", store, PATH=path)
    assert done.returncode == 71
    assert "No locks available" in done.stderr
    assert "another run" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_full_log_disk_is_74_and_the_steps_are_done(store: str, tmp_path: Path) -> None:
    marking = tmp_path / "python"
    marking.write_text(
        f'#!/bin/sh\ncase "$1" in *.py) echo "$1" >>{tmp_path}/done;; esac\n'
        f'head -c 300000 /dev/zero | tr "\\0" x\nexec {sys.executable} "$@"\n'
    )
    marking.chmod(0o755)
    done = weekly(tmp_path / "models", store, PYTHON=str(marking), LOG="/dev/full")
    ran = [os.path.basename(line) for line in (tmp_path / "done").read_text().splitlines()]
    assert ran == ["record_outcomes.py", "retrain_model.py", "monitor.py"]
    assert done.returncode == 74
    assert "/dev/full could not be written" in done.stderr
    assert weekly(tmp_path / "models", "postgresql://127.0.0.1:1/app", LOG="/dev/full").returncode == 69


@pytest.mark.parametrize("name", ["weekly_retrain.log", ".weekly.lock"])
def test_nothing_is_written_through_a_link(store: str, tmp_path: Path, name: str) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (tmp_path / "others").write_text("precious")
    (models / name).symlink_to(tmp_path / "others")
    done = weekly(models, store)
    assert (done.returncode, "is a link" in done.stderr) == (78, True)
    assert (tmp_path / "others").read_text() == "precious"


def test_under_umask_077_nobody_else_reads_what_it_leaves(store: str, tmp_path: Path) -> None:
    models = tmp_path / "models"
    environment = {"DATABASE_URL": store, "MODELS_DIR": str(models), "PYTHON": sys.executable}
    shell = ["/bin/sh", "-c", f"umask 077; exec {SCRIPT}"]
    assert subprocess.run(shell, env=environment, cwd="/", capture_output=True, check=False).returncode == 0
    assert {path.stat().st_mode & 0o077 for path in (models, *models.rglob("*"))} == {0}
