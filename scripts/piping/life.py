"""How the worker lives and ends: when stdin is closed, on a signal, without its parent, or without a reader."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from scripts.cli.exits import DONE, INPUT_OUTPUT, INTERRUPTED, TERMINATED
from scripts.cli.streams import WRITING_S
from scripts.piping.answering import Answerer, interrupted
from scripts.piping.lines import LineRefused, asked_in, refused
from scripts.piping.streams import AnswerStream, lines_from
from scripts.piping.waiting import Turn, WaitingRoom

LOOKS_EVERY_S = 1.0
"""How often the worker looks whether its parent and its reader are still there."""
ENDS_WITHIN_S = 5.0
"""After SIGTERM, what is under way may take so long; a container gives ten seconds."""

NOBODY_READS = "stdout cannot be written: nobody reads it."
CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Bell:
    """Wakes the main thread; unlike threading's own events it may be rung in a signal handler."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Ends the wait that is going on, or else the next one."""
        try:
            self._lock.release()
        except RuntimeError:  # it was rung already
            pass

    def wait(self, seconds: float) -> None:
        """Waits until it is rung, but not longer than so many seconds."""
        self._lock.acquire(timeout=seconds)


class Life:
    """One worker's life, on descriptors of stdin and stdout that are its own."""

    def __init__(self, reading: int, writing: int, answerer: Answerer, threads: int, timeout_s: float) -> None:
        self._reading, self._answerer = reading, answerer
        self._threads, self._timeout_s = threads, timeout_s
        self._bell = Bell()
        self._room = WaitingRoom()
        self._stream = AnswerStream(writing, self._bell.ring)
        self._stopped_by: signal.Signals | None = None
        self._parent = os.getppid() if os.name == "posix" else 0
        self._has_read_all = self._is_ending = False
        self._open: dict[Turn, None] = {}
        """The turns whose line is not written yet."""
        self._broken: BaseException | None = None

    def lived(self, first_line: bytes) -> tuple[int, str]:
        """Answers what is asked until something ends it. Returns the exit code, and a sentence for people or "".

        Raises what broke one of the threads, which is a bug.
        """
        for number in CODES:
            signal.signal(number, self._stop)
        self._stream.write(first_line)
        for work in (self._read, self._answer_the_late, *[self._answer] * self._threads):
            self._start(work)
        while self._is_at_work() and self._stopped_by is None and self._has_parent():
            self._bell.wait(LOOKS_EVERY_S)
            self._stream.look_for_reader()
        if self._is_at_work():
            self._finish()
        if self._broken is not None:
            raise self._broken
        if self._stream.is_broken:
            return INPUT_OUTPUT, NOBODY_READS
        if self._stopped_by is not None:
            return CODES[self._stopped_by], f"stopped by {self._stopped_by.name}"
        return DONE, ""

    def _finish(self) -> None:
        """Answers what is under way, within ENDS_WITHIN_S, and then says of the rest that it is not answered."""
        self._is_ending = True
        self._room.close()
        until = time.monotonic() + ENDS_WITHIN_S
        while self._open and self._is_at_work() and (left_s := until - time.monotonic()) > 0:
            self._bell.wait(left_s)
        given_up = threading.Thread(target=self._give_up, daemon=True)  # where nobody reads, its writes never end
        given_up.start()
        given_up.join(WRITING_S)

    def _give_up(self) -> None:
        for turn in list(self._open):
            self._settle(turn, self._interrupted(turn))

    def _interrupted(self, turn: Turn) -> bytes:
        if self._stopped_by is None:
            return interrupted(turn.id, TERMINATED, "the end of the process that started the worker")
        return interrupted(turn.id, CODES[self._stopped_by], self._stopped_by.name)

    def _is_at_work(self) -> bool:
        if self._stream.is_broken or self._broken is not None:
            return False
        return bool(self._open) or not self._has_read_all

    def _has_parent(self) -> bool:
        """Whether the process that started this one lives; another may keep stdin open after it."""
        return not self._parent or os.getppid() == self._parent

    def _stop(self, signum: int, _frame: FrameType | None) -> None:
        if self._stopped_by is not None:  # somebody is in a hurry
            os._exit(CODES[self._stopped_by])
        self._stopped_by = signal.Signals(signum)
        self._bell.ring()

    def _start(self, work: Callable[[], object]) -> None:
        threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True).start()

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            self._broken = error
            self._bell.ring()

    def _read(self) -> None:
        for line in lines_from(self._reading):
            try:
                turn = Turn(asked_in(line), self._timeout_s)
            except LineRefused as error:
                self._stream.write(refused(error))
                continue
            self._open[turn] = None
            if not self._room.add(turn):
                self._settle(turn, self._interrupted(turn))
        self._has_read_all = True
        self._room.close()
        self._bell.ring()

    def _answer(self) -> None:
        while turn := self._room.next():
            line = self._answerer.line(turn)
            if not turn.taken():  # it was answered at its deadline, and another thread is in the place of this one
                return
            self._room.over(turn)
            self._write(turn, line)

    def _answer_the_late(self) -> None:
        while True:
            turn = self._room.next_late()
            if turn.taken():
                line = self._answerer.late(turn)
                if turn.has_begun:
                    self._start(self._answer)
                self._write(turn, line)

    def _settle(self, turn: Turn, line: bytes) -> None:
        if turn.taken():
            self._write(turn, line)

    def _write(self, turn: Turn, line: bytes) -> None:
        """Writes a turn's one line."""
        self._stream.write(line)
        del self._open[turn]
        if not self._open and (self._has_read_all or self._is_ending):
            self._bell.ring()
