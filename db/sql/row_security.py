"""What only a longer query of PostgreSQL's catalogue tells: policies that hide rows from us, and the types of domains.

Row-level security raises no error for rows that a role may not see: a hidden table looks empty, and we would conclude
that a learner has no history. Whether a policy shows a role all rows, or none, is known if its condition is the
constant true or false; for any other condition, only the rows that it shows tell.
"""

from __future__ import annotations

from db.errors import RequiredTableAbsent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HIDDEN, FILTERED = "hidden", "filtered"

_POLICIES = (
    "SELECT p.polpermissive AS permits, pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS condition"
    " FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*') AND EXISTS ("
    "SELECT 1 FROM pg_catalog.unnest(p.polroles) AS r(role)"
    " WHERE CASE WHEN r.role = 0 THEN TRUE ELSE pg_catalog.pg_has_role(r.role, 'USAGE') END)"
)
_VISIBILITY = (
    "SELECT CASE"
    " WHEN pg_catalog.bool_or(permits AND condition <> 'false') IS NOT TRUE"
    f" OR pg_catalog.bool_or(condition = 'false' AND NOT permits) THEN '{HIDDEN}'"
    " WHEN pg_catalog.bool_or(permits AND condition = 'true')"
    " AND pg_catalog.bool_or(condition <> 'true' AND NOT permits) IS NOT TRUE THEN NULL"
    f" ELSE '{FILTERED}' END FROM ({_POLICIES}) AS policies WHERE condition IS NOT NULL"
)
_BASE_TYPE = (
    "WITH RECURSIVE base AS (SELECT a.atttypid AS type UNION ALL SELECT d.typbasetype FROM base"
    " JOIN pg_catalog.pg_type AS d ON d.oid = base.type WHERE d.typtype = 'd')"
    " SELECT CAST(CASE WHEN b.typnamespace = 11 THEN b.typname END AS pg_catalog.text)"
    " FROM base JOIN pg_catalog.pg_type AS b ON b.oid = base.type WHERE b.typtype <> 'd'"
)
DETAILS = (
    "SELECT n.nspname AS c0, c.relname AS c1, NULL AS c2,"
    f" CASE WHEN pg_catalog.row_security_active(c.oid) THEN ({_VISIBILITY}) END AS c3"
    " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE c.relrowsecurity AND c.relname IN"
    " (SELECT pg_catalog.json_array_elements_text(CAST({tables} AS pg_catalog.json)))"
    f" UNION ALL SELECT n.nspname, c.relname, a.attname, ({_BASE_TYPE})"
    " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
    " JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid WHERE t.typtype = 'd' AND c.relname IN"
    " (SELECT pg_catalog.json_array_elements_text(CAST({tables} AS pg_catalog.json)))"
)
"""Rows of (schema, table, None, "hidden", "filtered" or None) and of (schema, table, column, type behind a domain)."""


class RowSecurity:
    """The names of the tables of which this role sees no row (hidden), or perhaps not every row (filtered)."""

    def __init__(self, rows: Iterable[Sequence[object]]) -> None:
        self.hidden: set[str] = set()
        self.filtered: set[str] = set()
        for _schema, table, *_others, state in rows:
            if state in (HIDDEN, FILTERED):
                (self.hidden if state == HIDDEN else self.filtered).add(str(table))


def refusal(table: str) -> RequiredTableAbsent:
    """The error for a hidden table without which there is no prediction."""
    return RequiredTableAbsent(
        f"Row-level security hides the table {table!r} from this role: give the role a policy that lets it read, or"
        " BYPASSRLS."
    )
