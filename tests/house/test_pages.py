"""Every page holds what it says: its samples are real output, its links and names lead somewhere.

- `json`: its keys and values, at every depth, are those of the output of `predict.py demo-learner action-potentials`;
  behind `<!-- prints: predict.py nobody x -->`, of that command's. An object with the key "..." shows only some.
- `ts`: a part of a file of tests/nextjs, to the letter.
- `python`: runs; behind `<!-- style -->` it only shows how to write.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.support.outputs import read_output
from tests.support.pages import ROOT, Block, anchors, blocks, links, our_call, pages, prose, text_of

SHOWN_FOR_STYLE = "style"
MADE_UP = "scripts/NAME.py"


def agrees(sample: object, real: object) -> bool:
    """Whether a sample shows the real output: the same keys and values, numbers as rounded in the sample.

    An object with the key "..." shows only some of its keys; a list shows some of its elements, in their order.
    """
    if isinstance(sample, dict) and isinstance(real, dict):
        shown = sample.keys() - {"..."}
        complete = shown == real.keys() or ("..." in sample and shown < real.keys())
        return complete and all(agrees(sample[key], real[key]) for key in shown)
    if isinstance(sample, list) and isinstance(real, list):
        following = iter(real)
        return all(any(agrees(element, each) for each in following) for element in sample)
    if isinstance(sample, float) and isinstance(real, float):
        return sample == round(real, len(str(sample).partition(".")[2]))
    return sample == real


def test_a_sample_with_another_value_does_not_agree() -> None:
    real = {"p": 0.96264, "level": "HIGH", "parts": [{"a": 1}, {"a": 2}]}
    assert agrees({"p": 0.9626, "level": "HIGH", "parts": [{"a": 2}]}, real)
    assert agrees({"p": 0.96, "...": "the others"}, real)
    for wrong in ({"p": 0.9627, "...": ""}, {"level": "LOW", "...": ""}, {"parts": [{"a": 3}], "...": ""}, {"p": 0.96}):
        assert not agrees(wrong, real)


PUBLISHED = ("predict.py", "scripts/monitor.py")
"""Scripts whose output has a published schema."""
JSON_SAMPLES = [block for page in pages() for block in blocks(page, "json")]


@pytest.mark.slow
@pytest.mark.parametrize("block", JSON_SAMPLES, ids=[f"{b.page}: {b.mark or 'prediction'}" for b in JSON_SAMPLES])
def test_every_json_sample_is_the_real_output(block: Block) -> None:
    named = re.fullmatch(r"prints: (.*)", block.mark)
    call = our_call(shlex.split(named[1] if named else "predict.py demo-learner action-potentials"))
    assert call is not None, f"{block.page} says that {block.mark!r}, which is no command of ours"
    ran = subprocess.run([sys.executable, *call], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    printed = read_output(ran.stdout) if call[0] in PUBLISHED else json.loads(ran.stdout)
    assert agrees(json.loads(block.body), printed), ran.stdout


def test_the_typescript_is_a_part_of_the_tested_code() -> None:
    tested = [source.read_text(encoding="utf-8") for source in (ROOT / "tests" / "nextjs" / "src").rglob("*.ts*")]
    for page in pages():
        for block in blocks(page, "ts", "tsx", "typescript"):
            assert any(block.body in text for text in tested), f"{page}: {block.first_line}"


PROGRAMS = [b for page in pages() for b in blocks(page, "python", "py") if b.mark != SHOWN_FOR_STYLE]


@pytest.mark.parametrize("block", PROGRAMS, ids=[f"{b.page}: {b.first_line}" for b in PROGRAMS])
def test_the_python_runs(block: Block) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", block.body], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page: str) -> None:
    for path, fragment in links(page):
        target = os.path.normpath((ROOT / page).parent / path) if path else str(ROOT / page)
        assert os.path.exists(target), f"{page}: {path}"
        if fragment:
            assert fragment in anchors(os.path.relpath(target, ROOT)), f"{page}: {path}#{fragment}"


@pytest.mark.parametrize("page", pages())
def test_every_file_and_module_it_names_exists(page: str) -> None:
    named = set(re.findall(r"`((?:scripts|ml|db|tests)/[\w./-]+\.\w+)[`: ]", prose(page))) - {MADE_UP}
    modules = re.findall(r"-m ((?:scripts|tests)(?:\.\w+)+)", text_of(page))
    named |= {f"{name.replace('.', '/')}.py" for name in modules if not name.endswith(".NAME")}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_every_row_of_a_table_of_faults_names_its_test() -> None:
    rows = 0
    for page in pages():
        for table in re.findall(r"(?m)^\|.*\| test \|\n\|[-|]+\|\n((?:\|.*\n)+)", text_of(page)):
            for row in table.splitlines():
                what, *_, test = (cell.strip() for cell in row.strip("|").split(" | "))
                rows += 1
                assert "test_" in test or what.startswith("**"), f"{page}: {row}"
    assert rows > 120


def test_every_test_that_a_page_names_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = {name for page in pages() for name in re.findall(r"[`:](test_\w+)`", text_of(page))}
    assert len(named) > 120
    assert sorted(name for name in named if f"def {name}(" not in sources) == []
