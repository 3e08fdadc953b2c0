"""A learner sees everything that is stored about him or her, and forgetting removes exactly that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from db.errors import WriteRefused
from db.tables.ddl import TABLES
from db.writing.open import open_writer
from db.writing.stored_about import STORED
from scripts.export_learner import export_learner
from scripts.forget_learner import forget_learner
from tests.support.app_shapes import ask, run
from tests.support.outputs import read_output
from tests.support.postgres_server import Databases

AT_MS = 1_760_000_000_000
FACTORS = [{"factor": "retention_score", "weight": 0.4, "description": "Recall is <low> & falling."}]
FEATURES = {"model_version": "2026-11-01", "retention_score": 0.2}
BY_HAND = {
    "prediction_feedbacks": """
        SELECT count(*) FROM prediction_feedbacks WHERE "userId" = 'her'
            OR "predictionId" IN (SELECT id FROM struggle_predictions WHERE "userId" = 'her')""",
    "struggle_indicators": """
        SELECT count(*) FROM struggle_indicators WHERE "userId" = 'her'
            OR "predictionId" IN (SELECT id FROM struggle_predictions WHERE "userId" = 'her')""",
    "struggle_predictions": """SELECT count(*) FROM struggle_predictions WHERE "userId" = 'her'""",
}
THEIRS = {"prediction_feedbacks": 1, "struggle_indicators": 1, "struggle_predictions": 1}


@pytest.fixture
def platform(database: str) -> str:
    """Two learners' rows; of each kind one names her, one belongs to a prediction of hers, one is another learner's."""
    links = [("her", "his"), ("him", "hers"), ("her", None), ("him", "his")]
    with open_writer(database) as writer:
        writer.insert("LearningObjective", ("id", "lectureId", "objective"), [("o", "l", "Draw a nephron")])
        writer.insert(
            "StrugglePrediction",
            (
                *("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence"),
                *("featureVector", "strugglingFactors", "predictedAt"),
            ),
            [
                (name, learner, "o", 0.8, 0.5, FEATURES, FACTORS, AT_MS)
                for name, learner in (("hers", "her"), ("hers-2", "her"), ("his", "him"))
            ],
        )
        writer.insert(
            "StruggleIndicator",
            ("id", "userId", "learningObjectiveId", "predictionId", "indicatorType", "severity"),
            [(f"i{n}", learner, "o", of, "LOW_RETENTION", "HIGH") for n, (learner, of) in enumerate(links)],
        )
        writer.insert(
            "PredictionFeedback",
            ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "comments"),
            [
                (f"f{n}", of, learner, "HELPFUL", True, "Thank you <3")
                for n, (learner, of) in enumerate(links)
                if of is not None
            ],
        )
    return database


def exported(url: str, *options: str) -> dict[str, Any]:
    ended = CliRunner().invoke(export_learner, ["her", "--database-url", url, *options])
    assert ended.exit_code == 0, ended.output
    found: dict[str, Any] = read_output(ended.stdout)
    return found


def test_the_export_is_what_sql_written_by_hand_counts_and_forgetting_empties_it(platform: str) -> None:
    counted = {table: ask(platform, sql)[0][0] for table, sql in BY_HAND.items()}
    assert counted == {"prediction_feedbacks": 2, "struggle_indicators": 3, "struggle_predictions": 2}
    found = exported(platform)
    assert found["rows"] == counted
    lists = {
        "feedback": "prediction_feedbacks",
        "indicators": "struggle_indicators",
        "predictions": "struggle_predictions",
    }
    assert {table: len(found[name]) for name, table in lists.items()} == counted

    arguments = ["her", "--database-url", platform, "--models-dir", "/nonexistent", "--json"]
    forgotten = CliRunner().invoke(forget_learner, arguments)
    assert json.loads(forgotten.stdout)["removed"] == counted
    after = exported(platform)
    assert set(after["rows"].values()) == {0}
    assert [after[name] for name in lists] == [[], [], []]
    assert {table: ask(platform, f"SELECT count(*) FROM {table}")[0][0] for table in BY_HAND} == THEIRS


def test_the_rows_are_told_in_words(platform: str) -> None:
    found = exported(platform)
    first = found["predictions"][0]
    assert first["objective"] == "Draw a nephron"
    assert first["model_version"] == "2026-11-01"
    assert first["reasons"] == ["Recall is <low> & falling."]
    assert first["row"]["predictedAt"] == "2025-10-09T08:53:20.000Z"
    assert first["row"]["featureVector"] == FEATURES
    assert set(first["row"]) == set(TABLES["StrugglePrediction"].fields)
    assert {each["row"]["comments"] for each in found["feedback"]} == {"Thank you <3"}


def test_the_list_has_every_table_that_holds_predictions_or_refers_to_them() -> None:
    named = {model for model, table in TABLES.items() if "predictionId" in table.fields} | {"StrugglePrediction"}
    assert set(STORED) == named
    for model, links in STORED.items():
        assert set(links) == {"userId", "predictionId"} & set(TABLES[model].fields)


def test_an_export_cannot_change_the_database(platform: str) -> None:
    with pytest.raises(WriteRefused), open_writer(platform, read_only=True) as writer:
        writer.delete("StrugglePrediction", "userId", ["her"])
    assert exported(platform)["rows"]["struggle_predictions"] == 2


def test_an_export_reads_while_another_process_writes(platform: str) -> None:
    with open_writer(platform) as other:
        other.delete("StrugglePrediction", "userId", ["him"])
        assert exported(platform)["rows"]["struggle_predictions"] == 2


def test_tables_and_columns_that_an_app_lacks_are_left_out(platform: str) -> None:
    run(platform, "DROP TABLE prediction_feedbacks", "DROP TABLE learning_objectives")
    run(platform, 'ALTER TABLE struggle_predictions DROP COLUMN "strugglingFactors"')
    found = exported(platform)
    assert found["rows"] == {"prediction_feedbacks": 0, "struggle_indicators": 3, "struggle_predictions": 2}
    assert {(each["objective"], *each["reasons"]) for each in found["predictions"]} == {(None,)}
    assert "strugglingFactors" not in found["predictions"][0]["row"]


def test_the_page_shows_all_of_it_and_runs_nothing(platform: str, tmp_path: Path) -> None:
    out = tmp_path / "learner.html"
    found = exported(platform, "--html", str(out))
    page = out.read_text(encoding="utf-8")
    for name in ("predictions", "indicators", "feedback"):
        for each in found[name]:
            assert f"<td>{each['row']['id']}</td>" in page
    assert page.count("<li>Recall is &lt;low&gt; &amp; falling.</li>") == 2
    assert page.count("Made by the model 2026-11-01.") == 2
    assert "Thank you &lt;3" in page
    assert "<script" not in page


def test_an_unknown_learner_has_empty_lists(database: str) -> None:
    ended = CliRunner().invoke(export_learner, ["her", "--database-url", database])
    assert ended.exit_code == 0
    assert set(read_output(ended.stdout)["rows"].values()) == {0}
    assert ended.stderr == "This id is unknown: no prediction, indicator or feedback is stored under it.\n"


def test_a_role_that_can_only_read_may_export(postgres_databases: Databases) -> None:
    url = str(postgres_databases.with_tables())
    role = f"reader_of_{url.rpartition('/')[2]}"
    run(
        url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        """INSERT INTO learning_objectives (id, "lectureId", objective) VALUES ('o', 'l', 'Draw a nephron')""",
        """INSERT INTO struggle_indicators (id, "userId", "learningObjectiveId", "indicatorType", severity)
           VALUES ('i', 'her', 'o', 'LOW_RETENTION', 'HIGH')""",
    )
    found = exported(url.replace("postgres@", f"{role}@"))
    assert [each["objective"] for each in found["indicators"]] == ["Draw a nephron"]
