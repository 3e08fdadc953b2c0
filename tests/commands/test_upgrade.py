"""A deployment made by the code before GOOD became the lowest correct grade: upgraded step by step, answered at each.

tests/upgrade/ was written by that code: its current.pkl (format 1, HARD counted as correct) with version file and
difficulty table, and in rows.json.gz its database: 36 learners, their answers, and 83 predictions that its batch job
stored and of which its record_outcomes decided 66.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.writing.open import open_writer
from ml.places import HOUSE
from tests.support.outputs import read_output
from tests.support.service_process import serving

pytestmark = pytest.mark.slow

UPGRADE = Path(__file__).parents[1] / "upgrade"
MADE: dict[str, Any] = json.loads(gzip.decompress((UPGRADE / "rows.json.gz").read_bytes()))
NOW = "2025-10-09T00:00:00Z"
LEARNER, OBJECTIVE = "u3", "o2"
SETTING = "STRUGGLE_CORRECT_FROM"
LEFT_OUT = "decided by another rule: record_outcomes --again"


def rows_of(model: str) -> list[dict[str, Any]]:
    table = MADE["tables"][model]
    return [dict(zip(table["fields"], row)) for row in table["rows"]]


def ratings_since(prediction: dict[str, Any]) -> list[str]:
    """The first five answers of the one visit between prediction and outcome."""
    card = "k" + prediction["learningObjectiveId"][1:]
    found = [
        (review["reviewedAt"], review["rating"])
        for review in rows_of("Review")
        if review["userId"] == prediction["userId"]
        and review["cardId"] == card
        and prediction["predictedAt"] <= review["reviewedAt"] < MADE["recorded_ms"]
    ]
    return [rating for _, rating in sorted(found)][:5]


DECIDED = {row["id"]: row for row in rows_of("StrugglePrediction") if row["actualOutcome"] is not None}
STRICT = {key: sum(r in ("AGAIN", "HARD") for r in ratings_since(row)) >= 2 for key, row in DECIDED.items()}
CHANGED = sorted(key for key, row in DECIDED.items() if STRICT[key] != bool(row["actualOutcome"]))
SAID = CHANGED[0]
"""The learner said in the feedback table that it was no struggle, which the answers would contradict today."""
WORD = next(key for key, row in sorted(DECIDED.items()) if not row["actualOutcome"] and not STRICT[key])
"""The learner said through the app, which keeps the word in actualOutcome alone, that it was one."""


class Deployment:
    """A database and a directory of models, and the commands run on them as a deployment runs them."""

    def __init__(self, url: str, models: Path) -> None:
        self.url, self.models = url, models
        self.current = str(models / "current.pkl")

    def run(self, script: str, *words: str, codes: tuple[int, ...] = (0,), **environment: str) -> tuple[Any, str]:
        """(the JSON object on stdout, stderr)."""
        done = subprocess.run(
            [sys.executable, os.path.join(HOUSE, script), *words, "--database-url", self.url],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode in codes, done.stderr
        assert "Traceback" not in done.stderr
        published = script in ("predict.py", "scripts/monitor.py")
        return (read_output if published else json.loads)(done.stdout), done.stderr

    def predicted(self, **environment: str) -> tuple[dict[str, Any], str]:
        """predict.py's answer, which rests on the learner's own rows, and stderr."""
        words = (LEARNER, OBJECTIVE, "--model", self.current, "--as-of", NOW)
        answer, said = self.run("predict.py", *words, **environment)
        assert answer["degraded"] == ""
        return answer, said

    def answers(self, service: str, version: str, **environment: str) -> None:
        """Command, batch and service answer, by this version, and alike."""
        answer, said = self.predicted(**environment)
        assert answer["model_version"] == version
        assert said.count("\n") == bool(said)
        assert ("pretrained.pkl answers" in said) == ("current.pkl:" in version)
        words = ("--model", self.current, "--as-of", NOW, "--objectives", "all", "--output", f"{self.models}/out.jsonl")
        done, told = self.run("scripts/predict_batch.py", *words, "--json", "--quiet", **environment)
        assert (done["model_version"], done["degraded"], done["learners"]) == (version, 0, 36)
        assert ("pretrained.pkl answers" in told) == ("current.pkl:" in version)
        lines = (self.models / "out.jsonl").read_text().splitlines()
        by_batch = {(line["user_id"], line["objective_id"]): line for line in map(json.loads, lines)}
        assert by_batch[LEARNER, OBJECTIVE]["probability"] == answer["probability"]
        pair = {"user_id": LEARNER, "objective_id": OBJECTIVE, "as_of": NOW}
        by_service = httpx.post(f"{service}/predict", json=pair, timeout=60).json()
        if not environment:
            assert (by_service["model_version"], by_service["probability"]) == (version, answer["probability"])
        assert by_service["degraded"] == ""

    def outcomes(self) -> dict[str, tuple[bool | None, str, int | None, Any]]:
        """By prediction: outcome, status, when recorded, and the mark."""
        fields = ("id", "actualOutcome", "predictionStatus", "actualOutcomeRecordedAt", "featureVector")
        with open_writer(self.url) as writer:
            found = writer.select("StrugglePrediction", fields)
        return {str(key): (*rest, features.get("outcome")) for key, *rest, features in found}  # type: ignore[misc,attr-defined]

    def again(self, *words: str, **environment: str) -> dict[str, int]:
        words = ("--again", "--as-of", NOW, "--json", *words)
        counts: dict[str, int] = self.run("scripts/record_outcomes.py", *words, **environment)[0]
        return counts

    def retrained(self) -> dict[str, Any]:
        words = ("--models-dir", str(self.models), "--since", "2025-10-05", "--as-of", NOW, "--jobs", "1", "--json")
        found: dict[str, Any] = self.run("scripts/retrain_model.py", *words)[0]
        return found


@pytest.fixture
def deployment(database: str, tmp_path: Path) -> Deployment:
    models = tmp_path / "models"
    shutil.copytree(UPGRADE, models, ignore=shutil.ignore_patterns("*.gz"))
    with open_writer(database) as writer:
        for model, table in MADE["tables"].items():
            writer.insert(model, table["fields"], table["rows"])
        fields = ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt")
        said = (SAID, DECIDED[SAID]["userId"], "HELPFUL", False, MADE["recorded_ms"])
        writer.insert("PredictionFeedback", fields, [("f", *said)])
        status = "CONFIRMED" if DECIDED[WORD]["predictedStruggleProbability"] >= 0.5 else "MISSED"
        writer.update("StrugglePrediction", WORD, actualOutcome=True, predictionStatus=status)
    return Deployment(database, models)


def expected_outcomes(correct_from: str) -> dict[str, bool]:
    by_answers = STRICT if correct_from == "GOOD" else {key: bool(row["actualOutcome"]) for key, row in DECIDED.items()}
    return {**by_answers, SAID: False, WORD: True}


def judged(deployment: Deployment) -> dict[str, bool | None]:
    return {key: found[0] for key, found in deployment.outcomes().items() if key in DECIDED}


def test_the_deployment_has_what_the_change_is_about() -> None:
    assert len(CHANGED) >= 5
    assert all(STRICT[key] for key in CHANGED), "what was a struggle when HARD was correct is one now"


def test_an_upgrade_never_stops_an_answer(deployment: Deployment, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": deployment.url, "STRUGGLE_MODEL": deployment.current}
    with serving(tmp_path / "service.log", **environment) as service:
        in_its_place = "pretrained-1 (current.pkl: an earlier format)"
        deployment.answers(service, in_its_place)
        examined, _ = deployment.run("predict.py", "--doctor", "--model", deployment.current)
        assert examined["ok"]
        assert "an earlier format" in examined["model"]["instead"]
        assert examined["model"]["correct_from"] == "GOOD"
        assert "pretrained.pkl answers" in (tmp_path / "service.log").read_text()

        before = deployment.retrained()
        assert before["left_out"][LEFT_OUT] == len(DECIDED) - 1, "all but the word in the feedback table"
        assert not before["trained"], "too few visits are left to judge a challenger by"

        counts = deployment.again()
        assert counts["changed"] == len(CHANGED) - 1
        assert counts["judged_again"] == len(DECIDED) - 1
        assert judged(deployment) == expected_outcomes("GOOD")
        recorded = {found[2] for key, found in deployment.outcomes().items() if key in DECIDED}
        assert recorded == {MADE["recorded_ms"]}, "an outcome was known when it was known"
        assert deployment.outcomes()[WORD][3]["by"] == "app"
        assert deployment.again()["judged_again"] == 0, "once is enough"
        deployment.answers(service, in_its_place)

        after = deployment.retrained()
        assert LEFT_OUT not in after["left_out"]

        words = ("--days", "14", "--as-of", NOW, "--minimum", "20", "--bootstrap", "200", "--json")
        report, _ = deployment.run("scripts/monitor.py", *words, codes=(0, 1))
        assert (report["correct_from"], report["outcomes_known"]) == ("GOOD", 66 + counts["by_answers"])

        train = ("--models-dir", str(deployment.models), "--as-of", NOW, "--jobs", "1", "--json")
        for more in (("--difficulty-only",), ()):
            trained, _ = deployment.run("scripts/train_initial_model.py", *train, *more)
            assert trained["correct_from"] == "GOOD"
            version = os.path.basename(trained["model"]).removesuffix(".pkl")
            answered_by(service, version)
            deployment.answers(service, version)


def answered_by(service: str, version: str) -> None:
    """Waits until the service has seen that current.pkl changed, answered all the while."""
    for _ in range(200):
        pair = {"user_id": LEARNER, "objective_id": OBJECTIVE, "as_of": NOW}
        reply = httpx.post(f"{service}/predict", json=pair, timeout=60)
        assert reply.status_code == 200
        if reply.json()["model_version"] == version:
            return
    pytest.fail(f"the service does not answer with {version}")


def test_the_setting_can_be_changed_and_changed_back(deployment: Deployment) -> None:
    deployment.again()
    train = ("--models-dir", str(deployment.models), "--as-of", NOW, "--jobs", "1", "--json", "--difficulty-only")
    deployment.run("scripts/train_initial_model.py", *train)
    own, said = deployment.predicted()
    assert re.fullmatch(r"struggle_prediction_v1\.0_[\d.-]+", own["model_version"])
    assert not said

    passing = {SETTING: "HARD"}
    other, said = deployment.predicted(**passing)
    assert other["model_version"] == "pretrained-1 (current.pkl: trained with correct from GOOD)"
    assert "pretrained.pkl answers" in said
    assert other["features"]["objective_accuracy"] != own["features"]["objective_accuracy"]
    deployment.again(**passing)
    assert judged(deployment) == expected_outcomes("HARD")
    trained, _ = deployment.run("scripts/train_initial_model.py", *train, **passing)
    answer, said = deployment.predicted(**passing)
    assert answer["model_version"] == os.path.basename(trained["model"]).removesuffix(".pkl")
    assert not said

    back, _ = deployment.predicted()
    assert back["model_version"] == "pretrained-1 (current.pkl: trained with correct from HARD)"
    deployment.again()
    assert judged(deployment) == expected_outcomes("GOOD")
