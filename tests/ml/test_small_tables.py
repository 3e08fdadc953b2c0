"""On real answers, a difficulty table of a few visits ranks no worse than none, and is no worse calibrated."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from db.reading.rows import LearnerRows, ObjectiveRows, ReviewRow
from ml.places import shipped
from ml.storage import model_file
from ml.storage.difficulty_table import DifficultyTable
from ml.study.history import MINUTE_MS
from ml.training.difficulty_build import build_difficulty_table
from ml.training.examples import features_at, labelled_visits, row_of
from ml.training.tables import asked
from tests.conftest import need
from tests.support.history_builder import objective, study_rows

pytestmark = pytest.mark.slow

FIRST_ANSWERS = 150
"""Of each learner."""
LEARNERS = 160
BEGAN_MS = 1_600_000_000_000
WORSE_BY_CHANCE = 0.005
"""In AUC and log-loss, with about a thousand visits."""


def learners_of(name: str) -> list[LearnerRows]:
    """The first learners of a log; a log that gives only an order gets times ten minutes apart."""
    rows: dict[str, list[ReviewRow]] = {}
    path = os.path.join(need("STRUGGLE_DATA"), name, "interactions.csv.gz")
    for line in _lines(path):
        reviews = rows.setdefault(line["user_id"], [])
        if len(rows) > LEARNERS:
            break
        if len(reviews) < FIRST_ANSWERS and line.get("kind", "") in ("", "practice"):
            seconds = int(float(line["timestamp"]))
            at_ms = seconds * 1000 if seconds else BEGAN_MS + len(reviews) * 10 * MINUTE_MS
            rating = "GOOD" if line["correct"] == "1" else "AGAIN"
            reviews.append(ReviewRow(line["item_id"], line["skill_id"], None, rating, at_ms, False))
    found = []
    for learner, reviews in rows.items():
        reviews.sort(key=lambda review: review.reviewed_at_ms)
        made = study_rows(learner=learner, reviews=reviews).learner
        assert isinstance(made, LearnerRows)
        found.append(made)
    return found


def _lines(path: str) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        sample = file.readline()
        file.seek(0)
        yield from csv.DictReader(file, delimiter="\t" if "\t" in sample else ",")


def judged(learners: Sequence[LearnerRows], table: DifficultyTable | None) -> tuple[float, float]:
    """AUC and log-loss of the shipped model on the visits of these learners."""
    features, struggled = [], []
    for rows in learners:
        visits = labelled_visits(rows)
        objectives = {visit.objective_id: ObjectiveRows(objective(name=visit.objective_id), [], []) for visit in visits}
        features += [row_of(vector) for vector in features_at(rows, visits, objectives, table)]
        struggled += [visit.struggled for visit in visits]
    said = asked(model_file.read(shipped()).scorecard, np.array(features))
    return roc_auc_score(struggled, said), log_loss(struggled, said)


@pytest.mark.parametrize("name", ["lkt_cloze", "assistments09", "algebra05"])
def test_a_small_table_is_no_worse_than_none(name: str, tmp_path: Path) -> None:
    learners = learners_of(name)
    wanted, visits = [25, 50, 100, 200], 0
    tables: list[str] = []
    others = learners[len(learners) // 3 :]
    for number, rows in enumerate(learners[: len(learners) // 3], 1):
        visits += len(labelled_visits(rows))
        if wanted and visits >= wanted[0]:
            wanted.pop(0)
            tables.append(str(tmp_path / f"after-{number}"))
            build_difficulty_table(tables[-1], learners[:number], 10**13)
    assert len(tables) >= 3
    auc, loss = judged(others, None)
    for path in tables:
        table = DifficultyTable.open(path)
        with_auc, with_loss = judged(others, table)
        table.close()
        assert with_auc > auc - WORSE_BY_CHANCE, path
        assert with_loss < loss + WORSE_BY_CHANCE, path
