"""Whatever rows the tables' own definitions let in, the answer is valid JSON with finite features in 0..1.

Rows are drawn by hypothesis for every table a prediction reads, with ids that often fit together, and stored past our
own writing code, by plain INSERTs; a second row of a unique key is left out. SQLite lets any type into any column.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import predict
from db.tables.ddl import ENUMS, TABLES, Field, Table, ddl
from ml.features.vector import FEATURE_NAMES
from ml.json_text import dumps
from ml.model import StrugglePredictionModel
from ml.study.degraded import SENTENCES
from tests.support.outputs import read_output
from tests.support.postgres_server import Databases
from tests.support.trained_models import save_model

pytestmark = pytest.mark.slow

Stored = dict[str, list[dict[str, Any]]]
"""Rows by model."""

LEARNER, OBJECTIVE = "ada", "limits"
READ = [model for model in TABLES if model != "StruggleIndicator"]
POOLS = {
    "userId": [LEARNER, LEARNER, LEARNER, "bob"],
    "courseId": ["calculus", "calculus", "other"],
    "lectureId": ["l1", "l1", "l2", "nowhere"],
    "objectiveId": [OBJECTIVE, OBJECTIVE, "sequences", "series", "nowhere"],
    "learningObjectiveId": [OBJECTIVE, OBJECTIVE, "sequences", "nowhere"],
    "prerequisiteId": ["sequences", OBJECTIVE, "series", "nowhere"],
    "cardId": ["Card-0", "Card-1", "Card-2", "nowhere"],
    "promptId": ["ValidationPrompt-0", "ValidationPrompt-1", "nowhere"],
    "predictionId": ["StrugglePrediction-0", "StrugglePrediction-1"],
    "sessionId": ["s1", "s2", "order-only:x"],
    "eventType": ["MISSION_STARTED", "CARD_REVIEWED", "SESSION_ENDED", "?"],
    "patternType": ["STRUGGLE_TOPIC", "FORGETTING_CURVE", "OPTIMAL_STUDY_TIME", "?"],
    "engagementLevel": ["LOW", "MEDIUM", "HIGH", "?"],
    "contentType": ["VIDEO", "TEXT", "?"],
    "feedbackType": ["HELPFUL", "?"],
    "performanceTrackingEnabled": [True, True, True, False],  # off, nothing is worked out from the other rows
}
OWN_IDS = {
    "User": [LEARNER, "bob"],
    "Course": ["calculus", "other"],
    "Lecture": ["l1", "l2"],
    "LearningObjective": [OBJECTIVE, "sequences", "series"],
}
INSTANTS = [
    "1970-01-01 00:00:00",
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59.999",
    "2025-03-03 11:06:40",
    "2025-03-03 11:06:40.001",
    "2025-02-28 00:00:00",
    "2024-12-31 23:59:59",
]
AS_OF_MS = [None, 1_741_000_000_000, 0, -62_135_596_800_000, 253_402_300_799_999]
LARGE = [2**31 - 1, -(2**31)]
FLOATS = st.one_of(st.floats(), st.floats(0, 1), st.sampled_from([1e308, -1e308, 5e-324, -0.0]))
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [*FEATURE_NAMES[:4], "visual", "reading", "objectiveId", "objective", "topicArea", "defaulted", "id"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
ANYTHING = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    FLOATS,
    st.text(max_size=12),
    st.binary(max_size=12),
    st.sampled_from([*INSTANTS, 1_741_000_000_000, "1741000000000", "2025-03-03T11:06:40+14:00", "[", "{}", "NaN"]),
)


def fitting(field: Field, dialect: str) -> st.SearchStrategy[Any]:
    """Values of the column's own type, at and beyond the edges of what it means."""
    if field.name in POOLS:
        return st.sampled_from(POOLS[field.name])
    if field.type in ENUMS:
        return st.sampled_from(ENUMS[field.type])
    if field.type == "DateTime":
        infinite = ["infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59"]
        return st.sampled_from(INSTANTS + (infinite if dialect == "postgresql" else []))
    texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
    lists = st.lists(st.none() | texts, max_size=3)
    return {
        "String": texts,
        "Int": st.one_of(st.integers(-3, 100), st.sampled_from(LARGE)),
        "Float": FLOATS,
        "Boolean": st.booleans(),
        "Json": JSON_VALUES.map(json.dumps).filter(lambda text: "\\u0000" not in text and "\\ud" not in text),
        "String[]": lists if dialect == "postgresql" else lists.map(json.dumps),
    }[field.type]


def is_stored(value: object) -> bool:
    """Whether SQLite keeps it where NULL is not let in; it makes NULL of NaN."""
    return value is not None and value == value


def column(field: Field, dialect: str) -> st.SearchStrategy[Any]:
    values = fitting(field, dialect)
    if dialect == "sqlite" and not field.nullable:
        values = values.filter(is_stored)
    if dialect == "sqlite" and not field.name.endswith("d"):  # ids of odd types would fit nothing, and test nothing
        anything = ANYTHING if field.nullable else ANYTHING.filter(is_stored)
        values = st.one_of(values, values, anything)
    return st.one_of(values, values, st.none()) if field.nullable or field.type == "String[]" else values


def rows_of(table: Table, dialect: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    names = [name for name in table.fields if name != "id"]
    drawn = st.fixed_dictionaries({name: column(table.fields[name], dialect) for name in names})
    most = len(OWN_IDS.get(table.model, range(4)))
    least = most if table.model in OWN_IDS else 0
    ids = OWN_IDS.get(table.model, [f"{table.model}-{place}" for place in range(most)])
    return st.lists(drawn, min_size=least, max_size=most).map(
        lambda rows: [{"id": identifier, **row} for identifier, row in zip(ids, rows)]
    )


def contents(dialect: str) -> st.SearchStrategy[Stored]:
    return st.fixed_dictionaries({model: rows_of(TABLES[model], dialect) for model in READ})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[StrugglePredictionModel]:
    trained = save_model(str(tmp_path_factory.mktemp("model")))
    return [StrugglePredictionModel(), StrugglePredictionModel.load(trained)]


def check(url: str, models: list[StrugglePredictionModel], stored: Stored, as_of_ms: int | None) -> None:
    """The whole pipeline without the net that predict.respond holds under it: an exception here is a bug."""
    tracked = {row["id"]: row["performanceTrackingEnabled"] for row in stored["User"]}[LEARNER]
    request = predict.Request(LEARNER, OBJECTIVE)
    request.database_url, request.timeout_s, request.as_of_ms = url, 60.0, as_of_ms
    for model in models:
        answer = read_output(dumps(predict.predict(request, model)))
        assert answer["degraded"] == ("" if tracked else SENTENCES["tracking_off"])
        features = answer["features"]
        assert all(math.isfinite(features[name]) and 0 <= features[name] <= 1 for name in FEATURE_NAMES)
        assert 0 <= answer["probability"] <= 1
        assert 0 <= answer["confidence"] <= 1
        low, high = answer["interval"]
        assert 0 <= low <= answer["probability"] <= high <= 1


def quoted(table: Table, row: dict[str, Any], mark: str) -> tuple[str, list[Any]]:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join([mark] * len(row))
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', list(row.values())


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, sqlite3.Connection]]:
    path = str(tmp_path_factory.mktemp("hostile") / "app.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ddl("sqlite"):
            connection.execute(statement)
        yield f"file:{path}", connection


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(contents("sqlite"), st.sampled_from(AS_OF_MS))
def test_any_rows_that_sqlite_accepts(
    sqlite_file: tuple[str, sqlite3.Connection],
    models: list[StrugglePredictionModel],
    stored: Stored,
    as_of_ms: int | None,
) -> None:
    url, connection = sqlite_file
    connection.execute("BEGIN")
    for model, rows in stored.items():
        table = TABLES[model]
        connection.execute(f'DELETE FROM "{table.name}"')
        for row in rows:
            sql, values = quoted(table, row, "?")
            connection.execute(f"{sql} ON CONFLICT DO NOTHING", values)
    connection.execute("COMMIT")
    check(url, models, stored, as_of_ms)


@pytest.fixture(scope="module")
def postgres(postgres_databases: Databases) -> Iterator[tuple[str, Any]]:
    url = postgres_databases.with_tables()
    with contextlib.closing(psycopg2.connect(url)) as connection:
        yield url, connection


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(contents("postgresql"), st.sampled_from(AS_OF_MS))
def test_any_rows_that_postgresql_accepts(
    postgres: tuple[str, Any], models: list[StrugglePredictionModel], stored: Stored, as_of_ms: int | None
) -> None:
    url, connection = postgres
    cursor = connection.cursor()
    for model, rows in stored.items():
        table = TABLES[model]
        cursor.execute(f'DELETE FROM "{table.name}"')
        for row in rows:
            sql, values = quoted(table, row, "%s")
            cursor.execute(f"{sql} ON CONFLICT DO NOTHING", values)
    connection.commit()
    check(url, models, stored, as_of_ms)
