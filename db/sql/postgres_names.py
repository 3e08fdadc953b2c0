"""Makes names in our SQL mean PostgreSQL's own objects, or one of the platform's tables named with its schema.

Whoever may create objects in a schema on the search path can make PostgreSQL prefer theirs to its own, by fitting an
argument's type better: `json_agg(json)` is preferred to `json_agg(anyelement)`. So the path has only PostgreSQL's own
schema, and the session's temporary objects last, which are found only if nothing before matches; tables are named with
their schemas. The path is set for each transaction, since a pooler may give the next one another session.
"""

from __future__ import annotations

STRANGERS = (
    "SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE n.nspname OPERATOR(pg_catalog.=) CURRENT_USER"
    " AND pg_catalog.strpos(pg_catalog.current_setting('search_path'), '$user') OPERATOR(pg_catalog.>) 0"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS o WHERE o.oid OPERATOR(pg_catalog.=) n.nspowner"
    " AND (o.rolsuper OR o.rolname OPERATOR(pg_catalog.=) CURRENT_USER OR EXISTS (SELECT 1"
    " FROM pg_catalog.pg_database AS d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"
    " AND d.datdba OPERATOR(pg_catalog.=) o.oid)))"
)
"""The schema that "$user" leads to, where neither our role made it, nor a superuser, nor the database's owner.

Every role's path begins with "$user", and whoever may make schemas can make one of our role's name.
"""
ONLY_POSTGRESQLS = "SET LOCAL search_path = pg_catalog, pg_temp;"


def naming(schema: str | None) -> str:
    """The statements, first in a transaction, that note where tables are looked up and then set the path.

    schema: the URL's. Where the URL names none, tables are looked up in the schemas on the role's own path except
    STRANGERS, and then in public, which is Prisma's default, so that a role whose path is empty finds the tables there.
    """
    if schema is None:
        # While these names resolve, the path is still the role's: each of them is in pg_catalog for certain.
        searched = (
            f"CAST(pg_catalog.array_append(pg_catalog.array_remove(pg_catalog.current_schemas(false), ({STRANGERS})),"
            " CAST('public' AS pg_catalog.name)) AS pg_catalog.text)"
        )
    else:
        element = schema.replace("\\", "\\\\").replace('"', '\\"')
        searched = "E'{\"" + element.replace("\\", "\\\\").replace("'", "''") + "\"}'"
    return f"SELECT pg_catalog.set_config('struggle.search_path', {searched}, true);{ONLY_POSTGRESQLS}"
