"""What one prediction reads, as a conversation: a generator yields batches of queries and is sent their results.

It does no input or output itself, so that the same code serves the blocking clients and Prisma's. A batch is answered
within one snapshot of the database; `yield` gives the results of its queries in their order.
"""

from __future__ import annotations

from db.errors import UnknownLearner, UnknownObjective
from db.reading import queries, rows
from db.reading.decode_rows import RowDecoder
from db.reading.newest_rows import Repeating
from db.sql.catalogue import Catalogue, named_schemas, tables, with_unknown
from db.sql.decode_values import instant_ms, integer
from db.sql.instants import bounded
from db.sql.json_values import listed
from db.sql.templates import Batch, Opened, Query, Renderer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from db.sql.templates import Conversation, Dialect, Results
    from db.tables.models import Mapping

    class Window(Protocol):
        """How many of the newest rows of each source to read; ml.study.history.WINDOW has this shape."""

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


SOURCES = {
    "reviews": queries.REVIEWS,
    "metrics": queries.METRICS,
    "sessions": queries.SESSIONS,
    "validations": queries.VALIDATIONS,
    "patterns": queries.PATTERNS,
    "events": queries.EVENTS,
    "exams": queries.EXAMS,
    "missions": queries.MISSIONS,
    "recorded": queries.RECORDED,
    "answered": queries.ANSWERED,
}
"""The sources of a learner's rows, by the names of Window, except for the two kinds of outcomes."""

REPEATING = {name: source for name, source in SOURCES.items() if isinstance(source, Repeating)}

MOST_EARLIER = 3
"""Stored predictions for one learner and objective: the newest, and others where that one is no judgement."""

CROWD, SMALLEST_CROWD = 3, 1000
"""From this many times the window on, and this many rows, a learner's rows of one source are not all sorted any more.

To sort fewer is faster than the queries that avoid it.
"""


def opened(
    dialect: Dialect, mapping: Mapping, known: Opened | None, host_clock_ms: Callable[[], int]
) -> Conversation[Opened]:
    """The first step of every conversation.

    known: the result of the last one, whose rendered queries are used again if the tables are the same. Raises
    RequiredTableAbsent.
    """
    columns, *clock = yield asked_at_first(dialect, mapping)
    return (yield from opened_from(dialect, mapping, known, host_clock_ms, columns, clock))


def asked_at_first(dialect: Dialect, mapping: Mapping) -> list[Query]:
    """The query of the catalogue, and that of the clock where the database has one."""
    asked = [Query(dialect.CATALOGUE, {"tables": tables(mapping), "schemas": named_schemas(mapping)}, 8)]
    if dialect.CLOCK is not None:
        asked.append(Query(dialect.CLOCK, {}, 2))
    return asked


def opened_from(
    dialect: Dialect,
    mapping: Mapping,
    known: Opened | None,
    host_clock_ms: Callable[[], int],
    columns: Results,
    clock: Sequence[Results],
) -> Conversation[Opened]:
    """Completes what the queries of the catalogue and of the clock found. Raises RequiredTableAbsent."""
    if dialect.DETAILS is not None and any(row[-1] for row in columns):
        from db.reading.hidden_rows import detailed
        from db.sql.row_security import DETAILS

        columns = yield from detailed(DETAILS.format(tables=dialect.DETAILS), tables(mapping), columns)
    if known is not None and list(known.columns) == list(columns):
        renderer = known.renderer
    else:
        encoding = (str(clock[0][0][1]),) if clock else ()
        renderer = Renderer(dialect, Catalogue(mapping, columns, *encoding))
    return Opened(columns, renderer, (yield from moment(renderer, clock, host_clock_ms)))


def moment(renderer: Renderer, clock: Sequence[Results], host_clock_ms: Callable[[], int]) -> Conversation[int]:
    """What time it is: by the demo database's own clock, else by the one that was asked, else by the host's."""
    if renderer.catalogue.has_own_clock:
        clock = yield [renderer.query(queries.DEMO_CLOCK)]
    now_ms = instant_ms(clock[0][0][0]) if clock and clock[0] else None
    return host_clock_ms() if now_ms is None else now_ms


def study_rows(
    opened: Opened, user_id: str, objective_id: str, as_of_ms: int | None, window: Window
) -> Conversation[rows.StudyRows]:
    """One learner facing one objective, as of now where as_of_ms is None. Raises UnknownLearner, UnknownObjective."""
    renderer, catalogue = opened.renderer, opened.renderer.catalogue
    is_now = as_of_ms is None or as_of_ms >= opened.now_ms
    as_of_ms = opened.now_ms if as_of_ms is None else as_of_ms
    check_admitted(catalogue, user_id, objective_id)
    batch = Batch(renderer)
    ask_for_objective(batch, objective_id, window)
    ask_for_learner(batch, user_id, as_of_ms, window)
    ask_for_earlier(batch, catalogue, user_id, objective_id)
    found = yield from batch.ask()
    yield from check_learner(opened, found, user_id)
    yield from check_objective(opened, found, objective_id)
    yield from complete(renderer, found, user_id, as_of_ms, window)
    decode = RowDecoder(catalogue.mapping)
    past = decode.learner_rows(found, window.outcomes)
    faced = decode.objective_rows(found["objective"][0], found["prerequisites"], found["cards"])
    missing = catalogue.missing_sources
    if catalogue.filtered:
        from db.reading.hidden_rows import unseen

        missing = (*missing, *unseen(opened, found))
    if past.unknown_values or faced.unknown_values:
        missing = with_unknown(missing, (*past.unknown_values, *faced.unknown_values))
    return rows.StudyRows(as_of_ms, is_now, past, faced, missing, decode.earlier(found["earlier"]))


def check_admitted(catalogue: Catalogue, user_id: str, objective_id: str) -> None:
    """Raises UnknownLearner, UnknownObjective where the columns could not even hold the ids."""
    if not catalogue.admits("User", "id", user_id):
        raise _unknown_learner(user_id)
    if not catalogue.admits("LearningObjective", "id", objective_id):
        raise _unknown_objective(objective_id)


def check_learner(opened: Opened, found: dict[str, Results], user_id: str) -> Conversation[None]:
    """Raises UnknownLearner where what was found is not the learner who was asked for."""
    if not found["learner"] or not _same(found["learner"][0][0], user_id):
        yield from check_visible(opened, "User")
        raise _unknown_learner(user_id)


def check_objective(opened: Opened, found: dict[str, Results], objective_id: str) -> Conversation[None]:
    """Raises UnknownObjective where what was found is not the objective that was asked for."""
    if not found["objective"] or not _same(found["objective"][0][0], objective_id):
        yield from check_visible(opened, "LearningObjective")
        raise _unknown_objective(objective_id)


def check_visible(opened: Opened, model: str) -> Conversation[None]:
    """Raises RequiredTableAbsent where policies hide every row of the model's table from us."""
    if model in opened.renderer.catalogue.filtered:
        from db.reading.hidden_rows import check

        yield from check(opened, model)


def ask_for_objective(batch: Batch, objective_id: str, window: Window) -> None:
    """Adds the queries for everything that is read about one objective."""
    objective = {"objective": objective_id}
    batch.add("objective", queries.OBJECTIVE, **objective)
    batch.add("prerequisites", queries.PREREQUISITES, **objective, limit=window.prerequisites)
    batch.add("cards", queries.CARDS, **objective, limit=window.cards)


def ask_for_learner(batch: Batch, user_id: str, as_of_ms: int, window: Window) -> None:
    """Adds the queries for everything that is read about one learner."""
    batch.add("learner", queries.LEARNER, learner=user_id)
    batch.add("profile", queries.PROFILE, learner=user_id)
    batch.add("masteries", queries.MASTERIES, learner=user_id, limit=window.masteries)
    for name, source in SOURCES.items():
        limit = newest(window, name)
        whose: dict[str, object] = {"learner": user_id, "crowd": _crowd(limit)}
        batch.add(name, source.one, **whose, as_of=bounded(as_of_ms), limit=limit)
        if source.dated:
            batch.add(_size_of(name), source.size, **whose)
        if isinstance(source, Repeating) and not batch.dialect.ASKS_AGAIN_FOR_NOTHING:
            batch.add(_things_of(name), source.described_by_learner, **whose)


def ask_for_earlier(batch: Batch, catalogue: Catalogue, user_id: str, objective_id: str) -> None:
    """Adds the query for what was stored of earlier predictions; nothing is where the column could not hold the id."""
    limit = MOST_EARLIER if catalogue.admits("StrugglePrediction", "learningObjectiveId", objective_id) else 0
    batch.add("earlier", queries.EARLIER, learner=user_id, objective=objective_id if limit else None, limit=limit)


def complete(
    renderer: Renderer, found: dict[str, Results], user_id: str, as_of_ms: int, window: Window
) -> Conversation[None]:
    """Completes what ask_for_learner found, in place.

    It adds what the rows of a Repeating source refer to, and the newest rows of the sources that have too many to sort.
    """
    batch = Batch(renderer)
    for name, repeating in REPEATING.items():
        found[name] = repeating.newest(found[name], bounded(as_of_ms), newest(window, name))
    if batch.dialect.ASKS_AGAIN_FOR_NOTHING:
        for name, repeating in REPEATING.items():
            _ask_what_is_named(batch, name, repeating, found[name], user_id, window)
        found.update((yield from batch.ask()))
    for name, repeating in REPEATING.items():
        found[name] = repeating.described(found[name], found[_things_of(name)])
    crowds, limits = {}, {}
    for name, source in SOURCES.items():
        size = found.get(_size_of(name))
        if size and integer(size[0][0]) == _crowd(newest(window, name)):
            crowds[name], limits[name] = source, newest(window, name)
    if crowds:
        from db.reading.crowded_learner import newest_of_crowded

        found.update((yield from newest_of_crowded(batch, crowds, limits, user_id, as_of_ms)))


def _ask_what_is_named(batch: Batch, name: str, source: Repeating, rows: Results, user_id: str, window: Window) -> None:
    """Adds what is read of the keys in the rows, or of all the learner's where these are not the texts they seem."""
    keys = {row[0] for row in rows}
    texts = [key for key in keys if isinstance(key, str) and "\0" not in key and "\ufffd" not in key]
    if len(texts) == len(keys):
        # In the order of the table's key, neighbours are looked up one after the other, in pages that are at hand.
        batch.add(_things_of(name), source.described_by_key, keys=listed(sorted(texts)))
    else:
        crowd = _crowd(newest(window, name))
        batch.add(_things_of(name), source.described_by_learner, learner=user_id, crowd=crowd)


def _crowd(limit: int) -> int:
    """How many rows of one source are too many to sort, where the newest `limit` are wanted."""
    return max(CROWD * limit, SMALLEST_CROWD)


def _things_of(name: str) -> str:
    return f"what {name} name"


def _size_of(name: str) -> str:
    return f"size of {name}"


def newest(window: Window, name: str) -> int:
    """Returns how many rows of a source the window shows; a prediction and its feedback count as one outcome."""
    return int(getattr(window, "outcomes" if name in ("recorded", "answered") else name))


def objectives_of_topic(opened: Opened, topic_area: str) -> Conversation[list[str]]:
    """Ids of the objectives of a course (by id or name) or of a topic tag."""
    if not opened.renderer.catalogue.admits("", "", topic_area):
        return []
    import json

    batch = Batch(opened.renderer)
    batch.add("topic", queries.TOPIC, topic=topic_area, escaped=json.dumps(topic_area))
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
