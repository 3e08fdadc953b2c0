"""Stored predictions with their outcomes, as a stream: what monitoring reads.

A period selects by predictedAt, when a prediction was made; predictionDate is the day that it is about, which is later.
The condition uses the bare column, so that an index can be used. SQLite may hold numbers and texts in that one column,
and sorts every number before every text, so each form gets a range, and a query, of its own there.
"""

from __future__ import annotations

from db.errors import RequiredTableAbsent
from db.sql.decode_values import decoded, flag, instant_ms, integer, number, text
from db.sql.instants import bounded, local_dates
from db.sql.json_values import listed
from db.sql.templates import Column, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import NamedTuple

    from db.client import Client
    from db.sql.templates import Conversation, Opened, Query
else:
    from db.reading.rows import NamedTuple

BATCH_ROWS = 2000

_DATE_FIELDS = ("predictedAt", "predictionDate")
_TEMPORAL = ("timestamp", "timestamptz", "date")
_ID_COLUMNS = {"users": "User", "learning_objectives": "LearningObjective"}


class StoredPrediction(NamedTuple):
    """One row of struggle_predictions. features: the text of its JSON, or None.

    struggled: the learner's last report on it (prediction_feedbacks), else its actualOutcome, else None. said: whether
    it is the learner's report. recorded_at_ms: when the outcome was recorded; None where that was not kept.
    """

    id: str
    learner_id: str
    objective_id: str
    probability: float | None
    struggled: bool | None
    predicted_at_ms: int
    intervened: bool
    features: str | None
    said: bool
    recorded_at_ms: int | None = None


class StoredReasons(NamedTuple):
    """The reasons of one stored prediction: its two JSON columns, decoded."""

    id: str
    factors: object
    features: object


def stream_predictions(
    client: Client, since_ms: int, until_ms: int, *, with_features: bool = True
) -> Iterator[list[StoredPrediction]]:
    """The predictions made in [since_ms, until_ms), in batches, in no particular order.

    A database without the table has none. with_features=False does not read the widest column.
    """

    def ask(opened: Opened) -> list[Query]:
        field = _date_field(opened)
        template = _PREDICTIONS[field, with_features]
        return _within(client, opened, template, "StrugglePrediction", field, since_ms, until_ms)

    for batch in client.stream(ask, BATCH_ROWS):
        yield [
            StoredPrediction(
                text(identifier) or "",
                text(learner) or "",
                text(objective) or "",
                number(probability),
                flag(said) if said is not None else flag(outcome) if outcome is not None else None,
                at_ms,
                flag(intervened),
                text(features),
                said is not None,
                None if recorded is None else instant_ms(recorded),
            )
            for identifier, learner, objective, probability, said, outcome, at, intervened, features, recorded in batch
            if (at_ms := instant_ms(at)) is not None
        ]


def count_predictions(client: Client, since_ms: int, until_ms: int) -> int:
    """About how many predictions were made in [since_ms, until_ms), accurate to a day or two."""

    def ask(opened: Opened) -> list[Query]:
        field = _date_field(opened)
        return _within(client, opened, _COUNT[field], "StrugglePrediction", field, since_ms, until_ms)

    return sum(integer(counted) or 0 for batch in client.stream(ask, BATCH_ROWS) for (counted,) in batch)


def opted_out(client: Client) -> frozenset[str]:
    """Ids of the learners who opted out of analytics, or have switched performance tracking off."""

    def ask(opened: Opened) -> list[Query]:
        return [opened.renderer.query(_OPTED_OUT)]

    batches = client.stream(ask, BATCH_ROWS)
    return frozenset(
        text(learner) or ""
        for batch in batches
        for learner, included, tracked in batch
        if not (flag(included, True) and flag(tracked, True))
    )


def reasons(client: Client, prediction_ids: Sequence[str]) -> dict[str, StoredReasons]:
    """The stored factors and features of a few predictions, by their id."""

    def ask(opened: Opened) -> Conversation[dict[str, StoredReasons]]:
        if "StrugglePrediction" not in opened.renderer.catalogue or not prediction_ids:
            return {}
        (found,) = yield [opened.renderer.query(_REASONS, ids=listed(prediction_ids))]
        rows = (StoredReasons(text(key) or "", decoded(why), decoded(seen)) for key, why, seen in found)
        return {row.id: row for row in rows}

    return client.converse(ask)


def groups(client: Client, column: str, ids: Iterable[str]) -> dict[str, str | None]:
    """The value of users.COLUMN (by learner id) or learning_objectives.COLUMN (by objective id), as text.

    Raises RequiredTableAbsent where there is no such table or column.
    """
    table, _, name = column.partition(".")
    wanted = sorted(set(ids))
    found: dict[str, str | None] = {}

    def ask(opened: Opened) -> list[Query]:
        model = _ID_COLUMNS.get(table)
        kind = None if model is None else opened.renderer.catalogue.column_type(model, name)
        if model is None or kind is None:
            raise RequiredTableAbsent(
                f"There is no column {column!r} to group by: name one of users or learning_objectives, as users.cohort."
            )
        alias = "u" if model == "User" else "o"
        dialect = opened.renderer.dialect
        value = dialect.text(Column(dialect, f"{alias}.{dialect.identifier(name)}", kind))
        value = value.replace("{", "{{").replace("}", "}}")
        template = Template(model, (f"{{{alias}.id:text}}", value), f"FROM {{{alias}}} WHERE {{{alias}.id:among}}")
        return [
            opened.renderer.query(template, ids=listed(wanted[start : start + BATCH_ROWS]))
            for start in range(0, len(wanted), BATCH_ROWS)
        ]

    for batch in client.stream(ask, BATCH_ROWS):
        found.update((text(identifier) or "", text(value)) for identifier, value in batch)
    return found


def _predictions(field: str, with_features: bool) -> Template:
    return Template(
        "StrugglePrediction",
        (
            "{g.id:text}",
            "{g.userId:text}",
            "{g.learningObjectiveId:text}",
            "{g.predictedStruggleProbability}",
            _LAST_WORD,
            "{g.actualOutcome}",
            f"{{g.{field}:ms}}",
            "{g.interventionApplied}",
            "{g.featureVector:text}" if with_features else "NULL",
            "{g.actualOutcomeRecordedAt:ms}",
        ),
        f"FROM {{g}} WHERE {_around(field)} AND {{g.{field}:since}} AND {{g.{field}:before}}",
    )


def _around(field: str) -> str:
    """Bounds on the bare column, for the index; of texts they let pass a day or two more."""
    return f"{{g.{field}}} >= {{given:first}} AND {{g.{field}}} < {{given:last}}"


_LAST_WORD = (
    "(SELECT {h.actualStruggle} FROM {h} WHERE {h.predictionId} = {g.id} AND {h.actualStruggle} IS NOT NULL"
    " ORDER BY {h.submittedAt:newest}, {h.id:byte_order} DESC LIMIT 1)"
)
_PREDICTIONS = {
    (field, with_features): _predictions(field, with_features)
    for field in _DATE_FIELDS
    for with_features in (True, False)
}
_COUNT = {
    field: Template("StrugglePrediction", ("count(*)",), f"FROM {{g}} WHERE {_around(field)}") for field in _DATE_FIELDS
}
_OPTED_OUT = Template(
    "User",
    ("{u.id:text}", "{u.includeInAnalytics}", "{u.performanceTrackingEnabled}"),
    "FROM {u} WHERE NOT {u.includeInAnalytics:true} AND {u.includeInAnalytics} IS NOT NULL"
    " OR NOT {u.performanceTrackingEnabled:true} AND {u.performanceTrackingEnabled} IS NOT NULL",
)
_REASONS = Template(
    "StrugglePrediction",
    ("{g.id:text}", "{g.strugglingFactors:text}", "{g.featureVector:text}"),
    "FROM {g} WHERE {g.id:among}",
)


def _date_field(opened: Opened) -> str:
    """predictedAt; predictionDate where an app has only that."""
    dated = opened.renderer.catalogue.type("StrugglePrediction", "predictedAt") is not None
    return "predictedAt" if dated else "predictionDate"


def _within(
    client: Client, opened: Opened, template: Template, model: str, field: str, since_ms: int, until_ms: int
) -> list[Query]:
    kind = opened.renderer.catalogue.type(model, field)
    if kind is None:
        return []
    since, before = bounded(since_ms), bounded(until_ms)
    numbers: tuple[object, object] = (since, before)
    dates: tuple[object, object] = local_dates(since, before)
    ranges = [numbers, dates] if client.kind == "sqlite" else [dates if kind in _TEMPORAL else numbers]
    return [
        opened.renderer.query(template, first=first, last=last, since=since, as_of=before) for first, last in ranges
    ]
