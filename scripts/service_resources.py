"""What the service holds on to between requests: database connections, and the model that current.pkl names now."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

import db
from db.client import Client
from db.errors import DatabaseUnavailable
from ml.model import CURRENT, StrugglePredictionModel, load, resolve

LOOK_AGAIN_S = 1.0
"""How often the model file is looked at; a switch of current.pkl answers at most this much later."""
WAIT_FOR_CONNECTION_S = 30.0


class Connections:
    """A few connected clients, each lent to one request at a time; a broken one is closed and made anew."""

    def __init__(self, url: str | None, schema: str | None, size: int, timeout_s: float) -> None:
        self._url, self._schema, self._timeout_s = url, schema, timeout_s
        self._places: LifoQueue[Client | None] = LifoQueue()
        for _ in range(size):
            self._places.put(None)  # connected when first needed: the service starts before its database

    @contextmanager
    def lent(self) -> Iterator[Client]:
        """A client for the block. Raises DatabaseUnavailable where none is free in time or none can be had."""
        try:
            client = self._places.get(timeout=WAIT_FOR_CONNECTION_S)
        except Empty:
            raise DatabaseUnavailable("All database connections are in use.") from None
        try:
            if client is None:
                client = db.connect(self._url, schema_path=self._schema, timeout_s=self._timeout_s)
            yield client
        except DatabaseUnavailable:
            if client is not None:
                client.close()
            client = None
            raise
        finally:
            self._places.put(client)

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

    A file that must not be used leaves the model before it in place, and `refused` says why.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._looked_at = time.monotonic()
        self._mark = self._file_mark()
        self._model = load(name)
        self.refused = ""

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
        from ml.errors import PredictorError

        mark = self._file_mark()
        if mark == self._mark:
            return
        try:
            self._model = load(self._name)
            self.refused = ""
        except PredictorError as error:
            self.refused = str(error)
        self._mark = mark

    def _file_mark(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(resolve(CURRENT if self._name is None else self._name))
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
