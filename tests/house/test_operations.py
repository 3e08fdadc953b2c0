"""The operations page: every row of its table of faults is held by a test that exists, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "scripts" / "deploy" / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    """The cells of each row of the table, but for its head and for the rows that are headings."""
    table = TEXT.partition("## When something is wrong")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if not row[0].startswith("**")]


def test_every_row_has_a_test_that_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert len(rows()) > 25
    for row in rows():
        assert len(row) == 4, row
        named = re.findall(r"`(test_\w+)`", row[3])
        assert named, row
        assert [name for name in named if f"def {name}(" not in sources] == []


def test_every_code_is_one_that_is_documented() -> None:
    for row in rows():
        for code in re.findall(r"\d+", row[2]):
            documented = {
                0,
                2,
                64,
                66,
                69,
                70,
                71,
                74,
                75,
                78,
                130,
                143,
                200,
                201,
                401,
                404,
                405,
                408,
                409,
                413,
                422,
                500,
                503,
            }
            assert int(code) in documented, row


def test_what_the_page_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", TEXT):
        assert (PAGE.parent / target).exists(), target
