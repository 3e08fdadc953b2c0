"""Answers leave the platform as a log, without those who opted out, and come back as the same rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.tables import ddl as tables
from db.writing.open import open_writer
from ml.places import HOUSE
from scripts.benchmark import benchmark
from scripts.export_history import export_history
from scripts.import_history import import_history
from tests.conftest import need
from tests.support.benchmarks import figures_of
from tests.support.outputs import read_output
from tests.support.study_database import HOUR_MS, LEARNER, NOW_MS, insert, lay_out, reviews

TABLES = ("User", "LearningObjective", "Card", "Review", "StudySession", "PerformanceMetric", "ValidationResponse")
HEADER = ["user_id", "item_id", "timestamp", "correct", "skill_id", "kind", "rating", "time_spent_ms"]
T0 = 1_447_727_791

Row = tuple[str, ...]


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    with open_writer(url) as reader:
        return {
            model: sorted(reader.query(f"SELECT * FROM {reader.table(model)}"), key=repr)
            for model in TABLES
            if tables.TABLES[model].name in reader.existing_tables()
        }


def import_rows(url: str, path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER[: len(rows[0])], *rows])
    imported(url, path)


def imported(url: str, path: Path) -> None:
    done = CliRunner().invoke(import_history, [str(path), "--database-url", url])
    assert done.exit_code == 0, done.output


def export(url: str, path: Path, *options: str, code: int = 0) -> Any:
    argv = ["--database-url", url, "--output", str(path), *options, "--json"]
    done = CliRunner().invoke(export_history, argv)
    assert done.exit_code == code, done.output
    return read_output(done.stdout) if code == 0 else done.stderr


def rows_of(path: Path) -> list[dict[str, str]]:
    octets = path.read_bytes()
    text = (gzip.decompress(octets) if path.suffix == ".gz" else octets).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


IDS = st.text(st.sampled_from("ab/%,\"';é=\N{DEVANAGARI LETTER A}0 "), min_size=1, max_size=4).map(
    lambda text: f"x{text}x"
)
PRACTICE = st.tuples(IDS, IDS, st.integers(T0 * 1000, T0 * 1000 + 9 * HOUR_MS), st.booleans(), IDS)


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    drawn = draw(st.lists(PRACTICE, min_size=1, max_size=30))
    if draw(st.booleans()):
        rated = st.tuples(st.sampled_from(["", "AGAIN", "HARD", "GOOD", "EASY"]), st.sampled_from(["", "0", "1500"]))
        return [
            (who, item, f"{at / 1000:.3f}", str(int(right)), skill, "", *draw(rated))
            for who, item, at, right, skill in drawn
        ]
    kinds = st.sampled_from(["practice", "practice", "study"])
    rows = [(who, item, "0", str(int(right)), skill, draw(kinds)) for who, item, _, right, skill in drawn]
    return [(who, "x", "0", "1", "x", "practice") for who in {row[0] for row in rows}] + rows


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=logs(), number=st.integers(0, 10**12))
def test_an_exported_log_is_imported_again_to_the_same_rows(tmp_path: Path, rows: list[Row], number: int) -> None:
    place = tmp_path / str(number)
    place.mkdir(exist_ok=True)
    for file in place.iterdir():
        file.unlink()
    first, second = (f"file:{place}/{name}.sqlite3" for name in ("first", "second"))
    import_rows(first, place / "log.csv", rows)
    summary = export(first, place / "out.csv")
    assert sum(summary["left_out"].values()) == 0
    imported(second, place / "out.csv")
    before, after = contents(first), contents(second)
    if any(row[5] == "study" for row in rows):  # what only study rows mention is in no answer
        before, after = ({name: of[name] for name in TABLES[3:6]} for of in (before, after))
    assert after == before
    imported(first, place / "out.csv")
    assert {name: contents(first)[name] for name in before} == before


@pytest.mark.slow
def test_a_real_log_with_posttests_comes_back_on_both_databases(database: str, tmp_path: Path) -> None:
    log = Path(need("STRUGGLE_DATA")) / "lkt_cloze" / "interactions.csv.gz"
    imported(database, log)
    summary = export(database, tmp_path / "out.csv.gz")
    assert (summary["answers"], summary["validation_scores"], summary["rounded_scores"]) == (20_044, 5_925, 0)
    again = f"file:{tmp_path}/again.sqlite3"
    imported(again, tmp_path / "out.csv.gz")
    for model, fields in {
        "Review": ("id", "userId", "cardId", "sessionId", "rating", "reviewedAt"),
        "StudySession": ("id", "startedAt", "completedAt", "newCardsStudied"),
        "PerformanceMetric": ("id", "retentionScore", "reviewCount"),
        "ValidationResponse": ("userId", "promptId", "score", "respondedAt"),
    }.items():
        with open_writer(database) as one, open_writer(again) as other:
            assert sorted(one.select(model, fields)) == sorted(other.select(model, fields)), model


def test_who_opted_out_is_left_out_and_counted(database: str, tmp_path: Path) -> None:
    rows: list[Row] = [(who, "i", str(T0 + n), "1", "s", "") for who in ("ann", "bob", "eve") for n in range(3)]
    import_rows(database, tmp_path / "log.csv", rows)
    with open_writer(database) as writer:
        writer.update("User", "bob", includeInAnalytics=False)
        writer.update("User", "eve", performanceTrackingEnabled=False)
    summary = export(database, tmp_path / "out.csv")
    assert {row["user_id"] for row in rows_of(tmp_path / "out.csv")} == {"ann"}
    assert (summary["learners"], summary["learners_opted_out"], summary["left_out"]["opted_out"]) == (1, 2, 6)
    done = CliRunner().invoke(export_history, ["--database-url", database, "--output", str(tmp_path / "out.csv")])
    assert "6 answers of learners who have opted out were left out." in done.stdout


def test_what_a_log_cannot_hold_is_left_out_and_counted(database: str, tmp_path: Path) -> None:
    lay_out(database)
    reviews(database, [NOW_MS, NOW_MS + 1])
    reviews(database, [NOW_MS + 2], rating="EASY", timeSpentMs=1234)
    reviews(database, [-5], rating="HARD")
    insert(database, "Card", [{"id": "loose", "courseId": "calculus"}])
    reviews(database, [NOW_MS + 3], cardId="loose")
    insert(database, "Card", [{"id": "c" * 501, "courseId": "calculus", "objectiveId": "limits"}])
    reviews(database, [NOW_MS + 4], cardId="c" * 501)
    insert(database, "ValidationPrompt", [{"id": "p", "objectiveId": "limits", "conceptName": "c"}])
    scores = [{"promptId": "p", "score": score, "respondedAt": NOW_MS + 9} for score in (0.75, 0.12345, 1.5)]
    insert(database, "ValidationResponse", [*scores, {**scores[0], "skipped": True}])
    summary = export(database, tmp_path / "out.csv")
    assert summary["left_out"] == {
        "opted_out": 0,
        "without_objective": 1,
        "without_a_grade": 1,
        "without_a_usable_date": 1,
        "without_a_usable_id": 1,
        "with_other_times": 0,
    }
    assert (summary["answers"], summary["validation_scores"], summary["rounded_scores"]) == (3, 2, 1)
    rows = rows_of(tmp_path / "out.csv")
    assert [row["rating"] for row in rows[:3]] == ["GOOD", "GOOD", "EASY"]
    assert (rows[0]["timestamp"], rows[2]["timestamp"], rows[2]["time_spent_ms"]) == (
        "1741000000",
        "1741000000.002",
        "1234",
    )
    assert [row["kind"] for row in rows[3:]] == ["posttest"] * 104
    assert sum(int(row["correct"]) for row in rows[3:]) == 3 + 12


def test_the_deployments_setting_says_which_grades_are_correct(database: str, tmp_path: Path) -> None:
    lay_out(database)
    reviews(database, [NOW_MS], rating="HARD")
    for setting, right in (("GOOD", "0"), ("HARD", "1")):
        export(database, tmp_path / "out.csv", "--correct-from", setting)
        assert [(row["correct"], row["rating"]) for row in rows_of(tmp_path / "out.csv")] == [(right, "HARD")]


def test_dates_and_orders_are_not_mixed(sqlite_url: str, tmp_path: Path) -> None:
    import_rows(sqlite_url, tmp_path / "dated.csv", [("ann", "i", str(T0), "1", "s", "")])
    import_rows(
        sqlite_url, tmp_path / "ordered.csv", [("bob", "i", "0", "1", "s", ""), ("bob", "j", "0", "0", "s", "")]
    )
    out = tmp_path / "out.csv"
    assert "export each with --times dates and --times order" in export(sqlite_url, out, code=2)
    assert not out.exists()
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]
    assert export(sqlite_url, out, "--times", "order")["order_only"]
    assert [(row["user_id"], row["timestamp"]) for row in rows_of(out)] == [("bob", "0"), ("bob", "0")]
    summary = export(sqlite_url, out, "--times", "dates")
    assert (summary["order_only"], summary["left_out"]["with_other_times"]) == (False, 2)
    assert [(row["user_id"], row["timestamp"]) for row in rows_of(out)] == [("ann", str(T0))]


def test_pseudonyms_follow_from_a_key_that_is_kept_apart(sqlite_url: str, tmp_path: Path) -> None:
    rows: list[Row] = [(who, "i", str(T0), "1", "s", "") for who in ("ann", "bob")]
    import_rows(sqlite_url, tmp_path / "log.csv", rows)
    key, names = tmp_path / "key", []
    for nth in range(4):
        out = tmp_path / f"{nth}.csv"
        given = ("--key", str(key)) if nth < 2 else ()
        assert export(sqlite_url, out, "--pseudonymise", *given)["pseudonymised"]
        names.append(tuple(row["user_id"] for row in rows_of(out)))
        assert all(re.fullmatch("[0-9a-f]{20}", name) for name in names[-1])
        assert len(set(names[-1])) == 2
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip()
    assert len(secret) == 64
    assert secret not in (tmp_path / "0.csv").read_text()


def test_a_key_is_refused_where_it_is_none_or_not_apart(sqlite_url: str, tmp_path: Path) -> None:
    import_rows(sqlite_url, tmp_path / "log.csv", [("ann", "i", str(T0), "1", "s", "")])
    out, key = tmp_path / "out.csv", tmp_path / "key"
    key.write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(key)
    assert "is not a key" in export(sqlite_url, out, "--pseudonymise", "--key", str(key), code=78)
    assert "kept apart" in export(sqlite_url, out, "--pseudonymise", "--key", str(out), code=2)
    assert "belongs to --pseudonymise" in export(sqlite_url, out, "--key", str(key), code=2)
    assert "cannot be read" in export(sqlite_url, out, "--pseudonymise", "--key", str(link), code=74)
    assert key.read_text() == "secret"
    assert not out.exists()


def test_stdout_gets_the_log_and_stderr_the_summary(sqlite_url: str, tmp_path: Path) -> None:
    import_rows(sqlite_url, tmp_path / "log.csv", [("ann", "i", str(T0), "1", "s", "")])
    argv = [sys.executable, "-m", "scripts.export_history", "--database-url", sqlite_url, "--output", "-"]
    done = subprocess.run(argv, cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == f"ann,i,{T0},1,s,practice,GOOD,"
    assert done.stderr == "1 answer and 0 validation scores of 1 learner are in the log.\n"
    with open("/dev/full", "w") as full:
        failed = subprocess.run(argv, cwd=HOUSE, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (74, 1), failed.stderr


@pytest.mark.slow
@pytest.mark.stopwatch
def test_memory_does_not_grow_with_the_answers(tmp_path: Path) -> None:
    url = f"file:{tmp_path}/many.sqlite3"
    draw = random.Random(3)
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        writer.insert("User", ("id",), [(f"u{n}",) for n in range(50)])
        writer.insert("Card", ("id", "courseId", "objectiveId"), [(f"c{n}", "c", f"o{n}") for n in range(20)])
        fields = ("id", "userId", "cardId", "rating", "reviewedAt")
        many = ((f"r{n}", f"u{draw.randrange(50)}", f"c{n % 20}", "GOOD", NOW_MS + n) for n in range(150_000))
        writer.insert("Review", fields, many)
    measured = os.path.join(HOUSE, "scripts", "reference", "one_process.py")
    export_of = (sys.executable, "-m", "scripts.export_history", "--database-url", url, "--output")
    argv = [sys.executable, "-I", "-S", measured, *export_of, str(tmp_path / "o.csv")]
    done = subprocess.run(argv, cwd=HOUSE, capture_output=True, text=True, check=True)
    _, peak_kib, code, _ = map(float, done.stdout.split())
    assert code == 0
    assert peak_kib < 60 * 1024  # 150,000 answers in memory would take as much again
    with (tmp_path / "o.csv").open() as file:
        assert sum(1 for _ in file) == 150_001


def test_a_summary_is_one_object_and_the_learner_of_the_demo_is_in_the_log(tmp_path: Path) -> None:
    done = CliRunner().invoke(export_history, ["--demo", "--output", str(tmp_path / "demo.csv"), "--json"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert read_output(done.stdout)["learners"] == 5
    assert LEARNER not in {row["user_id"] for row in rows_of(tmp_path / "demo.csv")}


@pytest.mark.slow
def test_the_benchmark_exports_every_answer_of_two_platforms(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ["export", "--answers", "3000", "--no-postgres", "--json", str(out)]
    done = CliRunner().invoke(benchmark, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    assert list(figures_of(report)) == ["SQLite, 300 answers", "SQLite, 3,000 answers"]
    memory = [goal["met"] for goal in report["goals"] if "MiB" in goal["goal"]]
    assert memory == [True, True]
