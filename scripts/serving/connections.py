"""The database connections of the service and of the worker: a few sessions, each lent to one request at a time.

Three things can happen to idle sessions, and each is handled without a failed request: they break (all at once, when
the database restarts or the network drops their packets), the file behind them is replaced, or the server allows fewer
of them than were configured.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, TypeVar

import db
from db import ObjectiveRows, StudyRows
from db.client import Client
from db.connecting import located
from db.errors import DatabaseError, DatabaseUnavailable
from db.kept_histories import KeptHistories
from ml.ports import Earlier
from ml.study.history import Window

WAIT_FOR_CONNECTION_S = 30.0
PROBE_WAITS_S = 0.8
"""How long /ready waits for a place: it has one of its own, so that only other probes stand before it."""
STALE_WITHIN_S = 0.5
"""A session that broke while nobody used it fails sooner than this; what takes longer is a database in trouble."""
TRY_FOR_MORE_S = 30.0
"""After the server refused one session more than there were, so long until one more is tried."""

LOG = "uvicorn.error"  # where a person on call looks
log = logging.getLogger(LOG)

Result = TypeVar("Result")
FileMark = tuple[int, int, int, int]


class Session(NamedTuple):
    """A connected client, and the identity of its file when it was opened (None where the database is a server)."""

    client: Client
    file: FileMark | None


class Connections:
    """At most `size` sessions, of which the healthy ones are lent first.

    It can itself be used as a reader of study records. A session that breaks is closed, and with it all idle ones,
    which probably broke for the same reason. A query that fails at once on a session that had worked before is repeated
    on a new one: sessions fail so after the database was restarted, and reading twice does no harm. One place of
    several is kept for `probe`.
    """

    def __init__(self, url: str | None, schema: str | None, size: int, timeout_s: float) -> None:
        self._url, self._schema, self._timeout_s, self._size = url, schema, timeout_s, size
        self._path = located(url, schema)[0].path
        self.state = "not asked yet"
        """Of the database: "reachable" or "unreachable", as the last question found it."""
        self._lock = threading.Lock()
        # Apart, so that one place given back wakes one question, and never one that may not have it.
        self._room, self._room_for_others = threading.Condition(self._lock), threading.Condition(self._lock)
        self._idle: list[Session] = []  # none at first: the service starts before its database
        self._lent = 0
        self._working = 0  # sessions that are lent out and had answered before
        self._most = size  # what the server is known to allow
        self._try_for_more_at = 0.0
        self._closed = False
        self._kept = KeptHistories()

    def read_kept(
        self,
        user_id: str,
        objective_id: str,
        as_of_ms: int | None,
        window: Window,
        timeout_s: float | None = None,
    ) -> tuple[StudyRows, dict[object, object]]:
        """Reads what `read` does, but keeps the rows for the next time, and beside them what the caller derives.

        timeout_s: as for `ask`.
        """
        ids = user_id, objective_id
        return self.ask(lambda client: self._kept.read_with_derived(client, *ids, as_of_ms, window), timeout_s)

    def read(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> StudyRows:
        """Reads as a client does. Raises UnknownLearner, UnknownObjective, DatabaseUnavailable."""
        return self._asked(lambda client: client.read(user_id, objective_id, as_of_ms, window))

    async def aread(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> StudyRows:
        """Does the same in a thread, so that the event loop is not blocked."""
        import asyncio  # the worker, which shares this module, never needs it

        return await asyncio.to_thread(self.read, user_id, objective_id, as_of_ms, window)

    def read_objectives(self, objective_ids: Sequence[str], window: Window) -> dict[str, ObjectiveRows]:
        """Reads those of the objectives that exist, by exactly these ids."""
        return self._asked(lambda client: client.read_objectives(objective_ids, window))

    def read_earlier(self, pairs: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Sequence[Earlier]]:
        """Reads what was stored of earlier predictions for these learners and objectives."""
        return self._asked(lambda client: client.read_earlier(pairs))

    def objectives_of_topic(self, topic_area: str) -> list[str]:
        """Ids of the objectives of a topic area."""
        return self._asked(lambda client: client.objectives_of_topic(topic_area))

    def ask(self, question: Callable[[Client], Result], timeout_s: float | None = None) -> Result:
        """Returns the result of a function that does several reads on one session.

        It may be called twice, so it must only read. timeout_s: the limit of each of its database calls, and of
        connecting; None is the limit that all calls have.
        """
        return self._asked(question, timeout_s=timeout_s)

    def now(self) -> int:
        """The database's clock, in milliseconds since 1970. Raises DatabaseUnavailable."""
        return self._asked(lambda client: client.now())

    def probe(self) -> None:
        """Asks the database for the time, in a session that predictions leave free. Raises DatabaseError."""
        self._asked(lambda client: client.now(), probing=True)

    def _asked(
        self, question: Callable[[Client], Result], probing: bool = False, timeout_s: float | None = None
    ) -> Result:
        session = self._borrowed(probing)
        started = time.monotonic()
        try:
            while True:
                had_worked = session is not None
                try:
                    if session is None:
                        session = self._opened() if timeout_s is None else self._opened(timeout_s)
                    if timeout_s is not None:
                        session.client.timeout_s = timeout_s
                    answered = question(session.client)
                except DatabaseUnavailable as error:
                    self._dropped(session, had_worked)
                    session = None
                    at_once = time.monotonic() - started < STALE_WITHIN_S
                    if not had_worked and at_once:  # the server allows no more: another's session will do
                        session = self._handed_over(started)
                    if not (at_once and had_worked) and session is None:
                        self._note("unreachable", str(error))
                        raise
                except DatabaseError:
                    if session is not None:
                        self._proven(session, had_worked)
                    raise
                except BaseException:
                    self._dropped(session, had_worked)
                    session = None
                    raise
                else:
                    self._proven(session, had_worked)
                    return answered
        finally:
            self._give_back(session)

    def _borrowed(self, probing: bool) -> Session | None:
        """A place, with the session that was used last where one is idle. Raises DatabaseUnavailable."""
        wait_s = PROBE_WAITS_S if probing else WAIT_FOR_CONNECTION_S
        room = self._room_for_others if probing else self._room
        file = self._file_mark()  # not under the lock, which everybody waits for
        with self._lock:
            if not self._has_room(probing) and not room.wait_for(lambda: self._has_room(probing), wait_s):
                raise DatabaseUnavailable("All database connections are in use.")
            if self._idle and self._idle[-1].file != file:
                # An open file goes on being read after another has taken its name, or none.
                self._close_idle()
            if not self._idle and self._lent >= self._most:  # one more than the server allowed, and only one
                self._try_for_more_at = time.monotonic() + TRY_FOR_MORE_S
            self._lent += 1
            return self._idle_one()

    def _has_room(self, probing: bool) -> bool:
        kept_free = 0 if probing or self._size == 1 else 1
        if self._lent >= self._size - kept_free:
            return False
        if self._idle or self._lent < self._most:
            return True
        return time.monotonic() >= self._try_for_more_at

    def _opened(self, timeout_s: float | None = None) -> Session:
        file = self._file_mark()
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        client = db.connect(self._url, schema_path=self._schema, timeout_s=timeout_s, keeps_plans=True)
        return Session(client, file)

    def _dropped(self, session: Session | None, had_worked: bool) -> None:
        """After a failure: closes the session, and draws the conclusion for the others."""
        if session is not None:
            session.client.close()
        with self._lock:
            if had_worked:
                self._working -= 1
                self._close_idle()
                self._most = self._size  # what broke an old session says nothing about how many there may be
            elif self._working or self._idle:
                self._most = max(1, self._working + len(self._idle))
                self._try_for_more_at = time.monotonic() + TRY_FOR_MORE_S

    def _handed_over(self, started: float) -> Session | None:
        """A session that another question is done with, while there are any; our own place is given up meanwhile."""
        with self._lock:
            left_s = started + self._timeout_s - time.monotonic()
            self._lent -= 1
            self._room_for_others.wait_for(lambda: self._idle or not self._working, left_s)
            self._lent += 1
            return self._idle_one()

    def _idle_one(self) -> Session | None:
        if not self._idle:
            return None
        self._working += 1
        return self._idle.pop()

    def _proven(self, session: Session, had_worked: bool) -> None:
        if not had_worked:
            with self._lock:
                self._working += 1
                self._most = min(self._size, max(self._most, self._working + len(self._idle)))
                self._try_for_more_at = 0.0
        self._note("reachable", session.client.label)

    def _give_back(self, session: Session | None) -> None:
        with self._lock:
            self._lent -= 1
            if session is not None:
                self._working -= 1
                if self._closed:
                    session.client.close()
                else:
                    self._idle.append(session)
            self._room.notify()
            self._room_for_others.notify_all()

    def _file_mark(self) -> FileMark | None:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _close_idle(self) -> None:
        for session in self._idle:
            session.client.close()
        self._idle.clear()

    def _note(self, state: str, what: str) -> None:
        """Logs a change of the database's state once, however many requests notice it."""
        if state != self.state:
            log.log(logging.INFO if state == "reachable" else logging.WARNING, "database %s: %s", state, what)
            self.state = state

    def close(self) -> None:
        """Closes the sessions that are not in use; the others are closed when they are returned."""
        with self._lock:
            self._closed = True
            self._close_idle()
