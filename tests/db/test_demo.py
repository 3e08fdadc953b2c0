"""The embedded demo database: what its generator makes, and the same on any day and in both databases."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

import db
from db import connecting, demo
from db.tables.ddl import TABLES
from db.writing.open import open_writer
from ml.study.history import WINDOW


def content(path: str) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows and every table's and index's SQL."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [table.name for table in TABLES.values()]
        found = {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in tables}
        found["demo_clock"] = connection.execute("SELECT * FROM demo_clock").fetchall()
        found["schema"] = sorted(connection.execute("SELECT name, sql FROM sqlite_master"), key=repr)
    return found


def test_the_committed_file_is_what_the_generator_makes(tmp_path: Path) -> None:
    path = os.path.join(tmp_path, "again.sqlite3")
    with open_writer(f"file:{path}", create=True) as writer:
        writer.create_tables()
        demo.load_demo(writer)
    assert content(path) == content(connecting.DEMO)


def test_without_a_url_the_demo_database_is_read_and_its_clock_stands_still() -> None:
    with db.connect() as client:
        assert client.now() == client.now() == demo.NOW_MS
        rows = client.read(demo.LEARNER, "action-potentials", None, WINDOW)
    assert rows.as_of_ms == demo.NOW_MS
    assert rows.is_now
    assert rows.missing_sources == ()


@pytest.mark.slow
def test_both_databases_hold_the_same_scenario(demo_database: str) -> None:
    with db.connect(demo_database) as other, db.connect() as embedded:
        for objective in demo.OBJECTIVES:
            read = other.read(demo.LEARNER, objective, None, WINDOW)
            assert read == embedded.read(demo.LEARNER, objective, None, WINDOW)


def test_the_scenario_is_the_known_one() -> None:
    with db.connect() as client:
        ahead = client.read(demo.LEARNER, "action-potentials", None, WINDOW)
    assert ahead.objective.objective.complexity == "ADVANCED"
    (needed,) = ahead.objective.prerequisites
    assert (needed.objective_id, needed.mastery_level) == ("membrane-transport", "NOT_STARTED")
    retention = {
        course: [metric.retention_score for metric in ahead.learner.metrics if metric.course_id == course]
        for course in demo.COURSES
    }
    assert set(retention["anatomy"]) == {0.85}
    assert set(retention["physiology"]) == {0.3}
    span_days = (ahead.as_of_ms - ahead.learner.reviews[0].reviewed_at_ms) / 86_400_000
    assert 35 <= span_days <= 42
    assert [exam.course_id for exam in ahead.learner.exams if exam.date_ms - ahead.as_of_ms == 7 * 86_400_000] == [
        "physiology"
    ]
    patterns = {pattern.pattern_type: pattern for pattern in ahead.learner.patterns}
    assert patterns["FORGETTING_CURVE"].confidence == 0.9
    assert patterns["FORGETTING_CURVE"].pattern["courseId"] == "physiology"


def test_the_demo_reads_from_a_directory_that_nobody_may_write(tmp_path: Path) -> None:
    path = os.path.join(tmp_path, "demo.sqlite3")
    shutil.copyfile(connecting.DEMO, path)
    os.chmod(path, stat.S_IRUSR)
    before = os.stat(path).st_mtime_ns
    with db.connect(f"file:{path}") as client:
        assert client.now() == demo.NOW_MS
    assert os.stat(path).st_mtime_ns == before
    assert os.listdir(tmp_path) == ["demo.sqlite3"]
