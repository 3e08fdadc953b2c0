"""The newest rows of a learner who has too many to sort them all: a million reviews must not take a second.

The app indexes reviews by learner and by instant, each alone. See db/per_learner.py for the queries.
"""

from __future__ import annotations

from db.readings import instant_ms, integer
from db.timestamps import EARLIEST_MS, bounded, range_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.per_learner import Crowded
    from db.templates import Batch, Conversation, Results

WALK_BUDGET = 40_000
"""Everybody's newest reviews that are looked through for those of one learner, to find a floor."""

COUNT_BUDGET = 600_000
"""Everybody's reviews above the floor that are counted, in an index alone: the learner's own may be fewer."""

INDEXED_BY_TIME = "reviews"
"""The one source that the app indexes by its instant alone."""


def newest_of_crowded(
    batch: Batch, sources: Mapping[str, Crowded], limits: Mapping[str, int], user_id: str, as_of_ms: int
) -> Conversation[dict[str, Results]]:
    """Results by source, newest first, at most limits[name] of each."""
    of_learner = {"learner": user_id, "as_of": bounded(as_of_ms)}
    for name, source in sources.items():
        batch.add(f"late {name}", source.late, **of_learner, limit=limits[name])
        batch.add(f"early {name}", source.early, **of_learner, limit=limits[name])
    ends = yield from batch.ask()
    above = {
        name: {**of_learner, **range_of(_highest_floor((ends[f"late {name}"], ends[f"early {name}"]), limit), as_of_ms)}
        for name, limit in limits.items()
    }
    by_time: set[str] = set()
    if INDEXED_BY_TIME in sources:
        narrowed = _narrowed(batch, sources[INDEXED_BY_TIME], limits[INDEXED_BY_TIME], above[INDEXED_BY_TIME], as_of_ms)
        above[INDEXED_BY_TIME], is_narrow = yield from narrowed
        by_time = {INDEXED_BY_TIME} if is_narrow else set()
    for name, source in sources.items():
        template = source.above_by_time if name in by_time else source.above_by_learner
        batch.add(name, template, **above[name], limit=limits[name])
    return (yield from batch.ask())


def _narrowed(
    batch: Batch, source: Crowded, limit: int, above: dict[str, object], as_of_ms: int
) -> Conversation[tuple[dict[str, object], bool]]:
    """A floor at least as high, and whether to look through everybody's rows above it rather than all the learner's."""
    batch.add("size", source.range_size, **above, budget=WALK_BUDGET)
    found = yield from batch.ask()
    if integer(found["size"][0][0]) != WALK_BUDGET:
        return above, True
    for form in batch.dialect.WALKS:
        batch.add(form, source.walked[form], **above, budget=WALK_BUDGET, limit=limit)
    walked = yield from batch.ask()
    floor_ms = _highest_floor(tuple(walked.values()), limit)
    if floor_ms > EARLIEST_MS:
        return {**above, **range_of(floor_ms, as_of_ms)}, True
    batch.add("size", source.range_size, **above, budget=COUNT_BUDGET)
    found = yield from batch.ask()
    everybodys = integer(found["size"][0][0]) or 0
    if everybodys == COUNT_BUDGET:
        return above, False
    batch.add("size", source.is_so, **above, crowd=everybodys)
    found = yield from batch.ask()
    return above, integer(found["size"][0][0]) == everybodys


def _highest_floor(bounds: Sequence[Results], limit: int) -> int:
    """The highest instant from which on there are `limit` rows for certain; everything's beginning if none is known."""
    floors = [instant_ms(earliest) for ((earliest, count),) in bounds if integer(count) == limit]
    return max((floor for floor in floors if floor is not None), default=EARLIEST_MS)
