"""Schemas, types and casts of others, where they may make such: none of their code runs in our sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import db
from db.demo import LEARNER, NOW_MS, load_demo
from db.writing.open import open_writer
from ml.study.history import WINDOW
from tests.db.test_foreign_objects import OBJECTIVE, Engine, readings, runs
from tests.support.postgres_server import Databases, connected

TRUDY = "trudy"
"""Who plants."""
OURS = {"reader": "reads_here", "writer": "writes_here", "superuser": "postgres"}


def as_ours(url: str, name: str) -> str:
    return url.replace("postgres@", f"{OURS[name]}@")


@pytest.fixture
def shared(postgres_databases: Databases) -> Iterator[str]:
    """A platform in which others may make schemas, and objects in public."""
    url = str(postgres_databases.with_tables())
    with open_writer(url) as writer:
        load_demo(writer)
    with connected(url) as cursor:
        cursor.execute("CREATE SEQUENCE public.planted_runs; GRANT ALL ON SEQUENCE public.planted_runs TO PUBLIC")
        cursor.execute("DROP TABLE missions")
        for role in (TRUDY, OURS["reader"], OURS["writer"]):
            cursor.execute(f"CREATE ROLE {role} LOGIN")
        cursor.execute(f"GRANT CREATE ON DATABASE {url.rpartition('/')[2]} TO {TRUDY}")
        cursor.execute(f"GRANT CREATE ON SCHEMA public TO {TRUDY}")
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {TRUDY}, {OURS['reader']}, {OURS['writer']}")
        cursor.execute(f"GRANT INSERT, UPDATE, DELETE ON struggle_predictions, struggle_indicators TO {OURS['writer']}")
    yield url
    with connected(url) as cursor:
        for role in (TRUDY, OURS["reader"], OURS["writer"]):
            cursor.execute(f"DROP OWNED BY {role} CASCADE")
            cursor.execute(f"DROP ROLE {role}")


@pytest.mark.slow
@pytest.mark.parametrize("role", OURS)
def test_a_schema_of_our_role_s_name_that_another_made_is_not_searched(role: str, shared: str) -> None:
    name = OURS[role]
    before = readings(as_ours(shared, role))
    with connected(shared.replace("postgres@", f"{TRUDY}@")) as cursor:
        cursor.execute(f"CREATE SCHEMA {name}; GRANT USAGE ON SCHEMA {name} TO PUBLIC")
        cursor.execute(
            f"CREATE FUNCTION {name}.note(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_catalog.nextval('public.planted_runs'); RETURN what; END $$"
        )
        for table in ("users", "struggle_predictions"):
            cursor.execute(
                f"CREATE VIEW {name}.{table} AS SELECT * FROM public.{table} WHERE {name}.note('x') IS NOT NULL"
            )
            cursor.execute(f"GRANT ALL ON {name}.{table} TO PUBLIC")
    assert readings(as_ours(shared, role)) == before
    records = db.as_records(Engine(as_ours(shared, role)))
    assert records.read(LEARNER, OBJECTIVE, NOW_MS, WINDOW) == before["read"][0]  # type: ignore[index]
    if role != "reader":
        with open_writer(as_ours(shared, role)) as writer:
            assert writer.schema() == "public"
            assert writer.delete("StrugglePrediction", "userId", [LEARNER]) > 0
    assert runs(shared) == 0


@pytest.mark.slow
@pytest.mark.parametrize("made_by", ["itself", "a superuser", "the owner of the database"])
def test_a_schema_of_our_role_s_name_that_is_ours_is_searched(made_by: str, postgres_databases: Databases) -> None:
    url = str(postgres_databases.empty())
    database = url.rpartition("/")[2]
    role = "has_its_own"
    with connected(url) as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN; CREATE ROLE owns_all; GRANT {role} TO owns_all")
        cursor.execute(f"ALTER DATABASE {database} OWNER TO owns_all; GRANT CREATE ON DATABASE {database} TO {role}")
        owner = {"itself": role, "a superuser": "postgres"}.get(made_by, "owns_all")
        cursor.execute(f"CREATE SCHEMA {role} AUTHORIZATION {owner}")
    try:
        with open_writer(f"{url}?schema={role}") as writer:
            writer.create_tables()
            load_demo(writer)
        with connected(url) as cursor:
            cursor.execute(f"GRANT USAGE ON SCHEMA {role} TO {role}")
            cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {role} TO {role}")
        with db.connect(url.replace("postgres@", f"{role}@")) as client:
            assert client.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews
    finally:
        with connected(url) as cursor:
            cursor.execute(f"ALTER DATABASE {database} OWNER TO postgres; DROP OWNED BY {role}, owns_all CASCADE")
            cursor.execute(f"DROP ROLE owns_all; DROP ROLE {role}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["(x text)", f"ENUM ('{LEARNER}')"], ids=["of several fields", "of some values"])
@pytest.mark.parametrize("columns", ['"userId" {}', '"userId" text, objectives {}[]', '"userId" text, status {}'])
def test_a_table_whose_types_have_casts_of_another_s_does_not_count(columns: str, kind: str, shared: str) -> None:
    """A cast is found on any path; the planter's table is a plain one, which otherwise anybody may own."""
    of_planter = shared.replace("postgres@", f"{TRUDY}@")
    with connected(of_planter) as cursor:
        cursor.execute(f"CREATE TYPE public.kind AS {kind}")
        for target, value in (("text", f"'{LEARNER}'"), ("json", "'[]'"), ("jsonb", "'[]'")):
            cursor.execute(
                f"CREATE FUNCTION public.to_{target}(public.kind) RETURNS {target} LANGUAGE plpgsql AS $$ BEGIN"
                f" PERFORM pg_catalog.nextval('public.planted_runs'); RETURN {value}; END $$"
            )
            cursor.execute(
                f"CREATE CAST (public.kind AS {target}) WITH FUNCTION public.to_{target}(public.kind) AS IMPLICIT"
            )
        cursor.execute(f"CREATE TABLE public.missions (id text, date timestamp, {columns.format('public.kind')})")
        cursor.execute("GRANT SELECT ON public.missions TO PUBLIC")
        value = f"('{LEARNER}')" if kind.startswith("(") else LEARNER
        cursor.execute(
            "INSERT INTO public.missions SELECT 'm', '2025-10-17', "
            + ", ".join(
                "pg_catalog.array_append(NULL, CAST(%s AS public.kind))"
                if each.endswith("[]")
                else "CAST(%s AS public.kind)"
                if "{}" in each
                else f"'{LEARNER}'"
                for each in columns.split(", ")
            ),
            (value,),
        )
    for role in OURS:
        found = readings(as_ours(shared, role))
        assert "missions" in found["missing"]  # type: ignore[operator]
    with connected(of_planter) as cursor:
        cursor.execute(
            "DROP CAST (public.kind AS text); DROP CAST (public.kind AS json); DROP CAST (public.kind AS jsonb)"
        )
    if kind.startswith("ENUM") and '"userId" text' in columns:  # an app's tables may have several owners
        assert "missions" not in readings(as_ours(shared, "reader"))["missing"]  # type: ignore[operator]
    assert runs(shared) == 0
