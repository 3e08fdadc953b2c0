"""Proofs that a learner's rows are what they were: a count and a hash of the versions of all rows that a reading uses.

PostgreSQL writes a new version of a row at each change, in another place (ctid) or by another transaction (xmin). Two
readings that find the same versions find the same values. A proof takes a part of the time of a reading, and is asked
where marks (db/reading/marks.py) differ, because somebody has written something somewhere.
"""

from __future__ import annotations

from db.reading import queries
from db.reading.newest_rows import AT
from db.reading.study import SOURCES
from db.sql.templates import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.reading.newest_rows import PerLearner
    from db.sql.templates import Batch, Results

    Proof = tuple[tuple[object, ...], ...]

MOST_PROVEN = 10_000
"""Rows of one source. To look at more takes about as long as to read the window."""
MOST_FOLLOWED = 50_000
"""Rows of one source among which the next one after as_of is looked for."""


def _versions(source: str, aliases: str, rows: str) -> Template:
    """rows: a FROM with a WHERE. aliases: the tables whose columns a reading takes."""
    versions = ", ' ', ".join(f"{{{alias}:version}}" for alias in aliases)
    return Template(
        source,
        ("count(*)", "md5(string_agg(proven.version, ','))"),
        f"FROM (SELECT concat({versions}) AS version {rows} LIMIT {{given:most}}) AS proven",
    )


def _of_source(of: PerLearner) -> Template:
    joined = [part[0] for part in of.joins.split("JOIN {")[1:]]
    rows = f"FROM {{{of.alias}}} {of.joins} WHERE {of.own} = {{given:learner}}"
    return _versions(of.source, "".join([of.alias, *joined]), rows)


PROOFS = {
    "learner": _versions("User", "u", "FROM {u} WHERE {u.id} = {given:learner}"),
    "profile": _versions("UserLearningProfile", "f", "FROM {f} WHERE {f.userId} = {given:learner}"),
    "masteries": _versions("LearningObjective", "lo", queries.MASTERIES.rest.partition(" ORDER BY ")[0]),
    **{name: _of_source(source) for name, source in SOURCES.items()},
}

FOLLOWING = {
    name: Template(
        source.source,
        ("count(*)", f"min(CASE WHEN later.{AT} >= {{given:as_of}} THEN later.{AT} END)"),
        f"FROM (SELECT {source.at}:ms}} AS {AT} FROM {{{source.alias}}} WHERE {source.own} = {{given:learner}}"
        " LIMIT {given:most}) AS later",
    )
    for name, source in SOURCES.items()
    if source.dated
}
"""The first of a learner's rows that a reading as of as_of does not see, and a later one may."""

AFTERWARDS = {
    name: Template(
        source.source,
        (
            f"count(CASE WHEN planned.{AT} = {{given:last}} THEN 1 END)",
            f"min(CASE WHEN planned.{AT} > {{given:last}} THEN planned.{AT} END)",
        ),
        f"FROM (SELECT {source.at}:ms}} AS {AT} FROM {{{source.alias}}} WHERE {source.own} = {{given:learner}})"
        " AS planned",
    )
    for name, source in SOURCES.items()
    if not source.dated
}
"""Of the plans from the last one that a reading has: how many share its date, and the date of the next."""


def ask(batch: Batch, user_id: str) -> None:
    """Adds the queries of a learner's proof."""
    for name, template in PROOFS.items():
        batch.add(f"proof of {name}", template, learner=user_id, most=MOST_PROVEN)


def of(found: dict[str, Results]) -> Proof | None:
    """The proof; None where there are too many rows."""
    proof = tuple(tuple(row) for name in PROOFS for row in found[f"proof of {name}"])
    return None if any(count == MOST_PROVEN for count, _ in proof) else proof


def ask_following(batch: Batch, user_id: str, as_of_ms: int) -> None:
    """Adds the queries for the first row after as_of of each dated source."""
    for name, template in FOLLOWING.items():
        batch.add(f"after {name}", template, learner=user_id, as_of=as_of_ms, most=MOST_FOLLOWED)


def following(found: dict[str, Results]) -> Sequence[int] | None:
    """The instants of those rows; None where there are too many to know."""
    counted = [row for name in FOLLOWING for row in found[f"after {name}"]]
    if any(count == MOST_FOLLOWED for count, _ in counted):
        return None
    return [int(str(at_ms)) for _, at_ms in counted if at_ms is not None]
