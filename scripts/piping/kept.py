"""What the worker keeps between requests: the model, open sessions of the database, and learners' rows.

None of it may change an answer. The model is read again when one of its files changes. The sessions are opened anew
where they have broken, where the file behind them was replaced, and where a file that names the database was edited.
Rows are used again only where db/kept_histories.py has the proof that they are unchanged.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple

from db import StudyRows
from db.connecting import located, surroundings
from db.url import CALLER, Origin
from ml.model import StrugglePredictionModel
from ml.places import setting
from ml.study.history import Window
from scripts.cli.request import Request
from scripts.serving.connections import Connections
from scripts.serving.model import FileMark, ModelFiles, mark_of

SHORTEST_READ_S, EARLIER_S = 0.001, 0.02
"""A read ends so much before its request's deadline, so that a database that is merely slow leaves no thread behind."""


class LatestModel:
    """The model that predict.py would read now. say: tells a person one sentence."""

    def __init__(self, name: str | None, correct_from: str | None, say: Callable[[str], object]) -> None:
        self._files = ModelFiles(name, correct_from)
        self._say = say
        self._lock = threading.Lock()
        self._model: StrugglePredictionModel | None = None

    def model(self) -> StrugglePredictionModel:
        """Raises PredictorError as predict.py does, as long as what it would read must not be used."""
        with self._lock:
            if self._model is None or self._files.have_changed():
                self._model = None
                self._model = self._files.read()
                if self._model.instead:
                    self._say(self._model.instead)
            return self._model

    def last(self) -> StrugglePredictionModel:
        """The model of the request before, without a look at any file; where there is none, as `model`."""
        return self._model or self.model()


class Named(NamedTuple):
    """How the database is named: the options' values, None where they were not given."""

    url: str | None
    env_file: str | None
    schema: str | None


class KeptDatabase:
    """The database that predict.py would read, with sessions for so many requests at once.

    timeout_s: the limit of one call. Raises DatabaseConfiguration where no database can be named.
    """

    def __init__(self, named: Named, at_once: int, timeout_s: float) -> None:
        self._named, self._timeout_s = named, timeout_s
        self._size = at_once if at_once == 1 else at_once + 1  # of several, Connections keeps one place for probes
        self._lock = threading.Lock()
        self._mark = self._marks()
        self._connections, self.origin, self.label = self._opened()

    def records(self, request: Request) -> KeptRecords:
        """The database for one request."""
        mark = self._marks()
        with self._lock:
            if mark != self._mark:
                self._replace()
                self._mark = mark
            return KeptRecords(self._connections, self.origin, self.label, request)

    def forget(self, records: KeptRecords) -> None:
        """Gives up the sessions where one of them is still at work for a request that is over."""
        with self._lock:
            if records.is_reading and records.connections is self._connections:
                self._replace()

    def _replace(self) -> None:
        before = self._connections
        self._connections, self.origin, self.label = self._opened()
        before.close()  # those in use are closed when they are given back

    def _opened(self) -> tuple[Connections, Origin, str]:
        url, env_file, schema = self._named
        if url:
            where, _ = located(url, schema)
            origin = Origin(where.origin.variable, CALLER)
        else:
            url, origin = surroundings(schema, env_file)
            where, _ = located(url, schema)
        return Connections(url, schema, self._size, self._timeout_s), origin, where.label

    def _marks(self) -> list[FileMark | None]:
        return [mark_of(path) for path in self._files()]

    def _files(self) -> Iterator[str]:
        """The files in which the database or its tables are named."""
        schema, env_file = self._named.schema, self._named.env_file or setting("STRUGGLE_ENV_FILE")
        if env_file and not self._named.url:
            yield os.path.abspath(env_file)
        if not schema:
            return
        yield schema
        if os.path.isdir(schema):
            for directory, _, names in os.walk(schema):
                yield from (os.path.join(directory, name) for name in sorted(names) if name.endswith(".prisma"))


class KeptRecords:
    """The database as one request sees it; closing it leaves the session open. Has a client's origin and label."""

    def __init__(self, connections: Connections, origin: Origin, label: str, request: Request) -> None:
        self.connections = connections
        self.origin = origin
        self.label = label
        self.is_reading = False
        """Whether a read has begun and not ended; where the request is over, its session must not be used again."""
        self.of_rows: dict[object, object] | None = None
        """What earlier requests have derived from the rows that were read."""
        self._request = request

    def read(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> StudyRows:
        """Reads as a client does, until the request's deadline."""
        request = self._request
        left_s = max(SHORTEST_READ_S, request.began + request.timeout_s - EARLIER_S - time.monotonic())
        self.is_reading = True
        try:
            found, self.of_rows = self.connections.read_kept(user_id, objective_id, as_of_ms, window, left_s)
            return found
        finally:
            self.is_reading = False

    async def aread(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> StudyRows:
        """Reads as `read` does, in a thread."""
        import asyncio  # half of a worker's start, for nothing

        return await asyncio.to_thread(self.read, user_id, objective_id, as_of_ms, window)

    def __enter__(self) -> KeptRecords:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the session open."""
