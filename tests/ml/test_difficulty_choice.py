"""Which table a model's predictions use, and what becomes of a pointer that must not be trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml.errors import ModelRefused
from ml.model import StrugglePredictionModel
from ml.places import CURRENT, POINTER
from ml.storage.difficulty_pointer import DifficultyPointer, read_pointer
from ml.storage.registry import Registry
from ml.training.difficulty_build import build_difficulty_table
from tests.ml.test_difficulty import learner
from tests.support.history_builder import AS_OF_MS, answers
from tests.support.trained_models import save_model


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a current model, whose version is "trained"."""
    os.rename(save_model(str(tmp_path)), tmp_path / CURRENT)
    return tmp_path


def table(directory: Path, cutoff_ms: int = AS_OF_MS, correct_from: str = "GOOD") -> bytes:
    path = directory / "built"
    build_difficulty_table(str(path), [learner("a", answers("GGA"))], cutoff_ms, None, correct_from)
    content = path.read_bytes()
    path.unlink()
    return content


def kept(directory: Path, version: str = "trained", cutoff_ms: int = AS_OF_MS, correct_from: str = "GOOD") -> str:
    content = table(directory, cutoff_ms, correct_from)
    return Registry(str(directory)).keep_difficulty(content, cutoff_ms, correct_from, version)


def loaded(directory: Path) -> StrugglePredictionModel:
    return StrugglePredictionModel.load(directory / CURRENT)


def test_it_is_used_from_its_cut_off_on(directory: Path) -> None:
    name = kept(directory)
    model = loaded(directory)
    for as_of_ms in (None, AS_OF_MS, AS_OF_MS + 1):
        found = model.difficulty_at(as_of_ms)
        assert found is not None
        assert found.path == str(directory / name)
    assert model.difficulty_at(AS_OF_MS - 1) is None


@pytest.mark.parametrize("other", [{"version": "another"}, {"correct_from": "HARD"}])
def test_one_for_another_version_or_setting_is_left_alone(directory: Path, other: dict[str, str]) -> None:
    kept(directory, **other)
    model = loaded(directory)
    assert model.difficulty_at(None) is None
    model.check()


def test_a_model_by_its_own_name_uses_its_own_table(directory: Path) -> None:
    kept(directory)
    os.rename(directory / CURRENT, directory / "version.pkl")
    assert StrugglePredictionModel.load(directory / "version.pkl").difficulty_at(None) is None


def test_the_rules_use_none(directory: Path) -> None:
    kept(directory)
    assert StrugglePredictionModel.load("rules").difficulty_at(None) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"difficulty pointer 2\n",
        b"\xff\xfe",
        b"difficulty pointer 1\ntable x\n",
        DifficultyPointer("difficulty-a.sqlite3", "", 0, "GOOD", "trained")
        .content()
        .replace(b"cutoff_ms 0", b"cutoff_ms x"),
        DifficultyPointer("../difficulty-a.sqlite3", "", 0, "GOOD", "trained").content(),
        DifficultyPointer("difficulty-/../../a.sqlite3", "", 0, "GOOD", "trained").content(),
        DifficultyPointer("difficulty-a.sqlite3", "", 0, "GOOD", "trained", "/etc/passwd").content(),
        b"x" * 10_000,
    ],
)
def test_a_damaged_pointer_is_refused_and_the_next_update_replaces_it(directory: Path, content: bytes) -> None:
    (directory / POINTER).write_bytes(content)
    with pytest.raises(ModelRefused):
        loaded(directory).difficulty_at(None)
    name = kept(directory)
    assert loaded(directory).difficulty_at(None) is not None
    assert read_pointer(str(directory / POINTER)).table == name  # type: ignore[union-attr]


def test_a_pipe_or_a_directory_in_its_place_is_refused_at_once(directory: Path) -> None:
    os.mkfifo(directory / POINTER)
    with pytest.raises(ModelRefused):
        loaded(directory).difficulty_at(None)
    (directory / POINTER).unlink()
    (directory / POINTER).mkdir()
    with pytest.raises(ModelRefused):
        loaded(directory).difficulty_at(None)


@pytest.mark.parametrize("harm", ["absent", "damaged", "of another moment", "another's"])
def test_a_table_that_is_not_the_one_named_is_refused(directory: Path, harm: str) -> None:
    path = directory / kept(directory)
    if harm == "absent":
        path.unlink()
    elif harm == "damaged":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "another's":
        path.write_bytes(table(directory, AS_OF_MS + 5).replace(b"GOOD", b"HARD"))
    else:
        name, digest = Registry(str(directory)).add_difficulty(table(directory, AS_OF_MS + 5))
        (directory / POINTER).write_bytes(DifficultyPointer(name, digest, AS_OF_MS, "GOOD", "trained").content())
    with pytest.raises(ModelRefused):
        loaded(directory).difficulty_at(None)


def test_the_whole_table_is_checked_where_a_process_keeps_it(directory: Path) -> None:
    path = directory / kept(directory)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    model = loaded(directory)
    assert model.difficulty_at(None) is not None  # no single prediction reads all of it
    with pytest.raises(ModelRefused):
        model.check()


def test_the_pointer_reads_as_it_was_written(directory: Path) -> None:
    pointer = DifficultyPointer("difficulty-a.sqlite3", "ab" * 32, -5, "HARD", "a version (of two words)", "")
    (directory / POINTER).write_bytes(pointer.content())
    found = read_pointer(str(directory / POINTER))
    assert found is not None
    assert [getattr(found, name) for name in found.__slots__] == [getattr(pointer, name) for name in found.__slots__]
