"""Counts difficulty tables again after learners have left, and keeps the weights of the models that use them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ml.errors import ModelNotFound, ModelRefused
from ml.instants import iso
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files, model_file
from ml.storage.difficulty_table import DifficultyTable
from ml.storage.registry import Registry
from ml.study.visits import threshold_of
from scripts.labelling.history import build_table

if TYPE_CHECKING:
    from db.client import Client

WHY = "its difficulty table was counted anew"


def renew(
    client: Client, registry: Registry, now_ms: int, fresh: str | None = None, every: bool = False
) -> dict[str, str]:
    """Counts the tables of the model that answers, of the one before it and of the challenger that is being compared
    anew, each up to its own cut-off.

    Where answers have been removed from the database (a learner was erased or has opted out), a new version with the
    same weights replaces the version, which is removed with its table; with `every`, also where the counts differ for
    another reason. Answers that only arrived late wait for the next training. fresh: a version whose table has just
    been made. Returns {old version: new version}. The caller must hold the registry's lock. Raises ModelRefused.
    """
    try:
        current = registry.current()
    except ModelRefused:  # another answers in its place, which has no table
        return {}
    before, contest = registry.predecessor(), registry.contest()
    renewed: dict[str, str] = {}
    for version in (before, current, None if contest is None else contest.challenger):
        if version is not None and version != fresh and version not in renewed:
            new = _counted_anew(client, registry, version, now_ms, every)
            if new is not None:
                renewed[version] = new
    if not renewed:
        return {}
    if current is not None and (before in renewed or current in renewed):
        before = None if before is None else renewed.get(before, before)
        registry.supersede(renewed.get(current, current), before, iso(now_ms), WHY)
    if contest is not None:  # a promotion would end it
        champion, challenger = (renewed.get(name, name) for name in (contest.champion, contest.challenger))
        registry.looked(contest._replace(champion=champion, challenger=challenger))
    for version in renewed:
        registry.remove(version)
    return renewed


def _counted_anew(client: Client, registry: Registry, version: str, now_ms: int, every: bool) -> str | None:
    """The version that has the new table; None where the old one is as good, or its table cannot be told anew."""
    try:
        saved = registry.read(version)
    except (ModelNotFound, ModelRefused):
        return None
    if saved.difficulty is None or saved.until_ms is None:
        return None
    old = os.path.join(registry.directory, saved.difficulty[0])
    with atomic_files.workshop(registry.directory) as at:
        path = os.path.join(at, "difficulty")
        size = build_table(client, path, saved.until_ms, None, _struggle_below(old, saved), saved.correct_from)
        with open(path, "rb") as file:
            content = file.read()
        if model_file.sha256(content) == saved.difficulty[1] or not (every or _somebody_left(old, path)):
            return None
    changed = saved.but(difficulty=registry.add_difficulty(content))
    card = {**registry.card(version), "difficulty": size._asdict(), "difficulty_counted_anew_for": version}
    return registry.add(changed, iso(now_ms)[:10], card)


def _somebody_left(old: str, new: str) -> bool:
    """Whether any objective or card has fewer answers, or fewer learners, than it had."""
    try:
        before, now = (_answers(path) for path in (old, new))
    except ModelRefused:  # the old one is replaced all the same
        return True
    return any(key not in now or any(b > n for b, n in zip(counts, now[key])) for key, counts in before.items())


def _answers(path: str) -> dict[tuple[str, str], tuple[int, ...]]:
    table = DifficultyTable.open(path)
    try:
        return table.answers()
    finally:
        table.close()


def _struggle_below(path: str, saved: SavedModel) -> float | None:
    """The label's threshold that a table was counted with; None is the platform's own."""
    try:
        table = DifficultyTable.open(path)
        try:
            about = table.about()
        finally:
            table.close()
    except ModelRefused:  # it is replaced all the same
        about = {}
    told = about.get("struggle_below", saved.struggle_below)
    return threshold_of(told) if isinstance(told, float) else None
