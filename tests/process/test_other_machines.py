"""predict.py where the system has no alarm, no locks, no fork, no poll and no user ids, as Windows has none."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.support.other_machines import WITHOUT_MODULES, like_windows
from tests.support.pages import ROOT
from tests.support.running_predict import LEARNER, OBJECTIVE, filled_pipe, finished, ran, started

COMMANDS = sorted(
    path.stem for path in (ROOT / "scripts").glob("*.py") if "__main__" in path.read_text() and path.stem != "__init__"
)


@pytest.fixture
def windows(tmp_path: Path) -> dict[str, str]:
    return like_windows(tmp_path / "windows")


def test_the_names_are_gone(windows: dict[str, str]) -> None:
    code = (
        "import os, select, signal\n"
        "gone = [(signal, 'SIGALRM'), (signal, 'setitimer'), (os, 'fork'), (os, 'geteuid'), (select, 'poll')]\n"
        "assert not any(hasattr(*each) for each in gone)\n"
        "for name in ('fcntl', 'pwd', 'resource'):\n"
        "    try:\n        __import__(name)\n    except ImportError:\n        continue\n    raise SystemExit(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=windows, check=True)


@pytest.mark.parametrize(
    "arguments",
    [
        (LEARNER, OBJECTIVE),
        ("nobody", OBJECTIVE),
        ("--demo", "--pretty", "--as-of", "2025-10-10T09:00:00Z", LEARNER, OBJECTIVE),
        ("--model", "rules", LEARNER, OBJECTIVE),
        ("--model", "/nonexistent.pkl", LEARNER, OBJECTIVE),
    ],
    ids=" ".join,
)
def test_it_answers_the_same(windows: dict[str, str], arguments: tuple[str, ...]) -> None:
    there, here = ran(*arguments, env=windows), ran(*arguments)
    assert (there.code, there.stdout, there.stderr) == (here.code, here.stdout, here.stderr)


def test_the_doctor_and_the_installed_command_work(windows: dict[str, str]) -> None:
    assert ran("--demo", "--doctor", "--pretty", env=windows).code == 0
    code = "from scripts.cli.console import run; run()"
    process = subprocess.run(
        [sys.executable, "-c", code, LEARNER, OBJECTIVE], env=windows, cwd=ROOT, capture_output=True, check=True
    )
    assert process.stdout == ran().stdout


def test_a_wal_database_of_an_env_file_is_read(windows: dict[str, str], demo_copy: str, tmp_path: Path) -> None:
    with sqlite3.connect(demo_copy.removeprefix("file:")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    (tmp_path / "settings.env").write_text(f"DATABASE_URL={demo_copy}\n")
    ran("--env-file", str(tmp_path / "settings.env"), LEARNER, OBJECTIVE, env=windows).is_whole()


def test_postgresql_is_read(windows: dict[str, str], postgres_url: str) -> None:
    create = [sys.executable, "-m", "scripts.create_database", "--database-url", postgres_url, "--demo"]
    subprocess.run(create, cwd=ROOT, check=True, capture_output=True)
    without_home = {name: value for name, value in windows.items() if name != "HOME"}
    there = ran(env=without_home, url=postgres_url)
    there.is_whole()
    assert there.stdout == ran(url=postgres_url).stdout


@contextmanager
def held(path: str) -> Iterator[None]:
    """A SQLite database that another process keeps locked."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


@pytest.mark.slow
def test_the_deadline_holds(windows: dict[str, str], demo_copy: str) -> None:
    with held(demo_copy.removeprefix("file:")):
        ran("--timeout", "0.5", LEARNER, OBJECTIVE, env=windows, url=demo_copy).degraded()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:pa55-w0rd@127.0.0.1:{silent.getsockname()[1]}/d"
        ran("--timeout", "0.5", LEARNER, OBJECTIVE, env=windows, url=url).degraded()


def test_a_refused_connection_is_told_at_once(windows: dict[str, str]) -> None:
    ran(env=windows, url="postgresql://u:pa55-w0rd@127.0.0.1:1/d").degraded()


@pytest.mark.slow
def test_streams_that_nobody_reads_do_not_keep_it(windows: dict[str, str]) -> None:
    reading, writing = filled_pipe()
    try:
        assert finished(started(env=windows, stdout=writing)).code == 74
        assert finished(started(env=windows, stderr=writing)).code == 0
    finally:
        os.close(reading), os.close(writing)
    closed = ["sh", "-c", 'exec "$0" "$@" >&-', sys.executable, str(ROOT / "predict.py"), LEARNER, OBJECTIVE]
    assert subprocess.run(closed, env=windows, capture_output=True).returncode == 74


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_it_can_be_stopped(windows: dict[str, str], number: signal.Signals, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:pa55-w0rd@127.0.0.1:{silent.getsockname()[1]}/d"
        process = started(env={**windows, "DATABASE_URL": url})
        with silent.accept()[0]:  # it waits for the server's first byte now
            process.send_signal(number)
            finished(process).error(code, "interrupted")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_starts(tmp_path: Path, name: str) -> None:
    """Without the modules alone: Python's own subprocess needs the other names on this system."""
    environment = like_windows(tmp_path / "windows", WITHOUT_MODULES)
    told = subprocess.run(
        [sys.executable, "-m", f"scripts.{name}", "--help"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.slow
def test_whole_files_are_written_without_locks(windows: dict[str, str], tmp_path: Path) -> None:
    archive, lines = tmp_path / "predict.pyz", tmp_path / "tonight.jsonl"
    pack = [sys.executable, "-m", "scripts.build_zipapp", "--output", str(archive)]
    for _ in range(2):  # also over a file that is there
        subprocess.run(pack, cwd=ROOT, env=windows, capture_output=True, check=True)
    assert finished(started("-h", script=str(archive))).code == 0
    without = like_windows(tmp_path / "locks", "import sys; sys.modules['fcntl'] = None")  # click needs termios here
    batch = [sys.executable, "-m", "scripts.predict_batch", "--demo", "--jobs", "1", "--output", str(lines)]
    subprocess.run(batch, cwd=ROOT, env=without, capture_output=True, check=True)
    assert lines.read_text().count("\n") > 0
    assert {path.name for path in tmp_path.iterdir()} == {"predict.pyz", "tonight.jsonl", "windows", "locks"}


@pytest.mark.slow
def test_what_is_checked_on_other_systems_holds_here() -> None:
    subprocess.run([sys.executable, ".ci/elsewhere"], cwd=ROOT, capture_output=True, check=True)


def test_the_workflow_runs_it_on_three_systems_and_four_pythons() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    matrix = jobs["elsewhere"]["strategy"]["matrix"]
    assert set(matrix["system"]) >= {"windows-latest", "macos-latest"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert jobs["elsewhere"]["steps"][-1]["run"] == "python .ci/elsewhere"
