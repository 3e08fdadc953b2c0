"""The requests that have been read and not been begun."""

from __future__ import annotations

import threading
import time
from collections import deque

from scripts.piping.lines import Asked, Id

MOST_WAITING = 64
"""Further lines stay unread in the pipe, where they keep the caller waiting and cost nothing."""


class Turn:
    """One request's way through the worker: it gets one line, from whoever comes first."""

    __slots__ = ("_lock", "asked", "late_at")

    def __init__(self, asked: Asked, timeout_s: float) -> None:
        self.asked = asked
        self.late_at = asked.arrived_at + (timeout_s if asked.timeout_s is None else asked.timeout_s)
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
    """Turns in the order of their lines. One that is late may be taken out of this order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._for_answerers = threading.Condition(self._lock)
        self._for_the_late = threading.Condition(self._lock)
        self._for_the_reader = threading.Condition(self._lock)
        self._turns: deque[Turn] = deque()
        self._at_rest = 0  # answerers that wait for a turn
        self._closed = False

    def add(self, turn: Turn) -> bool:
        """Adds a turn, as soon as there is room. Returns False after `close`, when no more are taken."""
        with self._lock:
            while len(self._turns) >= MOST_WAITING and not self._closed:
                self._for_the_reader.wait()
            if self._closed:
                return False
            self._turns.append(turn)
            self._for_answerers.notify()
            if len(self._turns) > self._at_rest:
                self._for_the_late.notify()  # nobody begins it at once, so its deadline must be watched
            return True

    def next(self) -> Turn | None:
        """Waits for the next turn; None where no more will come."""
        with self._lock:
            self._at_rest += 1
            while not self._turns and not self._closed:
                self._for_answerers.wait()
            self._at_rest -= 1
            return self._leaves(self._turns[0]) if self._turns else None

    def next_late(self) -> Turn | None:
        """Waits until the deadline of a waiting turn passes; None where no more will come."""
        with self._lock:
            while self._turns or not self._closed:
                first = min(self._turns, key=lambda turn: turn.late_at, default=None)
                if first is not None and first.is_late:
                    return self._leaves(first)
                left_s = None if first is None else max(0.001, first.late_at - time.monotonic())
                self._for_the_late.wait(left_s)
            return None

    def _leaves(self, turn: Turn) -> Turn:
        self._turns.remove(turn)
        self._for_the_reader.notify()
        return turn

    def close(self) -> None:
        """Takes no more turns; those that wait are still handed out."""
        with self._lock:
            self._closed = True
            for each in (self._for_answerers, self._for_the_late, self._for_the_reader):
                each.notify_all()
