"""What differs between the two databases' SQL: instants, parameters, casts, and the query of the catalogue.

The queries are written once (db/reading/queries.py). Where they need an expression that differs, they name one of the
methods of a dialect in a format specification: `{r.reviewedAt:before}` becomes `POSTGRESQL.before(column)`.
"""

from __future__ import annotations

from db.sql.decode_values import ORDER_ONLY_SESSION, TRUE_WORDS
from db.sql.instants import postgres_moment, postgres_ms, sqlite_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Column(Protocol):
        """A column in a query: its SQL ("NULL" where the table lacks it) and its declared type."""

        @property
        def sql(self) -> str: ...
        @property
        def type(self) -> str: ...


ABSENT = "NULL"
_TRUE = ", ".join(f"'{word}'" for word in TRUE_WORDS)
LONGEST_WORDS = 1000
LONGEST_DOCUMENT = 200_000
"""Characters. A row is the app's, but a prediction must not spend its few seconds on one."""


class SQLite:
    """SQLite, whose columns hold any type."""

    name = "sqlite"
    CATALOGUE = (
        "SELECT NULL AS c0, m.name AS c1, c.name AS c2, c.type AS c3, 1 AS c4, NULL AS c5, 1 AS c6, NULL AS c7"
        " FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c WHERE m.type IN ('table', 'view') AND c.hidden <> 1"
        " AND m.name IN (SELECT value FROM json_each(:tables))"
    )
    DETAILS: str | None = None
    CLOCK: str | None = None  # SQLite runs on the host, whose clock it is
    ASKS_AGAIN_FOR_NOTHING = True  # within one process a second batch of queries costs no round trip
    WALKS = ("early_text", "early_number")  # what lies apart in an index on an instant

    def identifier(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def parameter(self, name: str) -> str:
        return f":{name}"

    def text(self, column: Column) -> str:
        return column.sql

    def words(self, column: Column) -> str:
        """Text for people, cut to a length that genuine texts do not exceed."""
        return f"substr({column.sql}, 1, {LONGEST_WORDS})"

    def order_only(self, column: Column) -> str:
        """A review's sessionId where it may start with ORDER_ONLY_SESSION, else null, which is fetched faster.

        The ids that Prisma makes, cuid and uuid, are all lower.
        """
        return f"CASE WHEN {column.sql} >= '{ORDER_ONLY_SESSION}' THEN {column.sql} END"

    def document(self, column: Column) -> str:
        """The text of a JSON column; null where it is too long to be genuine."""
        return f"CASE WHEN length({column.sql}) <= {LONGEST_DOCUMENT} THEN {column.sql} END"

    def ms(self, column: Column) -> str:
        return sqlite_ms(column.sql)

    def faced(self, column: Column) -> str:
        """Holds for the objective; marked as likely, so that SQLite walks along the index on the learner instead."""
        return f"likely({column.sql} = {self.parameter('objective')})"

    def before(self, column: Column) -> str:
        return f"({sqlite_ms(column.sql)} < {self.parameter('as_of')})"

    def since(self, column: Column) -> str:
        return f"({sqlite_ms(column.sql)} >= {self.parameter('since')})"

    def above_floor(self, column: Column) -> str:
        """Any stored form of an instant from floor to as_of, as a condition that can use an index on the column."""
        numbers = f"{column.sql} >= {self.parameter('floor')} AND {column.sql} < {self.parameter('as_of')}"
        first, last = self.parameter("floor_date"), self.parameter("as_of_date")
        return f"({numbers} OR {column.sql} >= {first} AND {column.sql} < {last})"

    def early_text(self, column: Column) -> str:
        return f"{column.sql} >= '' AND {column.sql} < {self.parameter('as_of_date')}"

    def early_number(self, column: Column) -> str:
        return f"{column.sql} < {self.parameter('as_of')}"

    def each_own(self, column: Column) -> str:
        """Begins a table of the different values that the column has in the rows FROM which they are then selected."""
        return f"(SELECT DISTINCT {column.sql}"

    def each_end(self, column: Column) -> str:
        """Ends what `each_own` began."""
        return f") AS {column.sql.partition('.')[0]}"

    def each_key(self, column: Column) -> str:
        """A table of the texts in the parameter `keys`, in the type of the column."""
        alias, _, name = column.sql.partition(".")
        return f"(SELECT value AS {name} FROM json_each({self.parameter('keys')})) AS {alias}"

    def and_before(self, column: Column) -> str:
        """Returns an empty text: db/reading selects the newest of a few thousand rows faster than SQLite does."""
        return ""

    def and_limit(self, column: Column) -> str:
        """Returns an empty text for the same reason: db/reading counts the rows."""
        return ""

    def unindexed(self, column: Column) -> str:
        """The column in a form for which no index can be used, so that the index of another condition is chosen."""
        return f"+{column.sql}"

    def newest(self, column: Column) -> str:
        return f"{sqlite_ms(column.sql)} DESC"

    def unindexed_newest(self, column: Column) -> str:
        """The newest first, without walking along an index on the column."""
        return f"{sqlite_ms(column.sql)} DESC"

    def oldest(self, column: Column) -> str:
        return sqlite_ms(column.sql)

    def nearest(self, column: Column) -> str:
        return f"abs({sqlite_ms(column.sql)} - {self.parameter('as_of')}) NULLS LAST"

    def byte_order(self, column: Column) -> str:
        return column.sql

    def tagged(self, column: Column) -> str:
        return (
            f"EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid({column.sql}) THEN {column.sql} ELSE '[]' END)"
            f" WHERE value = {self.parameter('topic')})"
        )

    def true(self, column: Column) -> str:
        """Whether a boolean is true, however it is stored; null is not true."""
        words = f"lower(trim({column.sql})) IN ({_TRUE})"
        return f"CASE typeof({column.sql}) WHEN 'text' THEN {words} ELSE COALESCE({column.sql} <> 0, 0) END"

    def first_letter(self, column: Column) -> str:
        """The code of a text's first letter."""
        return f"unicode({column.sql})"

    def size(self, column: Column) -> str:
        """The length of a text."""
        return f"length({column.sql})"

    def thousandths(self, column: Column) -> str:
        """A number from 0 to 1 in thousandths; null for anything else."""
        numeric = f"typeof({column.sql}) IN ('real', 'integer')"
        return f"CASE WHEN {numeric} AND {column.sql} BETWEEN 0 AND 1 THEN CAST({column.sql} * 1000 AS INTEGER) END"

    def among(self, column: Column) -> str:
        return f"{column.sql} IN (SELECT value FROM json_each({self.parameter('ids')}))"


POSTGRESQL_CATALOGUE = (
    "SELECT n.nspname AS c0, c.relname AS c1, a.attname AS c2,"
    " CASE WHEN t.typnamespace = 11 THEN t.typname"  # 11 is pg_catalog's oid
    " ELSE CAST(CASE WHEN t.typcategory = 'A' THEN '_' ELSE '' END AS name) END AS c3,"
    " array_position(s.searched, n.nspname) AS c4, CAST(c.relowner AS bigint) AS c5,"
    " CASE WHEN c.relrowsecurity OR c.relkind = ANY (CAST('{{v,f}}' AS \"char\"[])) OR (t.typnamespace <> 11"
    " AND EXISTS (SELECT 1 FROM pg_catalog.pg_type AS e WHERE e.oid IN (t.oid, t.typelem) AND e.typcategory <> 'A'"
    " AND e.typnamespace <> 11 AND NOT pg_has_role(e.typowner, n.nspowner, 'MEMBER') AND (e.typtype <> 'e'"
    " OR EXISTS (SELECT 1 FROM pg_catalog.pg_cast AS f WHERE f.castsource = e.oid AND f.castfunc <> 0))))"
    " THEN pg_has_role(c.relowner, n.nspowner, 'MEMBER') OR pg_get_userbyid(c.relowner) = CURRENT_USER"
    " ELSE TRUE END AS c6,"
    " CASE WHEN c.relrowsecurity OR t.typtype = 'd' THEN 1 END AS c7"
    " FROM (SELECT {searched} AS searched) AS s CROSS JOIN pg_catalog.pg_class AS c"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid"
    " WHERE c.relname = ANY (ARRAY (SELECT json_array_elements_text(CAST({tables} AS json))))"
    " AND (array_position(s.searched, n.nspname) IS NOT NULL"
    " OR n.nspname = ANY (ARRAY (SELECT json_array_elements_text(CAST({schemas} AS json)))))"
    " AND c.relkind = ANY (CAST('{{r,p,v,m,f}}' AS \"char\"[])) AND c.relpersistence <> 't'"
    " AND a.attnum > 0 AND NOT a.attisdropped AND has_schema_privilege(n.oid, 'USAGE')"
    " AND has_column_privilege(c.oid, a.attnum, 'SELECT')"
)
"""c4 is the place among the schemas that are searched, c5 the owner, c6 whether reading runs no code but that of the
schema's own owner, or our own: in a view, a policy of row security, or the casts of a type, which hold on any path,
whoever made it has functions run in the reader's name. c7 is whether there is more to be asked, by DETAILS."""

POSTGRESQL_ROW_VERSION = "{alias}.tableoid, {alias}.ctid, {alias}.xmin"
"""Every change of a row writes a new version of it, in another place or by another transaction."""


class PostgreSQL:
    """PostgreSQL, in which each column has one type."""

    name = "postgresql"
    CATALOGUE = POSTGRESQL_CATALOGUE.format(
        searched="CAST(current_setting('struggle.search_path') AS name[])",  # db/sql/postgres_names.py notes it
        tables="%(tables)s",
        schemas="%(schemas)s",
    )
    DETAILS: str | None = "%(tables)s"
    CLOCK: str | None = (
        "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint) AS c0, getdatabaseencoding() AS c1"
    )
    ASKS_AGAIN_FOR_NOTHING = False
    WALKS = ("early",)
    _TEMPORAL = ("timestamp", "timestamptz", "date")
    _NUMERIC = ("int8", "int4", "int2", "numeric", "float8", "float4")

    def identifier(self, name: str) -> str:
        return '"' + name.replace('"', '""').replace("%", "%%") + '"'  # % starts a parameter

    def parameter(self, name: str) -> str:
        return f"%({name})s"

    def text(self, column: Column) -> str:
        if column.type or column.sql == ABSENT:
            return f"CAST({column.sql} AS text)"
        # Of a type that is not PostgreSQL's own, an enum for one: a cast might be a function of its owner's.
        return f"CASE WHEN {column.sql} IS NOT NULL THEN concat({column.sql}) END"

    def words(self, column: Column) -> str:
        # left() and length() refuse a text with a damaged byte; most texts need neither.
        text = self.text(column)
        return f"CASE WHEN octet_length({text}) <= {LONGEST_WORDS} THEN {text} ELSE left({text}, {LONGEST_WORDS}) END"

    def order_only(self, column: Column) -> str:
        """The whole sessionId: to look at its start costs the server as much as to send it."""
        return self.text(column)

    def document(self, column: Column) -> str:
        text = self.text(column)
        return (
            f"CASE WHEN octet_length({text}) <= {LONGEST_DOCUMENT} THEN {text}"
            f" WHEN length({text}) <= {LONGEST_DOCUMENT} THEN {text} END"
        )

    def ms(self, column: Column) -> str:
        if column.type in self._TEMPORAL:
            return postgres_ms(column.sql)
        return f"CAST({column.sql if column.type in self._NUMERIC else ABSENT} AS bigint)"

    def faced(self, column: Column) -> str:
        return f"{column.sql} = {self.parameter('objective')}"

    def before(self, column: Column) -> str:
        # Hidden from the planner, which without statistics would walk along everybody's index on the instant.
        return self._compared(column, "<", "as_of", self.unindexed(column))

    def each_own(self, column: Column) -> str:
        # From an array the planner expects ten rows: it looks each of them up, and never reads the other table whole.
        return f"(SELECT unnest(ARRAY (SELECT DISTINCT {column.sql}"

    def each_end(self, column: Column) -> str:
        alias, _, name = column.sql.partition(".")
        return f")) AS {name}) AS {alias}"

    def and_before(self, column: Column) -> str:
        return f" AND {self.before(column)}"

    def and_limit(self, column: Column) -> str:
        return f" LIMIT {self.parameter('limit')}"

    def early(self, column: Column) -> str:
        """Compares as `before` does, in a form for which an index can be used."""
        return self._compared(column, "<", "as_of")

    def since(self, column: Column) -> str:
        return self._compared(column, ">=", "since")

    def _compared(self, column: Column, sign: str, name: str, sql: str = "") -> str:
        if column.type in self._TEMPORAL:
            sql = sql or column.sql
            # -infinity is before everything, and is no instant
            return f"({sql} {sign} {postgres_moment(self.parameter(name))} AND {sql} >= timestamp '0001-01-01')"
        return f"({self.ms(column)} {sign} {self.parameter(name)})"

    def above_floor(self, column: Column) -> str:
        return f"({self._compared(column, '>=', 'floor')} AND {self.early(column)})"

    def unindexed(self, column: Column) -> str:
        return f"COALESCE({column.sql}, {column.sql})"

    def newest(self, column: Column) -> str:
        return f"{self.oldest(column)} DESC NULLS LAST"

    def unindexed_newest(self, column: Column) -> str:
        oldest = self.oldest(column)
        return f"COALESCE({oldest}, {oldest}) DESC NULLS LAST"

    def oldest(self, column: Column) -> str:
        return column.sql if column.type in self._TEMPORAL else self.ms(column)

    def nearest(self, column: Column) -> str:
        return f"abs({self.ms(column)} - {self.parameter('as_of')}) NULLS LAST"

    def byte_order(self, column: Column) -> str:
        return f'{self.text(column)} COLLATE "C"'

    def true(self, column: Column) -> str:
        if column.type == "bool" or column.sql == ABSENT:
            return f"({column.sql} IS TRUE)"
        if column.type in self._NUMERIC:
            return f"COALESCE({column.sql} <> 0, FALSE)"
        return f"COALESCE(lower(trim({self.text(column)})) IN ({_TRUE}), FALSE)"

    def tagged(self, column: Column) -> str:
        topic = f"to_json(CAST({self.parameter('topic')} AS text))"
        if column.type == "json":
            # Its text is as it was stored: with \u0000, or half of a pair, it is no jsonb.
            items = f"CASE json_typeof({column.sql}) WHEN 'array' THEN {column.sql} END"
            return (
                f"EXISTS (SELECT 1 FROM json_array_elements({items}) AS item"
                f" WHERE CAST(item AS text) IN (CAST({topic} AS text), {self.parameter('escaped')}))"
            )
        if column.type in ("text", "varchar"):
            return f"position(CAST({topic} AS text) IN {column.sql}) > 0"
        if column.type == "jsonb" or column.type.startswith("_"):
            return f"COALESCE(to_jsonb({column.sql}) @> to_jsonb({topic}), FALSE)"
        return "FALSE"

    def among(self, column: Column) -> str:
        kind = {"uuid": "uuid", "int2": "int8", "int4": "int4", "int8": "int8", "numeric": "numeric"}.get(column.type)
        listed = f"json_array_elements_text(CAST({self.parameter('ids')} AS json))"
        return f"{column.sql} = ANY (ARRAY (SELECT CAST({listed} AS {kind or 'text'})))"

    def first_letter(self, column: Column) -> str:
        """The code of a text's first letter."""
        return f"ascii({self.text(column)})"

    def size(self, column: Column) -> str:
        """The length of a text in bytes."""
        return f"octet_length({self.text(column)})"

    def thousandths(self, column: Column) -> str:
        """A number from 0 to 1 in thousandths; null for anything else."""
        if column.type not in self._NUMERIC:
            return ABSENT
        return f"CASE WHEN {column.sql} BETWEEN 0 AND 1 THEN CAST({column.sql} * 1000 AS bigint) END"

    def selection(self, texts: Sequence[str], widths: Sequence[int]) -> str:
        """One SELECT with a value per query: the JSON list of the query's columns, each a list of its cells.

        PostgreSQL writes thousands of rows by columns in a third of the time that it needs to write them by rows.
        texts: the queries' SQL; widths: how many columns each has.
        """
        sources = (
            f"(SELECT json_build_array({', '.join(f'json_agg(c{place})' for place in range(width))})"
            f" FROM ({text}) AS q)::text"
            for text, width in zip(texts, widths)
        )
        return f"SELECT {', '.join(sources)}"


SQLITE = SQLite()
POSTGRESQL = PostgreSQL()
