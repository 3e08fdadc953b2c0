"""The requests that have been read and not been answered: first they wait, then they are under way."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from scripts.piping.lines import Asked, Id

if TYPE_CHECKING:
    from scripts.piping.kept import KeptRecords

MOST_WAITING = 64
"""Further lines stay unread in the pipe, where they keep the caller waiting and cost nothing."""


class Turn:
    """One request's way through the worker: it gets one line, from whoever comes first.

    records: the database as it reads it, once it does.
    """

    __slots__ = ("_lock", "asked", "has_begun", "late_at", "records")

    def __init__(self, asked: Asked, timeout_s: float) -> None:
        self.asked = asked
        self.late_at = asked.arrived_at + (timeout_s if asked.timeout_s is None else asked.timeout_s)
        self.has_begun = False
        self.records: KeptRecords | None = None
        self._lock = threading.Lock()

    @property
    def id(self) -> Id:
        """The request's id."""
        return self.asked.id

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed."""
        return time.monotonic() >= self.late_at

    def taken(self) -> bool:
        """Whether the caller is the first to ask this, and so the one who writes the line."""
        return self._lock.acquire(blocking=False)


class WaitingRoom:
    """Turns in the order of their lines. One that is late is called out, whether it waits or is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._for_answerers = threading.Condition(self._lock)
        self._for_the_late = threading.Condition(self._lock)
        self._for_the_reader = threading.Condition(self._lock)
        self._waiting: deque[Turn] = deque()
        self._under_way: dict[Turn, None] = {}
        self._looks_again_at = math.inf  # when the deadlines are looked at, unless somebody asks for it before
        self._closed = False

    def add(self, turn: Turn) -> bool:
        """Adds a turn, as soon as there is room. Returns False after `close`, when no more are taken."""
        with self._lock:
            while len(self._waiting) >= MOST_WAITING and not self._closed:
                self._for_the_reader.wait()
            if self._closed:
                return False
            self._waiting.append(turn)
            self._for_answerers.notify()
            if turn.late_at < self._looks_again_at:
                self._for_the_late.notify()
            return True

    def next(self) -> Turn | None:
        """Waits for the next turn, which is then under way; None where no more will come."""
        with self._lock:
            while not self._waiting and not self._closed:
                self._for_answerers.wait()
            if not self._waiting:
                return None
            turn = self._waiting.popleft()
            turn.has_begun = True
            self._under_way[turn] = None
            self._for_the_reader.notify()
            return turn

    def over(self, turn: Turn) -> None:
        """Forgets a turn that was under way."""
        with self._lock:
            self._under_way.pop(turn, None)

    def next_late(self) -> Turn:
        """Waits until the deadline of a turn passes; it neither waits nor is under way from then on."""
        with self._lock:
            while True:
                turns = (*self._waiting, *self._under_way)
                first = min(turns, key=lambda turn: turn.late_at, default=None)
                if first is not None and first.is_late:
                    if first.has_begun:
                        del self._under_way[first]
                    else:
                        self._waiting.remove(first)
                        self._for_the_reader.notify()
                    return first
                self._looks_again_at = math.inf if first is None else first.late_at
                self._for_the_late.wait(None if first is None else max(0.001, first.late_at - time.monotonic()))

    def close(self) -> None:
        """Takes no more turns; those that wait are still handed out."""
        with self._lock:
            self._closed = True
            for each in (self._for_answerers, self._for_the_reader):
                each.notify_all()
