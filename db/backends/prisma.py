"""Study records through a connected Prisma Client Python, async or sync: the same queries, over `query_raw`.

The queries of one batch are sent as one statement, so that they see one snapshot, and each result comes back as one
JSON text, so the engine's conversions of a database's types (64-bit integers as text, dates, decimals) do not matter.
Prisma Client Python is an extra, is archived, and downloads its engine, so nothing here imports it.
"""

from __future__ import annotations

import json
import time

from db.errors import DatabaseConfiguration, DatabaseUnavailable
from db.reading import study
from db.sql.prisma_dialects import DIALECTS, composed
from db.tables.app_schema import read as read_schema
from db.tables.models import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any, Protocol

    from db.reading import rows
    from db.reading.study import Window
    from db.sql.prisma_dialects import PrismaDialect
    from db.sql.templates import Answer, Conversation, Opened

    class PrismaClient(Protocol):
        """A connected `prisma.Prisma`, with the sync or the async interface."""

        def query_raw(self, query: str, *parameters: object) -> Any: ...


def as_records(client: PrismaClient, schema_path: str | None = None) -> PrismaRecords:
    """Study records that are read through a connected Prisma client; its owner connects and disconnects it.

    schema_path: the app's schema.prisma; without it, the schema from which the client was generated names the tables.
    Raises DatabaseConfiguration, SchemaUnreadable.
    """
    # These two are set by the generator, and the package is archived: they will not move.
    schema_path = schema_path or str(getattr(client, "_packaged_schema_path", ""))
    mapping = Mapping(read_schema(schema_path)) if schema_path else Mapping()
    provider = getattr(client, "_active_provider", None)
    if provider not in DIALECTS:
        raise DatabaseConfiguration("The Prisma client must be generated for postgresql or sqlite.")
    return PrismaRecords(client, DIALECTS[provider], mapping)


class PrismaRecords:
    """Reads through one Prisma client; it never writes.

    Calls raise DatabaseUnavailable when the engine does not answer, RequiredTableAbsent, UnknownLearner and
    UnknownObjective as every client does, and DatabaseConfiguration where an async client is called synchronously.
    """

    def __init__(self, client: PrismaClient, dialect: PrismaDialect, mapping: Mapping) -> None:
        from inspect import iscoroutinefunction  # Prisma has imported it long ago

        self._client = client
        self._dialect = dialect
        self._mapping = mapping
        self._known: Opened | None = None
        self._is_async = iscoroutinefunction(client.query_raw)

    def now(self) -> int:
        """The database's clock if it can be asked without an event loop, else this host's.

        In milliseconds since 1970.
        """
        return _host_clock_ms() if self._is_async else self._finished(self._converse(_moment))

    def read(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> rows.StudyRows:
        """Reads what the learner had done before as_of_ms (None: now), and the objective, through a sync client."""
        return self._finished(
            self._converse(lambda opened: study.study_rows(opened, user_id, objective_id, as_of_ms, window))
        )

    async def aread(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> rows.StudyRows:
        """Reads as `read` does, in an event loop, through a sync or an async client."""
        if not self._is_async:
            import asyncio

            return await asyncio.to_thread(self.read, user_id, objective_id, as_of_ms, window)
        return await self._converse(lambda opened: study.study_rows(opened, user_id, objective_id, as_of_ms, window))

    def objectives_of_topic(self, topic_area: str) -> list[str] | Awaitable[list[str]]:
        """Ids of the objectives of a topic area; an awaitable of them from an async client."""
        asked = self._converse(lambda opened: study.objectives_of_topic(opened, topic_area))
        return asked if self._is_async else self._finished(asked)

    async def _converse(self, begin: Callable[[Opened], Conversation[Answer]]) -> Answer:
        self._known = await self._hold(study.opened(self._dialect, self._mapping, self._known, _host_clock_ms), None)
        return await self._hold(begin(self._known), self._known)

    async def _hold(self, conversation: Conversation[Answer], opened: Opened | None) -> Answer:
        try:
            batch = next(conversation)
            while True:
                answers: list[list[tuple[object, ...]]] = []
                if batch:
                    sql, parameters = composed(self._dialect, batch, opened.renderer.catalogue if opened else None)
                    answered = await self._asked(sql, parameters)
                    answers = [list(map(tuple, json.loads(answered[f"a{n}"] or "[]"))) for n in range(len(batch))]
                batch = conversation.send(answers)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]

    async def _asked(self, sql: str, parameters: list[object]) -> dict[str, str | None]:
        try:
            rows = self._client.query_raw(sql, *parameters)
            if self._is_async:
                rows = await rows
        # The client may be generated into any package, so its errors have no name to import here.
        except Exception as failure:
            raise DatabaseUnavailable(f"The Prisma client did not answer: {type(failure).__name__}.") from failure
        return rows[0]  # type: ignore[no-any-return]

    def _finished(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        """Returns what a coroutine that never waits returns."""
        if self._is_async:
            asked.close()
            raise DatabaseConfiguration("This Prisma client is asynchronous: await aread() instead of calling read().")
        try:
            asked.send(None)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]
        raise DatabaseConfiguration("The Prisma client's query_raw is neither sync nor async.")


def _host_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _moment(opened: Opened) -> Conversation[int]:
    yield from ()
    return opened.now_ms
