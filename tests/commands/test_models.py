"""scripts/models.py when something is wrong under models/: one sentence, a documented code, and no waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.errors import ModelNotFound, ModelRefused
from ml.places import HOUSE
from ml.storage.registry import Registry
from tests.ml.test_registry import DATE, WHEN, model


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "models"))


@pytest.fixture
def two(registry: Registry) -> tuple[Registry, str, str]:
    """Two versions, the second of which answers."""
    first, second = (registry.add(model(float(n)), DATE, {"purpose": "a test"}) for n in range(2))
    for version in (first, second):
        registry.promote(version, WHEN, "better")
    return registry, first, second


def run(registry: Registry, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, os.path.join(HOUSE, "scripts", "models.py"), "--models-dir", registry.directory]
    ran = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=20)
    assert "Traceback" not in ran.stderr
    return ran


def spoil(path: Path, kind: str) -> None:
    """Something else in a file's place."""
    if path.exists():
        path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind in ("zero", "nowhere", "loop"):
        path.symlink_to({"zero": "/dev/zero", "nowhere": "/nowhere/at/all", "loop": path}[kind])
    elif kind == "nested":
        path.write_text("[" * 100_000)
    elif kind == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.write_bytes(b"\xff\xfe torn \x1b[2J")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["absent", "file", "dangling link"])
def test_a_directory_that_is_none_is_one_sentence_and_none_is_made(registry: Registry, kind: str) -> None:
    path = Path(registry.directory)
    if kind == "file":
        path.write_text("not a directory")
    elif kind == "dangling link":
        path.symlink_to("/nowhere/at/all")
    there = os.path.lexists(path)
    for command in (["list"], ["show", "x"], ["promote", "x"], ["rollback"], ["remove", "x"], ["prune", "--keep", "1"]):
        ran = run(registry, *command)
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (78, "", 1), ran.stderr
        assert "no model directory" in ran.stderr
    assert os.path.lexists(path) == there


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["damaged", "pipe", "zero", "nowhere", "loop", "huge"])
def test_a_damaged_current_model_keeps_nobody_from_listing_rolling_back_or_promoting(
    two: tuple[Registry, str, str], kind: str
) -> None:
    registry, first, second = two
    current = Path(registry.directory, "current.pkl")
    spoil(current, kind)
    listed = run(registry, "--json", "list")
    assert listed.returncode == 0
    found = json.loads(listed.stdout)
    assert [row["version"] for row in found["versions"]] == [first, second]
    assert found["current"] is None
    assert found["refused"]
    assert run(registry, "list").stderr.count("\n") == 1
    assert run(registry, "show", second).returncode == 0
    assert run(registry, "prune", "--keep", "0").returncode == 78
    assert run(registry, "rollback").returncode == 0
    assert registry.current() == first  # before the second, which was the last to be promoted
    spoil(current, kind)
    assert run(registry, "promote", second).returncode == 0
    assert registry.current() == second
    assert registry.promotions()[-1]["from"] == first


@pytest.mark.slow
def test_a_directory_in_the_current_models_place_is_refused_in_a_sentence(two: tuple[Registry, str, str]) -> None:
    registry, first, _ = two
    spoil(Path(registry.directory, "current.pkl"), "directory")
    assert run(registry, "list").returncode == 0
    for command in (["promote", first], ["rollback"]):
        ran = run(registry, *command)
        assert (ran.returncode, ran.stderr.count("\n")) == (78, 1), ran.stderr
    assert len(registry.promotions()) == 2


def test_a_damaged_current_model_that_was_never_promoted_can_be_rolled_back(registry: Registry) -> None:
    os.makedirs(registry.directory)
    Path(registry.directory, "current.pkl").write_bytes(b"torn")
    assert registry.rollback(WHEN, "torn") is None
    with pytest.raises(ModelNotFound):
        registry.rollback(WHEN, "nothing left")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["damaged", "pipe", "directory", "zero", "loop", "nested", "huge"])
def test_a_card_that_is_none_is_no_card(two: tuple[Registry, str, str], kind: str) -> None:
    registry, _, second = two
    card = Path(registry.directory, second + ".json")
    spoil(card, kind)
    ran = run(registry, "--json", "show", second)
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["card"] == {}
    assert run(registry, "list").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pipe", "directory", "zero", "nowhere", "loop"])
def test_a_record_of_promotions_that_is_no_file_is_refused_where_it_is_needed(
    two: tuple[Registry, str, str], kind: str
) -> None:
    registry, first, second = two
    spoil(Path(registry.directory, "promotions.jsonl"), kind)
    assert run(registry, "list").returncode == 0
    assert run(registry, "show", second).returncode == 0
    for command in (["promote", first], ["rollback"]):
        ran = run(registry, *command)
        assert (ran.returncode, ran.stderr.count("\n")) == (78, 1), ran.stderr
        assert "promotions.jsonl" in ran.stderr
        assert registry.current() == second
    assert not os.path.exists("/nowhere")


def test_damaged_lines_of_the_record_are_passed_over_and_a_torn_one_takes_no_other_with_it(
    two: tuple[Registry, str, str],
) -> None:
    registry, first, second = two
    record = Path(registry.directory, "promotions.jsonl")
    odd = b'[1]\n{"at": 1, "from": {}, "to": [], "why": null}\n\xff\n' + b"[" * 20_000 + b'\n{"at": "to'
    record.write_bytes(record.read_bytes() + odd)
    third = registry.add(model(2.0), DATE)
    registry.promote(third, WHEN, "better still")
    assert [entry["to"] for entry in registry.promotions()] == [first, second, third]
    assert registry.rollback(WHEN, "worse") == second
    with open(record, "ab") as file:
        file.write(b"x" * (5 << 20) + b"\n")  # of a long record the end is read
    registry.promote(third, WHEN, "again")
    assert [entry["to"] for entry in registry.promotions()] == [third]


def test_a_rollback_passes_over_versions_that_are_gone_or_damaged(registry: Registry) -> None:
    versions = [registry.add(model(float(n)), DATE) for n in range(4)]
    for version in versions:
        registry.promote(version, WHEN, "better")
    os.unlink(registry.path(versions[2]))
    os.chmod(registry.path(versions[1]), 0o644)
    Path(registry.path(versions[1])).write_bytes(b"torn")
    assert registry.rollback(WHEN, "worse") == versions[0]


def test_a_version_promoted_twice_is_not_its_own_predecessor(two: tuple[Registry, str, str]) -> None:
    registry, first, second = two
    registry.promote(second, WHEN, "once more")
    assert registry.predecessor() == first
    assert registry.rollback(WHEN, "worse") == first


@pytest.mark.slow
def test_pruning_keeps_the_newest_the_one_that_answers_and_the_one_before_it(registry: Registry) -> None:
    tables = [registry.add_difficulty(bytes([n]) * 5000) for n in range(6)]
    versions = [registry.add(model(float(n), table), DATE, {"n": n}) for n, table in enumerate(tables)]
    for n in (1, 2):  # promoted as they are: here it does not matter that their tables are not real ones
        saved = registry.read(versions[n])
        registry._promotions.append(WHEN, versions[n - 1], versions[n], "better")
        Path(registry.directory, "current.pkl").write_bytes(Path(registry.path(versions[n])).read_bytes())
        assert saved.difficulty == tables[n]
    Path(registry.directory, "struggle_prediction_v1.0_2001-01-01.json").write_text("{}")  # a card of nothing
    Path(registry.directory, ".unfinished-of-the-dead").write_bytes(b"half")
    Path(registry.directory, "pretrained.pkl").write_bytes(b"another's")
    ran = run(registry, "--json", "prune", "--keep", "1")
    kept = [versions[n] for n in (1, 2, 5)]
    assert registry.versions() == kept
    left = {*(f"{v}.pkl" for v in kept), *(f"{v}.json" for v in kept), *(tables[n][0] for n in (1, 2, 5))}
    assert set(os.listdir(registry.directory)) == left | {"current.pkl", "promotions.jsonl", ".lock", "pretrained.pkl"}
    assert len(json.loads(ran.stdout)["removed"]) == 3 * 3 + 1
    assert json.loads(run(registry, "--json", "prune", "--keep", "1").stdout) == {"removed": []}


@pytest.mark.slow
def test_removing_takes_a_version_its_card_and_its_own_table_and_never_the_one_that_answers(registry: Registry) -> None:
    own, shared = registry.add_difficulty(b"own" * 2000), registry.add_difficulty(b"shared" * 2000)
    first, second, third = (registry.add(model(float(n), t), DATE, {}) for n, t in enumerate((own, shared, shared)))
    fourth = registry.add(model(), DATE)
    registry.promote(fourth, WHEN, "start")
    assert run(registry, "remove", second).returncode == 0
    assert set(registry.versions()) == {first, third, fourth}
    assert {own[0], shared[0]} <= set(os.listdir(registry.directory))
    assert set(registry.remove(first)) == {f"{first}.pkl", f"{first}.json", own[0]}
    for version, code in ((fourth, 78), (first, 78), ("../current", 78)):
        assert run(registry, "remove", version).returncode == code
    assert registry.current() == fourth


def test_a_table_named_by_a_model_that_is_refused_today_stays(registry: Registry) -> None:
    name, digest = registry.add_difficulty(b"table" * 2000)
    version = registry.add(model(1.0, (name, digest)), DATE)
    path = Path(registry.path(version))
    os.chmod(path, 0o644)
    path.write_bytes(path.read_bytes().replace(b"intercept", b"interceqt"))
    with pytest.raises(ModelRefused):
        registry.read(version)
    assert registry.prune(1) == []
    assert set(registry.prune(0)) == {f"{version}.pkl", name}


@pytest.mark.slow
def test_odd_version_names_are_no_versions(two: tuple[Registry, str, str]) -> None:
    registry, first, _ = two
    for name in (first + "\n", first + ".\u0661", first + "." + "9" * 5000, "../" + first, "", "\udcff"):
        with pytest.raises(ModelNotFound):
            registry.path(name)
    ran = run(registry, "show", "\x1b[2J\n")
    assert (ran.returncode, ran.stderr.count("\n")) == (78, 1)
    assert "\x1b" not in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("where", [".lock"])
def test_a_link_in_the_locks_place_is_not_followed(two: tuple[Registry, str, str], tmp_path: Path, where: str) -> None:
    registry, first, _ = two
    lock = Path(registry.directory, where)
    lock.unlink(missing_ok=True)
    lock.symlink_to(tmp_path / "elsewhere")
    assert run(registry, "promote", first).returncode == 78
    assert not (tmp_path / "elsewhere").exists()
