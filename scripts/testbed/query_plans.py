"""How PostgreSQL finds the rows of a prediction: the executed plan of every statement that a prediction sends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from db.backends.postgres import PostgreSQLConnection
from db.client import Client
from db.connecting import located
from ml.study.history import WINDOW

if TYPE_CHECKING:
    import psycopg2

    from db import Window

WITHIN_S = 600.0


class Access(NamedTuple):
    """One access of a plan to a table. rows: how many it read, including those that a filter dropped."""

    table: str
    way: str
    index: str  # type: ignore[assignment]  # a tuple's own method of that name is not used
    rows: int


class _Explaining(PostgreSQLConnection):
    """A connection that sends each statement twice: once to be explained with its steps' rows, and once as it is."""

    def __init__(self, url: Any, give_up_at: float) -> None:
        self.plans: list[dict[str, Any]] = []
        super().__init__(url, give_up_at)

    def _opening(self) -> str:
        opening = super()._opening()
        if opening and self._connection is not None:
            super()._execute(self._connection.cursor(), opening)
        return ""

    def _execute(self, cursor: psycopg2.extensions.cursor, sql: str) -> None:
        if sql.startswith("SELECT"):
            super()._execute(cursor, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            self.plans.append(cursor.fetchall()[0][0][0]["Plan"])
        super()._execute(cursor, sql)


def accesses(
    url: str, learner: str, objective: str, as_of_ms: int | None = None, window: Window = WINDOW
) -> list[Access]:
    """Every access of a prediction to a table of the platform, in the order of the plans.

    Raises DatabaseError, as the prediction would.
    """
    where, mapping = located(url)
    connection = _Explaining(where, time.monotonic() + WITHIN_S)
    with Client(connection, mapping, WITHIN_S) as client:
        client.read(learner, objective, as_of_ms, window)
    return [access for plan in connection.plans for access in _visits(plan)]


def _visits(node: dict[str, Any]) -> Iterator[Access]:
    if "Relation Name" in node:
        dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = round((node["Actual Rows"] + dropped) * node["Actual Loops"])
        yield Access(node["Relation Name"], node["Node Type"], node.get("Index Name", ""), rows)
    for inner in node.get("Plans", ()):
        yield from _visits(inner)
