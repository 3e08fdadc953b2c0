"""What the service holds on to between requests: database connections, and the model that current.pkl names now."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, LifoQueue
from typing import TypeVar

import db
from db.client import Client
from db.errors import DatabaseUnavailable
from db.rows import StudyRows
from ml.errors import PredictorError
from ml.history import Window
from ml.model import StrugglePredictionModel, load
from ml.places import CURRENT, resolve

LOOK_AGAIN_S = 1.0
"""How often the model file is looked at; a switch of current.pkl answers at most this much later."""
WAIT_FOR_CONNECTION_S = 30.0
STALE_WITHIN_S = 0.5
"""A connection that broke while nobody used it fails sooner than this; what takes longer is a database in trouble."""

log = logging.getLogger("uvicorn.error")  # where a person on call looks

Answer = TypeVar("Answer")


class Connections:
    """A few connected clients, each lent to one request at a time; itself a reader of study records.

    A client that breaks is closed. A read that fails at once on a client that had worked before is asked again on a
    new one: that is what a restarted database leaves behind, and reading twice does no harm.
    """

    def __init__(self, url: str | None, schema: str | None, size: int, timeout_s: float) -> None:
        self._url, self._schema, self._timeout_s = url, schema, timeout_s
        self.state = "not asked yet"
        """Of the database: "reachable" or "unreachable", as the last question found it."""
        self._places: LifoQueue[Client | None] = LifoQueue()
        for _ in range(size):
            self._places.put(None)  # connected when first needed: the service starts before its database

    def read(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> StudyRows:
        """Raises UnknownLearner, UnknownObjective, DatabaseUnavailable."""
        return self._asked(lambda client: client.read(user_id, objective_id, as_of_ms, window))

    async def aread(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> StudyRows:
        """The same for an event loop, which goes on meanwhile."""
        return await asyncio.to_thread(self.read, user_id, objective_id, as_of_ms, window)

    def objectives_of_topic(self, topic_area: str) -> list[str]:
        """Ids of the objectives of a topic area."""
        return self._asked(lambda client: client.objectives_of_topic(topic_area))

    def now(self) -> int:
        """The database's clock, in milliseconds since 1970. Raises DatabaseUnavailable."""
        return self._asked(lambda client: client.now())

    def _asked(self, question: Callable[[Client], Answer]) -> Answer:
        try:
            client = self._places.get(timeout=WAIT_FOR_CONNECTION_S)
        except Empty:
            raise DatabaseUnavailable("All database connections are in use.") from None
        started = time.monotonic()
        may_be_stale = client is not None
        try:
            while True:
                try:
                    if client is None:
                        client = db.connect(
                            self._url, schema_path=self._schema, timeout_s=self._timeout_s, keeps_plans=True
                        )
                    answered = question(client)
                    self._note("reachable", client.label)
                    return answered
                except DatabaseUnavailable as error:
                    if client is not None:
                        client.close()
                    client = None
                    if not may_be_stale or time.monotonic() - started > STALE_WITHIN_S:
                        self._note("unreachable", str(error))
                        raise
                    may_be_stale = False
        finally:
            self._places.put(client)

    def _note(self, state: str, what: str) -> None:
        """A change goes to the log once, however many requests it meets."""
        if state != self.state:
            log.warning("database %s: %s", state, what)
            self.state = state

    def close(self) -> None:
        """Closes what is not lent out."""
        while True:
            try:
                client = self._places.get_nowait()
            except Empty:
                return
            if client is not None:
                client.close()


class CurrentModel:
    """The model that answers, read anew when its file changes; a request keeps the one it began with.

    A file that must not be used leaves the model before it in place, and the log says why.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._looked_at = time.monotonic()
        self._mark = self._file_mark()
        self._model = load(name)

    def model(self) -> StrugglePredictionModel:
        """The model of this moment; several threads may ask."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_AGAIN_S and self._lock.acquire(blocking=False):
            try:
                self._looked_at = now
                self._reload()
            finally:
                self._lock.release()
        return self._model

    def _reload(self) -> None:
        mark = self._file_mark()
        if mark == self._mark:
            return
        try:
            self._model = load(self._name)
        except PredictorError as error:
            log.warning("the new model cannot be used, the one before it answers: %s", error)
        self._mark = mark

    def _file_mark(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(resolve(CURRENT if self._name is None else self._name))
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
