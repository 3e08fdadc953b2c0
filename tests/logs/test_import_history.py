"""Answer logs in the platform's tables: complete, once, whole or not at all, and point in time when read back."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import db
from db import ORDER_ONLY_SESSION, StudyRows
from db.errors import UnknownLearner
from db.tables import ddl as tables
from db.writing.open import open_writer
from ml.study.history import HOUR_MS, WINDOW
from ml.study.visits import visits_of
from scripts.import_history import import_history
from scripts.importing.answers import ORDER_STEP_MS, START_OF_COUNT_MS
from tests.conftest import need
from tests.support.imports import TABLES

Import = Callable[..., Any]  # see the fixture `imported`
Tables = dict[str, list[tuple[object, ...]]]

HEADER = "user_id\titem_id\ttimestamp\tcorrect\tskill_id\tkind\n"
T0 = 1447727791  # 2015-11-17T02:36:31Z
FAR_MS = 4_000_000_000_000


def row(
    learner: str, seconds: int, correct: int | str = 1, skill: str = "s", item: str = "i", kind: str = "practice"
) -> str:
    return f"{learner}\t{item}\t{seconds}\t{correct}\t{skill}\t{kind}\n"


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    """Runs the command on a log and returns its result; the summary, where it succeeded, is parsed."""

    def run(url: str, *rows: str, expected: int = 0) -> Any:
        path = tmp_path / "log.tsv"
        path.write_text(HEADER + "".join(rows), encoding="utf-8")
        return invoke(path, url, expected)

    return run


def invoke(path: str | os.PathLike[str], url: str, expected: int = 0) -> Any:
    result = CliRunner().invoke(import_history, [os.fspath(path), "--database-url", url, "--json"])
    assert result.exit_code == expected, result.output
    return json.loads(result.stdout) if expected == 0 else result.stderr


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that an import writes, as stored."""
    with open_writer(url) as reader:
        models = {table.name: model for model, table in tables.TABLES.items()}
        return {name: sorted(reader.query(f"SELECT * FROM {reader.table(models[name])}"), key=repr) for name in TABLES}


def read(url: str, learner: str, objective: str, as_of_ms: int = FAR_MS) -> StudyRows:
    with db.connect(url) as client:
        return client.read(learner, objective, as_of_ms, WINDOW)


def stored(url: str, learner: str, model: str, *fields: str) -> list[tuple[object, ...]]:
    """The fields of the learner's rows of a table, in order, whether a prediction reads them or not."""
    with open_writer(url) as reader:
        return sorted(reader.select(model, fields, "userId", [learner]), key=repr)


@pytest.mark.slow
def test_a_log_becomes_the_rows_of_the_platform(database: str, imported: Import) -> None:
    summary = imported(
        database,
        row("ann", T0, 1, "s", "i"),
        row("ann", T0 + 60, 0, "s", "j"),
        row("ann", T0 + 120, "", "s", "k", "study"),
        row("ann", T0 + 90_000, 1, "t", "i"),
        row("bob", T0, 0, "s", "i"),
        row("ann", T0 + 100_000, 1, "s", "i", "posttest"),
        row("ann", T0 + 100_060, 0, "s", "j", "posttest"),
    )
    assert summary["new_answers"] == 4
    assert summary["new_learners"] == 2
    assert summary["study_rows"] == 1
    assert not summary["order_only"]
    rows = read(database, "ann", "s")
    assert [(r.card_id, r.objective_id, r.rating, r.reviewed_at_ms, r.order_only) for r in rows.learner.reviews] == [
        ("s/i", "s", "GOOD", T0 * 1000, False),
        ("s/j", "s", "AGAIN", (T0 + 60) * 1000, False),
        ("t/i", "t", "GOOD", (T0 + 90_000) * 1000, False),
    ]
    assert [(s.started_at_ms, s.completed_at_ms, s.new_cards_studied) for s in rows.learner.sessions] == [
        (T0 * 1000, (T0 + 60) * 1000, 2),
        ((T0 + 90_000) * 1000, (T0 + 90_000) * 1000, 1),
    ]
    assert stored(database, "ann", "StudySession", "startedAt", "reviewsCompleted") == [
        (T0 * 1000, 2),
        ((T0 + 90_000) * 1000, 1),
    ]
    day_ms = T0 // 86400 * 86_400_000
    assert [(m.objective_id, m.date_ms, m.retention_score) for m in rows.learner.metrics] == [
        ("s", day_ms, 0.5),
        ("t", day_ms + 86_400_000, 1.0),
    ]
    assert stored(database, "ann", "PerformanceMetric", "date", "correctReviews", "incorrectReviews") == [
        (day_ms, 1, 1),
        (day_ms + 86_400_000, 1, 0),
    ]
    assert [(v.objective_id, v.score, v.responded_at_ms) for v in rows.learner.validations] == [
        ("s", 0.5, (T0 + 100_060) * 1000)
    ]
    assert sorted(card.id for card in rows.objective.cards) == ["s/i", "s/j", "s/k"]
    assert rows.objective.objective.course_id is not None
    assert read(database, "bob", "t").learner.reviews[0].rating == "AGAIN"


@pytest.mark.slow
def test_nobody_but_the_logs_learners_is_a_learner(database: str, imported: Import) -> None:
    imported(database, row("ann", T0), row("bob", T0))
    assert len(contents(database)["users"]) == 2
    with pytest.raises(UnknownLearner):
        read(database, "import", "s")


@pytest.mark.slow
def test_a_prediction_before_the_posttest_ends_sees_none_of_it(database: str, imported: Import) -> None:
    trials = [row("ann", T0 + 60 * n, n % 2, "st"[n % 2], str(n), "posttest") for n in range(6)]
    imported(database, row("ann", T0 - 5000), *trials)
    end_ms = (T0 + 300) * 1000
    assert read(database, "ann", "s", end_ms).learner.validations == []
    assert [v.score for v in read(database, "ann", "s", end_ms + 1).learner.validations] == [0.0, 1.0]
    assert len(read(database, "ann", "s").learner.reviews) == 1  # a trial is no review


@pytest.mark.slow
def test_importing_twice_changes_nothing(database: str, imported: Import) -> None:
    rows = [row("ann", T0 + 600 * n, int(n % 3 > 0), "st"[n % 2], str(n % 5)) for n in range(40)]
    rows.append(row("ann", T0 + 90_000, 1, kind="posttest"))
    imported(database, *rows)
    once = contents(database)
    summary = imported(database, *rows)
    assert summary["new_answers"] == summary["new_learners"] == summary["new_cards"] == 0
    assert contents(database) == once


@pytest.mark.slow
@pytest.mark.parametrize("cut", [1, 7, 20, 39])
def test_a_log_in_two_pieces_ends_as_the_whole_log_does(tmp_path: Path, imported: Import, cut: int) -> None:
    rows = [row("ann", T0 + 1500 * n, int(n % 3 > 0), "st"[n % 5 > 2], str(n % 5)) for n in range(40)]
    whole, pieces, backwards = (f"sqlite:///{tmp_path}/{name}.db" for name in ("whole", "pieces", "backwards"))
    imported(whole, *rows)
    imported(pieces, *rows[:cut])
    assert imported(pieces, *rows)["new_answers"] == 40 - cut
    assert contents(pieces) == contents(whole)
    imported(backwards, *rows[cut:])
    assert imported(backwards, *rows[:cut])["new_answers"] == cut
    assert ignoring_first_dates(contents(backwards)) == ignoring_first_dates(contents(whole))


def ignoring_first_dates(tables: Tables) -> Tables:
    """createdAt of learners and objectives stays what the first import made it."""
    return {name: rows for name, rows in tables.items() if name not in ("users", "learning_objectives")}


@pytest.mark.slow
def test_a_continuation_that_joins_two_visits_moves_their_answers_and_leaves_no_session_behind(
    database: str, imported: Import
) -> None:
    imported(database, row("ann", T0), row("ann", T0 + 7000, item="j"))
    assert len(contents(database)["study_sessions"]) == 2
    imported(database, row("ann", T0 + 3500, item="k"))
    assert stored(database, "ann", "StudySession", "startedAt", "completedAt", "reviewsCompleted") == [
        (T0 * 1000, (T0 + 7000) * 1000, 3)
    ]
    with open_writer(database) as reader:
        sessions = {row[0] for row in reader.select("Review", ("sessionId",))}
        assert sessions == {row[0] for row in reader.select("StudySession", ("id",))}


@pytest.mark.slow
def test_an_order_gets_times_ten_minutes_apart_and_says_so(database: str, imported: Import) -> None:
    rows = [row("ann", 0, skill="s" if n in (0, 6, 13) else "t", item=str(n)) for n in range(14)]
    assert imported(database, *rows)["order_only"]
    history = read(database, "ann", "s").learner
    assert all(review.order_only for review in history.reviews)
    assert [r.reviewed_at_ms for r in history.reviews] == [START_OF_COUNT_MS + n * ORDER_STEP_MS for n in range(14)]
    # five others in between: one visit; six: two
    assert [visit.answers for visit in visits_of(history.reviews) if visit.objective_id == "s"] == [2, 1]
    with open_writer(database) as reader:
        assert all(str(row[0]).startswith(ORDER_ONLY_SESSION) for row in reader.select("StudySession", ("id",)))


@pytest.mark.slow
def test_the_visits_stored_are_those_that_ml_sees(database: str, imported: Import) -> None:
    imported(database, *(row("ann", T0 + 700 * n * (1 + n % 4), 1, "st"[n % 3 > 1], str(n)) for n in range(60)))
    history = read(database, "ann", "s").learner
    seen = sorted((visit.started_ms, visit.last_ms, visit.answers) for visit in visits_of(history.reviews))
    assert stored(database, "ann", "StudySession", "startedAt", "completedAt", "reviewsCompleted") == seen
    assert len(seen) > 5


@pytest.mark.slow
def test_a_longer_order_adds_its_end_and_another_order_is_refused(database: str, imported: Import) -> None:
    rows = [row("ann", 0, item=str(n)) for n in range(5)]
    imported(database, *rows[:3])
    assert imported(database, *rows)["new_answers"] == 2
    before = contents(database)
    assert "line 2: learner 'ann' answered otherwise" in imported(database, *rows[2:], expected=2)
    assert "with dates and one without" in imported(database, row("ann", T0), expected=2)
    assert contents(database) == before


@pytest.mark.slow
def test_the_same_answer_twice_in_one_second_is_two_answers(database: str, imported: Import) -> None:
    assert imported(database, row("ann", T0), row("ann", T0), row("ann", T0, 0))["new_answers"] == 3
    assert [review.rating for review in read(database, "ann", "s").learner.reviews] == ["GOOD", "GOOD", "AGAIN"]


@pytest.mark.slow
def test_answers_of_one_second_keep_their_order(database: str, imported: Import) -> None:
    items = [str(n) for n in (5, 3, 9, 1, 7)]
    imported(database, *(row("ann", T0, item=item) for item in items))
    assert [review.card_id for review in read(database, "ann", "s").learner.reviews] == [f"s/{item}" for item in items]


@pytest.mark.slow
@pytest.mark.parametrize("bad", [row("bob", T0, 2), row("bob", "soon"), "bob\n", row("bob", 0), row("", T0)])
def test_a_malformed_row_is_named_and_nothing_is_imported(database: str, imported: Import, bad: str) -> None:
    imported(database, row("ann", T0))
    before = contents(database)
    message = imported(database, row("cem", T0), row("cem", T0 + 1), bad, row("dan", T0), expected=2)
    assert "line 4:" in message
    assert "Traceback" not in message
    assert contents(database) == before


@pytest.mark.slow
def test_a_contradiction_found_late_undoes_what_was_written_before_it(database: str, imported: Import) -> None:
    imported(database, row("zoe", T0))
    before = contents(database)
    learners = [row(f"learner{n}", T0) for n in range(450)]
    assert "line 452: this answer was imported before as the opposite" in imported(
        database, *learners, row("zoe", T0, 0), expected=2
    )
    assert contents(database) == before


def test_no_database_is_made_for_a_log_that_cannot_be_read(tmp_path: Path, imported: Import) -> None:
    imported(f"sqlite:///{tmp_path}/new.db", row("ann", T0, 5), expected=2)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.slow
def test_hostile_ids_are_ids(database: str, imported: Import) -> None:
    learners = [
        "-h",
        "'; DROP TABLE users; --",
        "%s %(x)s ?",
        '"quoted"',
        "$(reboot)",
        "🙂",
        " ",
        "a/b",
        "\\",
        "é" * 250,
    ]
    imported(database, *(row(learner, T0, skill=learner, item=learner) for learner in learners))
    for learner in learners:
        rows = read(database, learner, learner)
        assert [review.objective_id for review in rows.learner.reviews] == [learner]
        assert len(rows.objective.cards) == 1


@pytest.mark.slow
def test_an_empty_log_of_answers_imports_nothing(database: str, imported: Import) -> None:
    assert imported(database)["new_answers"] == 0
    assert contents(database)["users"] == []


@pytest.mark.parametrize(
    ("url", "code"),
    [("mysql://localhost/x", 78), ("sqlite:////nowhere/at/all.db", 69), ("postgresql://127.0.0.1:1/x", 69)],
)
def test_a_database_that_cannot_be_used_has_its_exit_code(imported: Import, url: str, code: int) -> None:
    message = imported(url, row("ann", T0), expected=code)
    assert message.startswith("Error: ") or "\nError: " in message


def test_an_empty_database_gets_its_tables(tmp_path: Path, imported: Import) -> None:
    summary = imported(f"sqlite:///{tmp_path}/new.db", row("ann", T0))
    assert summary["created_tables"]
    assert len(read(f"sqlite:///{tmp_path}/new.db", "ann", "s").learner.reviews) == 1


def test_the_same_skill_is_the_same_objective_in_every_database(tmp_path: Path, imported: Import) -> None:
    for name in ("one", "two"):
        imported(f"sqlite:///{tmp_path}/{name}.db", row(name, T0, skill="143"))
    found = [contents(f"sqlite:///{tmp_path}/{name}.db")["learning_objectives"][0][0] for name in ("one", "two")]
    assert found == ["143", "143"]


def real_log(name: str) -> str:
    return os.path.join(need("STRUGGLE_DATA"), name, "interactions.csv.gz")


@pytest.mark.slow
def test_a_real_posttest_log(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cloze.db"
    summary = invoke(real_log("lkt_cloze"), url)
    assert (summary["rows"], summary["learners"], summary["new_answers"], summary["study_rows"]) == (
        39894,
        327,
        20044,
        2192,
    )
    with open_writer(url) as reader:
        scores = [row[0] for row in reader.select("ValidationResponse", ("score",))]
    # the log's own description: 43 % of learner-objective pairs have fewer than half of their trials right
    assert abs(sum(score < 0.5 for score in scores) / len(scores) - 0.43) < 0.015
    assert invoke(real_log("lkt_cloze"), url)["new_answers"] == 0


@pytest.mark.slow
def test_220_000_answers_of_a_real_log(tmp_path: Path) -> None:
    summary = invoke(real_log("assistments09"), f"sqlite:///{tmp_path}/assistments.db")
    assert (summary["new_answers"], summary["learners"], summary["new_objectives"]) == (220070, 2491, 149)
    assert summary["order_only"]


@pytest.mark.slow
def test_gzip_is_read_as_it_is(tmp_path: Path, database: str) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress((HEADER + row("ann", T0)).encode()))
    assert invoke(path, database)["new_answers"] == 1


@pytest.mark.slow
def test_a_visit_ends_after_an_hour(database: str, imported: Import) -> None:
    imported(database, row("ann", T0), row("ann", T0 + 3600), row("ann", T0 + 7201))
    sessions = read(database, "ann", "s").learner.sessions
    assert [s.completed_at_ms - s.started_at_ms for s in sessions] == [HOUR_MS, 0]


def test_what_is_no_regular_file_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.tsv")
    for path in (tmp_path / "log.tsv", "/dev/zero"):
        assert "not a regular file" in invoke(path, f"file:{tmp_path}/d.db", expected=2)
    assert not (tmp_path / "d.db").exists()


@pytest.mark.slow
def test_a_gzip_file_unpacks_to_so_much_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.importing.reading.containers.MOST_BYTES_UNPACKED", 1 << 20)
    path = tmp_path / "log.tsv.gz"
    path.write_bytes(gzip.compress((HEADER + row("l", T0) * 60_000).encode()))
    said = invoke(path, f"file:{tmp_path}/d.db", expected=2)
    assert "unpacks to more than 1 MiB" in said
    assert not (tmp_path / "d.db").exists()


def test_an_endless_line_is_refused_packed_or_not(tmp_path: Path) -> None:
    for name, content in (("log.tsv", b"x" * 300_000), ("log.gz", gzip.compress(b"x" * 300_000))):
        (tmp_path / name).write_bytes(content)
        assert "line 1: longer than 65536 bytes" in invoke(tmp_path / name, f"file:{tmp_path}/d.db", expected=2)
