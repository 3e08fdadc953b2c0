"""The guide's weekly retraining script, taken out of the guide and run unchanged on feedback in a database."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db.writing.open import open_writer
from ml import FeatureVector
from tests.support.guide import snippet

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 86_400_000


def test_the_guides_retraining_script_learns_from_feedback(tmp_path: Path) -> None:
    home = tmp_path / "installed"  # a copy: the script saves models beside predict.py
    for name in ("ml", "db", "models"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    url = f"file:{tmp_path / 'feedback.sqlite3'}"
    fill_with_feedback(url)
    script = tmp_path / "retrain_model.py"
    script.write_text(snippet("python", "# scripts/retrain_model.py"), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(home), "DATABASE_URL": url, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    saved = [path.name for path in (home / "models").glob("struggle_prediction_v1.0_*.pkl")]
    if "Model updated" in ran.stdout:
        assert len(saved) == 1
    else:
        assert "not improved" in ran.stdout
        assert saved == []


def fill_with_feedback(url: str) -> None:
    """200 answers of 40 learners to predictions, of whom those with a low retention struggled more often."""
    chance = random.Random(7)
    now_ms = time.time_ns() // 1_000_000
    predictions, answers = [], []
    for n in range(200):
        retention = chance.random()
        at_ms = now_ms - DAY_MS - n * 60_000
        features = FeatureVector.of({"retention_score": retention, "review_lapse_rate": 1 - retention}, at_ms)
        struggled = chance.random() > retention
        predictions.append((f"p{n}", f"learner-{n % 40}", f"objective-{n % 11}", 0.5, 0.5, features.to_dict(), at_ms))
        answers.append((f"f{n}", f"p{n}", f"learner-{n % 40}", "HELPFUL", struggled, at_ms + 3_600_000))
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        writer.insert("User", ("id", "createdAt"), [(f"learner-{n}", now_ms - 90 * DAY_MS) for n in range(40)])
        writer.insert(
            "StrugglePrediction",
            (
                *("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence"),
                *("featureVector", "predictionDate"),
            ),
            predictions,
        )
        writer.insert(
            "PredictionFeedback",
            ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt"),
            answers,
        )
