"""The rooms: every module stands in a layer, none imports upwards or in a circle, and no folder holds too many."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml.places import HOUSE

LINTER = Path(sys.executable).with_name("lint-imports")
MOST_MODULES = {"tests": 40, "scripts": 30}
MOST_MODULES_ELSEWHERE = 25
PREDICT_IMPORTS = {
    "collections.abc",
    "db.errors",
    "json",
    "ml.answer",
    "ml.deadline",
    "ml.errors",
    "ml.extractor",
    "ml.json_text",
    "ml.model",
    "ml.study.history",
    "ml.study.occasion",
    "os",
    "scripts.cli.answer_in_words",
    "scripts.cli.doctor",
    "scripts.cli.exits",
    "scripts.cli.predict_options",
    "scripts.cli.request",
    "scripts.cli.starting",
    "scripts.cli.streams",
    "scripts.cli.what_if",
    "sys",
    "time",
}
"""All that predict.py may import, here or when it is asked for something rare."""
MADE_UP = {
    "a module of ml in no layer": ("ml/stray.py", "", "ml.stray"),
    "a module of db in no layer": ("db/stray.py", "", "db.stray"),
    "a module of scripts in no layer": ("scripts/stray.py", "", "scripts.stray"),
    "an import upwards": ("ml/study/stray.py", "import ml.storage.registry", "ml.study.stray -> ml.storage.registry"),
    "an import upwards for type checking": (
        "ml/features/stray.py",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from ml.model import StrugglePredictionModel",
        "ml.features.stray -> ml.model",
    ),
    "two rooms that import each other": (
        "db/tables/stray.py",
        "import db.reading.queries",
        "db.tables.stray -> db.reading.queries",
    ),
    "a circle within a room": ("ml/study/scales.py", "import ml.study.summary", "No cycles are allowed in ml.study."),
    "a command that imports another": (
        "scripts/monitor.py",
        "import scripts.models",
        "scripts.monitor -> scripts.models",
    ),
    "a command that reaches past db's front": (
        "scripts/cli/exits.py",
        "import db.sql.dialects",
        "scripts.cli.exits -> db.sql.dialects",
    ),
    "an import of predict.py": ("scripts/cli/exits.py", "import predict", "scripts.cli.exits -> predict"),
    "a numerical library in a prediction": ("ml/study/scales.py", "import numpy", "ml.study.scales -> numpy"),
}
"""What a change might do -> the file it makes or adds to, the lines, and what the contracts say of it."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's code and its contracts, to be changed."""
    made = tmp_path_factory.mktemp("copy")
    for package in ("ml", "db", "scripts"):
        shutil.copytree(Path(HOUSE, package), made / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("predict.py", "pyproject.toml"):
        shutil.copy(Path(HOUSE, name), made)
    return made


@pytest.fixture(scope="module")
def said_of_changes(copy: Path) -> str:
    """What the contracts say once all of MADE_UP was done; before, they were kept."""
    code, said = contracts(copy)
    assert (code, " 0 broken" in said) == (0, True), said
    for name, lines, _ in MADE_UP.values():
        path = copy / name
        path.write_text(f"{path.read_text() if path.exists() else ''}\n{lines}\n")
    code, said = contracts(copy)
    assert code == 1, said
    return said


def contracts(directory: Path) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(directory), "COLUMNS": "500"}
    ran = subprocess.run(
        [LINTER, "--no-cache", "--no-logo"], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("change", MADE_UP)
def test_a_change_that_breaks_a_contract_is_named(said_of_changes: str, change: str) -> None:
    _, _, told = MADE_UP[change]
    assert told in said_of_changes


def test_no_folder_holds_more_modules_than_can_be_taken_in() -> None:
    crowded = {}
    for root in ("ml", "db", "scripts", "tests"):
        for folder, folders, names in os.walk(Path(HOUSE, root)):
            folders[:] = [each for each in folders if each not in ("__pycache__", "node_modules")]
            modules = sum(name.endswith(".py") for name in names) - ("__init__.py" in names)
            if modules > MOST_MODULES.get(root, MOST_MODULES_ELSEWHERE):
                crowded[os.path.relpath(folder, HOUSE)] = modules
    assert crowded == {}


def test_every_folder_of_modules_is_a_package() -> None:
    holders = {path.parent for root in ("ml", "db", "scripts", "tests") for path in Path(HOUSE, root).rglob("*.py")}
    programs = {"scripts/reference", "scripts/reference/callers", "scripts/deploy"}  # each file is run by itself
    without = {str(each.relative_to(HOUSE)) for each in holders if not (each / "__init__.py").exists()}
    assert {name for name in without if "node_modules" not in name} <= programs


@pytest.mark.parametrize("root", ["ml", "db", "scripts", "tests"])
def test_every_room_is_told_of_in_its_folders_page(root: str) -> None:
    page = Path(HOUSE, root, "README.md").read_text(encoding="utf-8").partition("\n## Rooms\n")[2]
    rooms = {path.name for path in Path(HOUSE, root).iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= {name.rstrip("/") for name in re.findall(r"`([\w.]+/?)`", page)}


def test_predict_imports_what_is_on_the_list() -> None:
    found = set()
    for node in ast.walk(ast.parse(Path(HOUSE, "predict.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages = node.module in ("db", "ml", "scripts")
            found |= {f"{node.module}.{each.name}" for each in node.names} if packages else {node.module}
    assert found == PREDICT_IMPORTS


@pytest.mark.slow
def test_every_room_is_installed() -> None:
    """A package that setuptools does not find would be missing from an installation, and only from there."""
    import tomllib

    from setuptools import find_namespace_packages

    find = tomllib.loads(Path(HOUSE, "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    found = set(find_namespace_packages(HOUSE, include=find["include"], exclude=find["exclude"]))
    rooms = {
        ".".join(path.parent.relative_to(HOUSE).parts)
        for root in ("ml", "db", "scripts")
        for path in Path(HOUSE, root).rglob("__init__.py")
    }
    assert rooms | {"models"} == {name for name in found if "__pycache__" not in name}
