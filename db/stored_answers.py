"""Every graded answer and every validation score, learner by learner and oldest first, as a stream."""

from __future__ import annotations

from db.sql.decode_values import ORDER_ONLY_SESSION, flag, instant_ms, integer, number, text
from db.sql.dialects import ABSENT
from db.sql.templates import Batch, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import NamedTuple

    from db.client import Client
    from db.sql.templates import Conversation, Opened, Query
else:
    from db.reading.rows import NamedTuple

BATCH_ROWS = 2000


class StoredAnswer(NamedTuple):
    """A review, or a validation response.

    objective_id: None where its card or prompt belongs to none. card_id, rating, spent_ms: of a review. score: of a
    validation response, 0..1. order_only: whether the time of a review is only its place in an order. teaches: whether
    the learner lets the answer be used for more than their own predictions.
    """

    learner_id: str
    objective_id: str | None
    at_ms: int | None
    card_id: str | None
    rating: str | None
    spent_ms: int | None
    order_only: bool
    score: float | None
    teaches: bool


def count_answers(client: Client) -> int:
    """How many rows the two tables hold: about as many as stream_answers gives."""

    def ask(opened: Opened) -> Conversation[int]:
        batch = Batch(opened.renderer)
        batch.add("reviews", _REVIEWS)
        batch.add("scores", _SCORES)
        found = yield from batch.ask()
        return sum(integer(row[0]) or 0 for rows in found.values() for row in rows)

    return client.converse(ask)


def stream_answers(client: Client) -> Generator[list[StoredAnswer], None, None]:
    """All those of the learners in `users`, in one snapshot and in batches.

    Skipped prompts are left out. Answers of one instant are in the order of their ids.
    """
    names: dict[str, str] = {}

    def ask(opened: Opened) -> list[Query]:
        names.update(opened.renderer.catalogue.mapping.stored_values("Review", "rating"))
        return [opened.renderer.query(_answers(opened))]

    for batch in client.stream(ask, BATCH_ROWS):
        yield [
            StoredAnswer(
                text(learner) or "",
                text(objective),
                instant_ms(at),
                text(card),
                names.get(given, given) if (given := text(rating)) else None,
                integer(spent),
                (text(session) or "").startswith(ORDER_ONLY_SESSION),
                number(score),
                flag(included, True) and flag(tracked, True),
            )
            for learner, objective, at, card, rating, spent, session, score, included, tracked in batch
        ]


_REVIEWS = Template("Review", ("count(*)",), "FROM {r}")
_SCORES = Template("ValidationResponse", ("count(*)",), "FROM {v}")


def _answers(opened: Opened) -> Template:
    """The query of this database: no prediction reads how long an answer took, so the column is looked for here."""
    catalogue, dialect = opened.renderer.catalogue, opened.renderer.dialect
    column = catalogue.mapping.column("Review", "timeSpentMs")
    known = catalogue.column_type("Review", column) is not None
    spent = f"r.{dialect.identifier(column)}".replace("{", "{{").replace("}", "}}") if known else ABSENT
    return Template(
        "User",
        (
            *(f"a.{name}" for name in ("learner", "objective", "at", "card", "rating", "spent", "session", "score")),
            *("{u.includeInAnalytics}", "{u.performanceTrackingEnabled}"),
        ),
        "FROM (SELECT {r.userId:text} AS learner, {k.objectiveId:text} AS objective, {r.reviewedAt:ms} AS at,"
        f" {{r.cardId:text}} AS card, {{r.rating:text}} AS rating, {spent} AS spent,"
        " {r.sessionId:order_only} AS session, NULL AS score, {r.id:byte_order} AS tie"
        " FROM {r} LEFT JOIN {k} ON {k.id} = {r.cardId}"
        " UNION ALL SELECT {v.userId:text}, {q.objectiveId:text}, {v.respondedAt:ms}, NULL, NULL, NULL, NULL,"
        " {v.score}, {v.id:byte_order} FROM {v} LEFT JOIN {q} ON {q.id} = {v.promptId} WHERE NOT {v.skipped:true}) AS a"
        " JOIN {u} ON {u.id:text} = a.learner ORDER BY a.learner, a.at, a.tie",
    )
