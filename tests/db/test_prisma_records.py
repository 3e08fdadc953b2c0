"""Records read through really generated Prisma clients are those that our own client reads, on both databases."""

import asyncio
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from db import StudyRows, demo
from db.backends.prisma import as_records
from db.connecting import connect
from db.errors import (
    DatabaseConfiguration,
    DatabaseUnavailable,
    RequiredTableAbsent,
    UnknownLearner,
    UnknownObjective,
)
from db.tables.ddl import TABLES, ddl
from db.writing.open import open_writer
from ml import StruggleFeatureExtractor
from ml.study.history import DAY_MS, HOUR_MS, WINDOW
from tests.conftest import need
from tests.support.prisma_clients import SCHEMA, engine, generated_client

pytestmark = pytest.mark.slow

ClientClass = Callable[[str, str], Any]  # a provider and an interface -> a generated class
Read = Callable[[str, str, str, int | None], StudyRows]

NOW = 1_740_832_496_789
ODD_ID = "it's \"o'dd\"; drop table users; -- $1 ?1 :id %s \\ \U0001f469 é"
EXAMPLES = {"String": "a text", "Int": 3, "Float": 0.625, "Boolean": True, "Json": {"topicArea": "c", "n": [1, 2.5]}}
EXAMPLES |= {"String[]": ["heart", ODD_ID], "Complexity": "ADVANCED", "MasteryLevel": "BEGINNER", "Rating": "AGAIN"}
EXAMPLES |= {"MissionStatus": "PENDING", "PredictionStatus": "CONFIRMED", "Severity": "HIGH"}
IDS = {"userId": "learner", "courseId": "c", "lectureId": "l", "cardId": "k", "promptId": "q", "predictionId": "g"}
IDS |= {"objectiveId": "objective", "learningObjectiveId": "objective", "prerequisiteId": ODD_ID}
ROOT_IDS = {"User": "learner", "Course": "c", "Lecture": "l", "LearningObjective": "objective", "Card": "k"}
ROOT_IDS |= {"ValidationPrompt": "q", "StrugglePrediction": "g"}


def fill(url: str) -> str:
    """Three rows of every model, days apart, of one learner; and a learner whose id is a trial."""
    with open_writer(url) as writer:
        for model, table in TABLES.items():
            single = any(
                unique and names != ("userId", "learningObjectiveId", "date") for unique, names in table.indexes
            )
            for number in range(1 if single else 3):
                row = {"id": f"{model}-{number}" if number or model not in ROOT_IDS else ROOT_IDS[model]}
                for field in list(table.fields.values())[1:]:
                    if field.type == "DateTime":
                        row[field.name] = NOW - number * DAY_MS - 1
                    else:
                        row[field.name] = IDS.get(field.name, EXAMPLES[field.type])
                if model == "ValidationResponse":
                    row["skipped"] = False  # a skipped question was not answered
                writer.insert(model, list(row), [list(row.values())])
        writer.insert("User", ["id"], [[ODD_ID]])
        writer.insert("LearningObjective", ["id", "lectureId", "objective"], [[ODD_ID, "l", ODD_ID]])
    return url


@pytest.fixture(scope="module")
def client_class(tmp_path_factory: pytest.TempPathFactory) -> ClientClass:
    """The class Prisma, generated once for each provider and interface."""
    need("node")
    need("npm")
    directory = str(tmp_path_factory.mktemp("prisma"))
    made = {}

    def client_class(provider: str, interface: str) -> ClientClass:
        if (provider, interface) not in made:
            made[provider, interface] = generated_client(directory, provider, interface)
        return made[provider, interface]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRISMA_QUERY_ENGINE_BINARY", engine(directory))
        yield client_class


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A filled database of either kind, to be read only."""
    if request.param == "postgresql":
        return fill(request.getfixturevalue("postgres_databases").with_tables())
    url = f"file:{tmp_path_factory.mktemp('filled')}/app.db"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    return fill(url)


@pytest.fixture(params=["sync", "asyncio"])
def interface(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def clients(client_class: ClientClass) -> Iterator[Any]:
    """Connected clients by URL and interface, kept for the module; and the event loop that the async ones live on."""
    connected = {}
    with asyncio.Runner() as loop:

        def client(url: str, interface: str) -> Any:
            if (url, interface) not in connected:
                provider = "sqlite" if url.startswith("file:") else "postgresql"
                made = client_class(provider, interface)(datasource={"url": url}, use_dotenv=False)
                awaited(loop, made.connect)
                connected[url, interface] = made
            return connected[url, interface]

        client.loop = loop
        yield client
        for made in connected.values():
            awaited(loop, made.disconnect)


def awaited(loop: asyncio.Runner, begin: Callable[[], Any]) -> Any:
    """What begin() comes to, where it may have to be awaited."""

    async def finish() -> Any:
        found = begin()
        return await found if hasattr(found, "__await__") else found

    return loop.run(finish())


@pytest.fixture
def through_prisma(clients: Any, interface: str) -> Callable[..., Any]:
    """Calls use(records) on a client connected to the url; what it returns may have to be awaited."""

    def through(url: str, use: Callable[[Any], Any], wrap: Callable[[Any], Any] = as_records) -> Any:
        client = clients(url, interface)
        return awaited(clients.loop, lambda: use(wrap(client)))

    return through


@pytest.fixture
def read(through_prisma: Callable[..., Any], interface: str) -> Read:
    def read(url: str, user_id: str, objective_id: str, as_of_ms: int | None) -> Read:
        name = "read" if interface == "sync" else "aread"
        return through_prisma(url, lambda records: getattr(records, name)(user_id, objective_id, as_of_ms, WINDOW))

    return read


@pytest.mark.parametrize("as_of_ms", [NOW, NOW - DAY_MS, NOW - 30 * DAY_MS, 0, -(10**17), 10**17])
def test_every_source_reads_as_through_our_own_client(url: str, read: Read, as_of_ms: int) -> None:
    with connect(url) as client:
        ours = client.read("learner", "objective", as_of_ms, WINDOW)
    assert read(url, "learner", "objective", as_of_ms) == ours
    if as_of_ms == NOW:
        assert ours.missing_sources == ("behavioral_patterns.patternType (unknown value 'a text')",)
        fields = ours.learner._asdict() | ours.objective._asdict()
        assert all(field not in ((), []) for name, field in fields.items() if name != "unknown_values")


def test_without_a_moment_it_is_now(url: str, read: Read) -> None:
    with connect(url) as client:
        earlier = client.now()
        rows = read(url, "learner", "objective", None)
        assert earlier <= rows.as_of_ms <= client.now()
    assert rows.is_now
    assert rows.learner.profile.content_preferences == EXAMPLES["Json"]


def test_the_demo_databases_clock_and_rows_are_the_same(demo_copy: str, read: Read) -> None:
    with connect(demo_copy) as client:
        ours = client.read(demo.LEARNER, "action-potentials", None, WINDOW)
    assert read(demo_copy, demo.LEARNER, "action-potentials", None) == ours
    assert ours.as_of_ms == demo.NOW_MS


def test_every_stored_form_of_an_instant_is_the_same_instant(tmp_path: Path, read: Read) -> None:
    forms = [
        "2025-03-01T12:34:56.789+00:00",
        NOW,
        "2025-03-01 12:34:56.789",
        "2025-03-01T07:34:56.789-05:00",
        float(NOW),
    ]
    url = f"file:{tmp_path}/forms.db"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    connection = sqlite3.connect(tmp_path / "forms.db")
    connection.execute("INSERT INTO users (id) VALUES ('ann')")
    connection.execute("INSERT INTO learning_objectives (id, lectureId, objective) VALUES ('o', 'l', 'x')")
    for number, form in enumerate(forms):
        add = "INSERT INTO reviews (id, userId, cardId, rating, reviewedAt) VALUES (?, 'ann', 'k', 'GOOD', ?)"
        connection.execute(add, (f"r{number}", form))
    connection.commit()
    connection.close()
    assert [row.reviewed_at_ms for row in read(url, "ann", "o", NOW + 1).learner.reviews] == [NOW] * len(forms)
    assert read(url, "ann", "o", NOW).learner.reviews == []


def test_ids_reach_the_database_as_they_are(url: str, read: Read) -> None:
    rows = read(url, ODD_ID, ODD_ID, NOW)
    assert (rows.learner.learner.id, rows.objective.objective.id) == (ODD_ID, ODD_ID)


@pytest.mark.parametrize("absent", ["", "nobody", "learner'", "\0", "a\udcff", "$1", "x" * 10_000])
def test_who_is_unknown_is_unknown(url: str, read: Read, absent: str) -> None:
    with pytest.raises(UnknownLearner):
        read(url, absent, "objective", NOW)
    with pytest.raises(UnknownObjective):
        read(url, "learner", absent, NOW)


@pytest.mark.parametrize("topic", ["c", "a text", "heart", ODD_ID, "nothing", ""])
def test_a_topic_has_the_same_objectives(url: str, through_prisma: Callable[..., Any], topic: str) -> None:
    with connect(url) as client:
        ours = client.objectives_of_topic(topic)
    assert through_prisma(url, lambda records: records.objectives_of_topic(topic)) == ours
    assert bool(ours) == (topic not in ("nothing", ""))


def test_the_clock_is_a_clock(url: str, through_prisma: Callable[..., Any]) -> None:
    with connect(url) as client:
        assert abs(through_prisma(url, lambda records: records.now()) - client.now()) < 60_000


def test_the_extractor_takes_a_prisma_client(url: str, through_prisma: Callable[..., Any], interface: str) -> None:
    with connect(url) as client:
        ours = StruggleFeatureExtractor(client).extract("learner", "objective", NOW)

    def features(extractor: Any) -> Any:
        if interface == "sync":
            return extractor.extract("learner", "objective", NOW)
        return extractor.extract_features_for_objective("learner", "objective", NOW)

    found = through_prisma(url, features, wrap=StruggleFeatureExtractor)
    assert found.to_dict() == ours.to_dict()
    assert "retention_score" not in ours.defaulted


def test_a_sync_client_serves_an_event_loop_too(url: str, clients: Any) -> None:
    rows = clients.loop.run(as_records(clients(url, "sync")).aread("learner", "objective", NOW, WINDOW))
    assert rows.learner.learner.id == "learner"


def test_an_async_client_cannot_be_called_without_an_event_loop(client_class: ClientClass) -> None:
    records = as_records(client_class("sqlite", "asyncio")(datasource={"url": "file:/nowhere.db"}))
    with pytest.raises(DatabaseConfiguration, match="aread"):
        records.read("learner", "objective", NOW, WINDOW)
    assert records.now() > NOW


def test_a_disconnected_client_is_an_unavailable_database(client_class: ClientClass, url: str) -> None:
    records = as_records(client_class("sqlite", "sync")(datasource={"url": url}))
    with pytest.raises(DatabaseUnavailable, match="ClientNotConnectedError"):
        records.read("learner", "objective", NOW, WINDOW)


def test_a_database_without_the_tables_is_refused(read: Read, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    with pytest.raises(RequiredTableAbsent):
        read(f"file:{tmp_path}/empty.db", "learner", "objective", NOW)


def test_an_object_of_another_kind_is_refused() -> None:
    class Other:
        _active_provider = "mongodb"

        def query_raw(self, query: str, *parameters: object) -> list[object]:
            return []

    with pytest.raises(DatabaseConfiguration, match="postgresql or sqlite"):
        as_records(Other())


@pytest.mark.parametrize("kind", ["uuid", "integer", "bigint"])
def test_postgresqls_ids_may_be_of_another_type(postgres_url: str, read: Read, kind: str) -> None:
    """Prisma binds text to a text parameter only; the stand-in for its engine is as strict."""
    given = ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"]
    given = given if kind == "uuid" else ["7", "8"]
    statements = [re.sub(r'(?i)(id") text\b', rf"\1 {kind}", statement) for statement in ddl("postgresql")]
    with psycopg2.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute(";".join(statements))
        cursor.execute("INSERT INTO users (id) VALUES (%s)", given[:1])
        cursor.execute(
            'INSERT INTO learning_objectives (id, "lectureId", objective) VALUES (%s, %s, %s)', (*given[::-1], "x")
        )
    connection.close()
    rows = read(postgres_url, *given, NOW)
    assert [rows.learner.learner.id, rows.objective.objective.id] == given
    with pytest.raises(UnknownLearner):
        read(postgres_url, "no such form", given[1], NOW)


def test_the_servers_time_zone_moves_no_instant(postgres_url: str, read: Read) -> None:
    with psycopg2.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute(";".join(ddl("postgresql")).replace('"reviewedAt" TIMESTAMP(3)', '"reviewedAt" TIMESTAMPTZ(3)'))
        cursor.execute(f"ALTER DATABASE {connection.info.dbname} SET timezone = 'America/New_York'")
    connection.close()
    fill(postgres_url)
    with connect(postgres_url) as client:
        for hours in (0, 3, 23, 24, 27):
            ours = client.read("learner", "objective", NOW - hours * HOUR_MS, WINDOW)
            assert read(postgres_url, "learner", "objective", NOW - hours * HOUR_MS) == ours


def test_a_url_with_a_schema_reads_that_schema(postgres_url: str, read: Read) -> None:
    with psycopg2.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "the app"')
    connection.close()
    url = f"{postgres_url}?schema=the%20app"
    with open_writer(url) as writer:
        writer.create_tables()
    assert read(fill(url), "learner", "objective", NOW).learner.learner.id == "learner"


def test_the_schema_a_client_was_generated_from_names_the_tables(client_class: ClientClass, tmp_path: Path) -> None:
    with open(SCHEMA, encoding="utf-8") as stream:
        text = stream.read()
    renamed = text.replace('@@map("users")', '@@map("people")')
    renamed = re.sub(r"(includeInAnalytics.*)", r'\1 @map("counted")', renamed, count=1)
    path = tmp_path / "renamed.prisma"
    path.write_text(renamed)
    connection = sqlite3.connect(tmp_path / "app.db")
    for statement in ddl("sqlite"):
        connection.execute(statement.replace('"users"', '"people"').replace('"includeInAnalytics"', '"counted"'))
    connection.execute("INSERT INTO people (id, counted) VALUES ('ann', 0)")
    connection.execute("INSERT INTO learning_objectives (id, lectureId, objective) VALUES ('o', 'l', 'x')")
    connection.commit()
    connection.close()
    directory = str(tmp_path / "renamed")
    os.mkdir(directory)
    client = generated_client(directory, "sqlite", "sync", str(path))(datasource={"url": f"file:{tmp_path}/app.db"})
    client.connect()
    try:
        rows = as_records(client).read("ann", "o", NOW, WINDOW)
    finally:
        client.disconnect()
    assert rows.learner.learner.include_in_analytics is False
