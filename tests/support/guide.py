"""The code blocks of the integration guide, read from where $STRUGGLE_GUIDE says; none is copied into the project."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import need

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """Every fenced block of the guide in this language, in order."""
    text = Path(need("STRUGGLE_GUIDE")).read_text(encoding="utf-8")
    return [body for written, body in _BLOCK.findall(text) if written == language]


def snippet(language: str, *marks: str) -> str:
    """The one block that holds all these marks; a guide without it fails the test, as does an ambiguous mark."""
    found = [body for body in blocks(language) if all(mark in body for mark in marks)]
    assert len(found) == 1, f"the guide has {len(found)} {language} blocks with {marks}"
    return found[0]
