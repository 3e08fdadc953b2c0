"""What an answer had to do without is named as what it is: a table, a column, or a value that means nothing to us."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import db
from db.sql.decode_values import decoded
from ml.places import HOUSE
from ml.study.history import WINDOW, objective_named
from scripts.cli.doctor_costs import costs
from tests.support.app_shapes import ask, dialect_of, insert, run
from tests.support.outputs import read_output
from tests.support.study_database import DAY_MS, LEARNER, NOW_MS, OBJECTIVE, lay_out

RENAMED = {
    "reviews.rating": ("Review", {"cardId": "limits-1", "rating": "gut", "reviewedAt": NOW_MS - 1}),
    "missions.status": ("Mission", {"date": NOW_MS, "status": "offen", "objectives": []}),
    "behavioral_patterns.patternType": (
        "BehavioralPattern",
        {"patternType": "VERGESSENSKURVE", "patternData": {}, "confidence": 0.5, "lastSeenAt": NOW_MS - 1},
    ),
}


@pytest.fixture
def course(database: str) -> str:
    """A course whose enum columns take any text, as where the app renamed values of them."""
    lay_out(database)
    if dialect_of(database) == "postgresql":
        for table, column in (
            *(("reviews", "rating"), ("missions", "status"), ("struggle_predictions", "predictionStatus")),
            *(("learning_objectives", "complexity"), ("learning_objectives", "masteryLevel")),
        ):
            run(
                database,
                f'ALTER TABLE {table} ALTER COLUMN "{column}" DROP DEFAULT',
                f'ALTER TABLE {table} ALTER COLUMN "{column}" TYPE text',
            )
    return database


def add(url: str, model: str, row: dict[str, object]) -> None:
    from tests.support.study_database import insert as insert_row

    insert_row(url, model, [row])


def predicted(url: str, *options: str) -> dict[str, object]:
    command = [sys.executable, os.path.join(HOUSE, "predict.py"), "--database-url", url, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = read_output(done.stdout)
    return found


def missing(url: str) -> tuple[str, ...]:
    with db.connect(url) as client:
        return client.read(LEARNER, OBJECTIVE, None, WINDOW).missing_sources


@pytest.mark.slow
@pytest.mark.parametrize("column", RENAMED)
def test_a_renamed_value_is_no_data_and_is_named_with_its_column(course: str, column: str) -> None:
    model, row = RENAMED[column]
    add(course, model, row)
    value = str(row[column.partition(".")[2]])
    named = f"{column} (unknown value {value!r})"
    assert missing(course) == (named,)
    report = predicted(course, "--doctor")["database"]
    assert isinstance(report, dict)
    assert report["missing_sources"] == [named]
    assert "--schema" in report["missing_costs"][named]


@pytest.mark.slow
@pytest.mark.parametrize(("column", "value"), [("complexity", "schwer"), ("masteryLevel", "anfaenger")])
def test_a_renamed_level_is_no_level(course: str, column: str, value: str) -> None:
    run(course, f"UPDATE learning_objectives SET \"{column}\" = '{value}'")
    with db.connect(course) as client:
        rows = client.read(LEARNER, OBJECTIVE, None, WINDOW)
    assert rows.missing_sources == (f"learning_objectives.{column} (unknown value {value!r})",)
    assert (rows.objective.objective.complexity is None) == (column == "complexity")
    assert {row.mastery_level is None for row in rows.learner.masteries} == {column == "masteryLevel"}


@pytest.mark.slow
def test_several_values_are_named_together_and_not_without_end(course: str) -> None:
    for place, value in enumerate(("gut", "x" * 500, "\x1b[31mrot", "schlecht", "mittel")):
        add(course, "Review", {"cardId": "limits-1", "rating": value, "reviewedAt": NOW_MS - 9 + place})
    (told,) = missing(course)
    assert told.startswith("reviews.rating (unknown values '")
    assert len(told) < 200
    assert told.isprintable()


@pytest.mark.slow
def test_the_app_s_schema_makes_a_renamed_value_known(course: str, tmp_path: os.PathLike[str]) -> None:
    add(course, *RENAMED["reviews.rating"])
    schema = os.path.join(tmp_path, "schema.prisma")
    with open(schema, "w", encoding="utf-8") as file:
        file.write('model Review {\n id String @id\n rating Rating\n @@map("reviews")\n}\n')
        file.write('enum Rating {\n AGAIN\n HARD\n GOOD @map("gut")\n EASY\n}\n')
    assert predicted(course, "--schema", schema, LEARNER, OBJECTIVE)["missing_sources"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column"), [("users", "includeInAnalytics"), ("cards", "objectiveId"), ("exams", "coverageTopics")]
)
def test_a_missing_column_is_named_as_one_and_what_it_costs(course: str, table: str, column: str) -> None:
    run(course, f'ALTER TABLE "{table}" DROP COLUMN "{column}"')
    assert missing(course) == (f"{table}.{column}",)
    report = predicted(course, "--doctor")["database"]
    assert isinstance(report, dict)
    assert list(report["missing_costs"]) == [f"{table}.{column}"]


def test_every_optional_table_has_a_cost_in_words() -> None:
    from db.tables.models import MODELS, REQUIRED_MODELS

    tables = [known.table for name, known in MODELS.items() if name not in REQUIRED_MODELS]
    told = costs(tables)
    assert len(set(told.values())) == len(tables)


@pytest.mark.slow
def test_nothing_but_the_feedback_table_is_missing_in_the_current_app(app_database: str) -> None:
    with db.connect(app_database) as client:
        assert client.missing_sources() == ("prediction_feedbacks",)
        assert client.unknown_values() == []
    report = predicted(app_database, "--doctor")["database"]
    assert isinstance(report, dict)
    assert "actualOutcome" in report["missing_costs"]["prediction_feedbacks"]


@pytest.mark.slow
def test_a_batch_says_what_predict_says(course: str, tmp_path: os.PathLike[str]) -> None:
    add(course, *RENAMED["reviews.rating"])
    run(course, "UPDATE learning_objectives SET \"complexity\" = 'schwer'")
    output = os.path.join(tmp_path, "a.jsonl")
    command = [sys.executable, os.path.join(HOUSE, "scripts", "predict_batch.py"), "--database-url", course]
    command += ["--objectives", "all", "--full", "--output", output]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with open(output, encoding="utf-8") as lines:
        told = [read_output(line) for line in lines]
    assert told
    for answer in told:
        assert (
            answer["missing_sources"] == predicted(course, answer["user_id"], answer["objective_id"])["missing_sources"]
        )


TWICE = {
    '"{\\"a\\": [1]}"': {"a": [1]},
    '"[\\"b\\"]"': ["b"],
    '"[broken"': "[broken",
    '"plain text"': "plain text",
    '"\\"[1]\\""': '"[1]"',  # once, not as often as it takes
}


@pytest.mark.parametrize("stored", TWICE)
def test_json_stored_as_a_json_string_is_decoded_once(stored: str) -> None:
    assert decoded(stored) == TWICE[stored]


@pytest.mark.slow
def test_the_app_s_seed_of_json_in_json_is_read(app_database: str) -> None:
    insert(app_database, "User", [{"id": "u"}])
    insert(app_database, "Course", [{"id": "c", "userId": "u", "name": "Physiology"}])
    insert(app_database, "Lecture", [{"id": "l", "userId": "u", "courseId": "c"}])
    insert(app_database, "LearningObjective", [{"id": "o", "lectureId": "l"}])
    ahead = json.dumps([{"id": "o"}])
    now_ms = db_now(app_database)
    insert(app_database, "Mission", [{"id": "m", "userId": "u", "date": now_ms + DAY_MS, "objectives": ahead}])
    pattern = json.dumps({"topicArea": "Physiology"})
    kind = {"patternType": "FORGETTING_CURVE", "confidence": 0.9, "lastSeenAt": now_ms - DAY_MS}
    insert(app_database, "BehavioralPattern", [{"id": "p", "userId": "u", "patternData": pattern, **kind}])
    style = {"learningStyleProfile": json.dumps({"visual": 0.9})}
    insert(app_database, "UserLearningProfile", [{"id": "f", "userId": "u", **style}])
    with db.connect(app_database) as client:
        rows = client.read("u", "o", None, WINDOW)
    assert rows.learner.missions[0].objectives == [{"id": "o"}]
    assert rows.learner.patterns[0].pattern == {"topicArea": "Physiology"}
    assert rows.learner.profile is not None
    assert rows.learner.profile.learning_style == {"visual": 0.9}
    answer = predicted(app_database, "u", "o")
    assert answer["features"]["workload_level"] == 0.02  # type: ignore[index]
    assert ask(app_database, "SELECT count(*) FROM missions") == [(1,)]


def db_now(url: str) -> int:
    with db.connect(url) as client:
        return client.now()


@pytest.mark.parametrize(
    "entry", [{"objectiveId": "o"}, {"objective": {"id": "o"}}, {"id": "o"}, {"id": "o", "objective": {"title": "x"}}]
)
def test_a_mission_s_entry_names_its_objective_in_three_ways(entry: dict[str, object]) -> None:
    assert objective_named(entry) == "o"
    assert objective_named({**entry, "completed": True}) is None


def test_an_entry_s_own_id_does_not_outrank_the_objective_it_names() -> None:
    assert objective_named({"id": "entry-1", "objectiveId": "o"}) == "o"
