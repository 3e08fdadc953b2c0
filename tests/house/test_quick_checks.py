"""What judges a change in under a minute looks into every room, with the tools of the lock."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.support.tracked import tracked

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    *("advice", "cohort", "commands", "db", "fuzz", "house", "logs", "ml", "monitoring", "oversight", "piping"),
    *("process", "serving"),
)


def quick_tests(path: Path) -> list[str]:
    """The names of a file's tests that neither they nor their file mark as slow."""
    tree = ast.parse(path.read_text())
    marks = [
        ast.unparse(node.value) for node in tree.body if isinstance(node, ast.Assign) and named(node, "pytestmark")
    ]
    if any("mark.slow" in mark for mark in marks):
        return []
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        test.name
        for test in tests
        if test.name.startswith("test_") and not any("mark.slow" in ast.unparse(mark) for mark in test.decorator_list)
    ]


def named(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def hooks() -> list[dict[str, str]]:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    return list(repository["hooks"])


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_tests_that_are_not_slow(room: str) -> None:
    quick = [name for path in sorted((ROOT / "tests" / room).glob("test_*.py")) for name in quick_tests(path)]
    assert quick


def test_every_folder_of_tests_is_a_room_or_is_imported_by_tests() -> None:
    holding = {Path(name).parts[1] for name in tracked("tests/*") if Path(name).name.startswith("test_")}
    assert holding == set(ROOMS)


def test_the_hooks_run_tools_that_the_lock_pins() -> None:
    lock = (ROOT / "requirements-lock.txt").read_text()
    packages = {"ruff": "ruff", "yamllint": "yamllint", "lint-imports": "import-linter"}
    programs = {Path(shlex.split(hook["entry"])[0]) for hook in hooks() if hook["language"] == "system"}
    assert {program.name for program in programs} == packages.keys()
    assert {str(program.parent) for program in programs} == {".venv/bin"}
    for package in packages.values():
        assert f"\n{package}==" in lock


@pytest.mark.slow
@pytest.mark.parametrize("hook", ["trailing-whitespace", "end-of-file"])
def test_no_tracked_text_is_refused_by_a_hook(hook: str) -> None:
    (wanted,) = [each for each in hooks() if each["id"] == hook]
    pattern = re.compile(wanted["entry"].encode(), re.MULTILINE if "args" not in wanted else 0)
    for path in map(ROOT.joinpath, tracked()):
        content = path.read_bytes()
        if b"\0" in content or re.search(wanted["exclude"], str(path.relative_to(ROOT))):
            continue
        assert not pattern.search(content), path


@pytest.mark.parametrize("program", [".ci/check", ".ci/run"])
def test_ci_runs_what_the_pages_say(program: str) -> None:
    text = (ROOT / program).read_text()
    for tool in ("ruff", "mypy", "lint-imports"):
        assert re.search(rf"/{tool}\b", text), tool
