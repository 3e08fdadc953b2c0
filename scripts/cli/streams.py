"""predict.py's two streams: the answer goes out whole on stdout, or not at all; a line for people goes to stderr."""

from __future__ import annotations

import _signal as signal  # the C half: the enums of `signal` cost two milliseconds
import os
import time

WRITING_S = 0.5
"""How long the reader of the answer may keep us waiting before it counts as gone."""

SAYING_S = 0.2
"""The same for stderr. Both are spent after the deadline of four seconds, and the caller waits for five."""


def stdout_is_open() -> bool:
    """Whether stdout is open.

    Ask before anything else is opened: the database's connection would get a closed stdout's number.
    """
    try:
        os.fstat(1)
    except OSError:
        return False
    return True


def keep_stderr_free() -> None:
    """Opens /dev/null as stderr if it was closed.

    Otherwise the database's connection would get its number, and our messages.
    """
    try:
        os.fstat(2)
    except OSError:
        while os.open(os.devnull, os.O_RDWR) < 2:
            pass


def write(text: str, encoding: str = "ascii") -> bool:
    """Writes the answer and a newline to stdout; returns False if it cannot.

    From here on a signal does not change the output. Characters that the encoding lacks are escaped; JSON has none.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return _sent(1, text.encode(encoding, "backslashreplace") + b"\n", WRITING_S)


def say(message: str) -> None:
    """Writes one line for people to stderr; without a stderr it does nothing."""
    _sent(2, f"predict.py: {in_one_line(message)}\n".encode("ascii"), SAYING_S)


def in_one_line(text: str) -> str:
    """The text, with everything escaped that is not printable ASCII.

    A file's name may contain line ends and escape sequences, which could forge lines in a log.
    """
    shown = text.translate({control: f"\\x{control:02x}" for control in (*range(32), 127)})
    return shown.encode("ascii", "backslashreplace").decode("ascii")


def printable(text: str) -> str:
    """The text in its own letters, with everything escaped that is not visible as itself.

    Stored texts may contain line ends, escape sequences and marks that change the direction of writing, which could
    forge lines in a report or a log.
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _sent(stream: int, octets: bytes, within_s: float) -> bool:
    """Whether all of it could be written; a reader that never reads must not keep the process. Main thread only."""
    if not hasattr(signal, "setitimer"):
        return _sent_by_a_thread(stream, octets, within_s)
    give_up_at = time.monotonic() + within_s
    written: list[int] = []

    def give_up(_signum: int, _frame: object) -> None:
        if time.monotonic() >= give_up_at:  # else somebody else's alarm, at a moment where nobody catches
            raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, within_s + 0.001)
            _write(stream, octets, written)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OSError:  # also the alarm, which rings once at most, wherever it finds us
        pass
    signal.signal(signal.SIGALRM, before or signal.SIG_IGN)
    return sum(written) == len(octets)


def _sent_by_a_thread(stream: int, octets: bytes, within_s: float) -> bool:
    """The same where the system has no alarm, as on Windows: a write that its reader keeps waiting is abandoned."""
    from ml.deadline import DeadlinePassed, within

    written: list[int] = []
    try:
        within(within_s, lambda: _write(stream, octets, written))
    except (OSError, DeadlinePassed):
        pass
    return sum(written) == len(octets)


def _write(stream: int, octets: bytes, written: list[int]) -> None:
    """Notes in `written` how many bytes each write took, also of the last one before an alarm.

    A process that the system lets wait just after its write is done would else take a delivered answer for a lost one:
    the alarm's exception comes before an assignment can. A map inside extend notes the number in the same step.
    """
    while (done := sum(written)) < len(octets):
        try:
            written.extend(map(os.write, (stream,), (octets[done:],)))
        except BlockingIOError:  # the caller's end of the pipe does not block: wait until it has room
            import select

            select.select([], [stream], [])


def place_of(error: BaseException) -> str:
    """Where an unexpected error occurred, without its text, which may quote a learner's rows or a password."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + where
