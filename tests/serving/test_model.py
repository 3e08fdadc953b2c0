"""Models are switched under the running service: only whole ones, with their difficulty tables, come into service."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import httpx
import pytest

import db
from ml.scoring.scorecard import SavedModel
from ml.storage import model_file
from ml.training.difficulty_build import build_difficulty_table
from scripts.serving.model import LOOK_AGAIN_S
from tests.support.service_process import DEMO_URL, PAIR, a_model, serving

pytestmark = pytest.mark.slow

TABLE = "difficulty.sqlite3"


def naming_a_table(version: str, table: Path) -> SavedModel:
    """A model that names this table, under the name TABLE beside it."""
    plain = a_model(version, 2.0)
    named = TABLE, model_file.sha256(table.read_bytes())
    return SavedModel(version, plain.scorecard, plain.sources, plain.figures, plain.struggle_below, None, named)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A sound table, somewhere else."""
    path = tmp_path / "sound.sqlite3"
    with db.connect(DEMO_URL) as client:
        build_difficulty_table(str(path), client.stream_learners(client.now(), None), client.now())
    return path


def goes_on_with(url: str, version: str) -> None:
    """For longer than the files are looked at anew, every question is answered by that model."""
    until = time.monotonic() + 1.3 * LOOK_AGAIN_S
    while time.monotonic() < until:
        for path in ("/health", "/ready"):
            told = httpx.get(f"{url}{path}")
            assert (told.status_code, told.json()["model_version"]) == (200, version)
        answered = httpx.post(f"{url}/predict", json=PAIR)
        assert (answered.status_code, answered.json()["model_version"]) == (200, version)
        time.sleep(0.1)


def comes_to(url: str, version: str) -> None:
    deadline = time.monotonic() + 60 * LOOK_AGAIN_S
    while httpx.get(f"{url}/health").json()["model_version"] != version:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert httpx.post(f"{url}/predict", json=PAIR).json()["model_version"] == version


def put(where: Path, kind: str, table: Path) -> None:
    """In the table's place: what is none."""
    if kind == "pipe":
        os.mkfifo(where)
    elif kind == "another":
        shutil.copyfile(table, where)
        with open(where, "ab") as file:
            file.write(b"\0")


def test_a_model_without_its_table_waits_for_it_while_the_one_before_goes_on(tmp_path: Path, table: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    current, place = models / "current.pkl", models / TABLE
    model_file.write(a_model("first", -2.0), str(current))
    with serving(tmp_path / "log", STRUGGLE_MODEL=str(current)) as url:
        model_file.write(naming_a_table("second", table), str(current))
        goes_on_with(url, "first")
        for kind in ("pipe", "another"):
            put(place, kind, table)
            goes_on_with(url, "first")
            place.unlink()
        shutil.copyfile(table, place)
        comes_to(url, "second")
        place.unlink()  # it is held open
        goes_on_with(url, "second")
        model_file.write(a_model("third", 0.0), str(current))
        comes_to(url, "third")
    log = (tmp_path / "log").read_text()
    assert log.count("the new model cannot be used") >= 3
    assert "Traceback" not in log


def levels_come_to(url: str, high_from: float) -> None:
    deadline = time.monotonic() + 60 * LOOK_AGAIN_S
    while httpx.post(f"{url}/predict", json=PAIR).json()["levels"]["high_from"] != high_from:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_new_levels_come_into_service_as_a_new_model_does(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    model_file.write(a_model("first", -2.0), str(models / "current.pkl"))
    with serving(tmp_path / "log", STRUGGLE_MODELS_DIR=str(models)) as url:
        levels_come_to(url, 0.7)
        (models / "levels.json").write_text('{"medium_from": 0.0001, "high_from": 0.0002}')
        levels_come_to(url, 0.0002)
        answer = httpx.post(f"{url}/predict", json=PAIR).json()
        assert answer["risk_level"] == "HIGH"
        stored = httpx.post(f"{url}/predictions/generate", json={"user_id": PAIR["user_id"]})
        if stored.status_code == 201:  # the demo database may be read only
            assert {each["risk_level"] for each in stored.json()["predictions"]} == {"HIGH"}
        (models / "levels.json").write_text("{")
        goes_on_with(url, "first")
        levels_come_to(url, 0.0002)
        (models / "levels.json").unlink()
        levels_come_to(url, 0.7)
    assert "the new model cannot be used" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("kind", ["absent", "pipe"])
def test_a_first_start_on_a_model_without_its_table_fails(tmp_path: Path, table: Path, kind: str) -> None:
    models = tmp_path / "models"
    models.mkdir()
    model_file.write(naming_a_table("first", table), str(models / "current.pkl"))
    put(models / TABLE, kind, table)
    with (
        pytest.raises(AssertionError, match=r"difficulty\.sqlite3"),
        serving(tmp_path / "log", STRUGGLE_MODEL=str(models / "current.pkl")),
    ):
        pass
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_table_that_is_lost_in_place_is_told_by_ready(tmp_path: Path, table: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    shutil.copyfile(table, models / TABLE)
    model_file.write(naming_a_table("first", table), str(models / "current.pkl"))
    with serving(tmp_path / "log", STRUGGLE_MODEL=str(models / "current.pkl")) as url:
        assert httpx.get(f"{url}/ready").status_code == 200
        os.truncate(models / TABLE, 0)
        for answered in (httpx.get(f"{url}/ready"), httpx.post(f"{url}/predict", json=PAIR)):
            assert (answered.status_code, answered.json()["code"]) == (500, "model_refused")
        shutil.copyfile(table, models / TABLE)
        deadline = time.monotonic() + 60 * LOOK_AGAIN_S
        while httpx.get(f"{url}/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert httpx.post(f"{url}/predict", json=PAIR).status_code == 200
