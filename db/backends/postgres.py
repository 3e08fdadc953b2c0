"""PostgreSQL through psycopg2: one connection, one read-only snapshot per read, a deadline that holds.

The connection is psycopg2's asynchronous kind, waited for with poll(): a server that hangs, or a network that
swallows packets, costs no more than the deadline (only the look-up of a host name cannot be hurried). Nothing is
set for the session, and nothing by start-up options, so that PgBouncer may pool by transaction.
"""

from __future__ import annotations

import json
import math
import select
import sys
import time

from db.errors import DatabaseConfiguration, DatabaseUnavailable
from db.libpq_environment import SetAside, in_force, overriding
from db.sql.dialects import POSTGRESQL
from db.sql.postgres_names import ONLY_POSTGRESQLS, naming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

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
_MISCONFIGURED = ("22", "42")
"""SQLSTATE classes that tell of a schema unlike the one the queries were made for."""


_NO_SUCH_PLAN = "26000"
"""The prepared batch is gone: a pooler lends other sessions, or somebody said DISCARD. The next ones go unprepared."""


def _load_driver() -> None:
    """Imports psycopg2, without Python's ssl in a process that needs it for nothing else. Raises ImportError.

    psycopg2 imports ssl, which takes as long as the bare interpreter, for the locks that OpenSSL wanted of its callers
    before 1.1; a Python without ssl will do for it. libpq's TLS does not depend on it (tests/db/test_tls.py). Where
    there may be other threads, one of them may be importing ssl for itself.
    """
    if "ssl" in sys.modules or "threading" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  # Python's way to say that there is no such module
    try:
        import psycopg2  # noqa: F401
    finally:
        del sys.modules["ssl"]


class PostgreSQLConnection:
    """One connection, made anew by the next read when it broke; not to be used by two threads at once."""

    dialect = POSTGRESQL

    def __init__(self, url: DatabaseURL, give_up_at: float, keeps_plans: bool = False) -> None:
        """Connects. give_up_at is on time.monotonic's clock. keeps_plans: see db/backends/postgres_plans.py.

        Raises DatabaseUnavailable, DatabaseConfiguration.
        """
        self.label = url.label
        self._url = url
        self._give_up_at = give_up_at
        self._begun = False
        self._interrupted = False
        self._keeps_plans = keeps_plans
        self._plans: Plans | None = None
        self._encoding = "UTF8"
        self._codec: str | None = None  # of the server's own encoding, where its bytes come unconverted
        self._connection: psycopg2.extensions.connection | None = None
        self._connect()

    def _connect(self) -> psycopg2.extensions.connection:
        try:
            _load_driver()
            import psycopg2
        except ImportError:
            raise DatabaseConfiguration("PostgreSQL needs the package psycopg2-binary.") from None
        keywords: dict[str, Any] = {
            "fallback_application_name": "struggle-predictor",
            **overriding(self._url.keywords),
            "client_encoding": "UTF8",
        }
        try:
            with SetAside():
                while True:
                    self._connection = psycopg2.connect(async_=True, **keywords)
                    if (others := self._establish(keywords)) is None:
                        break
                    self.abandon()
                    keywords = others
            self._learn_encoding(self._connection)
            if self._keeps_plans:
                from db.backends.postgres_plans import Plans

                self._plans = Plans()
        except psycopg2.Error as error:
            self.abandon()
            raise DatabaseUnavailable(refusal(self._url, error)) from None
        except BaseException:
            self.abandon()
            raise
        return self._connection

    def _learn_encoding(self, connection: psycopg2.extensions.connection) -> None:
        self._encoding = connection.get_parameter_status("server_encoding") or "UTF8"
        if self._encoding != "UTF8":
            from db.sql.encodings import single_byte_codec

            self._codec = single_byte_codec(self._encoding)

    def _cursor(self, connection: psycopg2.extensions.connection) -> psycopg2.extensions.cursor:
        """A cursor that gives texts as bytes: psycopg2, and a server that converts, give up at the first odd one."""
        from psycopg2.extensions import BYTES, register_type

        cursor = connection.cursor()
        register_type(BYTES, cursor)
        return cursor

    def _establish(self, keywords: dict[str, str]) -> dict[str, str] | None:
        """Waits for the connection. Where the server is silent and there is another, returns the keywords without it.

        libpq observes connect_timeout only where it does the waiting, so it is observed here, per server. A server
        that is not the last one has at most a share of the deadline to say each thing.
        """
        from psycopg2.extensions import POLL_OK

        connection = self._connection
        if connection is None:
            raise self._too_late()
        others = keywords.get("host", "").count(",")
        began = time.monotonic()
        share_s = (self._give_up_at - began) / max(2, 1 + others)
        allowed_s = int(keywords.get("connect_timeout") or 0) or math.inf
        server = None
        while (state := connection.poll()) != POLL_OK:
            if others and server != (server := (connection.info.host, connection.info.port)):
                began = time.monotonic()  # libpq has gone on to the next one by itself
            while not self._ready(state, min(began + allowed_s, time.monotonic() + share_s)):
                from db.backends.postgres_hosts import without_the_silent

                if (without := without_the_silent(keywords, connection.info)) is not None:
                    return without
                if time.monotonic() >= began + allowed_s:
                    raise DatabaseUnavailable(
                        f"The PostgreSQL database {self.label} cannot be reached: no answer within connect_timeout."
                    )
                share_s = math.inf
        return None

    def begin(self, give_up_at: float) -> None:
        """Starts a snapshot that must be done by give_up_at; the server hears of it with the first queries."""
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

    def run(self, batch: Sequence[Query]) -> list[list[tuple[object, ...]]]:
        """The rows of each query; one round trip, however many queries."""
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
        """The rows of a query through a server-side cursor, at most so many at a time."""
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

    def _wait(self) -> None:
        """Until the connection has what it waits for. Raises DatabaseUnavailable at the deadline."""
        from psycopg2.extensions import POLL_OK

        connection = self._connection
        if connection is None:
            raise self._too_late()
        while (state := connection.poll()) != POLL_OK:
            self._ready(state, math.inf)

    def _ready(self, state: int, until: float) -> bool:
        """Whether the socket is ready before `until`; libpq's state machine breaks when it is polled earlier.

        Raises DatabaseUnavailable at the deadline and after an interrupt.
        """
        from psycopg2.extensions import POLL_READ

        if self._connection is None:
            raise self._too_late()
        poller = select.poll()
        poller.register(self._connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        while True:
            now = time.monotonic()
            if now >= self._give_up_at or self._interrupted:
                raise self._too_late()
            nap_s = min(self._give_up_at - now, until - now, _LONGEST_NAP_S)
            if poller.poll(max(0.0, nap_s) * 1000):
                return True
            if now >= until:
                return False

    def end(self) -> None:
        """Ends the snapshot, so that neither a pooler nor the server's clean-up waits for us."""
        if not self._begun or self._connection is None:
            return
        import psycopg2

        try:
            self._execute(self._connection.cursor(), "COMMIT")
        except (psycopg2.Error, DatabaseUnavailable):  # the rows are read; the next read connects anew
            self.abandon()
        self._begun = False

    def abandon(self) -> None:
        """Drops the connection in whatever state it is; the server notices, or its statement_timeout does."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._plans = None
        self._begun = False

    def overtaken(self) -> bool:
        """Never: the server gives each read a snapshot."""
        return False

    def clock_ms(self) -> int:
        """Unused: the server's clock comes with the catalogue."""
        return time.time_ns() // 1_000_000

    def interrupt(self) -> None:
        """Makes a read in another thread fail soon."""
        self._interrupted = True

    def close(self) -> None:
        """Closes the connection."""
        self.abandon()

    def _too_late(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"The PostgreSQL database {self.label} did not answer in time.", "database_late")

    def _why_it_hung_up(self) -> str:
        """What the other side says to a bare BEGIN, "" where it takes it.

        A pooler that lends single statements notices our transaction only with the answer, and says so in the midst
        of it, where libpq cannot make out a sentence.
        """
        import psycopg2

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
        said = last_words(error, self._connection)
        if asks_again and not code and said.startswith(_HUNG_UP):
            said = self._why_it_hung_up() or said
        if code.startswith(_MISCONFIGURED):
            return DatabaseConfiguration(f"The PostgreSQL database {self.label} refuses a query ({code}): {said}.")
        return DatabaseUnavailable(f"The PostgreSQL database {self.label} broke off: {said}", "database_broke_off")


_LONGEST_NAP_S = 0.1
"""How soon an interrupt from another thread is noticed."""


_HUNG_UP = "server closed the connection unexpectedly"


def last_words(error: psycopg2.Error, connection: psycopg2.extensions.connection | None) -> str:
    """What the server, or a pooler, said of an error; where it hung up after saying it, libpq alone remembers."""
    if error.diag and error.diag.message_primary:
        return str(error.diag.message_primary)
    told = (connection.info.error_message if connection is not None else None) or ""
    before, closed, _ = (told or str(error)).partition(_HUNG_UP)
    if not (closed and before.strip()):
        before = str(error)
    return " ".join(before.split())


def refusal(url: DatabaseURL, error: psycopg2.Error) -> str:
    """What the server or libpq said when no connection came about, without the password.

    Variables of the environment that may be the cause are named.
    """
    said = " ".join(str(error).split())
    secret = url.keywords.get("password")
    told = f"The PostgreSQL database {url.label} cannot be reached"
    told += "." if not said or (secret and secret in said) else f": {said}"
    if variables := in_force(url.keywords):
        told += f" (The environment sets {', '.join(variables)}, and the URL says nothing about it.)"
    return told
