"""A deadline that holds even while a C library blocks: the work runs in a thread of its own, which is abandoned."""

from __future__ import annotations

import _thread  # threading itself costs two milliseconds to import
import time

LONGEST_WAIT_S = 0.2
"""Windows handles signals only between two waits."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")


class DeadlinePassed(Exception):
    """Raised by `within` when the work has not finished in time; the work itself goes on until the process ends."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Calls work() and returns its result, or raises what it raised.

    Signals are handled while it runs. Raises DeadlinePassed after `seconds`.
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    finished = _thread.allocate_lock()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # whatever it is, it is raised again in the waiting thread
            errors.append(error)
        finally:
            finished.release()

    finished.acquire()
    give_up_at = time.monotonic() + seconds
    _thread.start_new_thread(run, ())
    while not finished.acquire(timeout=min(LONGEST_WAIT_S, max(0.0, give_up_at - time.monotonic()))):
        if time.monotonic() >= give_up_at:
            raise DeadlinePassed("the deadline passed")
    if errors:
        raise errors[0]
    return results[0]
