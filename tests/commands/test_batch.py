"""The batch: predict.py's numbers for many pairs, each once, whatever happens on the way."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import db
from db import ObjectiveRows
from db.writing.open import open_writer
from ml.extractor import StruggleFeatureExtractor
from ml.features.build import features_facing
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso, parse_iso
from ml.model import StrugglePredictionModel, load
from ml.scoring.scorecard import SavedModel
from ml.scoring.trained import predict
from ml.study.history import DAY_MS, WINDOW, LearnerHistory, StudyHistory
from ml.study.upcoming import Plans, upcoming
from ml.training.vectorised import ManyAtOnce
from scripts.batch import run as batch_run
from scripts.predict_batch import predict_batch
from scripts.testbed.synthetic_rows import Size, fill
from tests.support.benchmarks import figures_of
from tests.support.history_builder import answers, exam, mastery, mission, objective, study
from tests.support.outputs import read_output
from tests.support.trained_models import save_model, scorecard

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOW_MS = 1_760_605_200_000
AS_OF = iso(NOW_MS)


@pytest.fixture
def platform(database: str) -> str:
    """Twelve made-up learners with twenty objectives ahead of each, on both databases."""
    with open_writer(database) as writer:
        fill(writer, Size(12, 20, 60, 3), NOW_MS)
    return database


@pytest.fixture
def sqlite_platform(sqlite_url: str) -> str:
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(30, 6, 40, 5), NOW_MS)
    return sqlite_url


def batch(*arguments: str, expected: int = 0) -> Any:
    result = CliRunner().invoke(predict_batch, [*arguments, "--quiet"])
    assert result.exit_code == expected, (result.output, result.exception)
    return json.loads(result.stdout) if "--json" in arguments and not expected else result.stderr


def lines_of(path: str | os.PathLike[str]) -> list[dict[str, object]]:
    with open(path, encoding="utf-8") as file:
        return [read_output(line) for line in file]


def pairs_of(path: str | os.PathLike[str]) -> Counter[tuple[object, object]]:
    return Counter((line["user_id"], line["objective_id"]) for line in lines_of(path))


def predict_py(url: str, *arguments: str) -> dict[str, object]:
    """A real process of predict.py."""
    argv = [sys.executable, os.path.join(ROOT, "predict.py"), "--timeout", "60", "--database-url", url, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/")
    return read_output(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rules", "trained", "trained with difficulties"])
def test_the_numbers_are_those_of_predict_py(platform: str, tmp_path: Path, kind: str) -> None:
    model = "rules"
    if kind != "rules":
        model = save_model(str(tmp_path), 3, platform if kind.endswith("difficulties") else None, NOW_MS - 3 * DAY_MS)
    out = tmp_path / "out.jsonl"
    batch("--database-url", platform, "--model", model, "--as-of", AS_OF, "--output", str(out))
    lines = lines_of(out)
    assert len(lines) == 12 * 20
    for line in lines[:: len(lines) // 5]:
        single = predict_py(
            platform, "--model", model, "--as-of", AS_OF, str(line["user_id"]), str(line["objective_id"])
        )
        assert not single["degraded"]
        assert line == {name: single[name] for name in line}


@pytest.mark.slow
def test_a_moment_before_every_difficulty_table_is_warned_of(sqlite_platform: str, tmp_path: Path) -> None:
    model = save_model(str(tmp_path), 3, sqlite_platform, NOW_MS - 3 * DAY_MS)
    arguments = ("--database-url", sqlite_platform, "--model", model, "--output", str(tmp_path / "out.jsonl"))
    before = iso(NOW_MS - 4 * DAY_MS)
    assert f"No difficulty table ends before {before}: " in batch(*arguments, "--as-of", before)
    assert "difficulty table" not in batch(*arguments, "--as-of", AS_OF)


@pytest.mark.slow
def test_the_demo_learner_as_of_its_own_now(demo_database: str, tmp_path: Path) -> None:
    """Undated columns (masteries, missions, cards) count, as the database's clock stands at as_of."""
    out = tmp_path / "out.jsonl"
    batch("--database-url", demo_database, "--model", "rules", "--output", str(out), "--full")
    lines = [line for line in lines_of(out) if line["user_id"] == "demo-learner"]
    assert [line["objective_id"] for line in lines[:2]] == ["action-potentials", "membrane-transport"]
    for line in lines:
        single = predict_py(demo_database, "--model", "rules", "demo-learner", str(line["objective_id"]))
        assert line == single


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), draw=st.randoms(use_true_random=False), count=st.integers(1, 9))
def test_many_at_once_are_judged_as_one_by_one(seed: int, draw: random.Random, count: int) -> None:
    saved = SavedModel("m", scorecard(seed), (), {}, 0.65)
    edges = [edge for table in saved.scorecard.tables for edge in table.edges]
    vectors = []
    for n in range(count):
        known = {name: draw.choice((draw.random(), 0.0, 1.0, draw.choice(edges), None, None)) for name in FEATURE_NAMES}
        vectors.append(FeatureVector.of(known, NOW_MS, degraded="no rows" if n % 4 == 3 else ""))
    for vector, verdict in zip(vectors, ManyAtOnce(saved).judge(vectors)):
        single = predict(saved, vector)
        assert tuple(verdict) == (single.probability, single.confidence, *single.interval)


def test_a_logit_beyond_the_bound_is_held_there() -> None:
    card = scorecard(5)
    card.intercept = 400.0
    saved = SavedModel("m", card, (), {}, 0.65)
    vector = FeatureVector.of({}, NOW_MS)
    (verdict,) = ManyAtOnce(saved).judge([vector])
    assert verdict.probability == predict(saved, vector).probability < 1.0


@pytest.mark.slow
def test_features_facing_many_are_those_of_each(platform: str, tmp_path: Path) -> None:
    """With a difficulty table: replayed once for twenty objectives, or once for each."""
    model = StrugglePredictionModel.load(save_model(str(tmp_path), 3, platform, NOW_MS - DAY_MS))
    with db.connect(platform) as client:
        objectives = list(client.read_objectives(None, WINDOW).values())
        extractor = StruggleFeatureExtractor(client, model.difficulty)
        for rows in client.stream_learners(NOW_MS, WINDOW):
            for is_now in (True, False):
                past = LearnerHistory(rows, NOW_MS, is_now)
                many = features_facing(past, objectives, model.difficulty)
                single = [extractor.features_of(StudyHistory(past, each)) for each in objectives]
                assert [v.to_dict() for v in many] == [v.to_dict() for v in single]
                assert any(v.known("objective_error_rate") is not None for v in many)


@pytest.mark.slow
def test_an_objectives_cards_are_those_a_single_prediction_reads(platform: str) -> None:
    """A card of the objective that is filed under another course is no card of it, alone or among many."""
    with open_writer(platform) as writer:
        writer.insert("Card", ("id", "courseId", "objectiveId"), [("astray", "course-1", "objective-0-3")])
    with db.connect(platform) as client:
        many = client.read_objectives(["objective-0-3", "objective-1-3"], WINDOW)
        for objective_id, rows in many.items():
            assert rows == client.read("learner-0", objective_id, NOW_MS, WINDOW).objective


def ahead(
    of_course: dict[str, list[str]] | None = None,
    objectives: dict[str, ObjectiveRows] | None = None,
    days_ahead: int = 14,
    is_now: bool = True,
    **rows: Any,
) -> list[str]:
    past = study(is_now=is_now, **rows).past
    return upcoming(past, Plans(past, days_ahead), of_course or {}, objectives or {})


def test_planned_are_missions_of_the_horizon_then_what_exams_cover() -> None:
    tagged = study(faced=objective("tagged", topic_tags=("Limbs",), course="course-z"))
    found = ahead(
        of_course={"course-x": ["of-exam", "tomorrow"], "course-later": ["later"]},
        objectives={"tagged": tagged, "met": study(faced=objective("met", course="course-z"))},
        reviews=[*answers("GG", 3, "tagged"), *answers("GG", 2, "met")],
        missions=[
            mission({"objective": {"id": "tomorrow"}}, days_ahead=1),
            mission({"objectiveId": "in-two-days"}, {"objectiveId": "done", "completed": True}, days_ahead=2),
            mission({"objectiveId": "too-late"}, days_ahead=15),
            mission({"objectiveId": "over"}, days_ahead=-2),
            mission({"objectiveId": "skipped"}, days_ahead=3, status="SKIPPED"),
        ],
        exams=[exam(5, "course-x", ["limbs"]), exam(20, "course-later"), exam(-3, "course-later")],
    )
    assert found == ["tomorrow", "in-two-days", "of-exam", "tagged"]


def test_without_plans_it_is_what_is_not_mastered() -> None:
    rows = {
        "reviews": [*answers("AAGAA", 20, "weak"), *answers("GGGGGG", 10, "strong")],
        "masteries": [mastery("known", "MASTERED"), mastery("unseen", "NOT_STARTED"), mastery("begun", "BEGINNER")],
    }
    assert ahead(**rows) == ["unseen", "begun", "weak"]
    assert ahead(**rows, is_now=False) == ["weak"]  # mastery levels have no date


@pytest.mark.slow
def test_an_interrupted_run_is_continued_without_a_line_twice(
    sqlite_platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    arguments = ("--database-url", sqlite_platform, "--model", "rules", "--as-of", AS_OF, "--part", "7")
    batch(*arguments, "--output", str(whole))
    real, calls = batch_run.do_part, []

    def dies_in_the_third(*part: object) -> object:
        calls.append(part)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*part)

    monkeypatch.setattr(batch_run, "do_part", dies_in_the_third)
    batch(*arguments, "--output", str(out), expected=130)
    assert not out.exists()
    with open(f"{out}.partial", "ab") as file:
        file.write(b'{"user_id": "half a li')  # what a crash may leave after the last note of progress
    monkeypatch.setattr(batch_run, "do_part", lambda *part: calls.append(part) or real(*part))
    summary = batch(*arguments, "--output", str(out), "--json")
    assert summary["continued"]
    assert len(calls) == 3 + 3  # five parts: two done before, three now
    assert out.read_bytes() == whole.read_bytes()
    assert summary["predictions"] == len(lines_of(whole)) == 30 * 6
    assert os.listdir(tmp_path).count("out.jsonl.partial") == os.listdir(tmp_path).count("out.jsonl.progress") == 0


@pytest.mark.slow
def test_another_model_or_moment_begins_anew(
    sqlite_platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    real, calls = batch_run.do_part, []

    def dies_in_the_second(*part: object) -> object:
        calls.append(part)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*part)

    monkeypatch.setattr(batch_run, "do_part", dies_in_the_second)
    arguments = ("--database-url", sqlite_platform, "--as-of", AS_OF, "--output", str(out), "--part", "7")
    batch(*arguments, "--model", "rules", expected=130)
    monkeypatch.setattr(batch_run, "do_part", real)
    summary = batch(*arguments, "--model", save_model(str(tmp_path)), "--json")
    assert not summary["continued"]
    assert {line["model_version"] for line in lines_of(out)} == {"trained"}
    assert set(pairs_of(out).values()) == {1}


@pytest.mark.slow
def test_two_processes_write_what_one_writes(sqlite_platform: str, tmp_path: Path) -> None:
    arguments = ("--database-url", sqlite_platform, "--model", save_model(str(tmp_path)), "--as-of", AS_OF)
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    batch(*arguments, "--output", str(one))
    batch(*arguments, "--output", str(two), "--jobs", "2", "--part", "8")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.slow
def test_parquet_holds_the_same_rows(sqlite_platform: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    arguments = ("--database-url", sqlite_platform, "--model", "rules", "--as-of", AS_OF)
    batch(*arguments, "--output", str(tmp_path / "a.jsonl"))
    batch(*arguments, "--output", str(tmp_path / "a.parquet"))
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    for row, line in zip(rows, lines_of(tmp_path / "a.jsonl"), strict=True):
        line["low"], line["high"] = line.pop("interval")
        assert row.pop("as_of").timestamp() * 1000 == NOW_MS
        del line["as_of"]
        assert row == line


@pytest.mark.slow
def test_stored_once_a_day_and_decided_rows_stay(platform: str) -> None:
    arguments = ("--database-url", platform, "--model", "rules", "--store", "--json")
    first = batch(*arguments, "--as-of", AS_OF)
    assert (first["written"], first["kept"]) == (240, 0)
    with open_writer(platform) as writer:
        rows = writer.select("StrugglePrediction", ("id", "userId", "learningObjectiveId", "predictedAt"))
        writer.update("StrugglePrediction", str(rows[0][0]), predictionStatus="CONFIRMED", actualOutcome=True)
        kept = writer.select("StrugglePrediction", ("id", "predictedAt", "featureVector"), "id", [str(rows[0][0])])
    assert len({row[0] for row in rows}) == len({row[1:3] for row in rows}) == 240
    second = batch(*arguments, "--as-of", iso(NOW_MS + 60_000))
    assert (second["written"], second["kept"]) == (239, 1)
    with open_writer(platform) as writer:
        again = writer.select("StrugglePrediction", ("id", "predictedAt", "featureVector"))
        assert len(again) == 240
        assert kept[0] in again
        assert sum(row[1] == NOW_MS + 60_000 for row in again) == 239
        features = FeatureVector.from_dict(again[1][2])
        assert features.source == "rules"
        indicators = writer.select("StruggleIndicator", ("userId", "learningObjectiveId", "predictionId", "severity"))
        assert len(indicators) == second["indicators"] + sum(row[2] == kept[0][0] for row in indicators)
        assert {row[3] for row in indicators} == {"MEDIUM", "HIGH"}
        assert {row[2] for row in indicators} <= {row[0] for row in again}
    with open_writer(platform) as writer:
        for exam_id, date_ms in writer.select("Exam", ("id", "date")):
            writer.update("Exam", str(exam_id), date=int(str(date_ms)) + DAY_MS)
    batch(*arguments, "--as-of", iso(NOW_MS + DAY_MS))
    with open_writer(platform) as writer:
        days = writer.select("StrugglePrediction", ("id", "predictionDate"))
    assert len(days) == 480
    ids = sorted(str(identifier) for identifier, _ in days)
    by_day = sorted(days, key=lambda row: (row[1], row[0]))
    assert ids == [row[0] for row in by_day]  # a day's ids are a range
    assert {UUID(each).version for each in ids} == {7}


@pytest.mark.slow
def test_the_rest_goes_on_where_one_learner_cannot_be_read(
    sqlite_platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scripts.batch.part as part

    real = part.studied

    def fails_for_one(faced: Sequence[StudyHistory], *rest: object) -> object:
        if faced[0].past.learner.id == "learner-3":
            raise ZeroDivisionError("a learner's secret")
        return real(faced, *rest)

    monkeypatch.setattr(part, "studied", fails_for_one)
    out = tmp_path / "out.jsonl"
    summary = batch(
        *("--database-url", sqlite_platform, "--model", "rules", "--as-of", AS_OF, "--store"),
        *("--output", str(out), "--json"),
    )
    assert summary["degraded"] == 6
    assert summary["written"] == 29 * 6  # a default estimate is not stored
    assert len(lines_of(out)) == 30 * 6
    assert "secret" not in json.dumps(summary)
    assert all(line["confidence"] <= 0.2 for line in lines_of(out) if line["user_id"] == "learner-3")


def test_what_would_help_is_in_full_lines_and_in_stored_rows(sqlite_platform: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    at = ("--database-url", sqlite_platform, "--model", "rules", "--as-of", AS_OF)
    batch(*at, "--store", "--full", "--output", str(out))
    lines = lines_of(out)
    advised = [line for line in lines if line["advice"]]
    assert advised
    assert {line["risk_level"] for line in advised} <= {"MEDIUM", "HIGH"}
    with db.connect(sqlite_platform) as client:
        model = load("rules")
        for line in advised[:5]:
            rows = client.read(line["user_id"], line["objective_id"], parse_iso(AS_OF), WINDOW)
            history = StudyHistory.before(rows, model.correct_from)
            estimates, features = StruggleFeatureExtractor(client, None).studied(history)
            found = model.advise(model.predict(features), history, estimates, features, rows.missing_sources)
            assert [each.to_dict() for each in found] == line["advice"]
    with open_writer(sqlite_platform) as writer:
        stored = {row[0]: row[1] for row in writer.select("StrugglePrediction", ("id", "featureVector"))}
    for line in lines:
        kept = [{name: value for name, value in each.items() if name != "rows"} for each in line["advice"]]
        assert stored[line["prediction_id"]].get("advice", []) == kept
        FeatureVector.from_dict(stored[line["prediction_id"]])


def test_a_fault_in_what_would_help_takes_no_prediction_away(
    sqlite_platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("a learner's secret")

    monkeypatch.setattr(StrugglePredictionModel, "advise", fails)
    out = tmp_path / "out.jsonl"
    at = ("--database-url", sqlite_platform, "--model", "rules", "--as-of", AS_OF)
    summary = batch(*at, "--full", "--output", str(out), "--json")
    assert summary["degraded"] == 0
    assert len(lines_of(out)) == 30 * 6
    assert "what would help cannot be worked out" in summary["failures"][0]
    assert "secret" not in json.dumps(summary)


def test_unknown_ids_are_counted(sqlite_platform: str, tmp_path: Path) -> None:
    users = tmp_path / "users.txt"
    users.write_text("learner-1\nnobody\nlearner-1\n\nlearner-2\n")
    with open_writer(sqlite_platform) as writer:
        writer.update("Mission", "mission-1", objectives=[{"objectiveId": "gone"}])
    out = str(tmp_path / "o.jsonl")
    summary = batch(
        *("--database-url", sqlite_platform, "--model", "rules", "--as-of", iso(NOW_MS + DAY_MS)),
        *("--users", str(users), "--output", out, "--json"),
    )
    assert (summary["learners"], summary["unknown_learners"]) == (2, 1)
    assert {line["user_id"] for line in lines_of(out)} == {"learner-1", "learner-2"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--json",), 2),
        (("--as-of", "yesterday"), 2),
        (("--backend", "dask"), 2),
        (("--full", "--output", "x.parquet"), 2),
        (("--database-url", "mysql://x/y"), 78),
        (("--database-url", "file:/nonexistent/x.db"), 69),
        (("--model", "/nonexistent/model.pkl"), 78),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    assert batch(*arguments, expected=code).count("\n") <= 3


@pytest.mark.slow
def test_no_json_number_that_is_none(sqlite_platform: str, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    batch("--database-url", sqlite_platform, "--model", "rules", "--as-of", AS_OF, "--output", str(out))
    for line in lines_of(out):
        assert all(math.isfinite(line[name]) for name in ("probability", "confidence"))


@pytest.mark.slow
def test_the_benchmark_measures_what_it_names(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    argv = [sys.executable, "-m", "scripts.benchmark", "batch", "--learners", "12", "--rounds", "1", "--sample", "1"]
    argv += ["--model", save_model(str(tmp_path)), "--no-memory", "--no-dask", "--json", str(figures)]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    ways = figures_of(json.loads(figures.read_text()))
    assert len(ways) == 5
    assert all(row["predictions/s"]["value"] > 0 for row in ways.values())
