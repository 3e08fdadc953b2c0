"""The writing side: one transaction, Prisma's forms, the app's names, both databases alike."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner

import db
from db import errors
from db.tables.ddl import ENUMS, TABLES
from db.writing.open import open_writer
from ml.study.history import WINDOW
from scripts.create_database import create_database
from tests.support.postgres_server import Databases
from tests.support.study_database import LEARNER, NOW_MS, lay_out, run

ROW = {
    "id": "g",
    "userId": "ada",
    "learningObjectiveId": "limits",
    "predictedStruggleProbability": 0.1 + 0.2,
    "predictionConfidence": 1.0,
    "predictionStatus": "PENDING",
    "featureVector": {"a": [1, None, "ü"]},
    "strugglingFactors": [],
    "predictedAt": NOW_MS + 7,
    "actualOutcome": True,
    "interventionApplied": False,
    "topicId": None,
}


def test_rows_come_back_as_they_were_given(database: str) -> None:
    with open_writer(database) as writer:
        assert writer.insert("StrugglePrediction", tuple(ROW), [tuple(ROW.values())]) == 1
        assert writer.insert(
            "Lecture", ("id", "userId", "courseId", "title", "topicTags"), [("l", "u", "c", "t", ["a"])]
        )
    with open_writer(database) as writer:
        assert writer.select("StrugglePrediction", tuple(ROW)) == [tuple(ROW.values())]
        assert writer.select("Lecture", ("topicTags", "weekNumber")) == [(["a"], None)]


def test_sqlite_holds_what_prisma_would_have_stored(sqlite_url: str) -> None:
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
        writer.insert("StrugglePrediction", tuple(ROW), [tuple(ROW.values())])
        found = writer.query('SELECT "predictedAt", "featureVector", "actualOutcome" FROM "struggle_predictions"')
    assert found == [("2025-03-03T11:06:40.007+00:00", '{"a": [1, null, "\\u00fc"]}', 1)]


@pytest.mark.slow
def test_an_exception_undoes_everything_and_its_absence_keeps_it(database: str) -> None:
    with pytest.raises(errors.WriteRefused), open_writer(database) as writer:
        writer.insert("User", ("id",), [("x",), ("x",)])
    with open_writer(database) as writer:
        assert writer.select("User", ("id",)) == []
        writer.insert("User", ("id",), [("y",)])
        writer.commit()
        writer.insert("User", ("id",), [("z",)])
    with open_writer(database) as writer:
        assert sorted(writer.select("User", ("id",))) == [("y",), ("z",)]


@pytest.mark.slow
def test_conflicts_fail_or_are_passed_over_or_overwrite(database: str) -> None:
    fields = ("id", "email", "name")
    with open_writer(database) as writer:
        writer.insert("User", fields, [("a", "old", "old"), ("b", "old", "old")])
        assert writer.insert("User", fields, [("b", "new", "new"), ("c", "new", "new")], on_conflict="ignore") == 1
        assert writer.insert("User", fields, [("a", "new", "new"), ("d", "new", "new")], "update", ("email",)) == 2
        assert sorted(writer.select("User", fields)) == [
            ("a", "new", "old"),
            ("b", "old", "old"),
            ("c", "new", "new"),
            ("d", "new", "new"),
        ]
    with pytest.raises(errors.WriteRefused), open_writer(database) as writer:
        writer.insert("User", ("id",), [("a",)])


def test_what_was_refused_is_not_committed_in_silence(postgres_databases: Databases) -> None:
    url = postgres_databases.with_tables()
    writer = open_writer(url)
    writer.insert("User", ("id",), [("a",)])
    with pytest.raises(errors.WriteRefused):
        writer.insert("User", ("id",), [("a",)])
    with pytest.raises(errors.WriteRefused, match="stored nothing"), writer:
        pass
    with open_writer(url) as writer:
        assert writer.select("User", ("id",)) == []


@pytest.mark.slow
def test_select_update_and_delete_by_any_number_of_ids(database: str) -> None:
    ids = [f"u{n}" for n in range(2500)]
    with open_writer(database) as writer:
        assert writer.insert("User", ("id",), ([each] for each in ids)) == 2500
        assert len(writer.select("User", ("id",), "id", ids)) == 2500
        assert writer.select("User", ("id",), "id", []) == []
        assert writer.update("User", "u7", name="seven", createdAt=5) == 1
        assert writer.update("User", "nobody", name="x") == 0
        assert writer.select("User", ("name", "createdAt"), "id", ["u7"]) == [("seven", 5)]
        assert writer.delete("User", "id", ids[:2400]) == 2400
        assert len(writer.select("User", ("id",))) == 100


def test_statements_take_question_marks_outside_of_quotes(database: str) -> None:
    with open_writer(database) as writer:
        found = writer.query('SELECT ? || \'?%\', "id?" FROM (SELECT ? AS "id?") AS t', ("100%", "x"))
        assert found == [("100%?%", "x")]
        assert writer.execute(f'DELETE FROM {writer.table("User")} WHERE "id" LIKE ?', ("%",)) == 0


@pytest.mark.slow
def test_the_apps_own_names_are_written(database: str, tmp_path: Path) -> None:
    path = tmp_path / "schema.prisma"
    path.write_text('model User {\n id String @id\n name String? @map("full name")\n @@map("people")\n}\n')
    with open_writer(database) as writer:
        run(writer, 'ALTER TABLE "users" RENAME COLUMN "name" TO "full name"')
        run(writer, 'ALTER TABLE "users" RENAME TO "people"')
    with open_writer(database, schema_path=str(path)) as writer:
        writer.insert("User", ("id", "name"), [("a", "Ada")])
        assert writer.select("User", ("name",), "id", ["a"]) == [("Ada",)]


def test_the_demo_database_is_no_place_to_write_by_default() -> None:
    with pytest.raises(errors.DatabaseConfiguration, match="--database-url"):
        open_writer()


@pytest.mark.slow
def test_what_cannot_be_written_says_so(tmp_path: Path, demo_copy: str, postgres_databases: Databases) -> None:
    with pytest.raises(errors.DatabaseUnavailable):
        open_writer(f"file:{tmp_path}/missing.db")
    with pytest.raises(errors.DatabaseUnavailable):
        open_writer("postgresql://u:sec-ret@127.0.0.1:1/d", patience_s=2)
    with contextlib.closing(sqlite3.connect(demo_copy.removeprefix("file:"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.DatabaseUnavailable, match="locked"):
            open_writer(demo_copy, patience_s=0.2)  # the lock is held until this returns
    url = postgres_databases.with_tables()
    with contextlib.closing(psycopg2.connect(url)) as other:
        other.cursor().execute("LOCK TABLE users")
        with pytest.raises(errors.WriteRefused, match="lock timeout"), open_writer(url, patience_s=0.2) as writer:
            writer.insert("User", ("id",), [("x",)])


@pytest.mark.slow
def test_thirty_thousand_rows_are_stored_from_an_iterator(database: str) -> None:
    rows = ((f"r{n}", LEARNER, "limits-1", "GOOD", NOW_MS - n) for n in range(30_000))
    with open_writer(database) as writer:
        stored = writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), rows, on_conflict="ignore")
        assert stored == 30_000


@pytest.mark.slow
def test_the_command_makes_tables_that_can_be_read(tmp_path: Path, postgres_url: str) -> None:
    for url in (f"file:{tmp_path}/made.db", postgres_url):
        made = CliRunner().invoke(create_database, ["--database-url", url])
        assert (made.exit_code, made.stderr) == (0, "")
        assert "tables created" in made.stdout
        lay_out(url)
        with db.connect(url) as client:
            assert client.missing_sources() == ()
            assert client.read(LEARNER, "limits", None, WINDOW)
        again = CliRunner().invoke(create_database, ["--database-url", url])
        assert again.exit_code == 78
        assert "already has the table 'users'" in again.stderr
        assert CliRunner().invoke(create_database, ["--database-url", url, "--if-not-exists"]).exit_code == 0
        with db.connect(url) as client:
            assert client.learner_ids() == ["ada", "bob"]


@pytest.mark.parametrize(
    ("url", "code"),
    [("mysql://h/d", 78), ("file:/nonexistent/dir/x.db", 69), ("postgresql://u:sec-ret@127.0.0.1:1/d", 69)],
)
def test_the_command_fails_in_one_sentence(url: str, code: int) -> None:
    refused = CliRunner().invoke(create_database, ["--database-url", url])
    assert refused.exit_code == code
    assert len([line for line in refused.stderr.strip().splitlines() if "ps shows it" not in line]) == 1
    assert "sec-ret" not in refused.output
    assert CliRunner().invoke(create_database, []).exit_code == 78


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_command_prints_its_statements(dialect: str, postgres_url: str) -> None:
    printed = CliRunner().invoke(create_database, ["--sql", dialect])
    assert printed.exit_code == 0
    if dialect == "sqlite":
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(printed.stdout)
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    else:
        with contextlib.closing(psycopg2.connect(postgres_url)) as connection:
            cursor = connection.cursor()
            cursor.execute(printed.stdout)
            cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)")
            found = {name for (name,) in cursor.fetchall()}
            cursor.execute("SELECT typname FROM pg_type WHERE typtype = 'e'")
            assert {name for (name,) in cursor.fetchall()} == set(ENUMS)
    assert found >= {table.name for table in TABLES.values()}
