"""Plans that a long-lived session keeps: a frequent batch of queries is prepared on the server and then executed.

Parsing and planning a prediction's queries costs the server more than answering them. A process that asks once gains
nothing; a service does. It must not be used behind a pooler that gives each transaction another session (PgBouncer's
transaction mode), because the prepared batch would be in an earlier session.
"""

from __future__ import annotations

from db.sql.dialects import POSTGRESQL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg2

    from db.sql.templates import Query

    Key = tuple[str, ...]

PREPARED_FROM = 3
"""Times that a batch is asked before its plan is kept."""
MOST_BATCHES = 32
_TYPES = {int: "bigint", str: "unknown"}  # of an unknown the server infers the type, as it does of a literal


class Plans:
    """Counts the batches that one session has been asked, and knows which of them are prepared there."""

    def __init__(self) -> None:
        self._asked: dict[Key, int] = {}
        self._waiting: dict[Key, str] = {}
        self._names: dict[Key, str | None] = {}

    def call(self, cursor: psycopg2.extensions.cursor, batch: Sequence[Query]) -> str | None:
        """The EXECUTE of a prepared batch, else None; a batch that is asked often is marked for preparation."""
        key = tuple(query.sql for query in batch)
        name = self._names.get(key)
        if name is not None:
            given = [value for query in batch for value in _referred(query).values()]
            values = ", ".join(cursor.mogrify("%s", (value,)).decode() for value in given)
            return f"EXECUTE {name}({values})" if given else f"EXECUTE {name}"
        if key not in self._names and len(self._names) + len(self._waiting) < MOST_BATCHES:
            self._asked[key] = self._asked.get(key, 0) + 1
            if self._asked[key] == PREPARED_FROM and (statement := _preparation(cursor, batch)):
                self._waiting[key] = statement
        return None

    def waiting(self) -> Iterator[tuple[Key, str]]:
        """Each PREPARE that is still to be sent, between transactions; `settle` must be called with its result."""
        yield from list(self._waiting.items())

    def settle(self, key: Key, prepared: bool) -> None:
        """Notes that the server accepted the statement, or refused it; it is not sent again."""
        statement = self._waiting.pop(key)
        self._names[key] = statement.split(" ", 2)[1].partition("(")[0] if prepared else None


def _preparation(cursor: psycopg2.extensions.cursor, batch: Sequence[Query]) -> str | None:
    """PREPARE with a number in place of each parameter; None where a value's type has no place there."""
    from hashlib import sha256

    from psycopg2.extensions import AsIs

    types: list[str] = []
    texts = []
    for query in batch:
        numbered = {}
        for name, value in _referred(query).items():
            if type(value) not in _TYPES:
                return None
            types.append(_TYPES[type(value)])
            numbered[name] = AsIs(f"${len(types)}")
        texts.append(cursor.mogrify(query.sql, numbered).decode())
    text = POSTGRESQL.selection(texts, [query.width for query in batch])
    # Named by what it says: should two sessions be taken for one, the same name still means the same.
    name = "struggle_" + sha256(text.encode()).hexdigest()[:32]
    return f"PREPARE {name}({', '.join(types)}) AS {text}" if types else f"PREPARE {name} AS {text}"


def _referred(query: Query) -> dict[str, object]:
    return {name: value for name, value in query.parameters.items() if f"%({name})s" in query.sql}
