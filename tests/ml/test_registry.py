"""Versions are immutable, current.pkl is always one of them, and no kill leaves anything torn."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.errors import ModelNotFound, ModelRefused
from ml.features.vector import FEATURE_NAMES
from ml.model import StrugglePredictionModel, load
from ml.places import HOUSE
from ml.scoring.scorecard import SavedModel, Scorecard, Table
from ml.storage import atomic_files, model_file
from ml.storage.registry import Registry

WHEN = "2026-11-23T00:00:00+00:00"
DATE = "2026-11-23"


def model(intercept: float = 0.0, difficulty: tuple[str, str] | None = None) -> SavedModel:
    tables = [Table((), (0.0,), (), 0.0) for _ in FEATURE_NAMES]
    return SavedModel("unnamed", Scorecard(intercept, tables), ["a test"], {"auc": 0.7}, 0.65, difficulty=difficulty)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "models"))


def test_a_day_with_several_trainings_numbers_its_versions_and_overwrites_none(registry: Registry) -> None:
    names = [registry.add(model(float(n)), DATE) for n in range(3)]
    assert names == [f"struggle_prediction_v1.0_{DATE}{suffix}" for suffix in ("", ".2", ".3")]
    assert [registry.read(name).scorecard.intercept for name in names] == [0.0, 1.0, 2.0]
    assert registry.read(names[1]).model_version == names[1]
    assert not os.access(registry.path(names[0]), os.W_OK) or os.geteuid() == 0


@pytest.mark.slow
def test_versions_sort_by_date_and_number_not_by_text(registry: Registry) -> None:
    for _ in range(11):
        registry.add(model(), DATE)
    registry.add(model(), "2026-02-01")
    versions = registry.versions()
    assert versions[0].endswith("2026-02-01")
    assert versions[-1].endswith(".11")


def test_promote_and_rollback_walk_back_through_the_versions(registry: Registry) -> None:
    first, second, third = (registry.add(model(float(n)), DATE) for n in range(3))
    for version in (first, second, third):
        registry.promote(version, WHEN, "better")
        assert registry.current() == version
    assert registry.rollback(WHEN, "worse") == second
    assert registry.rollback(WHEN, "worse still") == first
    assert registry.rollback(WHEN, "back to what was shipped") is None
    assert registry.current() is None
    with pytest.raises(ModelNotFound):
        registry.rollback(WHEN, "nothing left")


def test_promotion_refuses_what_could_not_answer(registry: Registry) -> None:
    with pytest.raises(ModelNotFound):
        registry.promote("struggle_prediction_v1.0_2020-01-01", WHEN, "absent")
    with pytest.raises(ModelNotFound):
        registry.promote("../current", WHEN, "outside")
    version = registry.add(model(difficulty=("difficulty-0.sqlite3", "0" * 64)), DATE)
    with pytest.raises(ModelRefused, match="difficulty"):
        registry.promote(version, WHEN, "its table is gone")
    assert registry.current() is None


def test_a_damaged_current_model_can_be_mended_by_promoting(registry: Registry) -> None:
    version = registry.add(model(), DATE)
    Path(registry.directory, "current.pkl").write_bytes(b"torn")
    registry.promote(version, WHEN, "mend")
    assert registry.current() == version


def test_two_writers_do_not_hold_the_lock_at_once(registry: Registry) -> None:
    with registry.locked(), pytest.raises(BlockingIOError), registry.locked(wait=False):
        pass
    with registry.locked(wait=False):
        pass


@pytest.mark.slow
def test_the_command_lists_shows_promotes_and_rolls_back(registry: Registry) -> None:
    versions = [registry.add(model(), DATE, {"purpose": "a test"}) for _ in range(2)]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, os.path.join(HOUSE, "scripts", "models.py"), "--models-dir", registry.directory]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    assert run("promote", versions[0]).returncode == 0
    assert json.loads(run("--json", "promote", versions[1]).stdout) == {"current": versions[1], "before": versions[0]}
    assert json.loads(run("--json", "list").stdout)["current"] == versions[1]
    assert json.loads(run("--json", "show", versions[1]).stdout)["card"]["purpose"] == "a test"
    assert run("rollback").returncode == 0
    assert registry.current() == versions[0]
    absent = run("promote", "struggle_prediction_v1.0_1999-01-01")
    assert absent.returncode == 78
    assert absent.stderr.startswith("Error: there is no model version")


def forked(work: Callable[[], object]) -> int:
    """A child process that works until it is killed; forked, so that most of its life falls to the writing itself."""
    child = os.fork()
    if child == 0:
        try:
            while True:
                work()
        finally:
            os._exit(1)
    return child


@pytest.mark.slow
def test_two_hundred_kills_tear_nothing_and_lose_no_version(registry: Registry) -> None:
    chance = random.Random(20261123)
    seen: dict[str, bytes] = {}
    current = Path(registry.directory, "current.pkl")
    kills = 0

    def keep_and_promote() -> None:
        with registry.locked():
            registry.promote(registry.add(model(), DATE, {}), WHEN, "next")

    while kills < 200 or not current.exists():
        writers = [forked(keep_and_promote) for _ in range(2)]
        time.sleep(chance.uniform(0.0, 0.25))
        for writer in writers:
            os.kill(writer, signal.SIGKILL)
            _, status = os.waitpid(writer, 0)
            assert os.WTERMSIG(status) == signal.SIGKILL, "the writer failed before it was killed"
            kills += 1
        if current.exists():
            assert StrugglePredictionModel.load(str(current)).source == "model"
        versions = {name: Path(registry.path(name)).read_bytes() for name in registry.versions()}
        assert seen.items() <= versions.items()
        for name in versions.keys() - seen.keys():
            assert model_file.parse(versions[name]).model_version == name
        seen = versions
        if len(seen) > 300:  # start afresh rather than list thousands
            for name in seen:
                os.unlink(registry.path(name))
            seen = {}


@pytest.mark.slow
def test_a_prediction_while_current_is_switched_reads_one_whole_model(registry: Registry) -> None:
    first, second = registry.add(model(1.0), DATE), registry.add(model(2.0), DATE)
    registry.promote(first, WHEN, "start")
    versions = [first, second]
    writer = forked(lambda: [registry.promote(version, WHEN, "to and fro") for version in versions])
    try:
        found = set()
        give_up_at = time.monotonic() + 60
        loads = 0
        while (loads := loads + 1) < 1000 or (len(found) < 2 and time.monotonic() < give_up_at):
            loaded = StrugglePredictionModel.load(os.path.join(registry.directory, "current.pkl"))
            assert loaded.saved is not None
            found.add((loaded.model_version, loaded.saved.scorecard.intercept))
        assert found == {(first, 1.0), (second, 2.0)}
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)


def test_a_relative_model_path_starts_where_the_caller_stands(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registry.add(model(), DATE)
    monkeypatch.chdir(registry.directory)
    assert load(version + ".pkl").model_version == version
    assert load("rules").source == "rules"
    with pytest.raises(ModelNotFound):
        load("no-such-model.pkl")


def test_what_a_killed_process_left_in_the_making_is_swept_and_a_living_ones_work_is_not(registry: Registry) -> None:
    os.makedirs(registry.directory)
    Path(registry.directory, ".unfinished-of-the-dead").write_bytes(b"half")
    Path(registry.directory, ".training-of-the-dead").mkdir()
    Path(registry.directory, ".training-of-the-dead", "difficulty").write_bytes(b"half")
    with atomic_files.workshop(registry.directory) as at:
        Path(at, "difficulty").write_bytes(b"at work")
        with registry.locked():
            assert Path(at, "difficulty").read_bytes() == b"at work"
        assert sorted(os.listdir(registry.directory)) == [".lock", os.path.basename(at)]
    assert os.listdir(registry.directory) == [".lock"]


@pytest.mark.slow
def test_sweeping_while_files_are_put_takes_none_of_them(tmp_path: Path) -> None:
    sweeper = forked(lambda: atomic_files.sweep(str(tmp_path)))
    try:
        for turn in range(300):
            atomic_files.put(str(tmp_path / "file"), str(turn).encode())
            with atomic_files.workshop(str(tmp_path)) as at:
                assert os.path.isdir(at)
    finally:
        os.kill(sweeper, signal.SIGKILL)
        os.waitpid(sweeper, 0)
    assert os.listdir(tmp_path) == ["file"]
