"""Bad values in good tables: whatever the tables accept is read without an error, as data or as none."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import db
from db import StudyRows
from db.sql import decode_values
from tests.support.study_database import LEARNER, NOW_MS, OBJECTIVE, WIDE, execute, insert, lay_out, reviews


@pytest.fixture
def course(database: str) -> str:
    lay_out(database)
    return database


def read(url: str) -> StudyRows:
    with db.connect(url, timeout_s=30) as client:
        return client.read(LEARNER, OBJECTIVE, NOW_MS, WIDE)


NUMBERS = [math.inf, -math.inf, -5.0, 7.5, 1e308, 0.1 + 0.2]


@pytest.mark.slow
def test_scores_are_as_stored_and_none_where_they_measure_nothing(course: str) -> None:
    numbers = [*NUMBERS, math.nan] if course.startswith("postgresql") else NUMBERS
    insert(
        course,
        "PerformanceMetric",
        [
            {"learningObjectiveId": f"o{place}", "date": NOW_MS - 100 + place, "retentionScore": number}
            for place, number in enumerate(numbers)
        ],
    )
    found = [metric.retention_score for metric in read(course).learner.metrics]
    assert found == [None, None, -5.0, 7.5, 1e308, 0.1 + 0.2, *([None] if len(numbers) > 6 else [])]


DOCUMENTS = {
    '"text"': "text",
    "[1, 2]": [1, 2],
    "null": None,
    "3": 3,
    '{"a": {"b": [null, true]}}': {"a": {"b": [None, True]}},
}


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_json_columns_may_hold_any_json(course: str, document: str) -> None:
    pattern = {"patternType": "X", "patternData": {}, "confidence": 1.0, "lastSeenAt": NOW_MS - 1}
    insert(course, "BehavioralPattern", [pattern])
    insert(course, "Mission", [{"date": NOW_MS, "objectives": []}])
    insert(course, "UserLearningProfile", [{}])
    execute(
        course,
        ('UPDATE "behavioral_patterns" SET "patternData" = ?', (document,)),
        ('UPDATE "missions" SET "objectives" = ?', (document,)),
        ('UPDATE "user_learning_profiles" SET "learningStyleProfile" = ?', (document,)),
    )
    learner = read(course).learner
    assert learner.patterns[0].pattern == DOCUMENTS[document]
    assert learner.missions[0].objectives == DOCUMENTS[document]
    assert learner.profile.learning_style == DOCUMENTS[document]


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    ["{", "", "NaN", "[1,]", "{'a': 1}", "\0", "[" * 100_000, '{"a": Infinity}', "[" + "1," * 200_000 + "1]"],
    ids=lambda text: ascii(text[:12]),
)
def test_broken_json_text_is_none(course: str, broken: str) -> None:
    if course.startswith("postgresql"):
        if "\0" in broken:
            return  # no such text can be stored
        execute(course, 'ALTER TABLE "behavioral_patterns" ALTER COLUMN "patternData" TYPE text')
    pattern = (
        'INSERT INTO "behavioral_patterns" ("id", "userId", "patternType", "patternData", "confidence", "lastSeenAt")'
    )
    execute(course, (f"{pattern} VALUES ('p', ?, 'X', ?, 0.5, '2025-01-01 00:00:00')", (LEARNER, broken)))
    (pattern_row,) = read(course).learner.patterns
    assert pattern_row.pattern in (None, {"a": None})


@pytest.mark.slow
def test_lists_of_texts_in_any_guise(course: str) -> None:
    if course.startswith("postgresql"):
        stored = ["ARRAY['a', NULL, 'ü']::text[]", "'{}'::text[]", "NULL"]
    else:
        stored = ['\'["a", null, "ü"]\'', "'[]'", "NULL", "'no json'", "'{\"a\": 1}'", "7"]
    for place, value in enumerate(stored):
        exam = 'INSERT INTO "exams" ("id", "userId", "courseId", "name", "date", "coverageTopics")'
        date = "'2025-01-01 00:00:00'"
        execute(course, f"{exam} VALUES ('{place}', '{LEARNER}', 'calculus', 'x', {date}, {value})")
    found = [exam.coverage_topics for exam in read(course).learner.exams]
    assert sorted(found) == sorted([("a", "ü")] + [()] * (len(stored) - 1))


@pytest.mark.slow
def test_null_in_every_column_that_may_be_null(course: str) -> None:
    from db.tables.ddl import TABLES

    for table in TABLES.values():
        for field in table.fields.values():
            if field.nullable and table.model not in ("User", "StrugglePrediction", "PredictionFeedback"):
                execute(course, f'UPDATE "{table.name}" SET "{field.name}" = NULL')
    insert(course, "UserLearningProfile", [{"learningStyleProfile": None, "optimalSessionDuration": None}])
    insert(course, "StudySession", [{"startedAt": NOW_MS - 1, "completedAt": None, "durationMs": None}])
    insert(course, "Mission", [{"date": NOW_MS, "objectives": []}])
    insert(
        course,
        "BehavioralEvent",
        [{"eventType": "X", "timestamp": NOW_MS - 1, "sessionPerformanceScore": None, "engagementLevel": None}],
    )
    found = read(course)
    assert found.objective.objective.last_studied_at_ms is None
    assert found.learner.sessions[0].completed_at_ms is None
    assert found.learner.events[0].performance_score is None
    assert found.objective.cards == []


@pytest.mark.slow
def test_an_unknown_rating_is_neither_right_nor_wrong_and_is_named(course: str) -> None:
    if course.startswith("postgresql"):
        execute(course, 'ALTER TABLE "reviews" ALTER COLUMN "rating" TYPE text')
    reviews(course, [NOW_MS - 2], rating="MEH")
    reviews(course, [NOW_MS - 1])
    found = read(course)
    assert [review.rating for review in found.learner.reviews] == ["GOOD"]
    assert found.missing_sources == ("reviews.rating (unknown value 'MEH')",)


def test_text_that_is_no_utf8_is_read_with_marks_in_its_place(course: str) -> None:
    if course.startswith("postgresql"):
        return  # the server lets no such text in
    execute(course, ('UPDATE "courses" SET "name" = CAST(? AS TEXT)', (b"caf\xe9",)))
    assert read(course).objective.objective.course_name == "caf\ufffd"


def test_a_card_whose_id_is_no_utf8_still_has_its_objective(course: str) -> None:
    if course.startswith("postgresql"):
        return  # the server lets no such text in
    reviews(course, [NOW_MS - 2, NOW_MS - 1])
    for table, column in (("cards", "id"), ("reviews", "cardId")):
        odd = f'UPDATE "{table}" SET "{column}" = CAST(? AS TEXT) WHERE "{column}" = \'limits-1\''
        execute(course, (odd, (b"caf\xe9",)))
    found = read(course).learner.reviews
    assert [(review.card_id, review.objective_id) for review in found] == [("caf\ufffd", OBJECTIVE)] * 2


@pytest.mark.slow
def test_a_huge_text_is_cut_and_a_huge_document_is_none(course: str) -> None:
    execute(course, ('UPDATE "courses" SET "name" = ?', ("y" * 5_000_000,)))
    huge = {"patternType": "X", "patternData": {"a": "z" * 5_000_000}, "confidence": 1.0, "lastSeenAt": NOW_MS - 1}
    insert(course, "BehavioralPattern", [huge])
    found = read(course)
    assert len(found.objective.objective.course_name or "") == 1000
    assert found.learner.patterns[0].pattern is None


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.none()),
)


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_no_reading_raises_whatever_the_driver_hands_over(value: object) -> None:
    assert decode_values.text(value) is None or isinstance(decode_values.text(value), str)
    number = decode_values.number(value)
    assert number is None or math.isfinite(number)
    assert decode_values.integer(value) is None or isinstance(decode_values.integer(value), int)
    instant_ms = decode_values.instant_ms(value)
    assert instant_ms is None or decode_values.EARLIEST_MS <= instant_ms <= decode_values.LATEST_MS
    assert isinstance(decode_values.flag(value), bool)
    decode_values.decoded(value)
    assert all(isinstance(text, str) for text in decode_values.texts(value))
