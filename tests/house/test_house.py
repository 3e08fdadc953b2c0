"""What must hold of the house as a whole: what a prediction imports, and what the repository may contain."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support.tracked import tracked

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ASKED = ("demo-learner", "action-potentials")
HEAVY = {"numpy", "scipy", "sklearn", "joblib", "asyncio", "pandas", "sqlalchemy", "prisma", "tqdm"}
COSTLY_STANDARD = {
    *("argparse", "asyncio", "contextlib", "dataclasses", "hashlib", "inspect", "logging", "multiprocessing"),
    *("pathlib", "pickle", "random", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "typing"),
    *("unittest", "urllib.parse", "uuid"),
}
"""Each of these costs more than a millisecond, a tenth of the bare interpreter."""
OURS_ON_SQLITE, OURS_ON_POSTGRESQL = 72, 76
"""So many modules of this project the two arguments may import. One costs a fifth of a millisecond or more; whoever
raises the number has looked whether the new one cannot wait until it is needed (`python -m scripts.benchmark startup`).
Ten of them are folders, whose __init__ holds a docstring alone.
"""


def imported_by(arguments: tuple[str, ...], **environment: str) -> set[str]:
    """Every module that a real run of predict.py imports after the interpreter itself has started."""
    ran = run_predict(("-X", "importtime"), arguments, environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"probability"' in ran.stdout
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"], capture_output=True, text=True, check=True, cwd="/"
    )
    return modules(ran.stderr) - modules(bare.stderr)


def run_predict(
    flags: tuple[str, ...], arguments: tuple[str, ...], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, *flags, os.path.join(ROOT, "predict.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**clean, **environment},
    )


def modules(import_times: str) -> set[str]:
    return {line.rpartition("|")[2].strip() for line in import_times.splitlines() if line.startswith("import time:")}


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def ours(names: set[str]) -> set[str]:
    return {name for name in names if roots({name}) & {"db", "ml", "scripts"}}


def test_the_two_argument_form_imports_neither_a_numerical_library_nor_click() -> None:
    imported = imported_by(ASKED)
    assert not roots(imported) & (HEAVY | {"click"})
    assert "psycopg2" not in roots(imported)
    assert not imported & (COSTLY_STANDARD | {"datetime", "json", "re", "sqlite3"})
    assert len(ours(imported)) <= OURS_ON_SQLITE, sorted(ours(imported))


def test_options_import_click_and_still_no_numerical_library() -> None:
    imported = imported_by(("--pretty", *ASKED))
    assert "click" in imported
    assert not roots(imported) & HEAVY


@pytest.mark.slow
@pytest.mark.stopwatch
def test_postgresql_adds_its_driver_and_nothing_heavy(postgres_url: str) -> None:
    create = [sys.executable, "-m", "scripts.create_database", "--database-url", postgres_url, "--demo"]
    subprocess.run(create, cwd=ROOT, check=True, capture_output=True)
    imported = imported_by(ASKED, DATABASE_URL=postgres_url)
    assert "psycopg2" in imported
    assert not roots(imported) & (HEAVY | {"click"})
    assert "_ssl" not in imported
    assert len(ours(imported)) <= OURS_ON_POSTGRESQL, sorted(ours(imported))


def test_importing_the_packages_costs_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import ml, db; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not roots(set(done.stdout.split())) & (HEAVY | {"click", "psycopg2", "sqlite3"})


def test_the_top_level_is_the_agreed_one() -> None:
    allowed = {"pyproject.toml", "README.md", "predict.py", "ml", "db", "models", "tests", "scripts", "LICENSE"}
    top = {name.partition("/")[0] for name in tracked()}
    assert {name for name in top if not name.startswith(".")} - allowed == {"requirements-lock.txt"}


def test_the_lock_file_pins_hashes_and_names_no_host() -> None:
    with open(os.path.join(ROOT, "requirements-lock.txt"), encoding="utf-8") as file:
        text = file.read()
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", text)
    pins = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())
    assert len(pins) > 20
    for pin in pins:
        assert re.match(r"[a-z0-9._-]+==\S+", pin), pin
        assert "--hash=sha256:" in pin, pin


UNLOCKED = {"mutation", "ebm"}
"""Extras that nothing which is run or released needs."""


def test_the_lock_file_covers_every_declared_dependency_but_what_pyproject_says() -> None:
    import tomllib

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)["project"]
    declared = [
        *project["dependencies"],
        *(need for extra, needs in project["optional-dependencies"].items() if extra not in UNLOCKED for need in needs),
    ]
    names = {re.split(r"[\[<>=!~; ]", need)[0].lower().replace("_", "-") for need in declared} - {project["name"]}
    with open(os.path.join(ROOT, "requirements-lock.txt"), encoding="utf-8") as file:
        locked = set(re.findall(r"(?m)^([a-z0-9._-]+)==", file.read()))
    assert names <= locked, f"not in requirements-lock.txt: {sorted(names - locked)}"


def test_ci_runs_the_readmes_test_command_and_the_workflow_runs_the_same_script() -> None:
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", file.read())
    assert "predict.py" in blocks[0]
    assert "pytest" in blocks[1]
    assert all(len(block.strip().splitlines()) == 1 for block in blocks[:2])
    script = os.path.join(ROOT, ".ci", "run")
    assert os.access(script, os.X_OK)
    shown = subprocess.run(
        ["bash", "-c", f"{reader_of_blocks(script)}; readme_block 2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == blocks[1]
    with open(os.path.join(ROOT, ".github", "workflows", "ci.yml"), encoding="utf-8") as file:
        assert "- run: .ci/run" in file.read()


def reader_of_blocks(script: str) -> str:
    with open(script, encoding="utf-8") as file:
        return next(line.strip() for line in file if line.startswith("readme_block()"))
