"""The README: short, led by a newcomer's two commands, with every field of the answer and every exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.cli.predict_options import ENDS
from tests.support.outputs import read_output
from tests.support.pages import ROOT, anchors, blocks, our_calls, pages, sections, text_of

PAGE = "README.md"
MOST_LINES = 200


def test_it_is_short() -> None:
    assert text_of(PAGE).count("\n") <= MOST_LINES


def test_the_first_two_blocks_are_the_two_commands() -> None:
    """What .ci/run and a newcomer take from the README: one line that predicts, one line that tests."""
    first, second = blocks(PAGE, "sh")[:2]
    for block in (first, second):
        assert block.body.count("\n") == 1
        assert block.body.startswith("python3 -m venv ")
    assert our_calls(first.body)[0][0] == "predict.py"
    assert "pytest" in second.body.rpartition("&&")[2]


@pytest.mark.slow
def test_every_field_of_the_answer_is_explained() -> None:
    asked = [sys.executable, "predict.py", "demo-learner", "action-potentials"]
    printed = read_output(subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout)
    explained = set(re.findall(r"`(\w+)`", sections(PAGE)["The answer"]))
    assert printed.keys() <= explained


def test_every_exit_code_is_explained_and_no_other() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", sections(PAGE)["The answer"], re.MULTILINE)
    explained = {int(code) for row in rows for code in row.split(",")}
    assert explained == set(ENDS)


def test_it_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+\.md)", sections(PAGE)["Pages"]))
    assert linked == set(pages()) - {PAGE}


def test_it_gives_the_two_files_of_the_route() -> None:
    for name in ("struggle-predictor.ts", "stored-prediction.ts"):
        assert f"](tests/nextjs/src/lib/{name})" in text_of(PAGE)


def test_the_usual_anchors_are_there() -> None:
    """Other pages, messages and people's bookmarks lead here."""
    assert {"your-own-database-in-five-minutes", "the-answer", "operating-it"} <= anchors(PAGE)


def test_what_is_installed_wants_an_environment_of_its_own() -> None:
    """The wheel's top-level names are said, so that nobody installs them beside packages of the same names."""
    told = re.findall(r"`(\w+)`", re.search(r"packages are called (.*?)\.", text_of(PAGE), re.DOTALL)[1])  # type: ignore[index]
    tops = {path.parent.name for path in Path(ROOT).glob("*/__init__.py")} | {"models"}
    assert set(told) == tops - {"tests"}
