"""The two dialects in the form that Prisma's `query_raw` requires: numbered parameters, and one statement per batch."""

from __future__ import annotations

from db.sql.dialects import POSTGRESQL_CATALOGUE, PostgreSQL, SQLite
from db.sql.postgres_names import STRANGERS
from db.sql.qualified import qualified

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.sql.catalogue import Catalogue
    from db.sql.dialects import Column
    from db.sql.templates import Query

_MARK = "\0"
"""Stands around a parameter's name until the batch is composed; no identifier and none of our SQL holds it."""

_STRANGERS = STRANGERS.replace("OPERATOR(pg_catalog.=)", "=").replace("OPERATOR(pg_catalog.>)", ">")  # see qualified
_IDS = {"learner": "User", "objective": "LearningObjective"}


class _UTC:
    """A timestamptz column as a timestamp in UTC; compared as it is, the session's time zone would count."""

    __slots__ = ("sql", "type")

    def __init__(self, column: Column) -> None:
        self.sql = f"({column.sql} AT TIME ZONE 'UTC')"
        self.type = "timestamp"


class PrismaSQLite(SQLite):
    """SQLite through Prisma's engine."""

    ASKS_AGAIN_FOR_NOTHING = False
    CATALOGUE = SQLite.CATALOGUE.replace(":tables", f"{_MARK}tables{_MARK}")

    def parameter(self, name: str) -> str:
        return f"{_MARK}{name}{_MARK}"

    def and_before(self, column: Column) -> str:
        return f" AND {self.before(column)}"

    def and_limit(self, column: Column) -> str:
        return f" LIMIT {self.parameter('limit')}"

    def placeholder(self, number: int, value: object, kind: str | None) -> str:
        return f"?{number}"

    def listed(self, query: Query) -> str:
        # JSON cannot hold a blob.
        cells = ", ".join(f"iif(typeof(c{n}) = 'blob', CAST(c{n} AS TEXT), c{n})" for n in range(query.width))
        return f"(SELECT json_group_array(json_array({cells})) FROM ({query.sql}) AS q)"


class PrismaPostgreSQL(PostgreSQL):
    """PostgreSQL through Prisma's engine, whose search path we cannot set, so every name is qualified."""

    CATALOGUE = POSTGRESQL_CATALOGUE.format(
        # The engine sets the path to the schema of its URL; a driver adapter leaves it as the role's.
        searched=f"array_remove(current_schemas(FALSE), ({_STRANGERS}))",
        tables=f"{_MARK}tables{_MARK}",
        schemas=f"{_MARK}schemas{_MARK}",
    )
    DETAILS = f"{_MARK}tables{_MARK}"

    def identifier(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def parameter(self, name: str) -> str:
        return f"{_MARK}{name}{_MARK}"

    def placeholder(self, number: int, value: object, kind: str | None) -> str:
        # Left to itself the server infers a type from the place, and the engine then sends text where it wants a uuid.
        if isinstance(value, int):
            return f"CAST(${number} AS bigint)"
        text = f"CAST(${number} AS pg_catalog.text)"
        return f"CAST({text} AS pg_catalog.{kind})" if kind in ("uuid", "int2", "int4", "int8") else text

    def listed(self, query: Query) -> str:
        cells = ", ".join(f"c{n}" for n in range(query.width))
        return qualified(f"CAST((SELECT json_agg(json_build_array({cells})) FROM ({query.sql}) AS q) AS text)")

    def ms(self, column: Column) -> str:
        return super().ms(_in_utc(column))

    def before(self, column: Column) -> str:
        return super().before(_in_utc(column))

    def since(self, column: Column) -> str:
        return super().since(_in_utc(column))


PrismaDialect = PrismaSQLite | PrismaPostgreSQL

DIALECTS: dict[str, PrismaDialect] = {"sqlite": PrismaSQLite(), "postgresql": PrismaPostgreSQL()}
"""The dialects by the datasource's provider."""


def composed(dialect: PrismaDialect, batch: Sequence[Query], catalogue: Catalogue | None) -> tuple[str, list[object]]:
    """One statement that answers the batch with one row of JSON texts a0, a1, ..., and its parameters in order."""
    numbers: dict[tuple[str, object], int] = {}
    sources = []
    for place, query in enumerate(batch):
        parts = dialect.listed(query).split(_MARK)
        for at in range(1, len(parts), 2):
            name, value = parts[at], query.parameters[parts[at]]
            number = numbers.setdefault((name, value), len(numbers) + 1)
            kind = catalogue.type(_IDS[name], "id") if catalogue and name in _IDS else None
            parts[at] = dialect.placeholder(number, value, kind)
        sources.append(f"{''.join(parts)} AS a{place}")
    return f"SELECT {', '.join(sources)}", [value for _name, value in numbers]


def _in_utc(column: Column) -> Column:
    return _UTC(column) if column.type == "timestamptz" else column
