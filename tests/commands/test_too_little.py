"""What training, evaluation and monitoring say where there is too little to say anything: no crash, and no figure."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ml.errors import InvalidFeatures
from ml.evaluation.bootstrap import studentised
from ml.evaluation.drift import FeatureCounts, feature_drift
from ml.evaluation.metrics import calibration_line, calibration_noise_floor
from ml.evaluation.paired_difference import paired_difference
from ml.training.calibration import threshold_for_recall
from ml.training.examples import TrainingExample
from ml.training.fit import Labels
from ml.training.model_card import readme
from ml.training.update import features_in

MODELS = Path(__file__).parents[2] / "models"


def test_nobody_who_struggled_leaves_the_threshold_at_a_half() -> None:
    probabilities = np.array([0.2, 0.3, 0.9])
    assert threshold_for_recall(probabilities, np.zeros(3)) == 0.5
    assert threshold_for_recall(probabilities, np.array([0.0, 1.0, 1.0]), recall=1.0) == 0.3


def test_a_single_learner_is_folded_by_stretches_of_rows() -> None:
    labels = Labels.of(np.zeros((6, 1)), np.zeros(6), np.array(["one"] * 6))
    assert labels.folds(3).tolist() == [0, 0, 1, 1, 2, 2]
    assert Labels.of(np.zeros((0, 1)), np.zeros(0), np.array([], dtype=np.str_)).folds(3).tolist() == []


def test_outcomes_that_a_probability_parts_without_error_have_no_calibration_line() -> None:
    labels, probabilities = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.7, 0.8])
    assert calibration_line(labels, probabilities) is None
    assert calibration_line(labels, np.full(4, 0.5)) is None
    assert calibration_line(np.ones(4), probabilities) is None
    assert calibration_line(np.array([0.0, 1.0, 0.0, 1.0]), probabilities) is not None


def test_no_rows_have_no_noise_floor() -> None:
    assert calibration_noise_floor(()) is None


def test_a_figure_without_a_finite_error_has_no_interval_and_one_without_error_is_its_own() -> None:
    resampled = np.full(200, 0.4)
    assert studentised(0.4, float("nan"), resampled, resampled, 0.95, 10) is None
    assert studentised(0.4, -1.0, resampled, resampled, 0.95, 10) is None
    assert studentised(0.4, 0.0, resampled, resampled, 0.95, 10) == (0.4, 0.4)


def test_learners_that_do_not_fit_the_labels_are_refused() -> None:
    rows = np.array([0.0, 1.0, 0.0])
    with pytest.raises(ValueError, match="the same length"):
        paired_difference(rows, np.full(3, 0.4), np.full(3, 0.5), np.array(["a", "b"]))


def test_a_feature_that_nobody_has_drifts_nowhere_and_has_no_mean() -> None:
    before, after = FeatureCounts(["known", "never"]), FeatureCounts(["known", "never"])
    nobody = np.zeros(0, dtype=np.int64)
    before.add(nobody, np.zeros((0, 2)))
    assert before.rows == 0
    learners = np.arange(40)
    values = np.column_stack([np.linspace(0.0, 1.0, 40), np.full(40, np.nan)])
    before.add(learners, values)
    after.add(learners, values)
    never = next(each for each in feature_drift(before, after) if each.feature == "never")
    assert (never.mean_before, never.mean_after, never.missing_before, never.missing_after) == (None, None, 1.0, 1.0)
    assert never.distance == 0.0
    assert not never.drifted


def test_an_example_without_features_is_refused() -> None:
    with pytest.raises(InvalidFeatures, match="must be a FeatureVector or a mapping"):
        features_in(TrainingExample("learner", "objective", [0.5], True, 0))  # type: ignore[arg-type]


def test_the_shipped_models_card_is_what_its_figures_say() -> None:
    text = (MODELS / "README.md").read_text(encoding="utf-8")
    remake = re.findall(r"(?ms)^```sh\n(.*?)\n```$", text)[-1]
    found = json.loads((MODELS / "pretrained.json").read_text(encoding="utf-8"))
    assert readme(found, remake) == text


def test_a_card_shows_a_dash_for_what_could_not_be_told() -> None:
    found = json.loads((MODELS / "pretrained.json").read_text(encoding="utf-8"))
    found["evaluation"]["figures"]["auc"] = {"value": None, "low": None, "high": None}
    found["evaluation"]["figures"]["brier"] = {"value": 0.25, "low": None, "high": None}
    row = next(line for line in readme(found, "").splitlines() if line.startswith("| all |"))
    cells = [cell.strip() for cell in row.split("|")]
    assert (cells[4], cells[6]) == ("-", "0.250")
