"""A SQLite file, opened read-only, with a deadline on every read."""

from __future__ import annotations

import _sqlite3 as sqlite3  # the C half: the other one makes dates of texts, and brings datetime for it
import _thread
import os.path
import time

from db.errors import DatabaseUnavailable
from db.sql.dialects import SQLITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from db.backends.sqlite_wal import Stamp
    from db.sql.templates import Query

STEPS_BETWEEN_LOOKS = 20_000
"""Instructions of SQLite's virtual machine, about half a millisecond, between two looks at the clock."""

SMALLEST_DATABASE = 512
"""Bytes: one page of the smallest size."""

MOST_BYTES_OF_A_ROW = 64 << 20
"""Of a row and of a value. Texts are cut in the query, but SQLite reads their row first; a view could make one of a
gigabyte out of nothing. What is larger makes the database unreadable, as damage does."""

_UNDECODABLE = "Could not decode to UTF-8"
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""The second where SQLite's own sentence about a damaged schema quotes bytes that are no text."""


class SQLiteConnection:
    """One connection; not to be used by two threads at once (the client's lock sees to that)."""

    dialect = SQLITE

    def __init__(self, path: str, give_up_at: float) -> None:
        """Opens the file. give_up_at is on time.monotonic's clock. Raises DatabaseUnavailable."""
        self.label = path
        self._give_up_at = give_up_at
        self._stamp: Stamp | None = None
        """Set where the file is not shared with its writers: what it must still be after a reading."""
        self._held: list[int] | None = None
        self.vantage: object | None = object()
        """What a mark (db/reading/marks.py) is valid for; another one when the file is opened once more."""
        self._path = path
        self._connection = self._opened(path) if os.path.isfile(path) else self._unpacked(path)

    def _opened(self, path: str) -> sqlite3.Connection:
        if os.path.islink(path):  # SQLite keeps log and journal beside the file itself
            path = os.path.realpath(path)
        self._path = path
        if 0 < os.path.getsize(path) < SMALLEST_DATABASE:  # SQLite itself would take it for an empty one
            raise DatabaseUnavailable(f"The SQLite database {path!r} is cut off.", "database_unreadable")
        try:
            self._held, header = _hold(path)
            logged = header[18:20] == _WAL_MODE or os.path.exists(path + "-wal")
            return self._as_found(path) if logged else self._open(path, "mode=ro")
        except _ERRORS as error:
            if not _cannot_open(error):
                raise self._failure(error) from None
        except OSError as error:
            raise self._failure(error) from None
        # A disk that is read-only or full, or a log or journal that a crash has left: neither lets a reader join in.
        try:
            return self._as_found(path, may_share=False)
        except (OSError, *_ERRORS) as error:
            raise self._failure(error) from None

    def _as_found(self, path: str, may_share: bool = True) -> sqlite3.Connection:
        """Opens the file in the way that leaves nothing behind (db/backends/sqlite_wal.py). Raises OSError or
        _ERRORS.
        """
        from db.backends import sqlite_wal

        while True:
            stamp = sqlite_wal.settled_stamp(path)
            way = sqlite_wal.way_of(path, stamp)
            if way == sqlite_wal.SHARED and may_share:
                return self._open(path, "mode=ro")
            if way == sqlite_wal.ALONE and stamp[3] is None:
                self._stamp = stamp
                return self._open(path, "mode=ro&immutable=1")
            copy = sqlite_wal.copied(path)
            try:
                if sqlite_wal.stamp_of(path) == stamp:
                    connection = self._open(copy, "mode=rw")
                    connection.execute("PRAGMA query_only = ON")
                    self._stamp = stamp
                    return connection
            finally:
                sqlite_wal.unlinked(copy)
            if self._too_late():
                raise sqlite3.OperationalError("interrupted")

    def overtaken(self) -> bool:
        """Tells whether the file has been written to since we opened it as immutable.

        What was read may then be inconsistent.
        """
        if self._stamp is None:
            return False
        from db.backends.sqlite_wal import stamp_of

        return stamp_of(self._path) != self._stamp

    def _open(self, path: str, options: str) -> sqlite3.Connection:
        """Opens the file and looks into it: a file that is no database is noticed here."""
        written = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        connection = sqlite3.connect(
            f"file:{written}?{options}", uri=True, isolation_level=None, check_same_thread=False, timeout=0
        )
        try:
            self._be_patient(connection)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES_OF_A_ROW)
            connection.set_progress_handler(self._too_late, STEPS_BETWEEN_LOOKS)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except _ERRORS:
            connection.close()
            raise
        return connection

    def _unpacked(self, path: str) -> sqlite3.Connection:
        """The demo database inside predict.pyz is no file; it is read into memory."""
        loader = globals()["__loader__"]
        try:
            content = loader.get_data(path) if hasattr(loader, "archive") else None
        except OSError:
            content = None
        if content is None:
            raise DatabaseUnavailable(_why_absent(path))
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.deserialize(content)
        connection.set_progress_handler(self._too_late, STEPS_BETWEEN_LOOKS)
        return connection

    def _too_late(self) -> bool:
        return time.monotonic() > self._give_up_at

    def begin(self, give_up_at: float) -> None:
        """Starts a snapshot that must end by give_up_at."""
        self._give_up_at = give_up_at
        if self.overtaken():
            self.close()
            self._stamp = None
            self.vantage = object()
            self._connection = self._opened(self.label)
        try:
            self._be_patient(self._connection)
            self._connection.execute("BEGIN")
        except _ERRORS as error:
            raise self._failure(error) from None

    def _be_patient(self, connection: sqlite3.Connection) -> None:
        """A writer's lock is worth waiting for, though not to the very end."""
        left_s = min(self._give_up_at - time.monotonic(), 60.0)
        connection.execute(f"PRAGMA busy_timeout = {max(1, int(left_s * 900))}")

    def run(self, batch: Sequence[Query]) -> list[list[tuple[object, ...]]]:
        """The rows of each query."""
        return [self._rows(query) for query in batch]

    def _rows(self, query: Query) -> list[tuple[object, ...]]:
        try:
            return self._connection.execute(query.sql, query.parameters).fetchall()
        except _ERRORS as error:
            if _UNDECODABLE not in str(error):
                raise self._failure(error) from None
        self._connection.text_factory = readable
        try:
            return self._connection.execute(query.sql, query.parameters).fetchall()
        except _ERRORS as error:
            raise self._failure(error) from None
        finally:
            self._connection.text_factory = str

    def batches(self, query: Query, rows: int) -> Iterator[list[tuple[object, ...]]]:
        """Yields the rows of a query, at most so many at a time, for results that do not fit into memory."""
        delivered = 0
        try:
            for batch in self._batches(query, rows):
                yield batch
                delivered += len(batch)
            return
        except _ERRORS as error:
            if _UNDECODABLE not in str(error):
                raise self._failure(error) from None
        self._connection.text_factory = readable
        try:
            # Within one snapshot the rows come again in the same order.
            for batch in self._batches(query, rows):
                if len(batch) > delivered:
                    yield batch[delivered:]
                delivered = max(0, delivered - len(batch))
        except _ERRORS as error:
            raise self._failure(error) from None
        finally:
            self._connection.text_factory = str

    def _batches(self, query: Query, rows: int) -> Iterator[list[tuple[object, ...]]]:
        cursor = self._connection.execute(query.sql, query.parameters)
        while batch := cursor.fetchmany(rows):
            yield batch

    def end(self) -> None:
        """Ends the snapshot."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def clock_ms(self) -> int:
        """The host's clock, because SQLite runs on the host."""
        return time.time_ns() // 1_000_000

    def interrupt(self) -> None:
        """Interrupts a read in another thread, which then fails at once."""
        self._connection.interrupt()

    def close(self) -> None:
        """Closes the file; later calls fail."""
        self._connection.close()
        if self._held is not None:
            self._held[0] -= 1
            self._held = None

    def _failure(self, error: Exception) -> DatabaseUnavailable:
        if time.monotonic() >= self._give_up_at or "interrupted" in str(error):
            return DatabaseUnavailable(f"The SQLite database {self.label!r} did not answer in time.", "database_late")
        if isinstance(error, OSError):
            why = error.strerror or type(error).__name__
            return DatabaseUnavailable(
                f"The SQLite database {self.label!r} cannot be read: {why}.", "database_unreadable"
            )
        if isinstance(error, UnicodeDecodeError):
            return DatabaseUnavailable(f"The SQLite database {self.label!r} is damaged.", "database_unreadable")
        locked = "locked" in str(error) or "busy" in str(error)
        code = "database_locked" if locked else "database_unreadable"
        return DatabaseUnavailable(f"The SQLite database {self.label!r} cannot be read: {error}.", code)


_NO_ROOM_FOR_THE_INDEX = (sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE)


def _cannot_open(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or code in _NO_ROOM_FOR_THE_INDEX


_WAL_MODE = b"\x02\x02"
_holding: dict[tuple[int, int], list[int]] = {}
"""By device and inode: how many connections, and the descriptors over which headers were read.

Closing any descriptor of a file drops the locks that this process has on it, those of other connections among them
(sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled). So they stay open until no connection is left.
"""
_holding_lock = _thread.allocate_lock()


def _hold(path: str) -> tuple[list[int], bytes]:
    """(what the file's connections share, the database's header). Raises OSError."""
    with _holding_lock:
        for key in [key for key, held in _holding.items() if not held[0]]:
            for descriptor in _holding.pop(key)[1:]:
                os.close(descriptor)
        found = os.stat(path)
        held = _holding.setdefault((found.st_dev, found.st_ino), [0])
        if len(held) == 1:
            held.append(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)))
        held[0] += 1
        os.lseek(held[1], 0, os.SEEK_SET)
        return held, os.read(held[1], 20)


def readable(stored: bytes) -> str:
    """A text in which bytes that are not UTF-8 are replaced; sqlite3 itself fails at the first such byte."""
    return stored.decode(errors="replace")


def _why_absent(path: str) -> str:
    """Why there is no file that could be opened: a directory on the way to it may be closed to this account."""
    try:
        os.stat(path)
    except PermissionError as error:
        return f"The SQLite database {path!r} cannot be read: {error.strerror}."
    except (OSError, ValueError):
        return f"There is no SQLite database at {path!r}."
    return f"The SQLite database {path!r} cannot be read: it is not a regular file."
