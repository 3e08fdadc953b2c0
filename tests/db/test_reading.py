"""What a client reads is the same from every database: the contract that all backends hold."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import db
from db import Opened, StudyRows, connecting, demo, errors
from db.reading import queries, rows
from db.reading.decode_rows import RowDecoder
from db.sql.templates import Query
from db.tables.ddl import TABLES
from db.tables.models import MODELS
from db.writing.open import open_writer
from ml.study.history import WINDOW, Window
from tests.support.study_database import (
    DAY_MS,
    LEARNER,
    NOW_MS,
    OBJECTIVE,
    WIDE,
    Narrow,
    execute,
    insert,
    lay_out,
    reviews,
)

if TYPE_CHECKING:
    from db.sql.templates import Conversation


@pytest.fixture
def course(database: str) -> str:
    lay_out(database)
    return database


def read(
    url: str, as_of_ms: int | None = NOW_MS, window: Window = WIDE, learner: str = LEARNER, objective: str = OBJECTIVE
) -> StudyRows:
    with db.connect(url, timeout_s=30) as client:
        return client.read(learner, objective, as_of_ms, window)


@pytest.mark.slow
def test_an_objective_comes_with_its_lecture_its_course_and_its_owner(course: str) -> None:
    found = read(course).objective
    assert found.objective._asdict() == {
        "id": OBJECTIVE,
        "complexity": "ADVANCED",
        "mastery_level": "BEGINNER",
        "weakness_score": 0.75,
        "last_studied_at_ms": NOW_MS - DAY_MS,
        "owner_id": LEARNER,
        "course_id": "calculus",
        "course_name": "Calculus I",
        "topic_tags": ("analysis", "limits"),
    }
    assert [tuple(row) for row in found.prerequisites] == [
        ("sequences", "MASTERED", LEARNER, "Name a sequence", "calculus")
    ]
    assert [card.id for card in found.cards] == ["limits-1", "limits-2"]


@pytest.mark.slow
def test_cards_are_those_of_the_objective_only(course: str) -> None:
    insert(course, "Card", [{"id": "stray", "courseId": "calculus", "objectiveId": None}])
    assert {card.id for card in read(course).objective.cards} == {"limits-1", "limits-2"}


@pytest.mark.slow
def test_a_review_knows_its_objective_and_course_and_whether_its_time_is_one(course: str) -> None:
    reviews(course, [NOW_MS - 5], id="r1", rating="AGAIN", sessionId="order-only:9")
    reviews(course, [NOW_MS - 4], id="r2", cardId="gone")
    first, second = read(course).learner.reviews
    assert first._asdict() == {
        "card_id": "limits-1",
        "objective_id": OBJECTIVE,
        "course_id": "calculus",
        "rating": "AGAIN",
        "reviewed_at_ms": NOW_MS - 5,
        "order_only": True,
    }
    assert (second.objective_id, second.course_id, second.order_only) == (None, None, False)


def test_only_a_session_that_is_marked_so_makes_a_time_mere_order(course: str) -> None:
    marked = ("order-only:", "order-only:9", "order-only:\u00e9")
    others = (
        "cmb1x0001",
        "0199ea50-fc00-7537-85c4-37dc3ab65045",
        "ORDER-ONLY:9",
        "order-only",
        "order-only;",
        "zzz",
        "",
    )
    ids: list[str | None] = [*marked, *others, None]
    for place, session in enumerate(ids):
        reviews(course, [NOW_MS - 1000 + place], id=f"r{place}", sessionId=session)
    assert [row.order_only for row in read(course).learner.reviews] == [session in marked for session in ids]


def test_sqlite_sends_no_session_but_those_that_may_be_marked(course: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if course.startswith("postgresql"):
        return  # there the whole text is read
    reviews(course, [NOW_MS - 5], id="r1", sessionId="cmb1x0001")
    reviews(course, [NOW_MS - 4], id="r2", sessionId="order-only:9")
    sent: list[object] = []
    decoded = RowDecoder.reviews

    def noting(decoder: RowDecoder, results: Sequence[Sequence[object]]) -> list[rows.ReviewRow]:
        sent.extend(row[-1] for row in results)
        return decoded(decoder, results)

    monkeypatch.setattr(RowDecoder, "reviews", noting)
    read(course)
    assert sent == ["order-only:9", None]


def dated_rows(at_ms: int) -> dict[str, dict[str, object]]:
    """A row of every dated source, at that instant."""
    return {
        "Review": {"cardId": "limits-1", "rating": "GOOD", "reviewedAt": at_ms},
        "PerformanceMetric": {"learningObjectiveId": OBJECTIVE, "date": at_ms, "retentionScore": 0.5},
        "StudySession": {"startedAt": at_ms},
        "ValidationResponse": {"promptId": "p", "score": 0.5, "respondedAt": at_ms},
        "BehavioralPattern": {
            "patternType": "PERFORMANCE_PEAK",
            "patternData": {},
            "confidence": 0.5,
            "lastSeenAt": at_ms,
        },
        "BehavioralEvent": {"eventType": "X", "timestamp": at_ms},
        "StrugglePrediction": {
            "learningObjectiveId": OBJECTIVE,
            "predictedStruggleProbability": 0.5,
            "predictionConfidence": 0.5,
            "predictedAt": 0,
            "actualOutcome": True,
            "actualOutcomeRecordedAt": at_ms,
        },
    }


SOURCE_OF = {
    "Review": "reviews",
    "PerformanceMetric": "metrics",
    "StudySession": "sessions",
    "ValidationResponse": "validations",
    "BehavioralPattern": "patterns",
    "BehavioralEvent": "events",
    "StrugglePrediction": "outcomes",
}


@pytest.mark.slow
def test_what_is_dated_at_or_after_as_of_does_not_exist(course: str) -> None:
    for offset_ms in (-1, 0, 1, DAY_MS):
        for model, row in dated_rows(NOW_MS + offset_ms).items():
            insert(course, model, [row])
    learner = read(course).learner
    assert {source: len(getattr(learner, source)) for source in SOURCE_OF.values()} == dict.fromkeys(
        SOURCE_OF.values(), 1
    )
    later = read(course, NOW_MS + 1).learner
    assert {len(getattr(later, source)) for source in SOURCE_OF.values()} == {2}


@pytest.mark.slow
def test_every_source_keeps_its_newest_rows_and_hands_them_on_oldest_first(course: str) -> None:
    for minutes in (3, 1, 4, 2, 5):
        for model, row in dated_rows(NOW_MS - minutes * 60_000).items():
            insert(course, model, [row])
    window = Narrow(**dict.fromkeys(SOURCE_OF.values(), 3))
    learner = read(course, window=window).learner
    instants = {
        "reviews": [row.reviewed_at_ms for row in learner.reviews],
        "metrics": [row.date_ms for row in learner.metrics],
        "sessions": [row.started_at_ms for row in learner.sessions],
        "validations": [row.responded_at_ms for row in learner.validations],
        "patterns": [row.last_seen_at_ms for row in learner.patterns],
        "events": [row.timestamp_ms for row in learner.events],
        "outcomes": [row.recorded_at_ms for row in learner.outcomes],
    }
    newest = [NOW_MS - minutes * 60_000 for minutes in (3, 2, 1)]
    assert all(found == newest for found in instants.values())


@pytest.mark.slow
def test_rows_of_one_instant_come_in_the_order_of_their_ids(course: str) -> None:
    for identifier in ("b", "C", "a", "Ä", "B"):
        reviews(course, [NOW_MS - 9], id=identifier, cardId=identifier)
    assert [row.card_id for row in read(course).learner.reviews] == ["B", "C", "a", "b", "Ä"]
    assert [row.card_id for row in read(course, window=Narrow(reviews=2)).learner.reviews] == ["b", "Ä"]


@pytest.mark.slow
def test_another_learners_rows_are_not_read(course: str) -> None:
    for model, row in dated_rows(NOW_MS - 1).items():
        insert(course, model, [{**row, "userId": "bob"}])
    learner = read(course).learner
    assert not any(getattr(learner, source) for source in SOURCE_OF.values())


@pytest.mark.slow
def test_a_validation_names_its_objective_and_a_skipped_one_is_none(course: str) -> None:
    insert(course, "ValidationPrompt", [{"id": "p", "objectiveId": "series", "conceptName": "sums"}])
    rows = [
        {"promptId": "p", "score": score, "respondedAt": NOW_MS - 9, "skipped": score < 0.5} for score in (0.2, 0.8)
    ]
    insert(course, "ValidationResponse", rows)
    assert [tuple(row) for row in read(course).learner.validations] == [("series", "calculus", 0.8, NOW_MS - 9)]


@pytest.mark.slow
def test_plans_are_read_from_both_sides_of_as_of_the_nearest_first_to_stay(course: str) -> None:
    days = (-200, -3, 1, 2, 300)
    insert(
        course,
        "Exam",
        [
            {"courseId": "calculus", "name": "x", "date": NOW_MS + day * DAY_MS, "coverageTopics": ["limits"]}
            for day in days
        ],
    )
    insert(
        course,
        "Mission",
        [
            {"date": NOW_MS + day * DAY_MS, "objectives": [{"objectiveId": OBJECTIVE}], "status": "PENDING"}
            for day in days
        ],
    )
    learner = read(course, window=Narrow(exams=3, missions=3)).learner
    assert [(exam.date_ms - NOW_MS) // DAY_MS for exam in learner.exams] == [-3, 1, 2]
    assert [(mission.date_ms - NOW_MS) // DAY_MS for mission in learner.missions] == [-3, 1, 2]
    assert learner.exams[0].coverage_topics == ("limits",)
    assert learner.missions[0].objectives == [{"objectiveId": OBJECTIVE}]
    assert learner.missions[0].status == "PENDING"


def prediction(**more: object) -> dict[str, object]:
    return {
        "id": "g",
        "learningObjectiveId": OBJECTIVE,
        "predictedStruggleProbability": 0.5,
        "predictionConfidence": 0.5,
        **more,
    }


@pytest.mark.slow
def test_a_learners_own_answer_outranks_the_recorded_outcome_once_it_is_given(course: str) -> None:
    insert(course, "StrugglePrediction", [prediction(actualOutcome=True, actualOutcomeRecordedAt=NOW_MS - 500)])
    answer = {"predictionId": "g", "feedbackType": "INACCURATE"}
    insert(
        course,
        "PredictionFeedback",
        [
            {**answer, "actualStruggle": True, "submittedAt": NOW_MS - 300},
            {**answer, "actualStruggle": False, "submittedAt": NOW_MS - 200},
        ],
    )
    assert [tuple(row) for row in read(course).learner.outcomes] == [(OBJECTIVE, "calculus", False, NOW_MS - 200)]
    assert [row.struggled for row in read(course, NOW_MS - 250).learner.outcomes] == [True]
    assert [row.recorded_at_ms for row in read(course, NOW_MS - 400).learner.outcomes] == [NOW_MS - 500]
    assert not read(course, NOW_MS - 500).learner.outcomes


@pytest.mark.slow
def test_an_answer_counts_where_no_outcome_was_recorded(course: str) -> None:
    insert(course, "StrugglePrediction", [prediction()])
    insert(
        course,
        "PredictionFeedback",
        [{"predictionId": "g", "feedbackType": "HELPFUL", "actualStruggle": True, "submittedAt": NOW_MS - 1}],
    )
    assert [row.struggled for row in read(course).learner.outcomes] == [True]


@pytest.mark.slow
def test_masteries_are_of_the_objectives_that_the_learner_owns(course: str) -> None:
    masteries = read(course).learner.masteries
    assert [(row.objective_id, row.mastery_level) for row in masteries] == [
        (OBJECTIVE, "BEGINNER"),
        ("sequences", "MASTERED"),
        ("series", "NOT_STARTED"),
    ]
    assert read(course, learner="bob").learner.masteries == []
    assert len(read(course, window=Narrow(masteries=2)).learner.masteries) == 2


@pytest.mark.slow
def test_a_lecture_without_an_owner_belongs_to_its_courses_owner(course: str) -> None:
    execute(course, 'DROP INDEX "lectures_userId_idx"', 'ALTER TABLE "lectures" DROP COLUMN "userId"')
    found = read(course)
    assert found.objective.objective.owner_id == LEARNER
    assert len(found.learner.masteries) == 3


@pytest.mark.slow
def test_consent_switches_are_read_and_are_on_where_nobody_asked(course: str) -> None:
    execute(course, ('UPDATE "users" SET "behavioralAnalysisEnabled" = ? WHERE "id" = ?', (False, LEARNER)))
    assert read(course).learner.learner.behavioral_analysis_enabled is False
    assert read(course, learner="bob").learner.learner.behavioral_analysis_enabled is True
    for flag in ("includeInAnalytics", "performanceTrackingEnabled", "behavioralAnalysisEnabled"):
        execute(course, f'ALTER TABLE "users" DROP COLUMN "{flag}"')
    learner = read(course).learner.learner
    assert learner.include_in_analytics
    assert learner.performance_tracking_enabled
    assert learner.behavioral_analysis_enabled


OPTIONAL = [model.table for name, model in MODELS.items() if name not in ("User", "LearningObjective")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "absent", [*([table] for table in OPTIONAL), OPTIONAL], ids=lambda tables: "+".join(tables)[:24]
)
def test_a_missing_optional_table_is_no_data_and_is_named(course: str, absent: list[str]) -> None:
    for model, row in dated_rows(NOW_MS - 1).items():
        insert(course, model, [row])
    execute(course, *(f'DROP TABLE "{table}"' for table in absent))
    found = read(course)
    assert found.missing_sources == tuple(absent)
    assert found.objective.objective.id == OBJECTIVE
    for model, source in SOURCE_OF.items():
        if MODELS[model].table in absent:
            assert not getattr(found.learner, source)
        elif model != "StrugglePrediction":
            assert len(getattr(found.learner, source)) == 1
    with db.connect(course) as client:
        assert [row.learner.id for row in client.stream_learners(NOW_MS, None)] == [LEARNER, "bob"]
        assert client.read_objectives()[OBJECTIVE] == found.objective
        assert client.objectives_of_topic("nothing") == []


@pytest.mark.slow
def test_a_source_that_lacks_a_needed_column_is_missing_and_an_optional_column_is_null(course: str) -> None:
    reviews(course, [NOW_MS - 1])
    execute(course, 'ALTER TABLE "reviews" DROP COLUMN "sessionId"')
    assert len(read(course).learner.reviews) == 1
    assert read(course).missing_sources == ("reviews.sessionId",)
    execute(course, 'ALTER TABLE "reviews" DROP COLUMN "rating"')
    found = read(course)
    assert found.learner.reviews == []
    assert found.missing_sources == ("reviews.rating", "reviews.sessionId")


@pytest.mark.slow
@pytest.mark.parametrize("table", ["users", "learning_objectives"])
def test_a_missing_required_table_is_a_matter_of_configuration(course: str, table: str) -> None:
    execute(course, f'DROP TABLE "{table}"')
    with pytest.raises(errors.RequiredTableAbsent, match=f"{table}.*--schema"):
        read(course)


@pytest.mark.slow
def test_a_renamed_required_column_is_named(course: str) -> None:
    execute(course, 'ALTER TABLE "users" RENAME COLUMN "id" TO "user_id"')
    with pytest.raises(errors.RequiredTableAbsent, match=r"'users' has no readable column 'id'.*--schema"):
        read(course)


RENAMED = r"""
model User {
  id        String   @id @map("key")
  createdAt DateTime @map("made")
  @@map("people")
}
model Review {
  id         String   @id
  userId     String   @map("who")
  cardId     String
  rating     Grade    @map("grade %s")
  reviewedAt DateTime @map("at")
  @@map("my \"answers\"")
}
enum Grade {
  AGAIN @map("0")
  HARD  @map("1")
  GOOD  @map("2")
  EASY  @map("3")
}
"""


@pytest.mark.slow
def test_an_apps_own_names_are_followed(course: str, tmp_path: Path) -> None:
    path = os.path.join(tmp_path, "schema.prisma")
    with open(path, "w", encoding="utf-8") as schema:
        schema.write(RENAMED)
    reviews(course, [NOW_MS - 1], rating="AGAIN")
    execute(
        course,
        'ALTER TABLE "users" RENAME TO "people"',
        'ALTER TABLE "people" RENAME COLUMN "id" TO "key"',
        'ALTER TABLE "people" RENAME COLUMN "createdAt" TO "made"',
        'ALTER TABLE "reviews" RENAME TO "my ""answers"""',
        'ALTER TABLE "my ""answers""" RENAME COLUMN "userId" TO "who"',
        'ALTER TABLE "my ""answers""" RENAME COLUMN "reviewedAt" TO "at"',
        'ALTER TABLE "my ""answers""" RENAME COLUMN "rating" TO "grade %s"',
    )
    if course.startswith("postgresql"):
        execute(course, 'ALTER TABLE "my ""answers""" ALTER COLUMN "grade %s" TYPE text USING \'0\'')
    else:
        execute(course, 'UPDATE "my ""answers""" SET "grade %s" = \'0\'')
    with pytest.raises(errors.RequiredTableAbsent, match="users"):
        read(course)
    with db.connect(course, schema_path=path) as client:
        found = client.read(LEARNER, OBJECTIVE, NOW_MS, WIDE)
        assert [row.learner.id for row in client.stream_learners(NOW_MS, WIDE)] == [LEARNER, "bob"]
    assert [row.rating for row in found.learner.reviews] == ["AGAIN"]
    assert found.missing_sources == ()


HOSTILE = (
    "",
    " ",
    "-h",
    "ada ",
    "ADA",
    "ada' OR '1'='1",
    "'; DROP TABLE users; --",
    '"',
    "$(rm -rf /)",
    "%s",
    "%(learner)s",
    ":learner",
    "\\",
    "\0",
    "ada\0",
    "\ud800",
    "🐙",
    "x" * 10_000,
    "{u.id}",
    "NULL",
    "%",
    "_",
)


@pytest.mark.slow
@pytest.mark.parametrize("identifier", HOSTILE, ids=lambda identifier: ascii(identifier[:12]))
def test_an_id_is_a_value_whatever_it_holds(course: str, identifier: str) -> None:
    with db.connect(course) as client:
        with pytest.raises(errors.UnknownLearner):
            client.read(identifier, OBJECTIVE, NOW_MS, WINDOW)
        with pytest.raises(errors.UnknownObjective):
            client.read(LEARNER, identifier, NOW_MS, WINDOW)
        assert client.objectives_of_topic(identifier) == []
        assert list(client.stream_learners(NOW_MS, None, [identifier])) == []
        assert client.read_objectives([identifier]) == {}
        assert client.read(LEARNER, OBJECTIVE, NOW_MS, WINDOW).learner.learner.id == LEARNER


@pytest.mark.slow
@pytest.mark.parametrize("identifier", [each for each in HOSTILE if "\0" not in each and "\ud800" not in each])
def test_a_learner_may_have_such_an_id(course: str, identifier: str) -> None:
    execute(course, ('INSERT INTO "users" ("id") VALUES (?)', (identifier,)))
    reviews(course, [NOW_MS - 1], userId=identifier)
    found = read(course, learner=identifier)
    assert found.learner.learner.id == identifier
    assert len(found.learner.reviews) == 1


UUID = "6f1b0d5e-0000-4000-8000-00000000000a"


def retype(url: str) -> str:
    """Makes learners' ids whole numbers and, where the database has the type, objectives' ids uuids."""
    execute(url, 'DELETE FROM "users"', 'DELETE FROM "objective_prerequisites"', 'DELETE FROM "cards"')
    if not url.startswith("postgresql"):
        execute(url, 'DROP TABLE "users"', 'CREATE TABLE "users" ("id" INTEGER PRIMARY KEY)')
        execute(url, 'INSERT INTO "users" ("id") VALUES (42)')
        return OBJECTIVE
    execute(url, 'DELETE FROM "learning_objectives"')
    for table in TABLES.values():
        for field in table.fields:
            alter = f'ALTER TABLE "{table.name}" ALTER COLUMN "{field}" TYPE'
            if field == "userId" or (table.model, field) == ("User", "id"):
                execute(url, f"{alter} bigint USING 7")
            elif (
                field.lower().endswith(("objectiveid", "prerequisiteid"))
                or table.model + field == "LearningObjectiveid"
            ):
                execute(url, f"{alter} uuid USING NULL")
    execute(url, 'INSERT INTO "users" ("id") VALUES (42)')
    new = 'INSERT INTO "learning_objectives" ("id", "lectureId", "objective") VALUES (?, ?, ?)'
    execute(url, (new, (UUID, "l1", "x")), (new, (UUID.replace("a", "b"), "l1", "y")))
    edge = 'INSERT INTO "objective_prerequisites" ("id", "objectiveId", "prerequisiteId") VALUES (?, ?, ?)'
    execute(url, (edge, ("e", UUID, UUID.replace("a", "b"))))
    return UUID


@pytest.mark.slow
def test_whole_numbers_and_uuids_serve_as_ids(course: str) -> None:
    objective = retype(course)
    reviews(course, [NOW_MS - 1], userId=42)
    found = read(course, learner="42", objective=objective)
    assert found.learner.learner.id == "42"
    assert len(found.learner.reviews) == 1
    assert all(source.startswith("users.") for source in found.missing_sources)  # SQLite's table has only the id
    for other in ("042", "42.0", " 42", "4e1", "43", "x", "99999999999999999999", "-42"):
        with pytest.raises(errors.UnknownLearner):
            read(course, learner=other, objective=objective)
    with db.connect(course) as client:
        assert [row.learner.id for row in client.stream_learners(NOW_MS, None, ["42", "x", "43"])] == ["42"]
        assert [len(row.reviews) for row in client.stream_learners(NOW_MS, WIDE)] == [1]
        assert client.read_objectives(["x", objective])[objective] == found.objective
        assert objective in client.read_objectives()
    if objective == UUID:
        assert read(course, learner="42", objective=UUID.upper()).objective == found.objective
        assert [row.objective_id for row in found.objective.prerequisites] == [UUID.replace("a", "b")]
        with pytest.raises(errors.UnknownObjective):
            read(course, learner="42", objective="no uuid")


@pytest.mark.slow
def test_topics_are_course_ids_course_names_and_tags(course: str) -> None:
    with db.connect(course) as client:
        assert client.objectives_of_topic("calculus") == [OBJECTIVE, "sequences", "series"]
        assert client.objectives_of_topic("Calculus I") == [OBJECTIVE, "sequences", "series"]
        assert client.objectives_of_topic("analysis") == [OBJECTIVE, "sequences"]
        assert client.objectives_of_topic("anal") == []


@pytest.mark.slow
def test_as_of_is_now_where_none_is_given(course: str) -> None:
    reviews(course, [NOW_MS - 1])
    with db.connect(course) as client:
        before_ms = client.now()
        found = client.read(LEARNER, OBJECTIVE, None, WIDE)
        assert before_ms <= found.as_of_ms <= client.now()
        assert found.is_now
        assert len(found.learner.reviews) == 1
        assert not client.read(LEARNER, OBJECTIVE, before_ms - 1, WIDE).is_now


@pytest.mark.slow
@pytest.mark.parametrize("as_of_ms", [-(2**62), -62_135_596_800_001, 0, 253_402_300_800_000, 2**62])
def test_any_as_of_is_answered(course: str, as_of_ms: int) -> None:
    reviews(course, [NOW_MS - 1])
    found = read(course, as_of_ms)
    assert len(found.learner.reviews) == (as_of_ms > NOW_MS)


@pytest.mark.slow
def test_a_cycle_of_prerequisites_and_ten_thousand_of_them(course: str) -> None:
    insert(course, "ObjectivePrerequisite", [{"objectiveId": OBJECTIVE, "prerequisiteId": OBJECTIVE}])
    insert(course, "ObjectivePrerequisite", [{"objectiveId": "sequences", "prerequisiteId": OBJECTIVE}])
    with open_writer(course) as writer:
        writer.insert(
            "LearningObjective", ("id", "lectureId", "objective"), ((f"n{n}", "l2", "x") for n in range(10_000))
        )
        writer.insert(
            "ObjectivePrerequisite",
            ("id", "objectiveId", "prerequisiteId", "strength"),
            ((f"e{n}", OBJECTIVE, f"n{n}", n / 10_000) for n in range(10_000)),
        )
    found = read(course, window=WINDOW).objective.prerequisites
    assert len(found) == WINDOW.prerequisites
    assert found[0].objective_id == OBJECTIVE
    assert [row.objective_id for row in found[1:4]] == ["n9999", "n9998", "n9997"]


EXAM = rows.ExamRow("course", 5, ("topic",))


def test_a_row_is_a_tuple_with_names() -> None:
    assert EXAM == ("course", 5, ("topic",))
    assert (EXAM.course_id, EXAM.date_ms, EXAM.coverage_topics) == EXAM
    assert rows.ExamRow("course", coverage_topics=("topic",), date_ms=5) == EXAM
    assert repr(EXAM) == "ExamRow(course_id='course', date_ms=5, coverage_topics=('topic',))"
    assert rows.ObjectiveRows(objective=EXAM, prerequisites=[], cards=[]).unknown_values == ()  # type: ignore[arg-type]
    assert not hasattr(EXAM, "__dict__")


def test_a_row_is_copied_changed_and_sent_to_another_process() -> None:
    changed = EXAM._replace(date_ms=6)
    assert (type(changed), changed) == (rows.ExamRow, ("course", 6, ("topic",)))
    for copied in (copy.deepcopy(EXAM), *(pickle.loads(pickle.dumps(EXAM, protocol)) for protocol in (2, 4, 5))):
        assert (type(copied), copied) == (rows.ExamRow, EXAM)


@pytest.mark.parametrize(
    ("values", "by_name"),
    [((), {}), (EXAM[:2], {}), ((*EXAM, 1), {}), (EXAM, {"date_ms": 6}), (EXAM[:2], {"topics": ()})],
)
def test_a_row_takes_each_of_its_fields_once(
    values: tuple[object, ...], by_name: dict[str, int] | dict[str, object] | dict[str, tuple[()]]
) -> None:
    with pytest.raises(TypeError, match="ExamRow takes each of course_id, date_ms, coverage_topics once"):
        rows.ExamRow(*values, **by_name)


def test_sqlite_looks_up_earlier_predictions_by_the_learner(demo_copy: str) -> None:
    """An objective's predictions are those of all its learners."""

    def planned(opened: Opened) -> Conversation[list[str]]:
        query = opened.renderer.query(queries.EARLIER, learner=demo.LEARNER, objective="action-potentials", limit=3)
        (steps,) = yield [Query(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters, 4)]
        return [str(step[3]) for step in steps]

    with connecting.connect(demo_copy) as client:
        plan = client.converse(planned)
    assert any("struggle_predictions_userId_idx" in step for step in plan), plan
    assert not any("learningObjectiveId" in step or "SCAN g" in step for step in plan), plan
