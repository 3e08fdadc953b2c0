"""The newest rows of a learner who has too many to sort them all: a million reviews must not take a second.

The app indexes reviews by learner and by instant, each alone. See db/per_learner.py for the queries.
"""

from __future__ import annotations

from db.readings import instant_ms, integer
from db.timestamps import EARLIEST_MS, bounded, range_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.loader import Batch, Conversation, Results
    from db.per_learner import Crowded

WALK_BUDGET = 40_000
"""Everybody's newest reviews that are looked through for those of one learner, to find a floor."""

RANGE_BUDGET = 150_000
"""Everybody's reviews above the floor that are rather looked through than all of the learner's own."""

INDEXED_BY_TIME = "reviews"
"""The one source that the app indexes by its instant alone."""


def newest_of_crowded(
    batch: Batch, sources: Mapping[str, Crowded], limits: Mapping[str, int], user_id: str, as_of_ms: int
) -> Conversation[dict[str, Results]]:
    """Results by source, newest first, at most limits[name] of each."""
    of_learner = {"learner": user_id, "as_of": bounded(as_of_ms)}
    walks = batch.dialect.WALKS if INDEXED_BY_TIME in sources else ()
    for name, source in sources.items():
        batch.add(name, source.late, **of_learner, limit=limits[name])
    for form in walks:
        last = {"as_of_date": range_of(as_of_ms, as_of_ms)["as_of_date"], "budget": WALK_BUDGET}
        walk = sources[INDEXED_BY_TIME].walked[form]
        batch.add(form, walk, **of_learner, **last, limit=limits[INDEXED_BY_TIME])
    bounds = yield from batch.ask()
    above: dict[str, dict[str, object]] = {}
    for name in sources:
        found = [bounds[name]]
        if name == INDEXED_BY_TIME:
            found += [bounds[form] for form in walks]
        floors = [instant_ms(earliest) for ((earliest, count),) in found if integer(count) == limits[name]]
        floor_ms = max((floor for floor in floors if floor is not None), default=EARLIEST_MS)
        above[name] = {**of_learner, **range_of(floor_ms, as_of_ms)}
    by_time: set[str] = set()
    if walks:
        batch.add("size", sources[INDEXED_BY_TIME].range_size, **above[INDEXED_BY_TIME], budget=RANGE_BUDGET)
        size = yield from batch.ask()
        by_time = {INDEXED_BY_TIME} if integer(size["size"][0][0]) != RANGE_BUDGET else set()
    for name, source in sources.items():
        template = source.above_by_time if name in by_time else source.above_by_learner
        batch.add(name, template, **above[name], limit=limits[name])
    return (yield from batch.ask())
