"""Prerequisites by name, out of either database: what was written as their text is data wherever it is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from db.writing.open import open_writer
from scripts.cli.answer_in_words import in_words
from tests.support.outputs import read_lines
from tests.support.running_predict import LEARNER, OBJECTIVE, ran
from tests.support.study_database import execute

ROOT = Path(__file__).resolve().parents[2]
PREREQUISITE = "membrane-transport"
HOSTILE = "Trans\x1b[2Jport\u202e\r\n<script>alert(1)</script> " + "x" * 900
SHOWN = "Transport <script>alert(1)</script> " + "x" * 43 + "…"


def asked(url: str) -> dict[str, object]:
    return ran("--database-url", url, LEARNER, OBJECTIVE).answer()


def factor(answer: dict[str, object], feature: str = "prerequisite_gap_count") -> dict[str, object]:
    factors = answer["factors"]
    assert isinstance(factors, list)
    return next(dict(each) for each in factors if each["feature"] == feature)


@pytest.mark.slow
def test_a_hostile_text_is_cleaned_and_cut(demo_database: str) -> None:
    text = HOSTILE if demo_database.startswith("file:") else HOSTILE.replace("\0", "")
    with open_writer(demo_database) as writer:
        writer.update("LearningObjective", PREREQUISITE, objective=text)
    answer = asked(demo_database)
    found = factor(answer)
    assert found["objectives"] == [{"id": PREREQUISITE, "name": SHOWN, "mastery": 0.0}]
    assert found["text"] == f"{SHOWN} is not mastered (0 %)"
    assert answer["reasoning"] == f"High risk of struggling (95 %): {found['text']}."
    assert all(line.isprintable() for line in in_words(answer, 80).split("\n"))


@pytest.mark.slow
def test_several_are_named_weakest_first_in_the_batch_too(demo_database: str) -> None:
    with open_writer(demo_database) as writer:
        more = [(f"more-{n}", f"edge {n}", "BEGINNER") for n in range(4)]
        lecture = writer.select("LearningObjective", ("lectureId",), "id", [OBJECTIVE])[0][0]
        rows = [(identifier, lecture, text, level) for identifier, text, level in more]
        writer.insert("LearningObjective", ("id", "lectureId", "objective", "masteryLevel"), rows)
        edges = [(f"e-{identifier}", OBJECTIVE, identifier, 0.5) for identifier, _, _ in more]
        writer.insert("ObjectivePrerequisite", ("id", "objectiveId", "prerequisiteId", "strength"), edges)
    found = factor(asked(demo_database))
    named = '"Describe transport across membranes" (0 %), edge 0 (25 %) and 3 more are not mastered'
    assert found["text"] == named
    ids = [each["id"] for each in found["objectives"]]  # type: ignore[attr-defined]
    assert ids == [PREREQUISITE, *(identifier for identifier, _, _ in more)]
    command = [sys.executable, "-m", "scripts.predict_batch", "--full", "--quiet", "--objectives", "all"]
    lines = read_lines(
        subprocess.run([*command, "--database-url", demo_database], cwd=ROOT, capture_output=True, check=True).stdout
    )
    in_batch = next(each for each in lines if (each["user_id"], each["objective_id"]) == (LEARNER, OBJECTIVE))
    assert factor(in_batch)["text"] == named


@pytest.mark.slow
def test_without_the_column_the_id_is_the_name(demo_database: str) -> None:
    execute(demo_database, 'ALTER TABLE "learning_objectives" RENAME COLUMN "objective" TO "gone"')
    answer = asked(demo_database)
    assert factor(answer)["text"] == f"{PREREQUISITE} is not mastered (0 %)"
    assert "learning_objectives.objective" in json.dumps(answer["missing_sources"])
