"""How a SQLite database with a write-ahead log is read without leaving anything behind in the app's directory.

SQLite shares such a database through two files beside it, the log (-wal) and its index (-shm), and whoever opens the
database first creates them: a reader under another account than the app's would leave files there that the app cannot
write. So a reader opens the database in one of three ways.

shared: log and index are there, as while the app runs; the reader joins in. Where it may not write the index, SQLite
    reads it, or makes one in memory.
alone: no log, so nobody has the database open. It is opened as immutable, which makes no files; whether it was left
    in peace is asked again after each reading (Stamp).
copied: a log without a usable index, as a crash or a backup leaves it. Database and log are read from a private copy,
    which has no name any more once it is open.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    Stamp = tuple[tuple[int, ...] | None, ...]

SHARED, ALONE, COPIED = "shared", "alone", "copied"

CLOCK_TICK_NS = 20_000_000
"""Two changes of a file within one tick of the kernel's clock bear one date (at most 10 ms apart)."""


def way_of(path: str, stamp: Stamp) -> str:
    """SHARED, ALONE or COPIED, for a database in WAL mode whose files are in the state that the stamp describes."""
    _, log, index, _ = stamp
    if log is None or (log[1] == 0 and index is None):
        return ALONE
    return SHARED if index is not None and os.access(path + "-shm", os.R_OK) else COPIED


def stamp_of(path: str) -> Stamp:
    """Returns a mark of the database, its log, the log's index and a rollback journal; it differs once one changes."""
    return tuple(_mark(path + ending, ending) for ending in ("", "-wal", "-shm", "-journal"))


def settled_stamp(path: str) -> Stamp:
    """Waits until the clock tick of the last change has passed, so that a later change is visible; returns stamp_of."""
    while True:
        stamp = stamp_of(path)
        if stamp[0] is None or abs(time.time_ns() - stamp[0][2]) > CLOCK_TICK_NS:
            return stamp
        time.sleep(CLOCK_TICK_NS / 1e9)


def _mark(path: str, ending: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    if ending == "-shm":  # readers write into it
        return (found.st_ino,)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def copied(path: str) -> str:
    """Copies database, log and journal into a private directory; the caller unlinks the copy. Raises OSError."""
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix="struggle-")
    copy = os.path.join(directory, "copy.db")
    try:
        for ending in ("", "-wal", "-journal"):
            try:
                shutil.copyfile(path + ending, copy + ending)
            except FileNotFoundError:
                if not ending:
                    raise
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return copy


def unlinked(copy: str) -> None:
    """Removes the copy's name; a connection that has it open can still read it."""
    import shutil

    shutil.rmtree(os.path.dirname(copy), ignore_errors=True)
