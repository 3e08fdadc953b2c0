"""What others may plant in a PostgreSQL database: none of it runs in our sessions, and no answer changes.

Whoever may create objects in a schema on the search path can define functions, operators and types that fit our
statements better than PostgreSQL's own. Here they do, in every schema that the platform uses. Each of them counts
its runs in a sequence, which no rollback takes back; in a READ ONLY transaction it fails, and the reading with it.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

import db
from db import stored_predictions
from db.demo import COURSES, LEARNER, NOW_MS, OBJECTIVES, load_demo
from db.errors import WriteRefused
from db.sql.catalogue import Catalogue
from db.sql.qualified import qualified
from db.sql.templates import Opened, Query
from db.url import parse
from db.writing.open import open_writer
from ml.study.history import DAY_MS, WINDOW
from scripts.testbed.query_plans import accesses
from tests.support.postgres_server import Databases, connected
from tests.support.prisma_engine import from_postgresql
from tests.support.running_predict import PREDICT, ran

ROOT = os.path.dirname(PREDICT)
OBJECTIVE = next(iter(OBJECTIVES))
PLANTER = "mallory"
ROLES = {"reader": "only_reads", "writer": "also_writes", "superuser": "postgres"}
READS_MORE = datetime(2020, 1, 1, tzinfo=timezone.utc)

FUNCTIONS_PLANTED = {
    "json_build_array": ("text, name, name, name", "text, name, name, text, bigint, bigint, boolean"),
    "json_agg": ("json",),
    "json_array_elements_text": ("json",),
    "count": (),
    "concat": ("text", "varchar"),
    "left": ("text, integer", "varchar, integer"),
    "length": ("text", "varchar"),
    "octet_length": ("text", "varchar"),
    "abs": ("bigint", "double precision"),
    "floor": ("double precision", "numeric"),
    "array_position": ("name[], name",),
    "array_remove": ("name[], name",),
    "array_append": ("name[], name",),
    "strpos": ("text, text",),
    "current_database": ("",),
    "to_jsonb": ("text", "text[]"),
    "current_setting": ("text",),
    "current_schemas": ("boolean",),
    "set_config": ("text, text, boolean",),
    "pg_has_role": ("oid, oid, text",),
    "has_schema_privilege": ("oid, text",),
    "has_column_privilege": ("oid, smallint, text",),
    "clock_timestamp": ("",),
    "getdatabaseencoding": ("",),
    "unnest": ("name[]", "text[]"),
    "pg_get_userbyid": ("oid",),
}
AGGREGATES = {"json_agg": ("json",), "min": ("bigint",), "max": ("bigint",), "count": ("integer",)}
OPERATORS = {
    "=": (
        ("varchar", "varchar"), ("text", "varchar"), ("varchar", "text"), ("name", "text"), ("bigint", "integer"),
        ("text", "text"), ("name", "varchar"),
    ),
    "<>": (("varchar", "varchar"), ("text", "varchar")),
    "<": (("varchar", "varchar"), ("bigint", "integer"), ("timestamp", "date")),
    ">=": (("varchar", "varchar"), ("bigint", "integer"), ("timestamp", "date")),
    "+": (("double precision", "numeric"), ("timestamp", "time")),
    "*": (("integer", "interval"), ("bigint", "interval"), ("double precision", "integer")),
    "@>": (("jsonb", "json"),),
}  # fmt: skip


def planted(schema: str) -> list[str]:
    """Statements of the planter that shadow what our SQL uses, in the schema."""
    note = f"PERFORM {schema}.note"
    made = [
        f"CREATE FUNCTION {schema}.note(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE WARNING 'planted: % as %', what, current_user; PERFORM pg_catalog.nextval('public.planted_runs');"
        " END $$"
    ]
    for name, signatures in FUNCTIONS_PLANTED.items():
        for signature in signatures:
            made.append(
                f"CREATE FUNCTION {schema}.{name}({signature}) RETURNS text LANGUAGE plpgsql AS"
                f" $$ BEGIN {note}('{name}'); RETURN NULL; END $$"
            )
    for name, signatures in AGGREGATES.items():
        for signature in signatures:
            step = f"{schema}.step_of_{name}"
            made += [
                f"CREATE FUNCTION {step}(text, {signature}) RETURNS text LANGUAGE plpgsql AS"
                f" $$ BEGIN {note}('aggregate {name}'); RETURN NULL; END $$",
                f"DROP FUNCTION IF EXISTS {schema}.{name}({signature})",
                f"CREATE AGGREGATE {schema}.{name}({signature}) (SFUNC = {step}, STYPE = text)",
            ]
    for number, (sign, operands) in enumerate(OPERATORS.items()):
        for place, (left, right) in enumerate(operands):
            name = f"{schema}.operator_{number}_{place}"
            made += [
                f"CREATE FUNCTION {name}({left}, {right}) RETURNS boolean LANGUAGE plpgsql AS"
                f" $$ BEGIN {note}('{left} {sign} {right}'); RETURN true; END $$",
                f"CREATE OPERATOR {schema}.{sign} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {name})",
            ]
    made += [
        f"CREATE DOMAIN {schema}.{name} AS pg_catalog.{name} CHECK ({schema}.checked(VALUE::pg_catalog.text))"
        for name in ("text", "json", "name")
    ]
    made.insert(
        1,
        f"CREATE FUNCTION {schema}.checked(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS"
        f" $$ BEGIN {note}('domain'); RETURN true; END $$",
    )
    # Under names that the app does not have.
    for view, column in (("demo_clock", "now"), ("missions", None), ("prediction_feedbacks", None)):
        listed = f'1::bigint AS "{column}"' if column else _COLUMNS[view]
        made.append(f"CREATE VIEW {schema}.{view} AS SELECT {listed} FROM (SELECT {schema}.note('view {view}')) AS n")
        made.append(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.{view} TO PUBLIC")
    return made


_COLUMNS = {
    "missions": '\'m\'::text AS "id", \'u\'::text AS "userId", now()::timestamp AS "date"',
    "prediction_feedbacks": (
        '\'f\'::text AS "id", \'p\'::text AS "predictionId", \'u\'::text AS "userId", true AS "actualStruggle",'
        ' now()::timestamp AS "submittedAt"'
    ),
}


@pytest.fixture(scope="module", params=["public", "app"])
def platform(request: pytest.FixtureRequest, postgres_databases: Databases) -> Iterator[str]:
    """A platform whose ids are varchar, as the app's are not but an app's may be; what others plant is beside it."""
    schema = request.param
    url = str(postgres_databases.empty())
    with connected(url) as cursor:
        cursor.execute("CREATE SEQUENCE public.planted_runs; GRANT ALL ON SEQUENCE public.planted_runs TO PUBLIC")
        cursor.execute("CREATE SCHEMA IF NOT EXISTS app")
    at = url if schema == "public" else f"{url}?schema=app"
    with open_writer(at) as writer:
        writer.create_tables()
        load_demo(writer)
    with connected(url) as cursor:
        cursor.execute(f"SET search_path = {schema}")
        cursor.execute("DROP TABLE demo_clock, missions, prediction_feedbacks")
        for table in ("users", "learning_objectives", "cards", "reviews", "struggle_predictions"):
            cursor.execute(f"ALTER TABLE {table} ALTER COLUMN id TYPE varchar(191)")
        for role in (PLANTER, ROLES["reader"], ROLES["writer"]):
            cursor.execute(f"CREATE ROLE {role} LOGIN")
            cursor.execute(f"GRANT USAGE ON SCHEMA public, app TO {role}")
        cursor.execute(f"GRANT CREATE ON SCHEMA public, app TO {PLANTER}")
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {ROLES['reader']}, {ROLES['writer']}")
        cursor.execute(
            f"GRANT INSERT, UPDATE, DELETE ON struggle_predictions, struggle_indicators TO {ROLES['writer']}"
        )
        cursor.execute(f"ALTER ROLE {ROLES['writer']} SET search_path = {schema}, pg_catalog")
    yield at
    with connected(url) as cursor:
        for role in (PLANTER, ROLES["reader"], ROLES["writer"]):
            cursor.execute(f"DROP OWNED BY {role} CASCADE")
            cursor.execute(f"DROP ROLE {role}")


@pytest.fixture(scope="module")
def expected(platform: str) -> dict[str, object]:
    """The readings before anything is planted."""
    return {name: readings(as_role(platform, name)) for name in ROLES}


@pytest.fixture(scope="module")
def beset(platform: str, expected: dict[str, object]) -> str:
    """The platform with what others planted in both schemas."""
    with connected(platform.partition("?")[0].replace("postgres@", f"{PLANTER}@")) as cursor:
        for schema in ("public", "app"):
            for statement in planted(schema):
                cursor.execute(statement)
    return platform


def as_role(url: str, name: str) -> str:
    return url.replace("postgres@", f"{ROLES[name]}@")


def runs(url: str) -> int:
    """How often anything planted has run."""
    with connected(url.partition("?")[0]) as cursor:
        cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.planted_runs")
        ((count,),) = cursor.fetchall()
    return int(count)


def readings(url: str) -> dict[str, object]:
    """What every reader of ours finds."""
    with db.connect(url) as client, db.connect(url, keeps_plans=True) as keeping:
        read = [client.read(LEARNER, objective, NOW_MS, WINDOW) for objective in OBJECTIVES]
        for _ in range(6):
            kept = [keeping.read(LEARNER, objective, NOW_MS, WINDOW) for objective in OBJECTIVES]
        assert kept == read
        learners = list(client.stream_learners(NOW_MS, WINDOW))
        return {
            "read": read,
            "learners": learners,
            "objectives": client.read_objectives(),
            "topic": client.objectives_of_topic(next(iter(COURSES))),
            "missing": client.missing_sources(),
            "predictions": list(stored_predictions.stream_predictions(client, 0, NOW_MS + DAY_MS)),
            "counted": stored_predictions.count_predictions(client, 0, NOW_MS + DAY_MS),
            "opted out": stored_predictions.opted_out(client),
            "groups": stored_predictions.groups(client, "learning_objectives.complexity", list(OBJECTIVES)),
            "feedback": asyncio.run(db.get_feedback_data(READS_MORE, url=url)),
        }


@pytest.mark.slow
def test_the_planted_objects_would_run(beset: str) -> None:
    """Else the tests below would show nothing."""
    schema = "app" if beset.endswith("app") else "public"
    before = runs(beset)
    with connected(beset.partition("?")[0]) as cursor:
        cursor.execute(f"SET search_path = {schema}")
        cursor.execute(
            "SELECT json_build_array(CAST('a' AS pg_catalog.text), n, n, n) FROM (SELECT CAST('b' AS name) AS n) t"
        )
        cursor.execute("SELECT id FROM users WHERE id = CAST('x' AS varchar)")
        cursor.execute("SELECT * FROM demo_clock")
    assert runs(beset) >= before + 3


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_nothing_planted_runs_for_a_reader(role: str, beset: str, expected: dict[str, object]) -> None:
    before = runs(beset)
    assert readings(as_role(beset, role)) == expected[role]
    assert runs(beset) == before


class Engine:
    """A Prisma client, as far as reading needs it; its session resolves names on a path that it has not set."""

    _active_provider = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = parse(url, os.sep)

    def query_raw(self, sql: str, *parameters: object) -> list[dict[str, object]]:
        columns, rows = from_postgresql(self._url, sql, list(parameters))
        return [dict(zip(columns, row)) for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_nothing_planted_runs_through_prisma(role: str, beset: str, expected: dict[str, object]) -> None:
    before = runs(beset)
    records = db.as_records(Engine(as_role(beset, role)))
    found = [records.read(LEARNER, objective, NOW_MS, WINDOW) for objective in OBJECTIVES]
    assert found == expected[role]["read"]  # type: ignore[index]
    assert records.objectives_of_topic(next(iter(COURSES))) == expected[role]["topic"]  # type: ignore[index]
    assert runs(beset) == before


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_the_command_answers_as_before(role: str, beset: str) -> None:
    before = runs(beset)
    moment = "--as-of=2025-10-16T09:00:00Z"
    answer = ran(LEARNER, OBJECTIVE, moment, "--database-url", as_role(beset, role)).answer()
    assert answer["degraded"] == ""
    assert "missions" in answer["missing_sources"]
    assert "prediction_feedbacks" in answer["missing_sources"]
    assert runs(beset) == before


@pytest.mark.slow
@pytest.mark.parametrize("role", ["writer", "superuser"])
@pytest.mark.parametrize(
    "words",
    [
        ("scripts/predict_batch.py", "--store", "--as-of", "2025-10-16T09:00:00Z", "--output"),
        ("scripts/record_outcomes.py",),
        ("scripts/monitor.py", "--as-of", "2025-10-16T09:00:00Z", "--html"),
        ("scripts/forget_learner.py", "nobody"),
    ],
    ids=lambda words: os.path.basename(words[0]),
)
def test_nothing_planted_runs_for_a_script(words: tuple[str, ...], role: str, beset: str, tmp_path: Path) -> None:
    before, stored = runs(beset), predictions(beset)
    if words[-1] in ("--output", "--html"):
        words = (*words, str(tmp_path / "out"))
    environment = {**os.environ, "DATABASE_URL": as_role(beset, role)}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "planted:" not in done.stderr
    assert done.returncode in ((0, 1) if words[0].endswith("monitor.py") else (0,)), done.stderr
    assert runs(beset) == before
    assert predictions(beset) >= stored > 0


def predictions(url: str) -> int:
    with open_writer(url) as writer:
        return len(writer.select("StrugglePrediction", ("id",)))


@pytest.mark.slow
def test_nothing_planted_runs_where_plans_are_explained(beset: str) -> None:
    before = runs(beset)
    assert {access.table for access in accesses(beset, LEARNER, OBJECTIVE, NOW_MS)} >= {"reviews", "cards"}
    assert runs(beset) == before


@pytest.mark.slow
def test_a_table_of_anybody_s_is_not_written_to(beset: str) -> None:
    before = runs(beset)
    for role in ("writer", "superuser"):
        with open_writer(as_role(beset, role)) as writer:
            assert not writer.has("PredictionFeedback")
            with pytest.raises(WriteRefused, match=PLANTER):
                writer.delete("PredictionFeedback", "userId", [LEARNER])
    assert runs(beset) == before


@pytest.mark.slow
@pytest.mark.parametrize("path", ["''", '"$user"', "pg_catalog", '"$user", public'])
def test_tables_in_public_are_found_whatever_the_role_s_path(path: str, postgres_databases: Databases) -> None:
    url = str(postgres_databases.with_tables())
    with open_writer(url) as writer:
        load_demo(writer)
    with connected(url) as cursor:
        database = url.rpartition("/")[2]
        cursor.execute(f"ALTER ROLE postgres IN DATABASE {database} SET search_path = {path}")
    with db.connect(url) as client:
        assert client.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews
    with open_writer(url) as writer:
        assert writer.existing_tables()
        assert writer.delete("StrugglePrediction", "userId", [LEARNER]) > 0


@pytest.mark.slow
def test_a_url_s_schema_is_the_only_one_searched(postgres_databases: Databases) -> None:
    url = str(postgres_databases.with_tables())
    with connected(url) as cursor:
        cursor.execute('CREATE SCHEMA "it\'s \\ a ""schema"", {x}"')
    strange = f"{url}?schema=it%27s%20%5C%20a%20%22schema%22%2C%20%7Bx%7D"
    with open_writer(strange) as writer:
        assert not writer.existing_tables()
        writer.create_tables()
        load_demo(writer)
    with db.connect(strange) as client:
        assert client.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews
    with db.connect(url) as client:
        assert client.learner_ids() == []


def test_a_temporary_table_that_another_client_of_a_pooler_left_is_not_read(postgres_databases: Databases) -> None:
    url = str(postgres_databases.with_tables())
    with open_writer(url) as writer:
        load_demo(writer)
    with db.connect(url) as client:
        before = client.learner_ids()
        cursor = client._connection._connection.cursor()
        cursor.execute(
            "CREATE TEMPORARY TABLE users AS SELECT 'nobody'::text AS id; CREATE TEMP TABLE pg_class (x int)"
        )
        client._connection._wait()
        assert client.learner_ids() == before
        assert client.read(LEARNER, OBJECTIVE, None, WINDOW).learner.reviews


def test_a_statement_says_whose_each_name_is() -> None:
    plain = 'SELECT CAST(r."id" AS text) FROM r WHERE (a + (b * 2)) >= $1 AND left(\'x = y\', 3) = "q=" COLLATE "C"'
    assert qualified(plain) == (
        'SELECT CAST(r."id" AS pg_catalog.text) FROM r WHERE (a OPERATOR(pg_catalog.+) (b OPERATOR(pg_catalog.*) 2))'
        " OPERATOR(pg_catalog.>=) $1 AND pg_catalog.left('x = y', 3) OPERATOR(pg_catalog.=) \"q=\""
        ' COLLATE pg_catalog."C"'
    )


GRAMMAR = {"cast", "coalesce", "extract", "any", "operator", "array", "over", "as", "in", "and", "or", "from", "where"}


def test_every_function_of_our_queries_is_qualified_for_prisma(beset: str) -> None:
    """A function that a query begins to use must be named in db/sql/qualified.py."""
    from db.reading import many as bulk
    from db.reading import queries, vocabulary
    from db.reading.crowded_learner import Crowded
    from db.reading.newest_rows import PerLearner, of_many
    from db.sql.prisma_dialects import PrismaPostgreSQL
    from db.sql.templates import Renderer, Template

    with db.connect(beset) as client:
        catalogue = client.converse(_catalogue)
    renderer = Renderer(PrismaPostgreSQL(), catalogue)
    found: list[object] = [*vars(queries).values(), *vars(bulk).values(), *vocabulary._SAMPLES.values()]
    for each in list(found):
        if isinstance(each, PerLearner):
            found += [each.one, of_many(each)]
            if each.dated:
                crowded = Crowded(each)
                found += [getattr(crowded, name) for name in Crowded.__slots__ if name != "walked"]
                found.append(crowded.walked["early"])
    called = set()
    for template in found:
        if isinstance(template, Template) and template.source in catalogue:
            statement = qualified(renderer.query(template).sql)
            called |= set(re.findall(r"(?<![.\w])([A-Za-z_]\w*)\(", re.sub(r"'[^']*'|\"[^\"]*\"", "", statement)))
    assert {name.lower() for name in called} - GRAMMAR == set()


def _catalogue(opened: Opened) -> Generator[list[Query], object, Catalogue]:
    yield from ()
    return opened.renderer.catalogue
