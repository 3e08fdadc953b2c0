"""Histories in, features and probabilities out, to the ninth place; and the same by the standard library alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ml.model import StrugglePredictionModel
from tests.golden import GOLDEN, HISTORIES, SHIPPED, judged
from tests.house.test_house import ROOT

EXPECTED = json.loads(GOLDEN.read_text(encoding="utf-8"))


def close_to(expected: object) -> object:
    """The same tree with its numbers held to 1e-9."""
    if isinstance(expected, dict):
        return {name: close_to(part) for name, part in expected.items()}
    if isinstance(expected, list):
        return [close_to(part) for part in expected]
    return pytest.approx(expected, rel=0, abs=1e-9) if isinstance(expected, float) else expected


@pytest.fixture(scope="module")
def shipped() -> StrugglePredictionModel:
    return StrugglePredictionModel.load(os.fspath(SHIPPED))


def test_every_history_has_its_numbers_and_every_number_its_history() -> None:
    assert list(EXPECTED) == list(HISTORIES)


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_gives_the_features_and_the_probabilities_on_record(
    name: str, shipped: StrugglePredictionModel
) -> None:
    assert judged(*HISTORIES[name], shipped) == close_to(EXPECTED[name])


def test_the_standard_library_alone_gives_the_same_probabilities() -> None:
    """-S leaves out site-packages: neither scikit-learn nor numpy, click or psycopg2 can be imported."""
    code = (
        "import importlib.util as util, runpy\n"
        "assert not [name for name in ('sklearn', 'numpy', 'scipy', 'joblib', 'click') if util.find_spec(name)]\n"
        "runpy.run_module('tests.golden', run_name='__main__')\n"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == close_to(EXPECTED)
