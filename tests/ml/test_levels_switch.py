"""The operating threshold goes with the model that it was chosen for; what a person wrote into levels.json stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml.errors import ModelRefused
from ml.model import StrugglePredictionModel, levels_at
from ml.places import CURRENT, LEVELS_FILE
from ml.storage.levels_file import OPERATING_POINT
from ml.storage.registry import Registry
from ml.study.scales import PLATFORM
from tests.ml.test_registry import DATE, WHEN, model
from tests.support.outputs import check


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "models"))


def point(threshold: float, **target: float) -> dict[str, object]:
    wanted = target or {"recall": 0.7}
    about = {"at": "2026-11-23T03:15:00.000Z", "visits": 900, "learners": 60, "recall": 0.71, "precision": 0.5}
    return {"operating_threshold": threshold, "for": wanted, **about, "flagged": 0.3}


def version_of(registry: Registry, threshold: float | None, **target: float) -> str:
    card = {} if threshold is None else {OPERATING_POINT: point(threshold, **target)}
    return registry.add(model(), DATE, card)


def stated(registry: Registry) -> Any:
    found = json.loads(Path(registry.directory, LEVELS_FILE).read_text())
    check(found, "levels")
    return found


def put(registry: Registry, **fields: object) -> None:
    registry.prepare()
    Path(registry.directory, LEVELS_FILE).write_text(json.dumps(fields))


def in_force(registry: Registry, name: str = CURRENT) -> float:
    return StrugglePredictionModel.load(str(Path(registry.directory, name))).levels.operating_threshold


def changes(registry: Registry) -> list[Any]:
    lines = Path(registry.directory, "promotions.jsonl").read_text().splitlines()
    return [told["operating_threshold"] for line in lines if "operating_threshold" in (told := json.loads(line))]


def test_a_promotion_writes_the_versions_threshold_and_a_rollback_the_one_before(registry: Registry) -> None:
    first, second = version_of(registry, 0.31), version_of(registry, 0.42)
    registry.promote(first, WHEN, "start")
    assert in_force(registry) == 0.31
    registry.promote(second, WHEN, "better")
    assert in_force(registry) == 0.42
    assert stated(registry)["chosen"] == {**point(0.42), "model_version": second}
    assert registry.rollback(WHEN, "worse") == first
    assert in_force(registry) == 0.31
    assert registry.rollback(WHEN, "worse still") is None
    assert levels_at(registry.directory)[0].operating_threshold == PLATFORM.operating_threshold
    assert [(each["from"], each["to"]) for each in changes(registry)] == [
        *((0.5, 0.31), (0.31, 0.42), (0.42, 0.31), (0.31, 0.5)),
    ]
    assert next(each["why"] for each in changes(registry)) == "chosen for recall 0.7"
    assert [each["to"] for each in registry.promotions()][:3] == [first, second, first]


def test_a_directory_without_operating_points_gets_no_file(registry: Registry) -> None:
    for _ in range(2):
        registry.promote(version_of(registry, None), WHEN, "by hand")
    registry.rollback(WHEN, "back")
    assert not Path(registry.directory, LEVELS_FILE).exists()
    assert changes(registry) == []


def test_a_version_without_a_threshold_has_the_platforms(registry: Registry) -> None:
    registry.promote(version_of(registry, 0.31), WHEN, "start")
    registry.promote(version_of(registry, None), WHEN, "difficulties alone")
    assert in_force(registry) == 0.5
    assert "chosen" not in stated(registry)


def test_the_model_that_goes_keeps_its_threshold_until_the_pointer_has_moved(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two renames leaves the old model with the old threshold, and a second try mends the rest."""
    first, second = version_of(registry, 0.31), version_of(registry, 0.42)
    registry.promote(first, WHEN, "start")
    put_whole = registry._put

    def killed(name: str, content: bytes, replace: bool) -> None:
        if name == CURRENT:
            raise KeyboardInterrupt
        put_whole(name, content, replace)

    monkeypatch.setattr(registry, "_put", killed)
    with pytest.raises(KeyboardInterrupt):
        registry.promote(second, WHEN, "better")
    assert stated(registry)["operating_threshold"] == 0.42
    assert in_force(registry) == 0.31
    monkeypatch.undo()
    registry.promote(second, WHEN, "better")
    assert in_force(registry) == 0.42
    assert in_force(registry, f"{first}.pkl") == 0.31  # by its path: the threshold was not chosen for it


def test_what_a_person_wrote_stays(registry: Registry) -> None:
    put(registry, medium_from=0.3, high_from=0.8, capacity=7)
    registry.promote(version_of(registry, 0.31), WHEN, "start")
    found = stated(registry)
    assert (found["medium_from"], found["high_from"], found["capacity"]) == (0.3, 0.8, 7)
    assert in_force(registry) == 0.31
    put(registry, **{**found, "operating_threshold": 0.6})
    by_hand = Path(registry.directory, LEVELS_FILE).read_bytes()
    registry.promote(version_of(registry, 0.42), WHEN, "better")
    registry.rollback(WHEN, "worse")
    assert Path(registry.directory, LEVELS_FILE).read_bytes() == by_hand
    assert in_force(registry) == 0.6
    put(registry, **{name: each for name, each in found.items() if name != "operating_threshold"})
    registry.promote(version_of(registry, 0.2), WHEN, "the field is gone, so training may choose again")
    assert in_force(registry) == 0.2


def test_a_capacity_that_training_was_asked_for_goes_with_the_threshold(registry: Registry) -> None:
    registry.promote(version_of(registry, 0.6, capacity=20), WHEN, "start")
    assert stated(registry)["capacity"] == 20
    registry.promote(version_of(registry, 0.3), WHEN, "for a recall again")
    assert "capacity" not in stated(registry)


@pytest.mark.parametrize("what", ["promote", "rollback"])
def test_a_damaged_file_stops_the_switch_before_anything_is_written(registry: Registry, what: str) -> None:
    first, second = version_of(registry, 0.31), version_of(registry, 0.42)
    registry.promote(first, WHEN, "start")
    registry.promote(second, WHEN, "better")
    put(registry, high_from="0.8")
    lines = Path(registry.directory, "promotions.jsonl").read_bytes()
    with pytest.raises(ModelRefused, match="high_from is not a number"):
        registry.promote(first, WHEN, "x") if what == "promote" else registry.rollback(WHEN, "x")
    assert Path(registry.directory, "promotions.jsonl").read_bytes() == lines
    assert registry.current() == second


@pytest.mark.parametrize("damage", [{"operating_threshold": 0}, {"operating_threshold": "0.3"}, {}, [], "0.3"])
def test_a_damaged_card_writes_no_threshold_that_the_file_cannot_hold(registry: Registry, damage: object) -> None:
    version = registry.add(model(), DATE, {OPERATING_POINT: damage})
    try:
        registry.promote(version, WHEN, "by hand")
    except ModelRefused:
        assert registry.current() is None
    else:
        assert in_force(registry) == 0.5
