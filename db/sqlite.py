"""A SQLite file, opened read-only, with a deadline on every read."""

from __future__ import annotations

import os.path
import sqlite3
import time

from db.dialects import SQLITE
from db.errors import DatabaseUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from db.templates import Query

STEPS_BETWEEN_LOOKS = 20_000
"""Instructions of SQLite's virtual machine, about half a millisecond, between two looks at the clock."""

SMALLEST_DATABASE = 512
"""Bytes: one page of the smallest size."""

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
        if not os.path.isfile(path):
            self._connection = self._unpacked(path)
            return
        if 0 < os.path.getsize(path) < SMALLEST_DATABASE:  # SQLite itself would take it for an empty one
            raise DatabaseUnavailable(f"The SQLite database {path!r} is cut off.", "database_unreadable")
        try:
            self._connection = self._open(path, "mode=ro")
        except _ERRORS as error:
            # A WAL database on a read-only or full disk opens only if SQLite need not share it; without a log (or with
            # the empty one that our own attempt left on a full disk) nobody writes.
            if not _cannot_open(error) or _size(path + "-wal"):
                raise self._failure(error) from None
            self._connection = self._open(path, "mode=ro&immutable=1")

    def _open(self, path: str, options: str) -> sqlite3.Connection:
        """Opens the file and looks into it: a file that is no database is noticed here."""
        written = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        connection = sqlite3.connect(
            f"file:{written}?{options}", uri=True, isolation_level=None, check_same_thread=False, timeout=0
        )
        try:
            self._be_patient(connection)
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
            raise DatabaseUnavailable(f"There is no SQLite database at {path!r}.")
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.deserialize(content)
        connection.set_progress_handler(self._too_late, STEPS_BETWEEN_LOOKS)
        return connection

    def _too_late(self) -> bool:
        return time.monotonic() > self._give_up_at

    def begin(self, give_up_at: float) -> None:
        """Starts a snapshot that must be done by give_up_at."""
        self._give_up_at = give_up_at
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
        """The rows of a query, at most so many at a time; for readings too long for the memory."""
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
        """SQLite runs on the host: its clock is the host's."""
        return time.time_ns() // 1_000_000

    def interrupt(self) -> None:
        """Makes a read in another thread fail at once."""
        self._connection.interrupt()

    def close(self) -> None:
        """Closes the file; later calls fail."""
        self._connection.close()

    def _failure(self, error: Exception) -> DatabaseUnavailable:
        if time.monotonic() >= self._give_up_at or "interrupted" in str(error):
            return DatabaseUnavailable(f"The SQLite database {self.label!r} did not answer in time.", "database_late")
        if isinstance(error, UnicodeDecodeError):
            return DatabaseUnavailable(f"The SQLite database {self.label!r} is damaged.", "database_unreadable")
        locked = "locked" in str(error) or "busy" in str(error)
        code = "database_locked" if locked else "database_unreadable"
        return DatabaseUnavailable(f"The SQLite database {self.label!r} cannot be read: {error}.", code)


_NO_ROOM_FOR_THE_INDEX = (sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE)


def _cannot_open(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or code in _NO_ROOM_FOR_THE_INDEX


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def readable(stored: bytes) -> str:
    """A text with what is no UTF-8 replaced; sqlite3 itself gives up at the first odd byte."""
    return stored.decode(errors="replace")
