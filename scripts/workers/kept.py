"""What a process keeps between the parts of its work: a database connection, and the objectives that it has read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from db import ObjectiveRows
from db.client import Client
from db.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from db import Window

MOST_OBJECTIVES_KEPT = 20_000
"""Objectives are kept from learner to learner; where every learner has objectives of their own, not all of them."""
TIMEOUT_S = 600.0
ATTEMPTS = 3

Result = TypeVar("Result")


class Closable(Protocol):
    """A connection and what was read through it: opened for a process's first part and kept for those that follow."""

    def close(self) -> None:
        """Closes the connection."""


Kept = TypeVar("Kept", bound=Closable)
_kept: dict[tuple[int, object], Any] = {}


def kept_for(settings: object, make: Callable[[], Kept]) -> Kept:
    """What this process keeps for these settings; what it kept for other settings is closed.

    A forked process makes its own.
    """
    key = os.getpid(), settings
    kept: Kept | None = _kept.get(key)
    if kept is None:
        clear()
        kept = _kept[key] = make()
    return kept


def clear() -> None:
    """Closes what this process keeps; what it inherited through a fork is left to its parent."""
    for (process, _), kept in _kept.items():
        if process == os.getpid():
            kept.close()
    _kept.clear()


def patiently(do: Callable[..., Result], *arguments: Any) -> Result:
    """Returns do(*arguments); where the database cannot be reached, tries again a little later, three times in all."""
    for attempt in range(1, ATTEMPTS):
        try:
            return do(*arguments)
        except DatabaseUnavailable:
            time.sleep(4**attempt / 4)
    return do(*arguments)


class KeptObjectives:
    """The rows of objectives, each read once. With window None, all their prerequisites and cards are read."""

    def __init__(self, client: Client, window: Window | None) -> None:
        self._client, self._window = client, window
        self._rows: dict[str, ObjectiveRows | None] = {}

    def of(self, objective_ids: Iterable[str]) -> dict[str, ObjectiveRows]:
        """Rows of those of the objectives that exist."""
        wanted = list(dict.fromkeys(objective_ids))
        if len(self._rows) > MOST_OBJECTIVES_KEPT:
            self._rows.clear()
        absent = [each for each in wanted if each not in self._rows]
        if absent:
            found = self._client.read_objectives(absent, self._window)
            self._rows.update((each, found.get(each)) for each in absent)
        return {each: rows for each in wanted if (rows := self._rows[each]) is not None}
