"""A trained model of made-up tables, with bags and, where asked for, a difficulty table."""

from __future__ import annotations

import os
import random

import db
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import Deviations, SavedModel, Scorecard, Table
from ml.storage import model_file
from ml.storage.model_file import sha256
from ml.training.difficulty_build import build_difficulty_table

BAGS = 7


def scorecard(seed: int) -> Scorecard:
    """Tables of every kind: steps and slopes, flat ones, stated ones, few edges and many."""
    draw = random.Random(seed)
    tables, spread = [], []
    for place in range(len(FEATURE_NAMES)):
        edges = sorted(draw.random() for _ in range(draw.choice((0, 1, 5, 40))))
        values = [draw.gauss(0, 0.3) for _ in range(len(edges) + 1)]
        slopes = [draw.gauss(0, 0.3) for _ in values] if place % 3 == 0 else []
        missing = draw.gauss(0, 0.2)
        if place % 7 == 3:
            values, slopes, missing = [0.0] * len(values), [], 0.0
        tables.append(Table(edges, values, slopes, missing, stated=place % 9 == 0))
        rows = [0.0 if place % 7 == 3 else draw.gauss(0, 0.1) for _ in range(BAGS * (len(edges) + 2))]
        spread.append(Deviations(edges, rows, BAGS))
    return Scorecard(-0.4, tables, (1.1, -0.05), spread, [draw.gauss(0, 0.1) for _ in range(BAGS)])


def save_model(directory: str, seed: int = 1, difficulty_of: str | None = None, as_of_ms: int = 0) -> str:
    """Writes a model; with difficulty_of (a database's URL), what its learners made of each objective before as_of."""
    named = None
    if difficulty_of is not None:
        table = os.path.join(directory, "difficulty.sqlite3")
        with db.connect(difficulty_of) as client:
            build_difficulty_table(table, client.stream_learners(as_of_ms, None), as_of_ms)
        with open(table, "rb") as file:
            named = "difficulty.sqlite3", sha256(file.read())
    path = os.path.join(directory, "trained.pkl")
    model_file.write(SavedModel("trained", scorecard(seed), ("made up",), {}, 0.65, None, named), path)
    return path
