"""Connecting to PostgreSQL and waiting for it: every wait ends at the deadline.

The connection is an asynchronous one of psycopg2, which is waited for with poll(): a server that hangs, or a network
that drops packets, costs no more time than the deadline (only the look-up of a host name cannot be cut short).
"""

from __future__ import annotations

import math
import select
import sys
import time

from db.errors import DatabaseConfiguration, DatabaseUnavailable
from db.libpq_environment import SetAside, overriding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import psycopg2

    from db.url import DatabaseURL

_LONGEST_NAP_S = 0.1
"""How soon an interrupt from another thread is noticed."""


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


class WaitedConnection:
    """A psycopg2 connection that is waited for until a deadline, and that another thread can interrupt."""

    def __init__(self, url: DatabaseURL, give_up_at: float) -> None:
        """Connects. Raises DatabaseUnavailable, DatabaseConfiguration.

        Args:
            url: Which database, as whom.
            give_up_at: The deadline, on time.monotonic's clock.
        """
        self.label = url.label
        self._url = url
        self._give_up_at = give_up_at
        self._interrupted = False
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
        except psycopg2.Error as error:
            from db.backends.postgres_failures import refusal

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

    def _wait(self) -> None:
        """Waits until the server has answered. Raises DatabaseUnavailable at the deadline."""
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
        ready_within = waiter(self._connection.fileno(), state == POLL_READ)
        while True:
            now = time.monotonic()
            if now >= self._give_up_at or self._interrupted:
                raise self._too_late()
            nap_s = min(self._give_up_at - now, until - now, _LONGEST_NAP_S)
            if ready_within(max(0.0, nap_s)):
                return True
            if now >= until:
                return False

    def abandon(self) -> None:
        """Drops the connection, whatever its state.

        The server notices this, or its statement_timeout ends the query.
        """
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def interrupt(self) -> None:
        """Interrupts a read in another thread, which then fails soon."""
        self._interrupted = True

    def close(self) -> None:
        """Closes the connection."""
        self.abandon()

    def _too_late(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"The PostgreSQL database {self.label} did not answer in time.", "database_late")


def waiter(socket: int, to_read: bool) -> Callable[[float], bool]:
    """What waits so many seconds and returns whether the socket can be read from, or else written to."""
    if not hasattr(select, "poll"):  # Windows, whose select tells a refused connection by the third list

        def selected(seconds: float) -> bool:
            reading, writing = ([socket], []) if to_read else ([], [socket])
            return any(select.select(reading, writing, [socket], seconds))

        return selected
    poller = select.poll()
    poller.register(socket, select.POLLIN if to_read else select.POLLOUT)
    return lambda seconds: bool(poller.poll(seconds * 1000))
