"""Finds the newest rows of a learner who has too many to sort them all: a million reviews must not take a second.

The app has one index on a review's learner and another one on its time, but none on both.
"""

from __future__ import annotations

from db.reading.newest_rows import AT
from db.sql.decode_values import instant_ms, integer
from db.sql.instants import EARLIEST_MS, bounded, range_of
from db.sql.templates import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.reading.newest_rows import PerLearner
    from db.sql.templates import Batch, Conversation, Results

WALK_BUDGET = 40_000
"""Everybody's newest reviews that are looked through for those of one learner, to find a floor."""

COUNT_BUDGET = 600_000
"""Everybody's reviews above the floor that are counted, in an index alone: the learner's own may be fewer."""

INDEXED_BY_TIME = "reviews"
"""The one source that the app indexes by its instant alone."""


class Crowded:
    """The queries of a dated source for a learner with so many rows that sorting them all would take too long.

    First a floor is found, an instant after which there are certainly enough rows: the earliest of any `limit` of the
    learner's rows is one, and a good one if these rows are recent. Then only the rows after the floor are sorted.
    """

    __slots__ = ("above_by_learner", "above_by_time", "early", "is_so", "late", "range_size", "walked")

    def __init__(self, of: PerLearner) -> None:
        source, alias, columns, rows, wanted = of.source, of.alias, of.columns, of.rows, of.wanted
        own, at, end = of.own, of.at, of.limited + of.end
        self.is_so = of.size
        lowest = (f"min(late.{AT})", "count(*)")
        # Entries of an index for one key lie in the order in which the rows were stored: nearly that of their instants,
        # or, where a history was imported newest first, the reverse of it.
        self.late, self.early = (
            Template(
                source,
                lowest,
                f"FROM (SELECT {at}:ms}} AS {AT} FROM {{{alias}}} WHERE {own} >= {{given:learner}}"
                f" AND {own} <= {{given:learner}}{wanted} ORDER BY {own} {direction} LIMIT {{given:limit}}) AS late",
            )
            for direction in ("DESC", "ASC")
        )
        # Everybody's newest rows, with texts and numbers apart in SQLite, where they do not mingle in an index.
        self.walked = {
            form: Template(
                source,
                lowest,
                f"FROM (SELECT {at}:ms}} AS {AT} FROM (SELECT {{{alias}:columns}} FROM {{{alias}}} WHERE {at}:{form}}}"
                f" ORDER BY {at}}} DESC LIMIT {{given:budget}}) AS {alias} WHERE {own} = {{given:learner}}{wanted}"
                " LIMIT {given:limit}) AS late",
            )
            for form in ("early", "early_text", "early_number")
        }
        self.range_size = Template(
            source,
            ("count(*)",),
            f"FROM (SELECT 1 AS one FROM {{{alias}}} WHERE {at}:above_floor}} LIMIT {{given:budget}}) AS crowd",
        )
        above = f"{{given:learner}} AND {at}:above_floor}}{wanted} {end}"
        self.above_by_learner = Template(source, columns, f"FROM ({rows} FROM {{{alias}}} WHERE {own} = {above}")
        unindexed = f"{{{alias}.userId:unindexed}}"
        self.above_by_time = Template(source, columns, f"FROM ({rows} FROM {{{alias}}} WHERE {unindexed} = {above}")


_CROWDED: dict[PerLearner, Crowded] = {}
"""Each is made once: rendered queries are kept by their template."""


def _crowded(source: PerLearner) -> Crowded:
    return _CROWDED.get(source) or _CROWDED.setdefault(source, Crowded(source))


def newest_of_crowded(
    batch: Batch, sources: Mapping[str, PerLearner], limits: Mapping[str, int], user_id: str, as_of_ms: int
) -> Conversation[dict[str, Results]]:
    """Results by source, newest first, at most limits[name] of each."""
    of_learner = {"learner": user_id, "as_of": bounded(as_of_ms)}
    forms = {name: _crowded(source) for name, source in sources.items()}
    for name, source in forms.items():
        batch.add(f"late {name}", source.late, **of_learner, limit=limits[name])
        batch.add(f"early {name}", source.early, **of_learner, limit=limits[name])
    ends = yield from batch.ask()
    above = {
        name: {**of_learner, **range_of(_highest_floor((ends[f"late {name}"], ends[f"early {name}"]), limit), as_of_ms)}
        for name, limit in limits.items()
    }
    by_time: set[str] = set()
    if INDEXED_BY_TIME in sources:
        narrowed = _narrowed(batch, forms[INDEXED_BY_TIME], limits[INDEXED_BY_TIME], above[INDEXED_BY_TIME], as_of_ms)
        above[INDEXED_BY_TIME], is_narrow = yield from narrowed
        by_time = {INDEXED_BY_TIME} if is_narrow else set()
    for name, source in forms.items():
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
