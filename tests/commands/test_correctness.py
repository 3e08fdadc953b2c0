"""Which answers are correct is one setting: every command follows it, and says which one it judged by."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from db.writing.open import open_writer
from ml.errors import InvalidSetting, ModelRefused
from ml.places import HOUSE
from ml.storage.difficulty_table import DifficultyTable
from ml.study.correctness import ANY, correct_ratings, correct_setting, is_correct, suits
from ml.study.visits import GRADES
from tests.support import study_database
from tests.support.outputs import read_output
from tests.support.study_database import DAY_MS, LEARNER, MINUTE_MS, NOW_MS, OBJECTIVE

VARIABLE = "STRUGGLE_CORRECT_FROM"
NOW = "2025-03-03T11:06:40Z"


def test_good_and_easy_are_correct_and_hard_where_it_is_a_pass() -> None:
    assert {grade for grade in GRADES if is_correct(grade)} == {"GOOD", "EASY"}
    assert correct_ratings("HARD") == GRADES - {"AGAIN"}
    assert not is_correct("MANUAL", "HARD")


def test_the_command_line_goes_before_the_environment_and_good_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert correct_setting() == "GOOD"
    monkeypatch.setenv(VARIABLE, " ")
    assert correct_setting() == "GOOD"
    monkeypatch.setenv(VARIABLE, "hard")
    assert (correct_setting(), correct_setting("GOOD")) == ("HARD", "GOOD")
    for wrong in ("ANY", "AGAIN", "EASY", "x" * 1000):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(InvalidSetting) as refused:
            correct_setting()
        assert VARIABLE in str(refused.value)
        assert len(str(refused.value)) < 120
    assert [suits(trained, "GOOD") for trained in ("GOOD", "HARD", ANY)] == [True, False, True]


@pytest.mark.slow
def test_no_other_place_judges_a_rating() -> None:
    """A comparison with a grade is a second rule; review_lapse_rate counts AGAIN by its own definition."""
    found = []
    for folder in ("ml", "db", "scripts"):
        for path in sorted(Path(HOUSE, folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                compared = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
                if any(isinstance(each, ast.Constant) and each.value in GRADES for each in compared):
                    found.append(f"{path.relative_to(HOUSE)}: {ast.unparse(node)}")
    assert sorted(found) == [
        "db/demo.py: rating == 'AGAIN'",  # the cards' lapse counts
        "ml/features/platform.py: answer.rating == 'AGAIN'",
        "ml/training/difficulty_counts.py: review.rating == 'HARD'",  # how many the settings differ in
        "scripts/reference/guide_shape.py: review.rating == 'AGAIN'",
    ]


SETTLED = {
    "LearnerHistory": 4,
    "LearnerEstimates": 2,
    "StudyHistory.before": 2,
    "visits_of": 3,
    "labelled_visits": 3,
    "labelled_examples": 5,
    "build_difficulty_table": 5,
    "build_table": 6,
    "features_at": 5,
    "outcome_of": 5,
    "decisions": 5,
    "adapt": 9,
}
"""Function -> which of its arguments is the setting; each has a default, for those who judge by the platform's rule."""


@pytest.mark.slow
def test_whoever_judges_answers_hands_the_setting_on() -> None:
    found = []
    paths = [Path(HOUSE, "predict.py")]
    for folder in ("ml", "scripts"):
        paths += sorted(Path(HOUSE, folder).rglob("*.py"))
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = SETTLED.get(ast.unparse(node.func)) if isinstance(node, ast.Call) else None
            if place is None or not isinstance(node, ast.Call):
                continue
            starred = any(isinstance(each, ast.Starred) for each in node.args)
            if len(node.args) < place and not starred and all(each.arg != "correct_from" for each in node.keywords):
                found.append(f"{path.relative_to(HOUSE)}: {ast.unparse(node)}")
    assert found == [
        "ml/training/examples.py: labelled_examples((), {}, None)",  # no examples: only their columns
        # the whole benchmark judges by the default, as the shipped model does
        "scripts/benchmarks/quality_tasks.py: build_table(client, table, until_ms, training, struggle_below)",
    ]


def run(script: str, *words: str, code: int = 0, **environment: str) -> tuple[Any, str]:
    """(the JSON on stdout, or its text where it is not JSON; stderr)."""
    done = subprocess.run(
        [sys.executable, os.path.join(HOUSE, script), *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if done.stdout[:1] != "{":
        return done.stdout, done.stderr
    return (read_output if script in ("predict.py", "scripts/monitor.py") else json.loads)(done.stdout), done.stderr


@pytest.fixture
def platform(database: str) -> str:
    """A learner with many answers, half of them HARD and none of them AGAIN, on an objective that others know too."""
    study_database.lay_out(database)
    with open_writer(database) as writer:
        writer.insert("User", ("id", "email"), [(f"n{n}", f"n{n}@example.org") for n in range(12)])
        rows = [
            (f"{learner}-{day}-{n}", learner, "limits-1", rating, NOW_MS - day * DAY_MS + n * MINUTE_MS)
            for learner in (LEARNER, *(f"n{n}" for n in range(12)))
            for day in range(5, 10)
            for n, rating in enumerate(("HARD", "GOOD", "HARD", "EASY"))
        ]
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), rows)
    return database


def accuracy(url: str, *words: str, **environment: str) -> float:
    words = (LEARNER, OBJECTIVE, "--as-of", NOW, *words)
    answer, _ = run("predict.py", *words, DATABASE_URL=url, **environment)
    assert answer["degraded"] == ""
    found: float = answer["features"]["session_performance_score"]
    return found


@pytest.mark.slow
def test_every_command_follows_the_setting(platform: str, tmp_path: Path) -> None:
    assert accuracy(platform) == 0.5
    assert accuracy(platform, "--correct-from", "HARD") == accuracy(platform, **{VARIABLE: "HARD"}) == 1.0
    assert accuracy(platform, "--correct-from", "GOOD", **{VARIABLE: "HARD"}) == 0.5

    at, models = ("--database-url", platform), tmp_path / "models"
    rates = {}
    for word in ("GOOD", "HARD"):
        chosen = ("--correct-from", word)
        batch = ("scripts/predict_batch.py", *at, "--objectives", "all", "--as-of", NOW, "--full", "--quiet")
        run(*batch, "--output", str(tmp_path / f"{word}.jsonl"), "--json", *chosen)
        answers = map(json.loads, (tmp_path / f"{word}.jsonl").read_text().splitlines())
        batched = {(one["user_id"], one["objective_id"]): one for one in answers}[LEARNER, OBJECTIVE]
        single, _ = run("predict.py", LEARNER, OBJECTIVE, "--as-of", NOW, *chosen, DATABASE_URL=platform)
        assert batched == single
        words = ("--models-dir", str(models), "--difficulty-only", "--as-of", NOW, "--jobs", "1", "--json")
        trained, _ = run("scripts/train_initial_model.py", *at, *words, *chosen)
        with_table = models / str(trained["difficulty"])
        table = DifficultyTable.open(str(with_table))
        rates[word] = table.facing("nobody", [OBJECTIVE], [], (), word).objectives[OBJECTIVE].error_rate
        with pytest.raises(ModelRefused, match="correct from"):
            table.facing("nobody", [OBJECTIVE], [], (), "HARD" if word == "GOOD" else "GOOD")
        table.close()
        evaluated, _ = run("scripts/evaluate_model.py", *at, "--json", "-", "--bootstrap", "0", "--jobs", "1", *chosen)
        assert evaluated["correct_from"] == word
        assert evaluated["figures"]["struggle_rate"]["value"] == (1.0 if word == "GOOD" else 0.0)
        watched, _ = run("scripts/monitor.py", *at, "--json", *chosen)
        assert watched["correct_from"] == word
        recorded, _ = run("scripts/record_outcomes.py", *at, "--json", *chosen)
        assert recorded["correct_from"] == word
    assert rates["HARD"] < 0.05 < 0.4 < rates["GOOD"] < 0.6
    page = tmp_path / "model.html"
    current = str(models / "current.pkl")
    run("scripts/explain_model.py", "--model", current, "--out", str(page), **{VARIABLE: "HARD"})
    assert "only where STRUGGLE_CORRECT_FROM is HARD" in page.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("predict.py", (LEARNER, OBJECTIVE)),
        ("predict.py", ("--pretty", LEARNER, OBJECTIVE)),
        ("scripts/predict_batch.py", ()),
        ("scripts/train_initial_model.py", ()),
        ("scripts/retrain_model.py", ()),
        ("scripts/evaluate_model.py", ()),
        ("scripts/monitor.py", ()),
        ("scripts/record_outcomes.py", ()),
        ("scripts/explain_model.py", ("--out", os.devnull)),
    ],
)
def test_a_setting_that_is_none_is_refused_by_its_name(script: str, words: tuple[str, ...], tmp_path: Path) -> None:
    url = f"file:{tmp_path}/none.sqlite3"
    _, said = run(script, *words, code=78, DATABASE_URL=url, **{VARIABLE: "AGAIN"})
    assert VARIABLE in said
    assert not os.listdir(tmp_path)
