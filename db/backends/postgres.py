"""PostgreSQL through psycopg2: one connection, and one read-only snapshot per read.

No settings are made for the session or by start-up options, so that PgBouncer may pool by transaction.
"""

from __future__ import annotations

import json
import time

from db.backends.postgres_connecting import WaitedConnection
from db.errors import DatabaseConfiguration, DatabaseUnavailable
from db.sql.dialects import POSTGRESQL
from db.sql.postgres_names import ONLY_POSTGRESQLS, naming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg2

    from db.backends.postgres_plans import Plans
    from db.sql.templates import Query
    from db.url import DatabaseURL

_SNAPSHOT = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    "SET LOCAL statement_timeout = {timeout_ms};"
    "SET LOCAL TimeZone = 'UTC';"
    "SET LOCAL jit = off;"
    # The app's indexes serve every query; a plan without them is a mistake of the statistics.
    "SET LOCAL enable_seqscan = off;"
    "SET LOCAL enable_bitmapscan = off;"  # which would sort where an index has the order already
    "SET LOCAL extra_float_digits = 3;"  # up to PostgreSQL 11 a double would lose its last digits
)
_NO_SUCH_PLAN = "26000"
"""The prepared batch is gone: a pooler lends other sessions, or somebody said DISCARD. The next ones go unprepared."""


class PostgreSQLConnection(WaitedConnection):
    """One connection; when it has broken, the next read makes a new one. Two threads must not use it at once."""

    dialect = POSTGRESQL

    def __init__(self, url: DatabaseURL, give_up_at: float, keeps_plans: bool = False) -> None:
        """Connects. Raises DatabaseUnavailable, DatabaseConfiguration.

        Args:
            url: Which database, as whom.
            give_up_at: The deadline, on time.monotonic's clock.
            keeps_plans: Whether frequent batches are prepared (db/backends/postgres_plans.py).
        """
        self._begun = False
        self._keeps_plans = keeps_plans
        self._plans: Plans | None = None
        self.vantage: float | None = None
        """Since when the session exists (db/reading/marks.py); None behind a pooler, which may lend another server."""
        super().__init__(url, give_up_at)

    def _connect(self) -> psycopg2.extensions.connection:
        connection = super()._connect()
        self.vantage = None if self._url.pooled else time.monotonic()
        if self._keeps_plans:
            from db.backends.postgres_plans import Plans

            self._plans = Plans()
        return connection

    def abandon(self) -> None:
        """Drops the connection and everything that belongs to its session."""
        super().abandon()
        self._plans = None
        self._begun = False

    def _cursor(self, connection: psycopg2.extensions.connection) -> psycopg2.extensions.cursor:
        """A cursor that gives texts as bytes: psycopg2, and a server that converts, give up at the first odd one."""
        from psycopg2.extensions import BYTES, register_type

        cursor = connection.cursor()
        register_type(BYTES, cursor)
        return cursor

    def begin(self, give_up_at: float) -> None:
        """Starts a snapshot that must end by give_up_at; the server is told with the first queries."""
        self._give_up_at = give_up_at
        self._interrupted = False
        if self._connection is None or self._connection.closed:
            self._connect()
        self._begun = False
        if self._plans is not None:
            try:
                self._prepare(self._plans)
            except BaseException:  # a statement may still be under way
                self.abandon()
                raise

    def _prepare(self, plans: Plans) -> None:
        """Between transactions, so that a refusal spoils none."""
        import psycopg2

        connection = self._connection or self._connect()
        try:
            cursor = connection.cursor()
            for key, statement in plans.waiting():
                try:
                    self._execute(cursor, f"BEGIN;{ONLY_POSTGRESQLS}{statement};COMMIT")
                    plans.settle(key, True)
                except psycopg2.Error:
                    if connection.closed:
                        raise
                    self._execute(cursor, "ROLLBACK")
                    plans.settle(key, False)
        except psycopg2.Error as error:
            raise self._failure(error) from None

    def glance(self, give_up_at: float) -> tuple[tuple[object, object], int]:
        """Returns the mark of the database as it is now and the server's time, in milliseconds since 1970."""
        from math import floor

        import psycopg2

        from db.reading.marks import POSTGRESQL_GLANCE

        self.begin(give_up_at)
        try:
            cursor = (self._connection or self._connect()).cursor()
            self._execute(cursor, POSTGRESQL_GLANCE)
            server, snapshot, epoch_s = cursor.fetchone() or (None, None, 0.0)
        except psycopg2.Error as error:
            failure = self._failure(error)
            self.abandon()
            raise failure from None
        except BaseException:
            self.abandon()
            raise
        return (server, snapshot), floor(epoch_s * 1000)

    def run(self, batch: Sequence[Query]) -> list[list[tuple[object, ...]]]:
        """Returns the rows of each query, in one round trip however many queries there are."""
        if not batch or self._connection is None:
            return []
        import psycopg2

        opening = self._opening()
        try:
            cursor = self._cursor(self._connection)
            asked = self._plans.call(cursor, batch) if self._plans is not None else None
            if asked is None:
                texts = [cursor.mogrify(each.sql, each.parameters).decode() for each in batch]
                asked = POSTGRESQL.selection(texts, [each.width for each in batch])
            self._execute(cursor, f"{opening}{asked}")
            columns = [json.loads(self._text(octets)) for octets in cursor.fetchone() or ()]
            return [list(zip(*each)) if each[0] is not None else [] for each in columns]
        except psycopg2.Error as error:
            failure = self._failure(error, asks_again=bool(opening))
            self.abandon()
            raise failure from None
        except BaseException:
            self.abandon()
            raise

    def batches(self, query: Query, rows: int) -> Iterator[list[tuple[object, ...]]]:
        """Yields the rows of a query through a server-side cursor, at most so many at a time."""
        if self._connection is None:
            return
        import psycopg2

        try:
            cursor = self._cursor(self._connection)
            sql = cursor.mogrify(query.sql, query.parameters).decode()
            self._execute(cursor, f"{self._opening()}DECLARE batches NO SCROLL CURSOR FOR {sql}")
            fetch = f"FETCH FORWARD {rows} FROM batches"
            self._execute(cursor, fetch)
            while batch := cursor.fetchall():
                cursor.execute(fetch)  # the server reads on while the caller works
                yield [tuple(self._text(cell) if type(cell) is bytes else cell for cell in row) for row in batch]
                self._wait()
            self._execute(cursor, "CLOSE batches")
        except psycopg2.Error as error:
            failure = self._failure(error)
            self.abandon()
            raise failure from None

    def _opening(self) -> str:
        if self._begun:
            return ""
        self._begun = True
        left_ms = max(1, int((self._give_up_at - time.monotonic()) * 1000))
        unconverted = f"SET LOCAL client_encoding = '{self._encoding}';" if self._codec else ""
        return _SNAPSHOT.format(timeout_ms=left_ms) + unconverted + naming(self._url.schema)

    def _text(self, octets: bytes) -> str:
        return octets.decode(self._codec or "utf-8", "replace")

    def _execute(self, cursor: psycopg2.extensions.cursor, sql: str) -> None:
        unconverted = self._codec and cursor.connection.get_parameter_status("client_encoding") == self._encoding
        cursor.execute(sql.encode(self._codec or "utf-8", "replace") if unconverted else sql)
        self._wait()

    def end(self) -> None:
        """Ends the snapshot, so that neither a pooler nor the server's vacuum waits for us."""
        if not self._begun or self._connection is None:
            return
        import psycopg2

        try:
            self._execute(self._connection.cursor(), "COMMIT")
        except (psycopg2.Error, DatabaseUnavailable):  # the rows are read; the next read connects anew
            self.abandon()
        self._begun = False

    def overtaken(self) -> bool:
        """Returns False, because the server gives each read a snapshot."""
        return False

    def clock_ms(self) -> int:
        """Not used, because the server's clock comes with the catalogue."""
        return time.time_ns() // 1_000_000

    def _why_it_hung_up(self) -> str:
        """What the other side says to a bare BEGIN, "" where it takes it.

        A pooler that lends single statements notices our transaction only with the answer, and says so in the midst
        of it, where libpq cannot make out a sentence.
        """
        import psycopg2

        from db.backends.postgres_failures import last_words

        self.abandon()
        try:
            self._execute(self._connect().cursor(), "BEGIN")
        except psycopg2.Error as error:
            return last_words(error, self._connection)
        except (DatabaseUnavailable, DatabaseConfiguration):
            pass
        return ""

    def _failure(self, error: psycopg2.Error, asks_again: bool = False) -> DatabaseConfiguration | DatabaseUnavailable:
        code = error.pgcode or ""
        if code == "57014":
            return self._too_late()
        if code == _NO_SUCH_PLAN:
            self._keeps_plans = False
        from db.backends.postgres_failures import HUNG_UP, failure, last_words

        said = last_words(error, self._connection)
        if asks_again and not code and said.startswith(HUNG_UP):
            said = self._why_it_hung_up() or said
        return failure(self.label, code, said)
