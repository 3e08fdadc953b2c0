"""An answer log as a platform of some weeks: imported, trained on its first weeks, and predicted in the others.

The log is imported into a SQLite file and a first model trained by train_initial_model.py as of the end of the first
weeks. That model predicts every later visit from what came before it. This is done once for each log.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from typing import NamedTuple

import db
from db.writing.open import open_writer
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.places import CURRENT, HOUSE
from ml.storage.registry import Registry
from ml.study.correctness import GOOD
from ml.study.history import DAY_MS
from ml.study.scales import Levels
from scripts.cli.extras import Extras
from scripts.import_history import import_log
from scripts.importing.answer_log import read_log

extras = Extras()
with extras:
    import numpy as np

    from ml.evaluation.metrics import Floats, Integers
    from ml.training.examples import ExampleSet
    from scripts.labelling.history import read_examples
    from scripts.labelling.part import Extraction
    from scripts.training.hold_out import probabilities
    from scripts.workers.backends import Workers

WEEK_MS = 7 * DAY_MS
START_S = 1_600_041_600
"""Monday 2020-09-14, from which made-up weeks count."""
STEP_S, A_DAY, A_DAY_S = 60, 30, 86_400
"""Made-up answers lie a minute apart, 30 on a day, so that a learner's days are as long as those of the real logs."""


class Replayed(NamedTuple):
    """The visits after the first weeks, in the order of time, and what the model says of each.

    week: 0 for the first week that is replayed. learner: numbered from 0.
    """

    name: str
    examples: ExampleSet
    week: Integers
    learner: Integers
    champion: Floats
    weeks: int
    version: str
    levels: Levels
    models_dir: str


def prepared(
    name: str, path: str, directory: str, weeks: int, first: int, entering: bool, workers: Workers
) -> Replayed:
    """Imports a log and trains on its first weeks.

    weeks: how many are taken in all; first: on how many of them the model is trained; entering: the log has no
    times, and its learners enter over made-up weeks.
    """
    url = f"sqlite:///{os.path.join(directory, name)}.sqlite3"
    models_dir = os.path.join(directory, f"{name}-models")
    plain = os.path.join(directory, f"{name}.csv")
    start_ms = _written(path, plain, weeks, entering)
    if not os.path.exists(models_dir):
        with open_writer(url, create=True) as writer:
            writer.create_tables()
            with read_log(plain) as answers:
                import_log(answers, writer)
        then = iso(start_ms + first * WEEK_MS)
        told = ["--database-url", url, "--models-dir", models_dir, "--as-of", then, "--force", "--jobs", "1"]
        command = [sys.executable, os.path.join(HOUSE, "scripts", "train_initial_model.py"), *told]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdout=quiet, stderr=quiet)  # noqa: S603 - our own command
    model = StrugglePredictionModel.load(os.path.join(models_dir, CURRENT), GOOD)
    version = Registry(models_dir).current()
    if model.saved is None or version is None:
        raise RuntimeError("the first training left no model")
    until_ms = start_ms + weeks * WEEK_MS
    with db.connect(url) as client:
        extraction = Extraction(url, None, until_ms, None, correct_from=GOOD)
        table = model.difficulty.path if model.difficulty else None
        examples = read_examples(client, extraction, table, None, workers)
    examples = examples.select(examples.as_of_ms >= start_ms + first * WEEK_MS)
    examples = examples.select(np.argsort(examples.as_of_ms, kind="stable"))
    week = (examples.as_of_ms - start_ms) // WEEK_MS - first
    learner = np.unique(examples.learner, return_inverse=True)[1]
    said = probabilities(model.saved, examples)
    return Replayed(
        *(name, examples, week, np.asarray(learner, np.int64), said, weeks - first),
        *(version, model.levels, models_dir),
    )


def _written(path: str, plain: str, weeks: int, entering: bool) -> int:
    """Writes the answers of this many weeks in the plain layout, and returns the instant at which they begin.

    With `entering`, the times are made up: a learner enters on a random day and answers 30 questions on every day.
    """
    random = np.random.default_rng(0)
    with read_log(path) as log, open(plain, "w", encoding="utf-8", newline="") as file:
        start_s = START_S if entering else min(answers[0].at_ms for _, answers in log.learners()) // 1000
        out = csv.writer(file)
        out.writerow(["user_id", "item_id", "timestamp", "correct", "skill_id"])
        for learner_id, answers in log.learners():
            entered_s = START_S + int(random.integers(0, weeks * 7)) * A_DAY_S
            for n, answer in enumerate(answers):
                made_up_s = entered_s + n // A_DAY * A_DAY_S + n % A_DAY * STEP_S
                at_s = made_up_s if entering else answer.at_ms // 1000
                if at_s < start_s + weeks * WEEK_MS // 1000 and answer.correct is not None:
                    out.writerow([learner_id, answer.item_id, at_s, int(answer.correct), answer.skill_id])
    return start_s * 1000
