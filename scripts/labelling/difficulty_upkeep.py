"""Keeps the difficulty table beside the models up to date, from the first hundred answers on, without any labels.

It reads only what is new since the last time. Where older rows have changed (one arrived late, a learner was erased or
opted out), where nobody has counted yet, and once a week in any case, it counts everything anew.
"""

from __future__ import annotations

import os
from binascii import crc32
from typing import TYPE_CHECKING, NamedTuple

from db.new_answers import NewAnswers, mark_of, new_answers
from ml.model import StrugglePredictionModel
from ml.storage import atomic_files
from ml.storage.registry import STATE, Registry
from ml.study.history import DAY_MS
from ml.study.visits import threshold_of
from ml.training.difficulty_build import TableSize
from ml.training.difficulty_counts import Setting
from ml.training.difficulty_state import Counted, DifficultyState, StateRefused
from scripts.cli.counted import counted
from scripts.cli.progress import shown
from scripts.workers.ranges import count_learners

if TYPE_CHECKING:
    from db.client import Client

FEWEST_ANSWERS = 100
"""With fewer answers there is no table: it would tell little, and much about single learners."""
WHOLE_EVERY_MS = 7 * DAY_MS


class Upkeep(NamedTuple):
    """What was done. table: its file name, or None for too few answers. size: what is counted in it. whole: whether
    everything was counted anew."""

    table: str | None
    size: TableSize
    whole: bool

    def sentence(self) -> str:
        """What was done, for people."""
        if self.table is None:
            return f"no difficulties: there are only {counted(self.size.answers, 'answer')}, of {FEWEST_ANSWERS} needed"
        of = f"{counted(self.size.answers, 'answer')} of {counted(self.size.learners, 'learner')}"
        return f"difficulties of {counted(self.size.objectives, 'objective')} from {of}, for predictions as of now"

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {"table": self.table, **self.size._asdict(), "whole": self.whole}


def keep_up_to_date(
    client: Client, registry: Registry, model: StrugglePredictionModel, now_ms: int, whole: bool = False
) -> Upkeep | None:
    """Brings the table for this model up to now; the caller must hold the registry's lock.

    Args:
        client: the deployment's database.
        registry: where the table is kept.
        model: the model that answers.
        now_ms: the new cut-off.
        whole: count everything anew in any case.

    Returns:
        None where there is nothing to do: nothing is new, or the rules answer, which use no table.

    Raises:
        DatabaseError: The database cannot be read.
        ModelRefused: The directory cannot be written to.
    """
    saved = model.saved
    if saved is None:
        return None
    setting = Setting(threshold_of(saved.struggle_below), model.correct_from)
    path = os.path.join(registry.directory, STATE)
    news = None if whole else _news(client, path, setting, now_ms)
    if news is not None and not news.learners:
        last = registry.pointer()
        named = None
        if last is not None and os.path.exists(os.path.join(registry.directory, last.table)):
            named = last.model_version, last.correct_from, last.cutoff_ms
        if named == (saved.model_version, model.correct_from, news.since_ms):
            return None
    with atomic_files.workshop(registry.directory) as at:
        table = os.path.join(at, "difficulty")
        size = None if news is None else _added(path, news, now_ms, table)
        is_whole = size is None
        if size is None:
            size = _counted_anew(client, registry, os.path.join(at, "state"), setting, now_ms, table)
        if size.answers < FEWEST_ANSWERS:
            registry.drop_kept_difficulty()
            return Upkeep(None, size, is_whole)
        with open(table, "rb") as file:
            name = registry.keep_difficulty(file.read(), now_ms, model.correct_from, saved.model_version)
    return Upkeep(name, size, is_whole)


def _news(client: Client, path: str, setting: Setting, now_ms: int) -> NewAnswers | None:
    """The rows to add to what has been counted; None where everything must be counted anew."""
    try:
        state = DifficultyState.open(path)
        try:
            so_far = state.counted()
        finally:
            state.close()
    except StateRefused:
        return None
    if (so_far.setting, so_far.source) != (setting, _source(client)):
        return None
    if not so_far.until_ms <= now_ms < so_far.whole_at_ms + WHOLE_EVERY_MS:
        return None
    found = new_answers(client, so_far.until_ms, now_ms)
    return found if found.before == so_far.mark and found.learners is not None else None


def _added(path: str, news: NewAnswers, now_ms: int, table: str) -> TableSize | None:
    """Adds the new rows and writes the table; None where the state turns out to be damaged."""
    state = None
    try:
        state = DifficultyState.open(path)
        so_far = state.counted()
        mark = tuple(a + b for a, b in zip(news.before, news.added))
        state.add(news.learners or (), so_far._replace(until_ms=now_ms, mark=mark))
        size = state.publish(table)
        state.commit()
        return size
    except StateRefused:
        return None
    finally:
        if state is not None:
            state.close()


def _counted_anew(
    client: Client, registry: Registry, path: str, setting: Setting, now_ms: int, table: str
) -> TableSize:
    """Counts everything before now, writes the table, and puts the new state in the old one's place."""
    mark = mark_of(client, now_ms)  # before the rows: one that arrives meanwhile is noticed the next time
    learners = shown(client.stream_learners(now_ms, None), "difficulties", count_learners(client))
    state = DifficultyState.create(path)
    try:
        state.add(learners, Counted(now_ms, now_ms, mark, _source(client), setting, {}, 0, 0))
        size = state.publish(table)
        state.commit()
    finally:
        state.close()
    registry.forget_state()
    os.replace(path, os.path.join(registry.directory, STATE))
    return size


def _source(client: Client) -> str:
    """Stands for the database that was counted; it names neither host nor path."""
    return f"{crc32(client.label.encode('utf-8', 'surrogatepass')):08x}"
