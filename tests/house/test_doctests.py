"""The examples in docstrings are run, and give what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.house.test_house import ROOT

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("ml", "db", "scripts")
    for path in sorted(Path(ROOT, folder).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


def test_examples_stand_where_a_call_says_more_than_prose() -> None:
    assert {"ml.study.scales", "ml.study.visits", "ml.features.feature"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_give_what_they_say(module: str) -> None:
    found = doctest.testmod(import_module(module))
    assert found.attempted, "the text has an example, but no docstring has one"
    assert not found.failed
