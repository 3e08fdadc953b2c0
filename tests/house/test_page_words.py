"""One way of calling, one table of variables, one glossary: what the pages share is said once and is the code's own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ml.places import HOUSE
from tests.house.test_extras import NEEDING
from tests.support.outputs import read_output
from tests.support.pages import ROOT, blocks, options_of, pages, prose, sections, text_of
from tests.support.tracked import tracked

COMMANDS = sorted(
    path.name
    for path in Path(HOUSE, "scripts").iterdir()
    if path.suffix == ".sh" or (path.suffix == ".py" and "\nif __name__ ==" in path.read_text(encoding="utf-8"))
)
CLICKED = [name for name in COMMANDS if name.endswith(".py") and name != "benchmark.py"]
"""Those whose options are on the page of commands; a benchmark's are in its --help alone."""
SHARED = "Commands"
"""The heading of scripts/README.md under which the options that commands share are explained."""
READ = re.compile(
    r"""environ(?:ment)?(?:\.get\(|\[)\s*["']([A-Z][A-Z_]+)["']"""
    r"""|\bsetting\(["']([A-Z_]+)["']|^[A-Z_]+ = ["'](STRUGGLE_[A-Z_]+|DATABASE_URL)["']""",
    re.MULTILINE,
)
READ_BY_SHELL = re.compile(r"\$\{([A-Z][A-Z_]+):-")
READ_BY_NODE = re.compile(r"process\.env\.([A-Z_]+)")
NOT_SETTINGS = {"PYTHONPATH", "HOME", "OPENBLAS_NUM_THREADS", "MODEL_FILE"}
"""Read, but for a safe start, for libpq's files, or by programs that only benchmarks start."""


def variables_read() -> set[str]:
    """The environment variables that the command, the commands under scripts/, the service and the web files read."""
    found: set[str] = set()
    for path in map(ROOT.joinpath, tracked("predict.py", "ml/*.py", "db/*.py", "scripts/*.py")):
        for groups in READ.findall(path.read_text(encoding="utf-8")):
            found |= set(filter(None, groups))
    found |= set(READ_BY_SHELL.findall((ROOT / "scripts" / "weekly_retrain.sh").read_text(encoding="utf-8")))
    of_node = ("tests/nextjs/src/lib/*.ts", "scripts/node/src/*.ts", "scripts/node/templates/*.ts")
    for path in map(ROOT.joinpath, tracked(*of_node)):
        found |= set(READ_BY_NODE.findall(path.read_text(encoding="utf-8")))
    return {name for name in found if not name.startswith("PG")} - NOT_SETTINGS


def variables_listed() -> set[str]:
    """Those of the table of settings."""
    cells = [line.split("|")[2] for line in sections("scripts/README.md")["Settings"].splitlines() if line[:1] == "|"]
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Z_]+)`", cell)}


def test_the_table_of_settings_lists_every_variable_that_is_read_and_no_other() -> None:
    read = variables_read()
    assert {"DATABASE_URL", "STRUGGLE_MODEL", "STRUGGLE_TOKEN", "STRUGGLE_CHILDREN", "SINCE"} <= read
    assert variables_listed() == read


def test_python_is_called_in_one_way() -> None:
    """`python` of the activated environment; python3 makes the environment, and runs the file that needs none."""
    for page in pages():
        for block in blocks(page, "sh", "")[2 if page == "README.md" else 0 :]:
            assert ".venv/bin" not in block.body, f"{page}: {block.first_line}"
            others = re.findall(r"\bpython3 (?!-m venv|-I )\S+", block.body)
            assert others == [], f"{page}: {others}"
            assert not re.search(r"(?m)^\s*(?:\./)?(?:scripts/\w+\.py|predict\.py|pytest)\b", block.body), page
        for code in re.findall(r"`([^`\n]+)`", prose(page)):
            assert not re.match(r"(\S*/)?pytest\b|\S*\.venv/bin/python|python3 (scripts|predict|-m (?!venv))", code), (
                f"{page}: {code}"
            )


def test_the_database_is_exported_once() -> None:
    exports = [page for page in pages() for _ in re.findall(r"(?m)^\s*export DATABASE_URL='", text_of(page))]
    assert exports == ["README.md"]


@pytest.mark.parametrize("page", pages())
def test_no_page_shows_a_password_on_a_command_line(page: str) -> None:
    for block in blocks(page, "sh", ""):
        for line in block.body.splitlines():
            assert not re.search(r"--database-url\s+\S*postgres(ql)?://", line), line


def test_nothing_is_installed_by_the_projects_bare_name() -> None:
    """Nothing is published: whoever took the name on an index would be run by everybody who follows the text.

    `npx --no-install` only starts what is installed.
    """
    installs = re.compile(
        r"\b(?:pip3?|pipx|uv|uvx|npm|npx(?! --no-install )|pnpm|yarn)\b[^\n`]*?"
        r"(?:[\s'\"]|^)(struggle[-_]\w+(?:\[[\w,]*\])?)",
        re.MULTILINE,
    )
    found = []
    for path in map(
        ROOT.joinpath, tracked("*.md", "*.py", "*.sh", "*.yml", "*.ts", "*.tsx", "*.toml", "Dockerfile*", ".ci/*")
    ):
        if path != Path(__file__):
            found += [(str(path), match[0]) for match in installs.finditer(path.read_text(encoding="utf-8"))]
    assert found == []


def test_every_command_is_on_the_page() -> None:
    table = sections("scripts/README.md")[SHARED]
    assert [name for name in COMMANDS if f"`{name}`" not in table] == []


def test_the_extra_of_every_command_is_said() -> None:
    """Held to the calls that tests/house/test_extras.py makes without any extra."""
    rows = re.findall(r"(?m)^\| `(\w+)\.py` \|.*\| (\w*) ?\|$", sections("scripts/README.md")[SHARED])
    assert {command: extra for command, extra in rows if extra} == {name: extra for name, (extra, _) in NEEDING.items()}


@pytest.mark.slow
@pytest.mark.parametrize("command", CLICKED)
def test_every_option_of_a_command_is_explained(command: str) -> None:
    """Held to --help: an option that a command gains, loses or renames must be on the page of commands, or leave it."""
    explained = set(re.findall(r"--[a-z][\w-]*", text_of("scripts/README.md")))
    assert options_of(f"scripts/{command}") - explained == set()


@pytest.mark.slow
def test_every_option_that_the_page_explains_exists() -> None:
    known = {option for name in CLICKED for option in options_of(f"scripts/{name}")}
    known |= options_of("predict.py") | {"--help", "--version", "--extra"}
    rows = re.findall(r"(?m)^\| (`--[^|]+)\|", text_of("scripts/README.md"))
    assert rows
    assert {option for row in rows for option in re.findall(r"--[a-z][\w-]*", row)} <= known


@pytest.mark.slow
def test_the_issue_form_asks_for_what_the_doctor_says() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "problem.yml").read_text(encoding="utf-8"))
    (doctor,) = [field for field in form["body"] if field.get("id") == "doctor"]
    assert doctor["validations"]["required"]
    (command,) = re.findall(r"`python (predict\.py [^`]*)`", doctor["attributes"]["description"])
    ran = subprocess.run([sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, read_output(ran.stdout)["database"]["reachable"]) == (0, True)


@pytest.mark.slow
def test_the_glossarys_terms_are_names_of_the_code() -> None:
    names: set[str] = set()
    for path in map(ROOT.joinpath, tracked("predict.py", "ml/*.py", "db/*.py", "scripts/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                names.add(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                names.add(node.value)
    lines = [line for line in sections(".github/ARCHITECTURE.md")["Glossary"].splitlines() if line[:1] == "|"][2:]
    rows = [line.split("|")[1:3] for line in lines]
    terms = {term.strip(): re.findall(r"`(\w+)`", code) for term, code in rows}
    asked_for = {"visit", "labelled example", "as_of", "known objective", "stated table", "bag", "degraded"}
    assert asked_for <= terms.keys()
    assert all(terms.values())
    assert {name for coded in terms.values() for name in coded} - names == set()
