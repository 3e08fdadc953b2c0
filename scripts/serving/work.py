"""Single predictions, batches and probes each have their own threads, and no work is done for a caller who has gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread
from fastapi import Request

from scripts.serving.problems import TooBusy

BATCH_WITHIN_S = 60.0
"""From its arrival on, waiting included: what is not done by then is 503."""
STUCK_AFTER_S = 10.0

Result = TypeVar("Result")


class CallerGone(Exception):
    """Raised where the caller has closed the connection; nobody reads the answer."""


class Leave:
    """A batch's permission to continue, which ends when its caller has gone or its time is up."""

    def __init__(self, within_s: float | None) -> None:
        self.gone = threading.Event()
        self._until = None if within_s is None else time.monotonic() + within_s

    def check(self) -> None:
        """Raises CallerGone, TooBusy. Must be called between any two pieces of work."""
        if self.gone.is_set():
            raise CallerGone
        if self._until is not None and time.monotonic() > self._until:
            raise TooBusy


class Room:
    """The threads for one kind of work; it knows whether the work makes progress."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._limiter = anyio.CapacityLimiter(threads)
        self._at_work = 0
        self._moved_at = time.monotonic()

    def is_stuck(self, after_s: float) -> bool:
        """Whether work is waiting and none has been finished for the given time."""
        return self._at_work > 0 and time.monotonic() - self._moved_at > after_s

    async def do(self, request: Request, work: Callable[[Leave], Result], within_s: float | None = None) -> Result:
        """Runs work(leave) in a thread of this room. Raises CallerGone, and what the work raises.

        within_s: for long work, the seconds after which its leave ends; None for short work. If the caller goes away
        while the work is waiting, it is never begun; work under way learns this from its leave.
        """
        leave = Leave(within_s)
        if not self._at_work:
            self._moved_at = time.monotonic()
        self._at_work += 1
        try:
            if within_s is None and self._at_work <= self._threads:  # short, and begun at once
                return await to_thread.run_sync(work, leave, limiter=self._limiter)
            return await self._unless_gone(request, work, leave)
        finally:
            self._at_work -= 1
            self._moved_at = time.monotonic()

    async def _unless_gone(self, request: Request, work: Callable[[Leave], Result], leave: Leave) -> Result:
        results: list[Result] = []
        failures: list[Exception] = []  # a task group would wrap them
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, request, leave, tasks.cancel_scope)
            try:
                results.append(await to_thread.run_sync(work, leave, limiter=self._limiter))
            except Exception as error:
                failures.append(error)
            finally:
                leave.gone.set()
            tasks.cancel_scope.cancel()
        if failures:
            raise failures[0]
        if not results:
            raise CallerGone
        return results[0]


async def _watch(request: Request, leave: Leave, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    leave.gone.set()
    scope.cancel()


class Rooms:
    """One room per kind of work. Predictions: twice as many threads as connections, so that one computes while
    another reads. Batches: a quarter of the connections. Probes: /ready."""

    def __init__(self, connections: int, timeout_s: float) -> None:
        self.predictions = Room(2 * connections)
        self.batches = Room(max(1, connections // 4))
        self.probes = Room(2)
        self._stuck_after_s = max(STUCK_AFTER_S, 3 * timeout_s)

    @property
    def are_stuck(self) -> bool:
        """Whether predictions or probes wait and none finishes, so that the process is alive but useless."""
        return self.predictions.is_stuck(self._stuck_after_s) or self.probes.is_stuck(self._stuck_after_s)
