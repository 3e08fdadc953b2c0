"""Each misreading that a plain log invites is warned of with its rows, refused by --strict, and imports as it did."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.imports import dry_run, kinds, previewed, refused, run_import, stored

HEADER = "user_id\titem_id\ttimestamp\tcorrect\tskill_id\n"
T0 = 1_447_727_791
STEPS = (0, 118, 251, 300, 421, 533, 8000, 8117, 8222, 8390)
"""Seconds of ten answers in two visits."""


def log(tmp_path: Path, times: list[object], skill: str = "s", learners: int = 2) -> Path:
    path = tmp_path / "log.tsv"
    rows = [f"u{who}\ti{n}\t{at}\t{int(n % 3 > 0)}\t{skill}\n" for who in range(learners) for n, at in enumerate(times)]
    path.write_text(HEADER + "".join(rows))
    return path


MISREAD: dict[str, tuple[Callable[[int], object], str, str]] = {
    "milliseconds from a start": (lambda step: step * 1000 + 37 * (step % 7), "milliseconds", "118 seconds between"),
    "milliseconds of an epoch": (lambda step: 60_000_000_000 + step * 1000, "milliseconds", "2001-11-25"),
    "fractional days": (lambda step: round(12.4 + step / 86400, 6), "days", "Days are likelier"),
    "excel serials": (lambda step: round(45000.4 + step / 86400, 6), "excel-serials", "2023-03-15"),
    "order numbers": (lambda step: STEPS.index(step) + 1, "order", "Numbers of an order"),
}


@pytest.mark.parametrize("name", MISREAD)
def test_numbers_that_are_no_seconds(tmp_path: Path, name: str) -> None:
    written, kind, likelier = MISREAD[name]
    path = log(tmp_path, [written(step) for step in STEPS])
    summary = dry_run(path)
    assert kind in kinds(summary)
    assert kinds(summary)[kind] == 20
    said = next(warning["text"] for warning in summary["warnings"] if warning["kind"] == kind)
    assert "timestamp is read as seconds: 20 rows from" in said
    assert likelier in said
    assert "--strict refuses the log" in refused(path, "--strict")
    _, stderr = run_import(path, "--database-url", f"sqlite:///{tmp_path}/d.db")
    assert "Warning: timestamp is read as seconds" in stderr
    unit = said.rpartition("--time-unit ")[2].rstrip(").")
    assert kind not in kinds(dry_run(path, "--time-unit", unit))


def test_whole_days_with_many_answers_on_each(tmp_path: Path) -> None:
    path = log(tmp_path, [3, 4, 4, 4, 9, 9, 12, 12, 12, 40])
    assert kinds(dry_run(path))["days"] == 20


def test_row_numbers_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_text(HEADER + "".join(f"u{n % 3}\ti\t{n + 1}\t1\ts\n" for n in range(30)))
    assert kinds(dry_run(path))["order"] == 30


def test_dates_written_as_numbers(tmp_path: Path) -> None:
    path = log(tmp_path, [20200324, 20200325, 20200401, 20200402, 20210101])
    assert kinds(dry_run(path))["written-dates"] == 10
    assert previewed(path, "--time-format", "%Y%m%d")[0][3] == "2020-03-24T00:00:00.000Z"


HONEST: dict[str, list[object]] = {
    "epoch": [T0 + step for step in STEPS],
    "from a start": list(STEPS),
    "one answer a day": [86_400 * day + 60 * (day % 5) for day in range(30)],
    "once a week": [T0 + 7 * 86_400 * week + 311 * week for week in range(20)],
    "two terms": [T0 + step for step in STEPS] + [T0 + 120 * 86_400 + step for step in STEPS],
    "fractions": [T0 + step + 0.25 for step in STEPS],
    "order only": [0] * 10,
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_log_is_not_doubted(tmp_path: Path, name: str) -> None:
    summary = dry_run(log(tmp_path, HONEST[name]), "--strict")
    assert summary["warnings"] == []
    assert summary["order_only"] is (name == "order only")


def test_equal_rows_are_counted_kept_and_dropped_on_request(tmp_path: Path) -> None:
    path = log(tmp_path, [T0 + step for step in STEPS])
    header, *rows = path.read_text().splitlines(keepends=True)
    path.write_text(header + "".join(rows * 5))
    assert kinds(dry_run(path)) == {"equal-rows": 80}
    assert len(stored(path, tmp_path / "kept.db")["reviews"]) == 100
    dropped = dry_run(path, "--duplicates", "drop")
    assert dropped["left_out"] == {"equal rows": 80}
    assert dropped["warnings"] == []
    assert len(stored(path, tmp_path / "d.db", "--duplicates", "drop")["reviews"]) == 20


def test_equal_rows_of_an_order_are_answers(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_text(HEADER + "u\ti\t0\t1\ts\n" * 4)
    summary = dry_run(path, "--duplicates", "drop")
    assert (summary["answers"], summary["equal_rows"], summary["warnings"]) == (4, None, [])


def test_future_dates_are_counted_and_dropped_on_request(tmp_path: Path) -> None:
    ahead = int(time.time()) + 10 * 86_400
    path = log(tmp_path, [T0 + step for step in STEPS] + [ahead])
    assert kinds(dry_run(path))["future"] == 2
    assert dry_run(path)["future_rows"] == 2
    dropped = dry_run(path, "--drop-future")
    assert dropped["left_out"] == {"rows dated in the future": 2}
    assert dropped["warnings"] == []


def test_a_date_far_from_the_others_is_told(tmp_path: Path) -> None:
    path = log(tmp_path, [T0 + step for step in STEPS] * 6, learners=5)
    path.write_text(path.read_text() + f"u1\ti\t{T0 - 300_000_000}\t1\ts\n")
    found = dry_run(path)
    assert kinds(found)["far-dates"] == 1
    assert "2006-05-1" in next(each["text"] for each in found["warnings"] if each["kind"] == "far-dates")


def test_many_answers_at_one_instant(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_text(HEADER + "".join(f"u\ti{n}\t{T0}\t1\ts\n" for n in range(30)))
    assert kinds(dry_run(path)) == {"one-instant": 30}


@pytest.mark.parametrize(
    ("skills", "rows"),
    [
        (("s1;s2", "s1", "s2"), 1),
        (("a~~b", "a"), 1),
        (("10_13", "10", "13"), 1),
        (("s1,s2", "s1"), 1),
        (("Area, perimeter and volume", "Circles"), 0),
        (("box_and_whisker", "1.2.3", "2020-03", "A+"), 0),
    ],
)
def test_skills_that_look_like_several(tmp_path: Path, skills: tuple[str, ...], rows: int) -> None:
    path = tmp_path / "log.tsv"
    path.write_text(HEADER + "".join(f"u\ti\t{T0 + 60 * n}\t1\t{skill}\n" for n, skill in enumerate(skills)))
    assert kinds(dry_run(path)).get("several-skills", 0) == rows
    if ";" in skills[0]:
        assert {row[1] for row in previewed(path, "--skill-separator", ";")} == {"s1", "s2"}


def test_ids_that_spell_a_missing_value(tmp_path: Path) -> None:
    path = log(tmp_path, [T0 + step for step in STEPS], skill="NaN")
    assert kinds(dry_run(path)) == {"absent-id": 20}
    assert {row[1] for row in previewed(path)} == {"NaN"}  # in the plain layout an id is an id
    assert "--strict refuses" in refused(path, "--strict")


def test_the_summary_of_a_log(tmp_path: Path) -> None:
    path = log(tmp_path, [T0 + step for step in STEPS])
    summary = dry_run(path)
    assert (summary["format"], summary["times"]) == ("plain", "seconds")
    assert (summary["rows"], summary["learners"], summary["objectives"], summary["cards"]) == (20, 2, 1, 10)
    assert summary["dates"] == ["2015-11-17T02:36:31.000Z", "2015-11-17T04:56:21.000Z"]
    assert summary["answers_per_learner"] == {"least": 10, "median": 10, "most": 10}
    assert summary["share_right"] == 0.6
    assert len(summary["preview"]) == 10
    assert not list(tmp_path.glob("*.db"))


def test_the_plain_layout_keeps_ratings_and_response_times(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    header = HEADER.rstrip() + "\trating\ttime_spent_ms\n"
    path.write_text(header + f"u\ti\t{T0}\t0\ts\tHARD\t2500\nu\ti\t{T0 + 1}\t1\ts\tEASY\t\nu\ti\t{T0 + 2}\t1\ts\t\t7\n")
    assert [row[4:] for row in previewed(path)] == [("HARD", 2500), ("EASY", 0), ("GOOD", 7)]
    path.write_text(header + f"u\ti\t{T0}\t1\ts\tAGAIN\tsoon\n")
    assert "line 2: time_spent_ms is 'soon'" in refused(path)
