"""predict.py's two streams: the answer goes out whole on stdout, or not at all; a line for people goes to stderr."""

from __future__ import annotations

import _signal as signal  # the C half: the enums of `signal` cost two milliseconds
import os

WRITING_S = 0.5
"""How long a reader may keep us waiting before it counts as gone."""


def stdout_is_open() -> bool:
    """Asked before anything else is opened: the database's connection would get a closed stdout's number."""
    try:
        os.fstat(1)
    except OSError:
        return False
    return True


def write(text: str) -> bool:
    """The answer and a newline on stdout, or False; from here on a signal no longer changes what is printed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, WRITING_S)
    left = memoryview(text.encode("ascii") + b"\n")
    try:
        while left:
            try:
                left = left[os.write(1, left) :]
            except BlockingIOError:  # the caller's end of the pipe does not block: wait until it has room
                import select

                select.select([], [1], [])
    except OSError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def say(message: str) -> None:
    """One line for people, on stderr; where there is no stderr, nobody listens."""
    try:
        os.write(2, f"predict.py: {message}\n".encode("ascii", "backslashreplace"))
    except OSError:
        pass


def place_of(error: BaseException) -> str:
    """Where an unexpected error arose, without its text, which may quote a learner's rows or a password."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + where


def _give_up(_signum: int, _frame: object) -> None:
    """A reader that never reads must not keep the process."""
    raise TimeoutError
