"""What training chooses the operating threshold for: the options, else what levels.json was chosen for, else 0.70."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ml.places import LEVELS_FILE
from ml.storage.levels_file import MOST_CAPACITY, is_edited, read_stated
from ml.training.operating_point import Target
from scripts.cli.exits import Usage


def target_of(models_dir: str, recall: float | None, capacity: int | None) -> Target:
    """The target in force. Raises ModelRefused where levels.json must not be used, Usage where both are given."""
    if recall is not None and capacity is not None:
        raise Usage("Give --target-recall or --capacity, not both.")
    stated = read_stated(os.path.join(models_dir, LEVELS_FILE)) or {}
    if recall is not None or capacity is not None:
        return Target(recall or Target().recall, capacity)
    chosen = stated.get("chosen")
    wanted = chosen.get("for") if isinstance(chosen, dict) else None
    if not isinstance(wanted, dict):
        return Target()
    recall, capacity = wanted.get("recall"), wanted.get("capacity")
    if isinstance(capacity, int) and 1 <= capacity <= MOST_CAPACITY:
        return Target(capacity=capacity)
    return Target(float(recall)) if isinstance(recall, (int, float)) and 0.01 <= recall <= 1 else Target()


def told(models_dir: str, point: Mapping[str, object] | None) -> str:
    """One sentence for people: the operating threshold that training chose, and whether it is in force."""
    if point is None:
        return ""
    wanted = point["for"]
    for_what = ", ".join(f"{name} {each}" for name, each in wanted.items()) if isinstance(wanted, dict) else ""
    chosen = f"operating threshold {point['operating_threshold']} for {for_what}"
    stated = read_stated(os.path.join(models_dir, LEVELS_FILE)) or {}
    if is_edited(stated):
        return f"{chosen}; {LEVELS_FILE} keeps {stated['operating_threshold']}, which a person has set"
    return chosen
