"""The worker's streams: whole lines in, whole lines out, and sentences for people that keep nobody waiting."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from scripts.cli.streams import in_one_line
from scripts.outputs.worker_lines import MOST_LINE_BYTES

CHUNK_BYTES = 1 << 16
SAID_AGAIN_AFTER_S = 60.0
MOST_SENTENCES = 100
"""How many sentences wait for a reader of stderr who does not read; later ones are dropped."""


def own_streams() -> tuple[int, int]:
    """Descriptors of stdin and stdout for the protocol alone.

    Afterwards, whatever else prints to stdout writes to stderr, and whatever else reads stdin finds nothing there.
    """
    reading = _copy_of(0)
    writing = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reading, writing


def _copy_of(descriptor: int) -> int:
    try:
        return os.dup(descriptor)
    except OSError:  # it was closed when the process began: nobody asks anything
        return os.open(os.devnull, os.O_RDONLY)


def lines_from(descriptor: int) -> Iterator[bytes]:
    """Each line without its end. A line that is too long comes cut off, one byte longer than is allowed."""
    held = bytearray()
    while chunk := _chunk_from(descriptor):
        first, *others = chunk.split(b"\n")
        held += first[: MOST_LINE_BYTES + 1 - len(held)]
        for other in others:
            yield bytes(held)
            held = bytearray(other)
    if held:  # the end of a line that nobody has finished, or the last line of a file
        yield bytes(held)


def _chunk_from(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:  # the other end has made it so
            select.select([descriptor], [], [])
        except OSError:
            return b""


class AnswerStream:
    """The stream of answers: every line is written whole, also by several threads.

    broken: called once when the reader has gone.
    """

    def __init__(self, descriptor: int, broken: Callable[[], object]) -> None:
        self._descriptor, self._broken = descriptor, broken
        self._lock = threading.Lock()
        self.is_broken = False
        """Whether the reader has gone."""

    def write(self, line: bytes) -> None:
        """Writes a line; after the reader has gone it does nothing."""
        with self._lock:
            try:
                while line and not self.is_broken:
                    line = line[self._written(line) :]
            except OSError:
                self._has_broken()

    def _written(self, line: bytes) -> int:
        try:
            return os.write(self._descriptor, line)
        except BlockingIOError:
            select.select([], [self._descriptor], [])
            return 0

    def look_for_reader(self) -> None:
        """Notices a reader that has gone, where the system can say so without a write."""
        if hasattr(select, "poll"):
            look = select.poll()
            look.register(self._descriptor, 0)
            gone = select.POLLERR | select.POLLHUP | select.POLLNVAL  # a socket, which Node uses, says the second
            if any(event & gone for _, event in look.poll(0)):
                self._has_broken()

    def _has_broken(self) -> None:
        self.is_broken = True
        self._broken()


class Notes:
    """Sentences for people, on stderr. A thread writes them, so that a full pipe keeps no request waiting."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque(maxlen=MOST_SENTENCES)
        self._there_is_more = threading.Event()
        self._said_at: dict[str, float] = {}
        threading.Thread(target=self._write, name="notes", daemon=True).start()

    def say(self, sentence: str) -> None:
        """Says it, unless it was said within the last minute."""
        now = time.monotonic()
        if now - self._said_at.get(sentence, -SAID_AGAIN_AFTER_S) < SAID_AGAIN_AFTER_S:
            return
        if len(self._said_at) > MOST_SENTENCES:
            self._said_at.clear()
        self._said_at[sentence] = now
        self._waiting.append(sentence)
        self._there_is_more.set()

    def take_log(self, name: str) -> None:
        """Says from now on what is written to this log."""
        log = logging.getLogger(name)
        log.addHandler(_Heard(self))
        log.propagate = False

    def finish(self, within_s: float) -> None:
        """Waits until everything is written, but not longer than so many seconds."""
        until = time.monotonic() + within_s
        while (self._waiting or self._there_is_more.is_set()) and time.monotonic() < until:
            time.sleep(0.002)

    def _write(self) -> None:
        while self._there_is_more.wait():
            while self._waiting:
                octets = f"worker: {in_one_line(self._waiting[0])}\n".encode("ascii")
                try:
                    os.write(2, octets)
                except OSError:
                    pass
                self._waiting.popleft()
            self._there_is_more.clear()
            if self._waiting:
                self._there_is_more.set()


class _Heard(logging.Handler):
    """Hands a log's sentences on."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        """Says one record."""
        self._notes.say(record.getMessage())
