"""The connected database client: reads what a prediction needs, knows the time, and never writes."""

from __future__ import annotations

import _thread
import time
from functools import partial

from db.errors import DatabaseError, DatabaseUnavailable
from db.reading import study
from db.tables.models import default_table
from db.url import GIVEN, Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from types import TracebackType

    from db.backends.postgres import PostgreSQLConnection
    from db.backends.sqlite import SQLiteConnection
    from db.reading import rows
    from db.reading.study import Window
    from db.sql.templates import Answer, Conversation, Opened, Query
    from db.tables.models import Mapping

    Connection = SQLiteConnection | PostgreSQLConnection

IDS_AT_ONCE = 500


class Client:
    """A connection to the platform's database. It does one read at a time: a second thread waits for the first.

    timeout_s limits each call, not their sum; None means an hour. A call raises DatabaseUnavailable when the database
    cannot be reached or the time is up, and RequiredTableAbsent when it lacks what every prediction needs. origin:
    where the database's URL came from.
    """

    of_rows: dict[object, object] | None = None
    """What earlier readers have derived from the rows that were read: a client keeps nothing."""

    def __init__(
        self, connection: Connection, mapping: Mapping, timeout_s: float | None, origin: Origin = GIVEN
    ) -> None:
        self.timeout_s = timeout_s
        self.origin = origin
        self._connection = connection
        self._mapping = mapping
        self._known: Opened | None = None
        self._is_quiet = False
        """Whether the last marked snapshot was marked as the one before, and a glance may do for the next one."""
        self._lock = _thread.allocate_lock()
        self._closed = False

    @property
    def label(self) -> str:
        """The file, or host:port/database; it contains no secret."""
        return self._connection.label

    @property
    def kind(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self._connection.dialect.name

    def now(self) -> int:
        """The database's clock, in milliseconds since 1970; the demo database's always shows the same time."""
        return self.converse(_moment)

    def read(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> rows.StudyRows:
        """Reads what a learner had done up to a moment, and the objective, within one snapshot of the database.

        Args:
            user_id: The learner's id.
            objective_id: The objective's id.
            as_of_ms: The moment, in milliseconds since 1970, before which rows are read; None is now.
            window: How many of the newest rows of each source are read.

        Raises:
            UnknownLearner: No learner has the id.
            UnknownObjective: No objective has the id.
            RequiredTableAbsent: The database lacks a table that every prediction needs.
            DatabaseUnavailable: The database does not answer, or not in time.
        """
        return self.converse(lambda opened: study.study_rows(opened, user_id, objective_id, as_of_ms, window))

    async def aread(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> rows.StudyRows:
        """Reads as `read` does, in a thread, so that the event loop is not blocked."""
        import asyncio

        return await asyncio.to_thread(self.read, user_id, objective_id, as_of_ms, window)

    def objectives_of_topic(self, topic_area: str) -> list[str]:
        """Ids of the objectives of a topic area: a course's id, a course's name, or a topic tag."""
        return self.converse(lambda opened: study.objectives_of_topic(opened, topic_area))

    def learner_ids(self) -> list[str]:
        """Every learner's id, in the database's order."""
        from db.reading import many

        return [identifier for page in self._pages(many.following_learners) for identifier in page]

    def stream_learners(
        self, as_of_ms: int, window: Window | None, learner_ids: Sequence[str] | None = None
    ) -> Iterator[rows.LearnerRows]:
        """Yields each learner's rows once: in the database's order, or sorted by id where ids are given.

        Memory is bounded by a page of learners, and each page is one snapshot.

        Args:
            as_of_ms: The moment before which rows are read, in milliseconds since 1970.
            window: How many of the newest rows of each source are read; None reads all.
            learner_ids: Whose rows; None means every learner's. Ids that no learner has are ignored.
        """
        from db.reading import many

        for ids in self._pages(many.following_learners) if learner_ids is None else _chunks(sorted(set(learner_ids))):
            for page in self.converse(partial(many.pages, learner_ids=ids, window=window)):
                yield from self.converse(partial(many.learners, learner_ids=page, as_of_ms=as_of_ms, window=window))

    def read_objectives(
        self, objective_ids: Sequence[str] | None = None, window: Window | None = None
    ) -> dict[str, rows.ObjectiveRows]:
        """Returns the objectives by id: all of them, or those of the ids given that exist.

        Args:
            objective_ids: The objectives' ids; None means all.
            window: How many prerequisites and cards of each are read; None reads all.
        """
        from db.reading import many

        most = (many.NO_LIMIT, many.NO_LIMIT) if window is None else (window.prerequisites, window.cards)
        found: dict[str, rows.ObjectiveRows] = {}
        for ids in self._pages(many.following_objectives) if objective_ids is None else _chunks(list(objective_ids)):
            found.update(self.converse(partial(many.objectives, objective_ids=ids, most=most)))
        return found

    def read_earlier(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[rows.EarlierRow]]:
        """Returns what was stored of earlier predictions, the newest first, for the pairs that have any.

        Args:
            pairs: Ids of learners and objectives.
        """
        from db.reading import many

        return self.converse(partial(many.earlier, pairs=pairs))

    def _pages(self, following: Callable[..., Conversation[list[str]]]) -> Iterator[list[str]]:
        page = self.converse(partial(following, after=None))
        while page:
            yield page
            page = self.converse(partial(following, after=page[-1]))

    def missing_sources(self) -> tuple[str, ...]:
        """Default names of the optional tables and columns that the database lacks or that our role may not read.

        Tables whose policies hide every row from us are included; RequiredTableAbsent is raised where that is the
        learners' table.
        """
        return self.converse(_missing)

    def row_security(self) -> dict[str, list[str]]:
        """Default names of the tables whose rows row-level security hides from us: all of them, or perhaps some."""
        return self.converse(_row_security)

    def unknown_values(self) -> list[tuple[str, str]]:
        """Stored enum values that the app does not define, as (column, value), from a sample of each table's rows."""
        from db.reading.vocabulary import unknown_values

        return self.converse(unknown_values)

    def converse(self, begin: Callable[[Opened], Conversation[Answer]], marked: bool = False) -> Answer:
        """Runs a conversation of db/reading/study.py within one snapshot.

        marked: whether the conversation needs the snapshot's mark (db/reading/marks.py).
        """
        with self._lock:
            if self._closed:
                raise DatabaseUnavailable("The database client has been closed.")
            connection = self._connection
            give_up_at = time.monotonic() + (3600 if self.timeout_s is None else self.timeout_s)
            if marked and self._is_quiet:
                told = self._at_a_glance(begin, give_up_at)
                if told is not None:
                    return told[0]
            while True:
                connection.begin(give_up_at)
                try:
                    answer = self._hold(begin(self._opened(marked)))
                except DatabaseError:
                    if not connection.overtaken():
                        raise
                else:
                    if not connection.overtaken():
                        return answer
                finally:
                    connection.end()
                if time.monotonic() > give_up_at:
                    raise _restless(connection)

    def stream(self, ask: Callable[[Opened], Sequence[Query]], rows: int) -> Iterator[Sequence[Sequence[object]]]:
        """Yields the rows of some queries, one query after another, at most so many at a time, in one snapshot."""
        with self._lock:
            if self._closed:
                raise DatabaseUnavailable("The database client has been closed.")
            connection = self._connection
            connection.begin(time.monotonic() + (3600 if self.timeout_s is None else self.timeout_s))
            try:
                for query in ask(self._opened()):
                    yield from connection.batches(query, rows)
                if connection.overtaken():
                    raise _restless(connection)
            finally:
                connection.end()

    def _opened(self, marked: bool = False) -> Opened:
        connection = self._connection
        about = connection.dialect, self._mapping, self._known, connection.clock_ms
        if marked and connection.vantage is not None:
            from db.reading.marks import opened_with_mark

            before = self._known
            self._known = self._hold(opened_with_mark(*about, connection.vantage))
            can_glance = connection.dialect.name == "postgresql" and self._known.mark is not None
            self._is_quiet = can_glance and before is not None and before.mark == self._known.mark
        else:
            self._known = self._hold(study.opened(*about))
        return self._known

    def _at_a_glance(self, begin: Callable[[Opened], Conversation[Answer]], give_up_at: float) -> tuple[Answer] | None:
        """The answer of a conversation that has nothing to ask, for which no transaction is needed; else None."""
        from db.reading.marks import at_a_glance

        opened, glance = None, getattr(self._connection, "glance", None)  # PostgreSQL's
        if self._known is not None and glance is not None:
            at = time.monotonic()
            mark, clock_ms = glance(give_up_at)
            opened = at_a_glance(self._known, at, self._connection.vantage, mark, clock_ms)
        self._is_quiet = opened is not None
        if opened is None:
            return None
        self._known = opened
        conversation = begin(opened)
        try:
            next(conversation)
        except StopIteration as finished:
            return (finished.value,)
        conversation.close()
        return None

    def _hold(self, conversation: Conversation[Answer]) -> Answer:
        try:
            asked = next(conversation)
            while True:
                asked = conversation.send(self._connection.run(asked))
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]

    def interrupt(self) -> None:
        """Interrupts the call in another thread, which then soon fails with DatabaseUnavailable."""
        self._connection.interrupt()

    def close(self) -> None:
        """Closes the connection; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def connect(self) -> None:
        """Does nothing, because the client is already connected; Prisma's clients have this method."""

    async def disconnect(self) -> None:
        """Closes the connection; Prisma's clients have this method."""
        self.close()

    def is_connected(self) -> bool:
        """Tells whether the client may be used."""
        return not self._closed


def _restless(connection: Connection) -> DatabaseUnavailable:
    told = f"The database {connection.label!r} was changed while it was read; read it again."
    return DatabaseUnavailable(told, "database_unreadable")


def _moment(opened: Opened) -> Conversation[int]:
    yield from ()
    return opened.now_ms


def _missing(opened: Opened) -> Conversation[tuple[str, ...]]:
    catalogue = opened.renderer.catalogue
    if not catalogue.filtered:
        return catalogue.missing_sources
    from db.reading.hidden_rows import check, unseen_by_all

    yield from check(opened, "User")
    yield from check(opened, "LearningObjective")
    return (*catalogue.missing_sources, *(yield from unseen_by_all(opened)))


def _row_security(opened: Opened) -> Conversation[dict[str, list[str]]]:
    yield from ()
    catalogue = opened.renderer.catalogue
    tables = {"hidden": catalogue.hidden, "filtered": catalogue.filtered}
    return {kind: [default_table(model) for model in models] for kind, models in tables.items() if models}


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE]
