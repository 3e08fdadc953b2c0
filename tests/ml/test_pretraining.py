"""The command that makes the shipped model, on two small platforms: its switch and its card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml.evaluation.expectations import TENTHS, Expectation, expectation
from ml.features.vector import FEATURE_NAMES
from ml.places import HOUSE
from ml.storage import model_file
from ml.training.examples import ExampleSet
from tests.support.small_platform import make_platform

CARDS = FEATURE_NAMES.index("first_card_difficulty")


def pretrain(*arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, os.path.join(HOUSE, "scripts", "train_initial_model.py"), "--pretrained", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command wrote about two platforms, of which the second chose its cards by earlier answers."""
    at = tmp_path_factory.mktemp("pretrained")
    url = make_platform(str(at))
    models = at / "models"
    sources = ("--database-url", url, "--source", "a log", "--database-url", url, "--source", "another log")
    ran = pretrain(*sources, "--adaptive", "another log", "--models-dir", str(models), "--jobs", "1")
    assert ran.returncode == 0, ran.stderr
    return models


@pytest.mark.slow
def test_a_log_whose_order_depends_on_answers_teaches_no_next_cards(made: Path) -> None:
    plain, adaptive = model_file.read(str(made / "pretrained.pkl")).sources
    assert "first cards taught nothing" in adaptive
    assert "first cards" not in plain
    assert '--source "another log" --adaptive "another log"' in (made / "README.md").read_text()


@pytest.mark.slow
def test_the_card_tells_what_a_new_platform_may_expect_at_each_stage(made: Path) -> None:
    rows = json.loads((made / "pretrained.json").read_text())["first_labels"]
    assert [(row["labels"], row["table"]) for row in rows if row["platform"] == "mean"] == [
        (0, "none"),
        (0, "of all other learners"),
        (50, "none"),
        (50, "of the labelled visits"),
        (200, "none"),
        (200, "of the labelled visits"),
    ]
    for mean in (row for row in rows if row["platform"] == "mean"):
        alike = [row for row in rows if (row["labels"], row["table"]) == (mean["labels"], mean["table"])]
        assert {row["platform"] for row in alike} == {"mean", "a log", "another log"}
        for name in Expectation._fields:
            assert mean[name] == pytest.approx(np.mean([row[name] for row in alike if row is not mean]))
    of = {(row["labels"], row["table"]): row for row in rows if row["platform"] == "mean"}
    assert of[0, "of all other learners"]["auc"] > of[0, "none"]["auc"]
    assert of[50, "none"]["width"] < of[0, "none"]["width"]
    page = (made / "README.md").read_text()
    assert "| 200 | of the labelled visits |" in page


def test_a_name_that_is_no_source_is_refused() -> None:
    ran = pretrain("--demo", "--source", "a", "--adaptive", "b", "--models-dir", "/nowhere")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "Error: --adaptive must repeat one of the --source.\n"


def test_examples_without_next_cards_lose_nothing_else() -> None:
    x = np.random.default_rng(0).random((3, len(FEATURE_NAMES)))
    column = np.zeros(3, np.int64)
    examples = ExampleSet(x, column.astype(np.int8), column.astype(str), column.astype(str), column, column, column > 0)
    without = examples.without_next_cards().X
    assert np.isnan(without[:, CARDS]).all()
    assert np.array_equal(np.delete(without, CARDS, 1), np.delete(x, CARDS, 1))
    assert not np.isnan(examples.X).any()


def test_an_interval_covers_a_tenth_where_the_share_of_struggles_lies_within_it() -> None:
    p = np.repeat(np.linspace(0.05, 0.95, TENTHS), 100)
    y = (np.arange(1000) % 100 < 100 * p).astype(float)
    exact = expectation(y, p, p - 0.01, p + 0.01)
    assert (exact.covered, exact.ece) == (1.0, pytest.approx(0.0, abs=1e-9))
    assert exact.width == pytest.approx(0.02)
    too_high = expectation(y, np.clip(p + 0.03, 0, 1), p + 0.02, p + 0.04)
    assert too_high.covered == 0.0
    half = expectation(y, p, p - np.where(p < 0.5, 0.01, -0.01), p + 0.02)
    assert half.covered == 0.5
    assert Expectation.mean([exact, too_high]).covered == 0.5
