"""levels.json beside the model: whose levels hold, what a damaged file does, and that every answer follows them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ml import StrugglePredictionModel
from ml.errors import ModelRefused
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.model import levels_in_force, load
from ml.places import LEVELS_FILE, shipped
from ml.storage.levels_file import is_edited, read_levels
from ml.study.scales import DEFAULT, PLATFORM
from scripts.outputs.published import schema
from tests.support.outputs import read_output, validator
from tests.support.running_predict import ran

FULL = {
    "format": 1,
    "medium_from": 0.3,
    "high_from": 0.8,
    "operating_threshold": 0.35,
    "capacity": 20,
    "chosen": {
        "operating_threshold": 0.35,
        "for": {"recall": 0.7},
        "at": "2026-11-23T03:15:00.000Z",
        "visits": 5120,
        "learners": 340,
        "model_version": "new",
    },
    "before": {"operating_threshold": 0.45, "model_version": "old"},
}
REFUSED = {
    "not JSON": "{",
    "text after it": "{} {}",
    "a list": "[]",
    "NaN": '{"high_from": NaN}',
    "a text": '{"high_from": "0.8"}',
    "true": '{"high_from": true}',
    "above one": '{"high_from": 1.01}',
    "zero": '{"medium_from": 0}',
    "negative": '{"operating_threshold": -0.5}',
    "crossed": '{"medium_from": 0.8}',
    "a slip": '{"hi_from": 0.8}',
    "capacity 0": '{"capacity": 0}',
    "capacity 1.5": '{"capacity": 1.5}',
    "another format": '{"format": 2}',
    "chosen is a number": '{"chosen": 0.3}',
    "before has none": '{"before": {"operating_threshold": "x"}}',
    "huge": '{"high_from": 1e999}',
    "deep": "[" * 100_000,
    "given twice": '{"high_from": 0.8, "high_from": 0.9}',
    "given twice within": '{"chosen": {"visits": 1, "visits": 2}}',
    "a long slip": json.dumps({"x" * 50_000: 1}),
    "a long format": json.dumps({"format": "x" * 50_000}),
}


def put(directory: Path, content: object) -> Path:
    path = directory / LEVELS_FILE
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_without_a_file_the_platforms_levels_hold(tmp_path: Path) -> None:
    assert read_levels(str(tmp_path / LEVELS_FILE), "") is None
    shutil.copy(shipped(), tmp_path / "mine.pkl")
    model = load(str(tmp_path / "mine.pkl"))
    assert model.levels is PLATFORM
    assert PLATFORM.to_dict() == {
        "medium_from": 0.4,
        "high_from": 0.7,
        "operating_threshold": 0.5,
        "from": DEFAULT,
    }


def test_each_field_may_be_absent(tmp_path: Path) -> None:
    found = read_levels(str(put(tmp_path, {"high_from": 0.8})), "")
    assert found is not None
    assert found.to_dict() == {**PLATFORM.to_dict(), "high_from": 0.8, "from": LEVELS_FILE}
    assert [found.of(each) for each in (0.39, 0.4, 0.79, 0.8)] == ["LOW", "MEDIUM", "MEDIUM", "HIGH"]
    assert read_levels(str(put(tmp_path, "\ufeff {}\n")), "") is not None  # a byte order mark, as Windows writes it


@pytest.mark.parametrize(("version", "threshold"), [("new", 0.35), ("old", 0.45), ("another", 0.45), ("", 0.35)])
def test_the_model_that_answers_takes_its_own_threshold(tmp_path: Path, version: str, threshold: float) -> None:
    """The file is replaced a moment before current.pkl: until then the old model goes on with the old threshold."""
    found = read_levels(str(put(tmp_path, FULL)), version)
    assert found is not None
    assert (found.operating_threshold, found.capacity) == (threshold, 20)


def test_a_threshold_set_by_hand_holds_for_every_model(tmp_path: Path) -> None:
    edited = {**FULL, "operating_threshold": 0.6}
    assert is_edited(edited)
    assert not is_edited(FULL)
    for version in ("new", "old"):
        found = read_levels(str(put(tmp_path, edited)), version)
        assert found is not None
        assert found.operating_threshold == 0.6


@pytest.mark.parametrize("name", REFUSED)
def test_a_damaged_file_is_refused_in_a_sentence_about_it(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, REFUSED[name])
    with pytest.raises(ModelRefused) as refusal:
        read_levels(str(path), "")
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < len(str(path)) + 200


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / LEVELS_FILE).mkdir()
    with pytest.raises(ModelRefused, match=r"levels\.json"):
        read_levels(str(tmp_path / LEVELS_FILE), "")
    os.rmdir(tmp_path / LEVELS_FILE)
    os.mkfifo(tmp_path / LEVELS_FILE)
    with pytest.raises(ModelRefused, match=r"levels\.json"):
        read_levels(str(tmp_path / LEVELS_FILE), "")


def test_the_schema_and_the_reader_agree(tmp_path: Path) -> None:
    check = validator("levels")
    assert schema("levels")["title"]
    for good in ({}, {"high_from": 0.8}, FULL, {**FULL, "before": {"model_version": None}}):
        check.validate(good)
        assert read_levels(str(put(tmp_path, good)), "") is not None
    for name in ("a list", "a text", "true", "above one", "zero", "negative", "a slip", "capacity 0", "capacity 1.5"):
        assert not check.is_valid(json.loads(REFUSED[name])), name


def test_the_directory_of_the_model_that_was_asked_for_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    for directory, high_from in ((models, 0.8), (elsewhere, 0.9)):
        directory.mkdir()
        put(directory, {"high_from": high_from})
    shutil.copy(shipped(), elsewhere / "mine.pkl")
    monkeypatch.setenv("STRUGGLE_MODELS_DIR", str(models))
    assert load(None).levels.high_from == levels_in_force().high_from == 0.8  # the shipped model answers by them
    monkeypatch.setenv("STRUGGLE_MODEL", str(elsewhere / "mine.pkl"))
    assert load(None).levels.high_from == levels_in_force().high_from == 0.9
    assert load("rules").levels is levels_in_force("rules") is PLATFORM
    assert StrugglePredictionModel.load(str(models / "current.pkl")).levels.high_from == 0.8


def test_level_sentence_and_signs_follow() -> None:
    features = FeatureVector.of(dict.fromkeys(FEATURE_NAMES, 0.5), 0)
    model = load(None)
    probability = model.predict(features).probability
    told = {}
    for level, (medium_from, high_from) in {
        "HIGH": (probability / 2, probability),
        "MEDIUM": (probability, min(1.0, probability + 1e-9)),
        "LOW": (min(1.0, probability + 1e-9), 1.0),
    }.items():
        model.levels = type(PLATFORM)(medium_from, high_from, 0.5)
        found = model.predict(features)
        assert (found.probability, found.risk_level) == (probability, level)
        assert found.reasoning.startswith(level.capitalize())
        told[level] = found.reasoning
    assert len(set(told.values())) == 3


@pytest.mark.slow
def test_the_command_names_the_levels_and_refuses_a_broken_file(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    put(models, {"medium_from": 0.96, "high_from": 0.97, "operating_threshold": 0.2})
    mine = {**os.environ, "STRUGGLE_MODELS_DIR": str(models)}
    answer = ran(env=mine).answer()
    assert answer["probability"] == pytest.approx(0.9500131545580018, abs=1e-12)
    assert answer["risk_level"] == "LOW"
    assert answer["indicators"] == []
    assert str(answer["reasoning"]).startswith("Low risk of struggling (95 %)")
    features: Any = answer["features"]
    assert answer["levels"] == features["levels"]
    assert answer["levels"] == {
        "medium_from": 0.96,
        "high_from": 0.97,
        "operating_threshold": 0.2,
        "from": LEVELS_FILE,
    }
    doctor = read_output(ran("--doctor", env=mine).stdout)
    assert doctor["model"]["levels"] == answer["levels"]
    assert doctor["model"]["levels_file"] == str(models / LEVELS_FILE)
    put(models, {"medium_from": 0.96})
    assert "medium_from (0.96) is above high_from (0.7)" in ran(env=mine).error(78, "model_refused")
    put(models, '{"high_from": 0.8,}')
    # the two-argument form has imported neither json nor the exception that its scanner would raise
    assert ran(env=mine).error(78, "model_refused").endswith("levels.json is not JSON (line 1, column 19)")
