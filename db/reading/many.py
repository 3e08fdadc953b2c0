"""Many learners, or many objectives, at a time: what training, batch scoring and monitoring read.

Pages are limited by the number of learners and of their reviews, so that memory is bounded however many learners there
are. A learner is never split over two pages.
"""

from __future__ import annotations

from db.reading import queries
from db.reading.decode_rows import RowDecoder
from db.reading.newest_rows import of_many
from db.reading.study import MOST_EARLIER, SOURCES, ask_for_learner, check_visible, complete, newest
from db.sql.instants import bounded
from db.sql.json_values import listed
from db.sql.templates import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from db.reading import rows
    from db.reading.study import Window
    from db.sql.templates import Conversation, Opened, Results, Template

LEARNERS_AT_ONCE = 500
REVIEWS_AT_ONCE = 40_000
OBJECTIVES_AT_ONCE = 500
NO_LIMIT = 2**62
MANY = {name: of_many(source) for name, source in SOURCES.items()}


def following_ids(
    opened: Opened, first: Template, following: Template, after: str | None, limit: int
) -> Conversation[list[str]]:
    """Reads the next ids in the database's own order, after the given one (None: the first ones)."""
    batch = Batch(opened.renderer)
    if after is None:
        batch.add("ids", first, limit=limit)
    else:
        batch.add("ids", following, after=after, limit=limit)
    found = yield from batch.ask()
    return [str(identifier) for (identifier,) in found["ids"]]


def following_learners(opened: Opened, after: str | None, limit: int = LEARNERS_AT_ONCE) -> Conversation[list[str]]:
    """Reads the next learners' ids."""
    ids = yield from following_ids(opened, queries.FIRST_LEARNERS, queries.NEXT_LEARNERS, after, limit)
    if after is None and not ids:
        yield from check_visible(opened, "User")
    return ids


def following_objectives(opened: Opened, after: str | None, limit: int = OBJECTIVES_AT_ONCE) -> Conversation[list[str]]:
    """Reads the next objectives' ids."""
    return (yield from following_ids(opened, queries.FIRST_OBJECTIVES, queries.NEXT_OBJECTIVES, after, limit))


def pages(opened: Opened, learner_ids: Sequence[str], window: Window | None) -> Conversation[list[list[str]]]:
    """The learners, in their order, in pages of at most REVIEWS_AT_ONCE reviews, or of one learner with more."""
    ids = [identifier for identifier in learner_ids if opened.renderer.catalogue.admits("User", "id", identifier)]
    batch = Batch(opened.renderer)
    batch.add("counts", queries.REVIEW_COUNTS, ids=listed(ids))
    found = yield from batch.ask()
    yield from check_visible(opened, "User")
    reviews = {str(learner): int(str(count)) for learner, count in found["counts"]}
    most = NO_LIMIT if window is None else window.reviews
    cut: list[list[str]] = []
    room = 0
    for identifier in ids:
        size = min(reviews.get(identifier, 0), most)
        if not cut or size > room:
            cut.append([])
            room = REVIEWS_AT_ONCE
        cut[-1].append(identifier)
        room -= size
    return cut


def learners(
    opened: Opened, learner_ids: Sequence[str], as_of_ms: int, window: Window | None
) -> Conversation[list[rows.LearnerRows]]:
    """Reads those of the learners that exist, in the database's order; without a window, all rows before as_of_ms."""
    decode = RowDecoder(opened.renderer.catalogue.mapping)
    batch = Batch(opened.renderer)
    if window is not None and len(learner_ids) == 1:
        (only,) = learner_ids
        ask_for_learner(batch, only, as_of_ms, window)
        found = yield from batch.ask()
        if not found["learner"]:
            return []
        yield from complete(opened.renderer, found, only, as_of_ms, window)
        return [decode.learner_rows(found, window.outcomes)]
    whose: dict[str, object] = {"ids": listed(learner_ids), "as_of": bounded(as_of_ms)}
    batch.add("learner", queries.LEARNERS, ids=whose["ids"])
    batch.add("profile", queries.PROFILES, ids=whose["ids"])
    batch.add(
        "masteries",
        queries.MASTERIES_OF_MANY,
        ids=whose["ids"],
        limit=NO_LIMIT if window is None else window.masteries,
    )
    for name, template in MANY.items():
        batch.add(name, template, **whose, limit=NO_LIMIT if window is None else newest(window, name))
    found = yield from batch.ask()
    grouped = {name: _grouped(results) for name, results in found.items() if name != "learner"}
    outcomes = None if window is None else window.outcomes
    return [
        decode.learner_rows(
            {"learner": [result], **{name: of_all.pop(result[0], ()) for name, of_all in grouped.items()}}, outcomes
        )
        for result in found["learner"]
    ]


def objectives(
    opened: Opened, objective_ids: Sequence[str], most: tuple[int, int]
) -> Conversation[dict[str, rows.ObjectiveRows]]:
    """Reads those of the objectives that exist, by id; most: how many prerequisites and cards of each."""
    most_prerequisites, most_cards = most
    catalogue = opened.renderer.catalogue
    ids = listed(each for each in objective_ids if catalogue.admits("LearningObjective", "id", each))
    batch = Batch(opened.renderer)
    batch.add("objectives", queries.OBJECTIVES, ids=ids)
    batch.add("prerequisites", queries.PREREQUISITES_OF_MANY, ids=ids, limit=most_prerequisites)
    batch.add("cards", queries.CARDS_OF_MANY, ids=ids)
    found = yield from batch.ask()
    prerequisites, cards = _grouped(found["prerequisites"]), _grouped(found["cards"])
    decode = RowDecoder(catalogue.mapping)
    return {
        str(result[0]): decode.objective_rows(
            result, prerequisites.get(result[0], ()), cards.get(result[0], ())[:most_cards]
        )
        for result in found["objectives"]
    }


def earlier(
    opened: Opened, pairs: Collection[tuple[str, str]]
) -> Conversation[dict[tuple[str, str], list[rows.EarlierRow]]]:
    """Reads what was stored of earlier predictions for those of the pairs of learner and objective that have any."""
    batch = Batch(opened.renderer)
    ids = listed(sorted({learner for learner, _ in pairs}))
    batch.add("earlier", queries.EARLIER_OF_MANY, ids=ids, limit=MOST_EARLIER)
    found = yield from batch.ask()
    of_pair: dict[tuple[str, str], list[Sequence[object]]] = {}
    for learner, objective, *row in found["earlier"]:
        if (pair := (str(learner), str(objective))) in pairs:
            of_pair.setdefault(pair, []).append(row)
    decode = RowDecoder(opened.renderer.catalogue.mapping)
    return {pair: decode.earlier(results) for pair, results in of_pair.items()}


def _grouped(results: Results) -> dict[object, Sequence[Sequence[object]]]:
    """Groups the rows by the id in their first column, which is dropped."""
    groups: dict[object, list[Sequence[object]]] = {}
    for owner, *result in results:
        groups.setdefault(owner, []).append(result)
    return groups  # type: ignore[return-value]
