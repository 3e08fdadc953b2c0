"""What difficulty tables count, and only that: answers and validation scores, by learner, from one moment to another.

A mark stands for all such rows before a moment. It is computed in the database, so that a row that was added late,
changed or removed, a learner who opted out, or a card that was moved is noticed without reading the rows. A mark of
older rows and one of newer rows add up to the mark of both.
"""

from __future__ import annotations

from db.reading import rows
from db.reading.decode_rows import RowDecoder
from db.sql.decode_values import integer
from db.sql.instants import bounded, range_of
from db.sql.templates import Batch, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from db.client import Client
    from db.sql.templates import Conversation, Opened, Results
else:
    from db.reading.rows import NamedTuple

Mark = tuple[int, int, int, int]
"""The number of answers and the sum of their weights, and the same of validation scores."""
NOTHING: Mark = (0, 0, 0, 0)

MOST_ROWS = 100_000
"""So many new rows are read at once at most: about 100 MiB."""


class LearnerAnswers(NamedTuple):
    """One learner's answers and scores, oldest first."""

    learner: rows.LearnerRow
    reviews: list[rows.ReviewRow]
    validations: list[rows.ValidationRow]


class NewAnswers(NamedTuple):
    """What came after an earlier moment, since_ms.

    before: the mark of the rows before it, as they are now. added: the mark of the new rows. learners: those who have
    new rows; None where there are more than MOST_ROWS of them.
    """

    since_ms: int
    before: Mark
    added: Mark
    learners: list[LearnerAnswers] | None


_LEARNER = ("{u.id:text}", "{u.includeInAnalytics}", "{u.performanceTrackingEnabled}", "{u.behavioralAnalysisEnabled}")
_TEACHES = " AND ".join(
    f"({{u.{flag}}} IS NULL OR {{u.{flag}:true}})" for flag in ("includeInAnalytics", "performanceTrackingEnabled")
)
"""As ml.features.consent.teaches has it: the mark changes when a learner opts out."""


def _weight(alias: str, instant: str, *parts: str) -> str:
    """A number below 2^40 or so that is most likely another one when the row is."""
    return f"({{{alias}.{instant}:ms}} & 1048575) * (1 + " + " + ".join(f"COALESCE({part}, 0)" for part in parts) + ")"


class _Source:
    """The queries for one table. columns: those from which the rows are decoded, the instant in ms among them."""

    def __init__(self, model: str, alias: str, instant: str, columns: tuple[str, ...], joins: str, weight: str) -> None:
        at, own = f"{{{alias}.{instant}", f"{{{alias}.userId"
        start = f"FROM {{{alias}}} JOIN {{u}} ON {{u.id}} = {own}}} {joins} WHERE {_TEACHES}"
        if alias == "v":
            start += " AND NOT {v.skipped:true}"
        new = f"{start} AND {at}:above_floor}} AND {at}:since}} AND {at}:before}}"
        sums = ("count(*)", f"CAST(COALESCE(sum({weight}), 0) AS bigint)")
        self.mark = Template(model, sums, f"{start} AND {at}:before}}")
        self.number = Template(model, ("count(*)",), new)
        self.new = Template(
            model,
            (*_LEARNER, weight, *columns),
            f"{new} ORDER BY {{u.id}}, {at}:newest}}, {{{alias}.id:byte_order}} DESC",
        )


_REVIEWS = _Source(
    "Review",
    "r",
    "reviewedAt",
    (
        "{r.cardId:text}",
        "{k.objectiveId:text}",
        "{k.courseId:text}",
        "{r.rating:text}",
        "{r.reviewedAt:ms}",
        "{r.sessionId:order_only}",
    ),
    "LEFT JOIN {k} ON {k.id} = {r.cardId}",
    _weight("r", "reviewedAt", "{r.rating:first_letter}", "{k.objectiveId:size}"),
)
_VALIDATIONS = _Source(
    "ValidationResponse",
    "v",
    "respondedAt",
    ("{q.objectiveId:text}", "{q.objectiveId:text}", "{v.score}", "{v.respondedAt:ms}"),
    "LEFT JOIN {q} ON {q.id} = {v.promptId}",
    _weight("v", "respondedAt", "{v.score:thousandths}", "{q.objectiveId:size}"),
)
_SOURCES = {"reviews": _REVIEWS, "validations": _VALIDATIONS}


def mark_of(client: Client, until_ms: int) -> Mark:
    """The mark of all rows before a moment."""

    def ask(opened: Opened) -> Conversation[Mark]:
        batch = Batch(opened.renderer)
        for name, source in _SOURCES.items():
            batch.add(name, source.mark, as_of=bounded(until_ms))
        found = yield from batch.ask()
        return _mark(found["reviews"], found["validations"])

    return client.converse(ask)


def new_answers(client: Client, since_ms: int, until_ms: int) -> NewAnswers:
    """The rows in [since, until), and the mark of those before, all in one snapshot of the database."""

    def ask(opened: Opened) -> Conversation[NewAnswers]:
        span = {**range_of(since_ms, until_ms), "since": bounded(since_ms), "as_of": bounded(until_ms)}
        batch = Batch(opened.renderer)
        for name, source in _SOURCES.items():
            batch.add(name, source.mark, as_of=bounded(since_ms))
            batch.add(f"number of {name}", source.number, **span)
        found = yield from batch.ask()
        before = _mark(found["reviews"], found["validations"])
        if sum(integer(row[0]) or 0 for name in _SOURCES for row in found[f"number of {name}"]) > MOST_ROWS:
            return NewAnswers(since_ms, before, NOTHING, None)
        for name, source in _SOURCES.items():
            batch.add(name, source.new, **span)
        found = yield from batch.ask()
        added = *_sum(found["reviews"]), *_sum(found["validations"])
        return NewAnswers(since_ms, before, added, _by_learner(RowDecoder(opened.renderer.catalogue.mapping), found))

    return client.converse(ask)


def _by_learner(decode: RowDecoder, found: dict[str, Results]) -> list[LearnerAnswers]:
    learners: dict[object, tuple[tuple[object, ...], dict[str, list[tuple[object, ...]]]]] = {}
    for name in _SOURCES:
        for row in found[name]:
            of_learner = learners.setdefault(row[0], (row[:4], {each: [] for each in _SOURCES}))
            of_learner[1][name].append(row[5:])
    return [
        LearnerAnswers(decode.learner(who), decode.reviews(of["reviews"]), decode.validations(of["validations"]))
        for who, of in learners.values()
    ]


def _mark(reviews: Results, validations: Results) -> Mark:
    counted = [
        integer(value) or 0 for results in (reviews, validations) for value in (results[0] if results else (0, 0))
    ]
    return counted[0], counted[1], counted[2], counted[3]


def _sum(results: Results) -> tuple[int, int]:
    return len(results), sum(integer(row[4]) or 0 for row in results)
