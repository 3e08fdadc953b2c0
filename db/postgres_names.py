"""What a name in our SQL means to PostgreSQL: one of the server's own objects, or a table of the platform's in full.

Whoever may create objects in a schema on the search path can have theirs preferred to PostgreSQL's, by fitting an
argument's type better: `json_agg(json)` stands above `json_agg(anyelement)`. So the path is PostgreSQL's own schema
alone, with the session's temporary objects last, where nothing is looked for that is found before; and tables are
named with their schemas. It is set for each transaction, since a pooler may lend another session to the next.
"""

from __future__ import annotations

ONLY_POSTGRESQLS = "SET LOCAL search_path = pg_catalog, pg_temp;"


def naming(schema: str | None) -> str:
    """The statements, first in a transaction, that note where tables are looked for and then set the path.

    schema: the URL's. Where it names none, the schemas on the role's own path, and then public, which is Prisma's
    default: a role whose path is empty finds the tables there.
    """
    if schema is None:
        # While these names resolve, the path is still the role's: each of them is in pg_catalog for certain.
        searched = (
            "CAST(pg_catalog.array_append(pg_catalog.current_schemas(false), CAST('public' AS pg_catalog.name))"
            " AS pg_catalog.text)"
        )
    else:
        element = schema.replace("\\", "\\\\").replace('"', '\\"')
        searched = "E'{\"" + element.replace("\\", "\\\\").replace("'", "''") + "\"}'"
    return f"SELECT pg_catalog.set_config('struggle.search_path', {searched}, true);{ONLY_POSTGRESQLS}"
