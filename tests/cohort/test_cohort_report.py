"""The report on a class: whom it is about, what it says, the files it writes, and that texts stay texts."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from db.writing.open import open_writer
from ml.instants import iso
from ml.places import HOUSE
from ml.study.history import DAY_MS, LearnerHistory
from scripts.cohort import looking_back
from scripts.cohort.words import LONGEST_NAME, shown
from scripts.cohort_report import cohort_report
from scripts.predict_batch import predict_batch
from tests.support.app_shapes import fill_with_demo
from tests.support.outputs import read_output
from tests.support.school_class import (
    BAD_CARD,
    ITS_OBJECTIVE,
    NOW_MS,
    OPTED_OUT,
    PREREQUISITE,
    STUCK,
    STUCK_ON,
    UNTRACKED,
    Names,
    fill_class,
)

HOSTILE = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202ecilegna\u2066 \x1b[31mred\r\nnext\tline"
FORMULAS = "=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1"


def called(*arguments: str) -> Result:
    return CliRunner().invoke(cohort_report, [*arguments, "--quiet"])


def reported(url: str, *more: str) -> Any:
    about = () if {"--course", "--users"} & set(more) else ("--course", "physiology")
    done = called("--database-url", url, *about, "--json", *more)
    assert done.exit_code == 0, done.output
    return read_output(done.stdout)


@pytest.fixture
def school(database: str) -> str:
    fill_class(database)
    return database


@pytest.fixture(scope="module")
def a_class(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class in a SQLite file, for tests that only read it."""
    return made_class(tmp_path_factory.mktemp("class"))


def made_class(directory: Path, **how: Any) -> str:
    url = f"file:{directory}/class.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    fill_class(url, **how)
    return url


def test_a_name_keeps_nothing_of_an_escape_sequence_and_is_left_out_where_nothing_is_left() -> None:
    named = {"a": "Anna\x1b[2J\n\u202eKlein", "b": "\x1b]0;title\a", "c": "x" * 200}
    assert shown(named) == {"a": "Anna Klein", "c": "x" * (LONGEST_NAME - 1) + "…"}


def test_the_stuck_learner_and_the_bad_card_are_told_apart(school: str) -> None:
    report = reported(school)
    signs = report["signs"]
    stuck = [
        (each["user_id"], each["objective_id"]) for each in signs["learners"]["found"] if each["cause"] == "learner"
    ]
    assert stuck == [(STUCK, STUCK_ON)]
    assert [(each["card_id"], each["objective_id"]) for each in signs["cards"]["found"]] == [(BAD_CARD, ITS_OBJECTIVE)]
    assert signs["objectives"]["found"] == []
    assert all(
        each["cause"] != "learner" for each in signs["learners"]["found"] if each["objective_id"] == ITS_OBJECTIVE
    )


def test_probabilities_are_the_batchs_and_the_likeliest_struggle_comes_first(school: str) -> None:
    report = reported(school, "--model", "rules")
    lines = CliRunner().invoke(predict_batch, ["--database-url", school, "--model", "rules", "--full", "--quiet"])
    batch = {(each["user_id"], each["objective_id"]): each for each in map(json.loads, lines.stdout.splitlines())}
    told = [(entry, each) for entry in report["first"] for each in entry["objectives"]]
    assert len(told) == 24 * 3
    for entry, each in told:
        of_batch = batch[entry["user_id"], each["objective_id"]]
        for name in ("probability", "confidence", "interval", "risk_level", "reasoning"):
            assert each[name] == of_batch[name]
        assert each["advice"] == [
            {name: value for name, value in advice.items() if name != "rows"} for advice in of_batch["advice"]
        ]
    assert sum(bool(each["advice"]) for _, each in told) > 10
    highest = [entry["probability"] for entry in report["first"]]
    assert highest == sorted(highest, reverse=True)
    assert [entry["rank"] for entry in report["first"]] == list(range(1, 25))


def test_what_troubles_many_and_holds_most_back_are_sums_over_the_learners(a_class: str) -> None:
    report = reported(a_class)
    sums: dict[str, float] = {}
    for entry in report["first"]:
        for each in entry["objectives"]:
            sums[each["objective_id"]] = sums.get(each["objective_id"], 0.0) + each["probability"]
    assert {each["objective_id"] for each in report["objectives"]} == set(sums) == {f"objective-{n}" for n in range(3)}
    for each in report["objectives"]:
        assert each["struggles_expected"] == pytest.approx(sums[each["objective_id"]])
        assert each["learners"] == 24
    (lacked,) = report["prerequisites"]
    assert (lacked["objective_id"], lacked["objective"], lacked["learners"]) == (PREREQUISITE, "Osmosis", 24)
    assert lacked["struggles_expected"] == pytest.approx(sums["objective-0"])


def test_learners_who_opted_out_are_counted_and_nowhere_else(school: str, tmp_path: Path) -> None:
    names = tmp_path / "ids"
    names.write_text(f"{OPTED_OUT}\n{UNTRACKED}\nnobody-knows\nlearner-00\n", encoding="utf-8")
    for about in (("--course", "physiology"), ("--users", str(names))):
        page, table = tmp_path / "page.html", tmp_path / "table.csv"
        report = reported(school, *about, "--html", str(page), "--csv", str(table), "--names")
        assert report["learners"]["opted_out"] == 2
        for told in (json.dumps(report), page.read_text(encoding="utf-8"), table.read_text(encoding="utf-8")):
            assert f"{OPTED_OUT}<" not in told
            assert f'"{OPTED_OUT}"' not in re.sub(r'"opted_out": \d+', "", told)
            assert UNTRACKED not in told
    assert report["learners"] == {"reported": 1, "opted_out": 2, "unknown": 1, "nothing_ahead": 0}


def test_the_owner_that_an_import_names_is_no_learner(tmp_path: Path) -> None:
    url = made_class(tmp_path)
    before = reported(url)["learners"]
    assert before["unknown"] == 0
    with closing(sqlite3.connect(url.removeprefix("file:"))) as connection, connection:
        connection.execute("UPDATE courses SET userId = 'import' WHERE id = 'physiology'")
    assert reported(url)["learners"] == before


def test_of_too_few_learners_nothing_is_said_together(school: str, tmp_path: Path) -> None:
    names, page = tmp_path / "ids", tmp_path / "page.html"
    names.write_text("".join(f"learner-{n:02d}\n" for n in range(4)), encoding="utf-8")
    report = reported(school, "--users", str(names), "--html", str(page))
    assert report["status"] == "too_few_learners"
    assert report["objectives"] == report["prerequisites"] == report["trend"] == []
    assert report["signs"]["cards"]["tested"] == report["signs"]["objectives"]["tested"] == 0
    assert {each["cause"] for each in report["signs"]["learners"]["found"]} <= {"unclear"}
    assert len(report["first"]) == 4
    assert "Too few learners" in page.read_text(encoding="utf-8")
    assert called("--database-url", school, "--course", "physiology", "--minimum", "4").exit_code == 2


def test_nothing_after_as_of_changes_the_report(school: str) -> None:
    as_of_ms = NOW_MS - 9 * DAY_MS
    before = reported(school, "--as-of", iso(as_of_ms))
    with open_writer(school) as writer:
        later = [
            (f"later-{n}", f"learner-{n % 24:02d}", "card-1-1", "AGAIN", as_of_ms + n * 60_000) for n in range(400)
        ]
        later += [(f"new-{n}", "newcomer", "card-1-1", "AGAIN", as_of_ms + n) for n in range(9)]
        writer.insert("User", ("id",), [("newcomer",)])
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), later)
        stored = [("p", "learner-01", "objective-1", 0.9, 0.5, as_of_ms, as_of_ms)]
        fields = ("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence")
        writer.insert("StrugglePrediction", (*fields, "predictionDate", "predictedAt"), stored)
    after = reported(school, "--as-of", iso(as_of_ms))
    for report in (before, after):
        del report["seconds"]
    assert after == before
    assert after["trend"][-1]["start"] <= iso(as_of_ms)
    assert reported(school)["learners"]["reported"] == 25


def test_weeks_give_the_share_of_struggles_and_what_was_stored(school: str) -> None:
    with open_writer(school) as writer:
        fields = ("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence")
        stored = [(f"p{n}", f"learner-{n:02d}", "objective-1", 0.25, 0.5, NOW_MS, NOW_MS - 3) for n in range(8)]
        stored += [("other", "learner-01", "skull", 0.9, 0.5, NOW_MS, NOW_MS - 3)]  # of another course
        writer.insert("StrugglePrediction", (*fields, "predictionDate", "predictedAt"), stored)
    report = reported(school)
    weeks = report["trend"]
    assert len(weeks) == report["weeks"] == 8
    assert all(week["start"].endswith("T00:00:00.000Z") for week in weeks)
    assert (weeks[-1]["predictions"], weeks[-1]["mean_probability"]) == (8, 0.25)
    judged_weeks = [week for week in weeks if week["struggled"] is not None]
    assert sum(week["visits"] for week in judged_weeks) == 24 * 6 * 3
    for week in judged_weeks:
        assert week["low"] <= week["struggled"] <= week["high"]
    assert [week["visits"] for week in weeks if week["struggled"] is None] == [None] * (8 - len(judged_weeks))


def test_names_are_shown_only_where_they_are_asked_for(a_class: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert "Ann" not in json.dumps(reported(a_class, "--html", str(page))) + page.read_text(encoding="utf-8")
    assert {each["name"] for each in reported(a_class, "--names")["first"]} == {"Ann"}
    assert "learner-05 (Ann)" in called("--database-url", a_class, "--course", "Physiology", "--names").stdout


def test_files_are_private_and_a_failure_leaves_none(a_class: str, tmp_path: Path) -> None:
    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    page.write_text("earlier", encoding="utf-8")
    page.chmod(0o644)
    reported(a_class, "--html", str(page), "--csv", str(table))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (page, table)] == [0o600, 0o600]
    page.unlink()
    table.unlink()
    argv = ["--database-url", a_class, "--html", str(page), "--csv", str(table)]
    assert called(*argv, "--course", "no-such").exit_code == 66
    assert called(*argv, "--course", "physiology", "--model", str(tmp_path / "absent.pkl")).exit_code == 78
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "either --course or --users"),
        (("--course", "physiology", "--users", "ids"), 2, "either --course or --users"),
        (("--course", ""), 2, "--course is empty"),
        (("--course", "no\x1bsuch"), 66, r"'no\\x1bsuch'"),
        (("--users", "strangers"), 66, "No learner in --users"),
        (("--course", "physiology", "--html", "same", "--csv", "same"), 2, "name the same file"),
    ],
)
def test_what_makes_no_report_is_refused(
    a_class: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ids", "strangers"):
        Path(name).write_text("nobody-knows\n", encoding="utf-8")
    done = called("--database-url", a_class, *arguments)
    assert done.exit_code == code, done.output
    assert said in done.output


@pytest.mark.slow
def test_no_spreadsheet_takes_a_name_for_a_formula(tmp_path: Path) -> None:
    for place, text in enumerate(FORMULAS):
        directory = tmp_path / str(place)
        directory.mkdir()
        url = made_class(directory, learners=2, names=Names(text, text))
        table = directory / "table.csv"
        reported(url, "--csv", str(table), "--names")
        with open(table, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 6
        for row in rows:
            assert row["name"].startswith("'")
            assert row["objective"].startswith("'")
            assert 0 <= float(row["probability"]) <= 1
        assert all(line.startswith('"') for line in table.read_bytes().decode().split("\r\n")[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("text", [*HOSTILE, "x" * 10_000], ids=["script", "image", "marks", "long"])
def test_texts_from_the_database_stay_texts(tmp_path: Path, text: str) -> None:
    url = made_class(tmp_path, learners=6, names=Names(text, text, text))
    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    report = reported(url, "--html", str(page), "--csv", str(table), "--names")
    told = called("--database-url", url, "--course", "physiology", "--names").stdout
    written = page.read_text(encoding="utf-8")
    assert not re.search(r"<script|<img|onerror=[^&]*>", written.replace("&lt;", ""))
    for output in (written, table.read_text(encoding="utf-8"), told):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", output)
    assert max(len(each["objective"]) for each in report["objectives"]) <= 120
    assert told.count("\n") < 50
    with open(table, encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 18


@pytest.mark.slow
def test_hostile_ids_are_shown_and_escaped(tmp_path: Path) -> None:
    url = made_class(tmp_path, learners=6)
    with open_writer(url) as writer:
        for table, field in (("User", "id"), ("Review", "userId"), ("Mission", "userId")):
            for key, who in writer.select(table, ("id", field)):
                if who == "learner-05":
                    writer.update(table, key, **{field: HOSTILE[0] + HOSTILE[2]})
    page = tmp_path / "page.html"
    done = called("--database-url", url, "--course", "physiology", "--html", str(page))
    assert done.exit_code == 0, done.output
    for told in (done.output, page.read_text(encoding="utf-8")):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", told)
    assert "<script" not in page.read_text(encoding="utf-8")


def test_two_processes_make_the_same_report(a_class: str) -> None:
    alone, shared = reported(a_class), reported(a_class, "--jobs", "2")
    for report in (alone, shared):
        del report["seconds"]
    assert shared == alone


def test_it_reads_the_apps_own_tables(app_database: str) -> None:
    fill_with_demo(app_database, NOW_MS)
    report = reported(app_database, "--as-of", iso(NOW_MS), "--course", "Physiology", "--names")
    assert report["courses"] == [{"course_id": "physiology", "name": "Physiology"}]
    assert report["learners"]["reported"] == 5
    assert {entry.get("name") for entry in report["first"]} >= {"Demo Learner"}
    assert all(each["objective"] for entry in report["first"] for each in entry["objectives"])


def test_other_names_of_tables_and_columns_are_those_of_the_schema(sqlite_url: str, tmp_path: Path) -> None:
    schema = tmp_path / "schema.prisma"
    schema.write_text(
        'model User {\n  id String @id\n  name String? @map("full name")\n  @@map("people")\n}\n'
        'model LearningObjective {\n  id String @id\n  lectureId String\n  objective String @map("words")\n}\n'
        'model Course {\n  id String @id\n  userId String\n  name String @map("title")\n}\n',
        encoding="utf-8",
    )
    path = sqlite_url.removeprefix("file:")
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
    fill_class(sqlite_url, learners=6)
    with closing(sqlite3.connect(path)) as file:
        file.executescript(
            'ALTER TABLE users RENAME TO people; ALTER TABLE people RENAME COLUMN name TO "full name";'
            'ALTER TABLE learning_objectives RENAME TO "LearningObjective";'
            'ALTER TABLE "LearningObjective" RENAME COLUMN objective TO words;'
            'ALTER TABLE courses RENAME TO "Course"; ALTER TABLE "Course" RENAME COLUMN name TO title;'
        )
    report = reported(sqlite_url, "--schema", str(schema), "--names", "--course", "Physiology")
    assert {entry["name"] for entry in report["first"]} == {"Ann"}
    assert all(each["objective"].startswith("Renal") for entry in report["first"] for each in entry["objectives"])


def test_one_learner_who_cannot_be_looked_back_on_ends_no_report(a_class: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = looking_back.expected_answers

    def fails_for_one(past: LearnerHistory, *rest: Any) -> Any:
        if past.learner.id == "learner-07":
            raise ZeroDivisionError("a learner's secret")
        return real(past, *rest)

    monkeypatch.setattr(looking_back, "expected_answers", fails_for_one)
    done = called("--database-url", a_class, "--course", "physiology", "--json")
    assert done.exit_code == 0, done.output
    assert "secret" not in done.output
    assert "learner-07: answers cannot be looked back on (ZeroDivisionError" in done.stderr
    report = read_output(done.stdout)
    assert len(report["first"]) == 24
    assert report["signs"]["learners"]["tested"] == 23 * 6


def test_what_became_of_each_level_is_told_from_the_models_card(a_class: str, tmp_path: Path) -> None:
    shipped = Path(HOUSE, "models")
    card = json.loads((shipped / "pretrained.json").read_text(encoding="utf-8"))
    for levels in ([], ["of 10 at HIGH risk, about 3 did not struggle (95 %: 2 to 4; 900 judged)"]):
        directory = tmp_path / str(len(levels))
        directory.mkdir()
        shutil.copy(shipped / "pretrained.pkl", directory)
        (directory / "pretrained.json").write_text(json.dumps({**card, "levels": levels}), encoding="utf-8")
        page = directory / "page.html"
        report = reported(a_class, "--model", str(directory / "pretrained.pkl"), "--html", str(page))
        assert report["of_each_level"] == levels
        assert ("about 3 did not struggle" in page.read_text(encoding="utf-8")) == bool(levels)
    assert reported(a_class, "--model", "rules")["of_each_level"] == []
