"""A deadline that holds even while a C library blocks: the work has a thread of its own, and is left behind."""

from __future__ import annotations

import _thread  # threading itself costs two milliseconds to import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")


class DeadlinePassed(Exception):
    """Raised by `within` when the work has not finished in time; the work itself goes on until the process ends."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """work()'s result, or what it raised. Raises DeadlinePassed after `seconds`; signals are handled meanwhile."""
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
    _thread.start_new_thread(run, ())
    if not finished.acquire(timeout=seconds):
        raise DeadlinePassed("the deadline passed")
    if errors:
        raise errors[0]
    return results[0]
