"""The installed command `struggle-predict` keeps predict.py's contract, and a compiled checkout compiles nothing."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.pages import ROOT, blocks
from tests.support.running_predict import LEARNER, OBJECTIVE, Ran, Running, filled_pipe, finished, ran

HOSTILE = "raise SystemExit('a file of the directory in which the caller stands was run')\n"
FIXED = ("--as-of", "2025-10-16T09:00:00Z")


@pytest.fixture
def command(tmp_path: Path) -> str:
    """The command as pip writes it, at some distance from the caller."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["struggle-predict"]
    module, _, function = named.partition(":")
    path = tmp_path / "bin" / "struggle-predict"
    path.parent.mkdir()
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
        f"if __name__ == '__main__':\n    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit({function}())\n"
    )
    path.chmod(0o755)
    return str(path)


def by_command(command: str, *arguments: str, **how: object) -> Ran:
    return finished(Running([command, *arguments], **how))


@pytest.mark.parametrize(
    "arguments",
    [
        (LEARNER, OBJECTIVE),
        (*FIXED, "--pretty", LEARNER, OBJECTIVE),
        ("nobody", OBJECTIVE),
        ("--pretty", "--doctor"),  # two arguments are two ids
        ("--help", "--version"),
        ("-", "--"),
        ("",),
        ("--no-such-option", LEARNER, OBJECTIVE),
        ("--model", "/nonexistent.pkl", LEARNER, OBJECTIVE),
        ("--strict", "--database-url", "file:/nonexistent.db", LEARNER, OBJECTIVE),
    ],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_it_answers_as_predict_py_does(command: str, arguments: tuple[str, ...]) -> None:
    told, expected = by_command(command, *arguments), ran(*arguments)
    assert (told.code, told.stdout, told.stderr) == (expected.code, expected.stdout, expected.stderr)


def test_its_help_names_it(command: str) -> None:
    told, expected = by_command(command, "--help"), ran("--help")
    assert told.stdout.startswith(b"Usage: struggle-predict ")
    assert told.stdout.partition(b"\n")[2] == expected.stdout.partition(b"\n")[2]


def test_a_closed_or_full_stdout_is_74(command: str) -> None:
    closed = finished(Running(["sh", "-c", f"exec {shlex.quote(command)} {LEARNER} {OBJECTIVE} >&-"]))
    assert (closed.code, closed.stdout) == (74, b"")
    reading, writing = filled_pipe()
    try:
        full = finished(Running([command, LEARNER, OBJECTIVE], stdout=writing))
    finally:
        os.close(reading), os.close(writing)
    assert full.code == 74


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_before_its_imports_still_gets_its_object(
    command: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The signal comes while `predict` is being looked for."""
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "sitecustomize.py").write_text(
        "import os, signal, sys, time\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'predict':\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "            time.sleep(30)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    told = by_command(command, LEARNER, OBJECTIVE, env={**os.environ, "PYTHONPATH": str(tmp_path / "early")})
    assert told.answer(code) == {"error": {"code": "interrupted", "message": f"stopped by {number.name}"}}


@pytest.mark.parametrize("started_by", ["the command", "python -m"])
def test_no_file_of_the_callers_directory_is_taken(command: str, tmp_path: Path, started_by: str) -> None:
    there = tmp_path / "there"
    for package in ("db", "ml", "click", "psycopg2", *(("scripts",) if started_by == "the command" else ())):
        (there / package).mkdir(parents=True)
        (there / package / "__init__.py").write_text(HOSTILE)
    for module in ("_sqlite3", "json", *(("predict",) if started_by == "the command" else ())):
        (there / f"{module}.py").write_text(HOSTILE)
    words = [command] if started_by == "the command" else [sys.executable, "-m", "predict"]
    for arguments in ((LEARNER, OBJECTIVE), ("--pretty", "--demo", LEARNER, OBJECTIVE)):
        told = finished(Running([*words, *arguments], cwd=there))
        assert told.code == 0, told.stderr
        assert told.stdout == ran(*arguments).stdout


def test_python_m_is_the_same_command(tmp_path: Path) -> None:
    for words in (["-m", "predict"], ["-P", "-m", "predict"]):
        told = finished(Running([sys.executable, *words, LEARNER, OBJECTIVE], cwd=tmp_path))
        assert (told.code, told.stdout) == (0, ran().stdout)


@pytest.mark.parametrize("isolated", [[], ["-P"], ["-I"]], ids=lambda words: " ".join(words) or "as usual")
def test_a_link_to_predict_py_is_the_same_command(tmp_path: Path, isolated: list[str]) -> None:
    """Without site, so that only the link's target says where db and ml lie."""
    (tmp_path / "link.py").symlink_to(ROOT / "predict.py")
    told = finished(Running([sys.executable, "-S", *isolated, str(tmp_path / "link.py"), LEARNER, OBJECTIVE]))
    assert (told.code, told.stdout) == (0, ran().stdout)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout after the README's first command, but for the environment that this command also makes."""
    checkout = tmp_path_factory.mktemp("compiled") / "checkout"
    checkout.mkdir()
    shutil.copy(ROOT / "predict.py", checkout)
    for folder in ("db", "ml", "models", "scripts"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (step,) = [step for step in blocks("README.md", "sh")[0].body.split("&&") if "compileall" in step]
    words = [sys.executable, *shlex.split(step)[1:]]
    unwilling = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(words, cwd=checkout, env=unwilling, check=True)
    return checkout


def test_a_compiled_checkout_compiles_nothing_at_a_start(compiled: Path, postgres_url: str) -> None:
    unwilling = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for arguments in (
        (LEARNER, OBJECTIVE),
        ("--demo", "--doctor", "--pretty"),
        ("--database-url", postgres_url, "--doctor"),
    ):
        told = finished(Running([sys.executable, "-v", str(compiled / "predict.py"), *arguments], env=unwilling))
        loaded = re.findall(rb"# code object from '?(%s[^'\n]*)" % re.escape(bytes(compiled)), told.stderr)
        assert len(loaded) > 40
        assert [each for each in loaded if not each.endswith(b".pyc")] == []


def test_what_was_compiled_can_be_read_by_any_account(compiled: Path) -> None:
    for path in compiled.rglob("*.pyc"):
        source = path.parent.parent / f"{path.name.partition('.')[0]}.py"
        assert stat.S_IMODE(path.stat().st_mode) & 0o444 == stat.S_IMODE(source.stat().st_mode) & 0o444
