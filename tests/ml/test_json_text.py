"""The JSON on stdout is json.dumps's own, to the byte."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.sql.json_values import loads
from ml.json_text import dumps

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@pytest.mark.slow
@given(VALUES)
def test_the_text_is_what_json_would_write(value: object) -> None:
    assert dumps(value) == json.dumps(value)


def test_lone_surrogates_of_a_hostile_command_line_stay_ascii() -> None:
    assert dumps("\udcff") == '"\\udcff"'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValueError):
        dumps({"probability": [number]})


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"probability": object()})


@pytest.mark.slow
@given(VALUES)
def test_a_json_column_reads_as_json_reads_it(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert loads(f" {text}\n") == json.loads(text) == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \\\tNaIity') | st.text())
def test_broken_text_is_refused_where_json_refuses_it(text: str) -> None:
    def reading(read: Callable[[str], object]) -> object:
        try:
            return read(text)
        except (ValueError, RecursionError) as error:
            return ValueError if isinstance(error, ValueError) else RecursionError

    assert reading(loads) == reading(lambda given: json.loads(given, parse_constant=lambda _: None))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_nesting_without_end_is_refused(text: str) -> None:
    with pytest.raises(RecursionError):
        loads(text)


def test_broken_text_is_refused_where_json_was_never_imported() -> None:
    """The C scanner takes its exception from json.decoder if that is there, and otherwise raises SystemError."""
    tried = """
import sys
from db.sql.json_values import loads
for text in ('{"a": 1,}', "{a: 1}", '"\\\\x"', "[1 2]", '"abc', "nul", ""):
    try:
        print(loads(text))
    except ValueError:
        print("refused")
print("json.decoder" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", tried], capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout.split() == ["refused"] * 7 + ["False"]
