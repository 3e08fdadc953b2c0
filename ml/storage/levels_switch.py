"""How levels.json follows the model that answers: training's operating threshold goes with the version that it is for.

A version's card holds its operating point, chosen from out-of-fold predictions of its training. When the version begins
to answer, by a promotion or a rollback, its threshold is written; a version without one leaves the platform's 0.5. What
a person has written stays: levels, a capacity, and an operating threshold that is not the one that training wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from ml.storage.levels_file import OPERATING_POINT, is_edited, levels_of, read_stated
from ml.study.scales import PLATFORM


class Switch(NamedTuple):
    """What a change of the model makes of levels.json. content: the new bytes, None where the file stays as it is.

    line: for promotions.jsonl, None where the threshold in force is the same.
    """

    content: bytes | None
    line: Mapping[str, object] | None


NO_CHANGE = Switch(None, None)


def switch(path: str, card: Mapping[str, object], version: str | None, before: str | None, at: str) -> Switch:
    """What levels.json at path says from now on, where the version of that card takes the place of `before`.

    version: None for the shipped model. Raises ModelRefused where the file there must not be used.
    """
    stated = read_stated(path)
    point = card.get(OPERATING_POINT)
    if not isinstance(point, dict) or "operating_threshold" not in point:
        point = None
    if stated is None and point is None:
        return NO_CHANGE
    stated = stated or {}
    if is_edited(stated):
        return NO_CHANGE
    threshold = levels_of(stated, before or "", path).operating_threshold
    kept = {name: each for name, each in stated.items() if name not in ("operating_threshold", "chosen", "before")}
    if "capacity" in kept and kept["capacity"] == _capacity_for(stated.get("chosen")):
        del kept["capacity"]  # training's own
    if "capacity" not in kept and (capacity := _capacity_for(point)) is not None:
        kept["capacity"] = capacity
    new = PLATFORM.operating_threshold
    chosen: dict[str, object] = {}
    if point is not None:
        new = point["operating_threshold"]
        chosen = {"operating_threshold": new, "chosen": {**point, "model_version": version}}
    found = {**kept, **chosen, "before": {"operating_threshold": threshold, "model_version": before}}
    content = json.dumps(found, indent=1).encode() + b"\n"
    levels_of(found, version or "", path)
    if new == threshold:
        return Switch(content, None)
    why = "the model has no threshold of its own" if point is None else f"chosen for {_told(point.get('for'))}"
    changed = {"from": threshold, "to": new, "model_version": version, "why": why}
    return Switch(content, {"at": at, "operating_threshold": changed})


def _capacity_for(point: object) -> object:
    """The capacity that an operating point was chosen for, or None."""
    target = point.get("for") if isinstance(point, dict) else None
    return target.get("capacity") if isinstance(target, dict) else None


def _told(target: object) -> str:
    """The target of an operating point in words: "recall 0.7", "capacity 20"."""
    return ", ".join(f"{name} {each}" for name, each in target.items()) if isinstance(target, dict) else "no target"
