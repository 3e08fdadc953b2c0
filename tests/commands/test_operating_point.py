"""Training chooses the operating threshold from out-of-fold predictions, for a recall or for a capacity."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ml.model import StrugglePredictionModel
from ml.places import CURRENT, LEVELS_FILE
from ml.study.history import DAY_MS
from ml.training.calibration import threshold_for_recall
from ml.training.examples import ExampleSet
from ml.training.operating_point import Target, operating_point, threshold_for_capacity
from scripts.cli.exits import Usage
from scripts.training.target import target_of
from tests.commands.test_training import run
from tests.support.small_platform import make_platform


def examples(count: int, seed: int = 0) -> tuple[ExampleSet, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1.2, 2.0, count)
    who = np.array([f"l{each % 40}" for each in range(count)])
    at = np.sort(rng.integers(0, 60 * DAY_MS, count))
    y = (rng.random(count) < p).astype(np.int8)
    return ExampleSet(np.zeros((count, 1)), y, who, who, at, np.full(count, 5), np.zeros(count, np.bool_)), p


@pytest.mark.parametrize("recall", [0.5, 0.7, 0.9])
def test_the_threshold_finds_the_share_that_was_asked_for(recall: float) -> None:
    rows, p = examples(2000)
    found = operating_point(Target(recall), p, rows, "2026-11-23T00:00:00.000Z")
    threshold = float(str(found["operating_threshold"]))
    assert threshold == threshold_for_recall(p, rows.y.astype(float), recall)
    said = p >= threshold
    assert found["recall"] == pytest.approx(said[rows.y > 0].mean())
    assert recall <= float(str(found["recall"])) < recall + 0.03
    assert (found["for"], found["visits"], found["learners"]) == ({"recall": recall}, 2000, 40)


@pytest.mark.parametrize("capacity", [1, 5, 20])
def test_a_day_has_no_more_flags_than_there_is_time_for(capacity: int) -> None:
    rows, p = examples(2000)
    threshold = threshold_for_capacity(p, rows.as_of_ms, capacity)
    day = rows.as_of_ms // DAY_MS
    lately = day > day.max() - 28
    days = len(np.unique(day[lately]))
    assert (p[lately] >= threshold).sum() <= capacity * days
    assert (p[lately] >= threshold - 0.01).sum() >= capacity * days  # the next hundredth would be too many
    assert threshold_for_capacity(p, rows.as_of_ms, 10**6) == 0.01
    assert threshold_for_capacity(np.zeros(0), np.zeros(0, np.int64), 5) == 0.01
    assert threshold_for_capacity(np.full(50, 0.3), np.zeros(50, np.int64), 5) > 0.3  # equals are flagged together


def test_the_target_is_the_options_then_the_files_then_the_platforms(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert target_of(directory, None, None) == Target(0.7, None)
    (tmp_path / LEVELS_FILE).write_text(json.dumps({"chosen": {"for": {"capacity": 12}}}))
    assert target_of(directory, None, None) == Target(capacity=12)
    assert target_of(directory, 0.8, None) == Target(0.8)
    (tmp_path / LEVELS_FILE).write_text(json.dumps({"chosen": {"for": {"recall": 0.85}}}))
    assert target_of(directory, None, None) == Target(0.85)
    assert target_of(directory, None, 3).capacity == 3
    with pytest.raises(Usage):
        target_of(directory, 0.8, 3)


@pytest.mark.slow
def test_training_and_retraining_write_levels_and_keep_what_a_person_set(tmp_path: Path) -> None:
    platform, models = make_platform(str(tmp_path)), tmp_path / "models"
    common = ("--database-url", platform, "--models-dir", str(models), "--jobs", "1", "--json")
    then = "2020-09-13T17:26:40Z"  # what is newer is enough for retraining to judge a challenger
    trained = run("train_initial_model.py", *common, "--as-of", then, "--target-recall", "0.8")
    assert trained.returncode == 0, trained.stderr
    told = json.loads(trained.stdout)["operating_point"]
    assert told["recall"] >= 0.8
    levels = json.loads((models / LEVELS_FILE).read_text())
    assert levels["operating_threshold"] == told["operating_threshold"]
    assert levels["chosen"]["for"] == {"recall": 0.8}
    model = StrugglePredictionModel.load(str(models / CURRENT))
    assert model.levels.operating_threshold == told["operating_threshold"]
    assert levels["chosen"]["model_version"] == model.model_version

    (models / LEVELS_FILE).write_text(json.dumps({**levels, "high_from": 0.9, "operating_threshold": 0.66}))
    by_hand = (models / LEVELS_FILE).read_bytes()
    again = run("retrain_model.py", *common, "--since", then)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["operating_point"]["for"] == {"recall": 0.8}  # the file's target goes on
    assert (models / LEVELS_FILE).read_bytes() == by_hand

    (models / LEVELS_FILE).write_text("{")
    for script in ("train_initial_model.py", "retrain_model.py"):
        refused = run(script, *common)
        assert refused.returncode == 78
        assert os.fspath(models / LEVELS_FILE) in refused.stderr
