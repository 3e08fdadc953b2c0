"""What one prediction reads, as a conversation: a generator asks batches of queries and is sent their results.

It does no input or output itself, so that the same loading serves the blocking clients and Prisma's. A batch is
answered within one snapshot of the database; `yield` gives the results of its queries in their order.
"""

from __future__ import annotations

from db import queries, rows
from db.catalogue import Catalogue, tables
from db.errors import UnknownLearner, UnknownObjective
from db.readings import instant_ms
from db.records import Records
from db.templates import Query, Renderer
from db.timestamps import bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Protocol, TypeVar

    from db.mapping import Mapping
    from db.templates import Dialect, Template

    Results = Sequence[Sequence[object]]
    Answer = TypeVar("Answer")
    Conversation = Generator[Sequence[Query], Sequence[Results], Answer]

    class Window(Protocol):
        """How many of the newest rows of each source to read; ml.history.WINDOW has this shape."""

        @property
        def reviews(self) -> int: ...
        @property
        def metrics(self) -> int: ...
        @property
        def sessions(self) -> int: ...
        @property
        def validations(self) -> int: ...
        @property
        def patterns(self) -> int: ...
        @property
        def events(self) -> int: ...
        @property
        def exams(self) -> int: ...
        @property
        def missions(self) -> int: ...
        @property
        def outcomes(self) -> int: ...
        @property
        def masteries(self) -> int: ...
        @property
        def prerequisites(self) -> int: ...
        @property
        def cards(self) -> int: ...


class _Batch:
    """Queries to ask together; those whose source the database lacks are answered here, with no rows."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._asked: list[Query] = []
        self._names: list[str] = []

    def add(self, name: str, template: Template, **parameters: object) -> None:
        if template.source in self._renderer.catalogue:
            self._names.append(name)
            self._asked.append(self._renderer.query(template, **parameters))

    def ask(self) -> Conversation[dict[str, Results]]:
        answered = yield self._asked
        return dict(zip(self._names, answered))


class Opened:
    """A snapshot at its start: what the database holds, and what time it is there."""

    __slots__ = ("columns", "now_ms", "renderer")

    def __init__(self, columns: Results, renderer: Renderer, now_ms: int) -> None:
        self.columns = columns
        self.renderer = renderer
        self.now_ms = now_ms


def opened(
    dialect: Dialect, mapping: Mapping, known: Opened | None, host_clock_ms: Callable[[], int]
) -> Conversation[Opened]:
    """The first words of every conversation. known: the last answer, whose rendered queries still serve if the
    tables are the same. Raises RequiredTableAbsent."""
    asked = [Query(dialect.CATALOGUE, {"tables": tables(mapping)}, 4)]
    if dialect.CLOCK is not None:
        asked.append(Query(dialect.CLOCK, {}, 1))
    columns, *clock = yield asked
    if known is not None and list(known.columns) == list(columns):
        renderer = known.renderer
    else:
        renderer = Renderer(dialect, Catalogue(mapping, columns))
    if renderer.catalogue.has_own_clock:
        clock = list((yield [renderer.query(queries.DEMO_CLOCK)]))
    now_ms = instant_ms(clock[0][0][0]) if clock and clock[0] else None
    return Opened(columns, renderer, host_clock_ms() if now_ms is None else now_ms)


def study_rows(
    opened: Opened, user_id: str, objective_id: str, as_of_ms: int | None, window: Window
) -> Conversation[rows.StudyRows]:
    """One learner facing one objective, as of now where as_of_ms is None. Raises UnknownLearner, UnknownObjective."""
    renderer, catalogue = opened.renderer, opened.renderer.catalogue
    is_now = as_of_ms is None or as_of_ms >= opened.now_ms
    as_of_ms = opened.now_ms if as_of_ms is None else as_of_ms
    if not catalogue.admits("User", "id", user_id):
        raise _unknown_learner(user_id)
    if not catalogue.admits("LearningObjective", "id", objective_id):
        raise _unknown_objective(objective_id)
    batch = _Batch(renderer)
    learner: dict[str, object] = {"learner": user_id}
    dated = {"learner": user_id, "as_of": bounded(as_of_ms)}
    objective: dict[str, object] = {"objective": objective_id}
    batch.add("learner", queries.LEARNER, **learner)
    batch.add("objective", queries.OBJECTIVE, **objective)
    batch.add("prerequisites", queries.PREREQUISITES, **objective, limit=window.prerequisites)
    batch.add("cards", queries.CARDS, **objective, limit=window.cards)
    batch.add("reviews", queries.REVIEWS, **dated, limit=window.reviews)
    batch.add("metrics", queries.METRICS, **dated, limit=window.metrics)
    batch.add("sessions", queries.SESSIONS, **dated, limit=window.sessions)
    batch.add("validations", queries.VALIDATIONS, **dated, limit=window.validations)
    batch.add("patterns", queries.PATTERNS, **dated, limit=window.patterns)
    batch.add("events", queries.EVENTS, **dated, limit=window.events)
    batch.add("profile", queries.PROFILE, **learner)
    batch.add("exams", queries.EXAMS, **dated, limit=window.exams)
    batch.add("missions", queries.MISSIONS, **dated, limit=window.missions)
    batch.add("recorded", queries.OUTCOMES, **dated, limit=window.outcomes)
    batch.add("answers", queries.ANSWERS, **dated, limit=window.outcomes)
    batch.add("masteries", queries.MASTERIES, **learner, limit=window.masteries)
    found = yield from batch.ask()
    make = Records(catalogue.mapping)
    if not found["learner"] or not _same(found["learner"][0][0], user_id):
        raise _unknown_learner(user_id)
    if not found["objective"] or not _same(found["objective"][0][0], objective_id):
        raise _unknown_objective(objective_id)
    return rows.StudyRows(
        as_of_ms,
        is_now,
        rows.LearnerRows(
            learner=make.learner(found["learner"][0]),
            reviews=make.reviews(found.get("reviews", ())),
            metrics=make.metrics(found.get("metrics", ())),
            sessions=make.sessions(found.get("sessions", ())),
            validations=make.validations(found.get("validations", ())),
            patterns=make.patterns(found.get("patterns", ())),
            events=make.events(found.get("events", ())),
            profile=make.profile(found.get("profile", ())),
            exams=make.exams(found.get("exams", ())),
            missions=make.missions(found.get("missions", ())),
            outcomes=make.outcomes(found.get("recorded", ()), found.get("answers", ()), window.outcomes),
            masteries=make.masteries(found.get("masteries", ())),
        ),
        rows.ObjectiveRows(
            objective=make.objective(found["objective"][0]),
            prerequisites=make.prerequisites(found.get("prerequisites", ())),
            cards=make.cards(found.get("cards", ())),
        ),
        catalogue.missing_sources,
    )


def objectives_of_topic(opened: Opened, topic_area: str) -> Conversation[list[str]]:
    """Ids of the objectives of a course (by id or name) or of a topic tag."""
    if not opened.renderer.catalogue.admits("", "", topic_area):
        return []
    batch = _Batch(opened.renderer)
    batch.add("topic", queries.TOPIC, topic=topic_area)
    found = yield from batch.ask()
    return [str(identifier) for identifier, _owner in found["topic"]]


def _same(stored: object, asked: str) -> bool:
    """SQLite takes '042' for 42 where a column holds integers; a uuid may be asked for in capitals."""
    return str(stored).replace("-", "").casefold() == asked.replace("-", "").casefold()


def _unknown_learner(user_id: str) -> UnknownLearner:
    return UnknownLearner(f"No learner has the id {_shown(user_id)}.")


def _unknown_objective(objective_id: str) -> UnknownObjective:
    return UnknownObjective(f"No objective has the id {_shown(objective_id)}.")


def _shown(identifier: str) -> str:
    return ascii(identifier if len(identifier) <= 60 else identifier[:57] + "...")
