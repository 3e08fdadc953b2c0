"""Columns of other types than Prisma would make: what they say is read all the same."""

from __future__ import annotations

from typing import Any

import pytest

import db
from db.writing.open import open_writer
from tests.support.postgres_server import Databases, connected, with_demo
from tests.support.running_predict import LEARNER, OBJECTIVE, ran
from tests.support.study_database import LEARNER as ADA
from tests.support.study_database import NOW_MS, WIDE, by_bare_names, execute, insert, lay_out
from tests.support.study_database import OBJECTIVE as LIMITS


def everything(url: str) -> tuple[Any, ...]:
    with db.connect(url, timeout_s=30) as client:
        now = client.now()
        alone = client.read(LEARNER, OBJECTIVE, now, WIDE)
        (crowd,) = client.stream_learners(now, WIDE, [LEARNER])
        objectives = client.read_objectives([OBJECTIVE], WIDE)
        return alone, crowd, objectives, sorted(client.objectives_of_topic(alone.objective.objective.course_name))


@pytest.fixture(scope="module")
def reference(postgres_databases: Databases) -> tuple[str, tuple[Any, ...]]:
    url = with_demo(postgres_databases.empty())
    return url, everything(url)


DOMAINS = "CREATE DOMAIN moment AS timestamp(3); CREATE DOMAIN late_moment AS moment; CREATE DOMAIN word AS text;"
ALTERED = {
    "instants of a domain": (
        DOMAINS,
        ("reviews", "reviewedAt", "moment"),
        ("study_sessions", "startedAt", "late_moment"),
        ("performance_metrics", "date", "moment"),
        ("exams", "date", "late_moment"),
        ("cards", "lastReviewedAt", "moment"),
    ),
    "instants with a time zone": (
        ("reviews", "reviewedAt", "timestamptz USING \"reviewedAt\" AT TIME ZONE 'UTC'"),
        ("study_sessions", "startedAt", "timestamptz(3) USING \"startedAt\" AT TIME ZONE 'UTC'"),
    ),
    "instants as milliseconds": (
        ("reviews", "reviewedAt", 'bigint USING floor(extract(epoch FROM "reviewedAt") * 1000)'),
        ("missions", "date", 'numeric USING floor(extract(epoch FROM "date") * 1000)'),
    ),
    "ids of other texts": (
        DOMAINS,
        ("users", "id", "varchar(40)"),
        ("reviews", "userId", "char(40)"),
        ("reviews", "cardId", "word"),
        ("cards", "id", "varchar(99)"),
        ("learning_objectives", "id", "word"),
        ("performance_metrics", "learningObjectiveId", "char(60)"),
    ),
    "numbers of other types": (
        ("performance_metrics", "retentionScore", "numeric"),
        ("cards", "reviewCount", "text"),
        ("cards", "lapseCount", "double precision"),
        ("study_sessions", "newCardsStudied", "smallint"),
        ("study_sessions", "durationMs", "bigint"),
    ),
    "booleans as numbers and texts": (
        ("users", "includeInAnalytics", 'smallint USING "includeInAnalytics"::int'),
        ("users", "performanceTrackingEnabled", "text"),
        ("validation_responses", "skipped", 'integer USING "skipped"::int'),
        ("struggle_predictions", "actualOutcome", 'char(5) USING "actualOutcome"::text'),
        ("prediction_feedbacks", "actualStruggle", 'varchar(5) USING "actualStruggle"::text'),
    ),
    "lists and documents of other types": (
        ("lectures", "topicTags", 'json USING to_json("topicTags")'),
        ("exams", "coverageTopics", 'jsonb USING to_jsonb("coverageTopics")'),
        ("missions", "objectives", "text"),
        ("behavioral_patterns", "patternData", "json"),
        ("user_learning_profiles", "contentPreferences", "text"),
    ),
    "enums as texts": (
        DOMAINS,
        ("reviews", "rating", "char(5)"),
        ("learning_objectives", "complexity", "word"),
        ("learning_objectives", "masteryLevel", "varchar(20)"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALTERED)
def test_it_reads_the_same(postgres_databases: Databases, reference: tuple[str, tuple[Any, ...]], kind: str) -> None:
    url, expected = reference
    name = url.rpartition("/")[2]
    copy = postgres_databases._create(f"{name}_{list(ALTERED).index(kind)}", f"TEMPLATE {name}")
    with connected(copy) as cursor:
        for each in ALTERED[kind]:
            if isinstance(each, str):
                cursor.execute(each)
                continue
            table, column, told = each
            cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" DROP DEFAULT')
            using = "" if "USING" in told else f' USING "{column}"::text::{told}'
            cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {told}{using}')
    assert everything(copy) == expected
    ran(url=copy).is_whole()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint", "numeric"])
def test_ids_that_are_numbers(postgres_databases: Databases, kind: str) -> None:
    url = postgres_databases.with_tables()
    with connected(url) as cursor:
        for table, column in (("users", "id"), ("reviews", "userId")):
            cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {kind} USING "{column}"::{kind}')
    lay_out_numbered(url)
    with db.connect(url) as client:
        for identifier in ("7", "8"):
            assert client.read(identifier, LIMITS, NOW_MS, WIDE).learner.learner.id == identifier
        assert len(list(client.stream_learners(NOW_MS, WIDE, ["7", "x", "9" * 400]))) == 1
    for unknown in ("ada", "9" * 400, "-7", "7.0"):
        ran(unknown, LIMITS, url=url).error(66, "unknown_learner")


def lay_out_numbered(url: str) -> None:
    execute(url, 'INSERT INTO "users" ("id") VALUES (7), (8)')
    execute(
        url,
        'INSERT INTO "courses" ("id", "userId", "name") VALUES (\'c\', \'7\', \'C\')',
        'INSERT INTO "lectures" ("id", "userId", "courseId", "title") VALUES (\'l\', \'7\', \'c\', \'L\')',
        f'INSERT INTO "learning_objectives" ("id", "lectureId", "objective") VALUES (\'{LIMITS}\', \'l\', \'O\')',
    )


TAGS = [
    r'["limits", "a\u0000b"]',
    r'["\ud83d", "limits"]',
    r'["caf\u00e9", "limits"]',
    '["café", "limits"]',
    '[ "limits" ]',
]


@pytest.mark.slow
@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("kind", ["json", "text", "varchar"])
def test_a_topic_is_found_in_json_that_is_no_jsonb(postgres_databases: Databases, tags: str, kind: str) -> None:
    url = postgres_databases.with_tables()
    lay_out(url)
    with connected(url) as cursor:
        cursor.execute(f'ALTER TABLE "lectures" ALTER COLUMN "topicTags" TYPE {kind} USING to_json("topicTags")')
        cursor.execute('UPDATE "lectures" SET "topicTags" = %s WHERE "id" = %s', (tags, "l1"))
    with db.connect(url) as client:
        assert client.objectives_of_topic("limits") == [LIMITS, "sequences"]
        assert client.objectives_of_topic("limit") == []
        assert client.read(ADA, LIMITS, NOW_MS, WIDE).objective.objective.topic_tags
        if "caf" in tags and kind == "json":
            assert client.objectives_of_topic("café") == [LIMITS, "sequences"]


@pytest.mark.slow
@pytest.mark.parametrize("document", ['"limits"', "{}", "null", "3"])
def test_tags_that_are_no_list_name_no_topic(postgres_databases: Databases, document: str) -> None:
    url = postgres_databases.with_tables()
    lay_out(url)
    with connected(url) as cursor:
        cursor.execute('ALTER TABLE "lectures" ALTER COLUMN "topicTags" TYPE json USING to_json("topicTags")')
        cursor.execute('UPDATE "lectures" SET "topicTags" = %s', (document,))
    with db.connect(url) as client:
        assert client.objectives_of_topic("limits") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stored", "skipped"),
    [
        ("'true'", True),
        ("'TRUE'", True),
        ("'t'", True),
        ("'1'", True),
        ("1.0", True),
        ("1", True),
        ("'yes'", True),
        ("'false'", False),
        ("'f'", False),
        ("'0'", False),
        ("0", False),
        ("0.0", False),
        ("''", False),
    ],
)
def test_a_skipped_prompt_is_no_answer_however_sqlite_holds_it(sqlite_url: str, stored: str, skipped: bool) -> None:
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
        by_bare_names(writer).execute('DROP TABLE "validation_responses"')
        by_bare_names(writer).execute(
            'CREATE TABLE "validation_responses"'
            ' ("id", "promptId", "userId", "score", "respondedAt", "skipped", "sessionId")'
        )
    lay_out(sqlite_url)
    insert(sqlite_url, "ValidationResponse", [{"promptId": "p", "score": 0.5, "respondedAt": NOW_MS - 1}])
    execute(
        sqlite_url,
        f'UPDATE "validation_responses" SET "skipped" = {stored}',
        f'UPDATE "users" SET "includeInAnalytics" = {stored}',
    )
    with db.connect(sqlite_url) as client:
        found = client.read(ADA, LIMITS, NOW_MS, WIDE)
    assert len(found.learner.validations) == (0 if skipped else 1)
    if stored != "''":
        assert found.learner.learner.include_in_analytics is skipped
