"""Our SQL for PostgreSQL with every function, operator, type and collation named as pg_catalog's own.

Where a transaction's search_path can be set this is not needed (db/sql/postgres_names.py). Prisma's engine takes one
statement at a time, and resolves its names on its own search path.
"""

from __future__ import annotations

import re
from functools import lru_cache

FUNCTIONS = frozenset(
    """abs array_position array_remove clock_timestamp concat count current_schemas floor getdatabaseencoding
    has_column_privilege has_schema_privilege json_agg json_array_elements json_array_elements_text json_build_array
    json_typeof left length lower max min octet_length pg_get_userbyid pg_has_role row_number to_json
    to_jsonb unnest""".split()  # noqa: SIM905 - a column of single words reads worse
)
"""The functions that our queries call.

What SQL's own grammar names (COALESCE, extract, AT TIME ZONE) means pg_catalog's already.
"""

TYPES = frozenset(("text", "json", "name", "uuid", "int2", "int4", "int8"))
"""The types that our queries name and that are not words of the grammar, as bigint and timestamp are."""

_TOKENS = re.compile(
    r"""(?P<quoted>"(?:[^"]|"")*"|'(?:[^']|'')*'|\x00[^\x00]*\x00)|(?P<word>[A-Za-z_][A-Za-z_0-9]*)"""
    r"""|(?P<star>\(\*\))|(?P<operator>[-+*/<>=|@]+)|(?P<other>[\s\S])"""
)


@lru_cache(maxsize=512)
def qualified(sql: str) -> str:
    """The same statement in a form that means the same on any search path.

    Nested arithmetic must be in parentheses: all operators named with a schema have the same precedence, which is lower
    than that of a plain + or *. A list after IN is left as it is: its items have the type of the value compared with
    them, and for two values of one type PostgreSQL finds its own operator.
    """
    tokens = [(match.lastgroup, match.group()) for match in _TOKENS.finditer(sql)]
    written: list[str] = []
    for place, (kind, text) in enumerate(tokens):
        before = written[-1] if written else ""
        following = "".join(token for _, token in tokens[place + 1 : place + 4])
        if kind == "operator":
            text = f"OPERATOR(pg_catalog.{text})"
        elif kind == "word" and before != ".":
            if (text in FUNCTIONS and following.startswith("(")) or (text in TYPES and following[:1] in (")", "[")):
                text = f"pg_catalog.{text}"
            elif text == "IN" and following == " (SELECT":
                text = "OPERATOR(pg_catalog.=) ANY"
        elif kind == "quoted" and text == '"C"' and "".join(written[-2:]) == "COLLATE ":
            text = 'pg_catalog."C"'
        elif kind == "quoted" and text == '"char"' and before != ".":
            text = 'pg_catalog."char"'
        written.append(text)
    return "".join(written)
