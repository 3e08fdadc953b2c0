"""What a first training lets answer, on simulated platforms: `python -m scripts.benchmark training --seeds 10`.

Every platform goes the way of train_initial_model.py, from answers to the gate. On platforms without signal, whatever
their shape, the present model should stay. Where a thousand learners with one visit each can be predicted better than
by a constant, by 0.02 in log-loss, the trained model should answer.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from db.reading.rows import LearnerRow, LearnerRows, ObjectiveRow, ObjectiveRows, ReviewRow
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import Run, this_run
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    import numpy as np
    from tqdm import tqdm

    from ml.errors import NotEnoughExamples
    from ml.evaluation.metrics import log_losses, logistic, logit
    from ml.evaluation.promotion import Verdict, decide
    from ml.model import suited
    from ml.places import shipped
    from ml.storage.difficulty_table import DifficultyTable
    from ml.study.correctness import GOOD
    from ml.training.difficulty_build import build_difficulty_table
    from ml.training.examples import ExampleSet, labelled_examples
    from ml.training.learner_groups import FOLDS_OF_GROUPS, groups_of
    from ml.training.prior import adapt
    from scripts.training.rules_on_visits import rules_on

MOST_WITHOUT_SIGNAL = 2 / 40
LEAST_WITH_GAIN = 0.8
GAIN = 0.02
ANSWERS = 5
START_MS, HOUR_MS, DAY_MS = 1_700_000_000_000, 3_600_000, 86_400_000


class Shape(NamedTuple):
    """A simulated platform: each learner visits random objectives; right: the share of answers that are right.

    hardness: how far objectives differ, as a standard deviation in logits of an answer; 0 is no signal at all.
    """

    name: str
    learners: int
    visits: int
    objectives: int
    right: float
    hardness: float = 0.0


WITHOUT_SIGNAL = (
    Shape("label noise", 100, 6, 12, 0.7),
    Shape("one learner", 1, 300, 12, 0.7),
    Shape("one objective", 100, 6, 1, 0.7),
    Shape("one struggle in a hundred", 150, 10, 12, 0.968),
)
WITH_GAIN = Shape("gain of 0.02", 1000, 1, 5, 0.7, 0.27)
"""Objectives that differ by this much lower the log-loss by about GAIN where they are known from the other visits."""


class Trained(NamedTuple):
    """One training. verdict: None where there was too little to train on. gain: cross-fitted, over the constant."""

    verdict: Verdict | None
    gain: float

    @property
    def promoted(self) -> bool:
        """Whether the trained model would answer."""
        return self.verdict is not None and self.verdict.promote


def platform(shape: Shape, seed: int) -> tuple[list[LearnerRows], dict[str, ObjectiveRows]]:
    """The learners and objectives of one simulated platform."""
    random = np.random.default_rng([seed, shape.learners, shape.visits, shape.objectives])
    spread = np.linspace(-1.0, 1.0, shape.objectives) if shape.objectives > 1 else np.zeros(1)
    spread *= shape.hardness / (spread.std() or 1.0)
    right = logistic(logit(np.array(shape.right)) - spread)
    names = [f"objective-{number}" for number in range(shape.objectives)]
    objectives = {
        name: ObjectiveRows(ObjectiveRow(name, None, None, None, None, None, "course", None, ()), (), ())
        for name in names
    }
    learners = []
    for learner in range(shape.learners):
        reviews = []
        for visit in range(shape.visits):
            which = int(random.integers(shape.objectives))
            at_ms = START_MS + visit * DAY_MS + learner
            for answer in range(ANSWERS):
                rating = "GOOD" if random.random() < right[which] else "AGAIN"
                card = f"{names[which]}/{int(random.integers(20))}"
                reviews.append(ReviewRow(card, names[which], "course", rating, at_ms + answer * 60_000, False))
        rows = LearnerRow(f"learner-{learner}", True, True, True)
        learners.append(LearnerRows(rows, reviews, (), (), (), (), (), None, (), (), (), ()))
    return learners, objectives


def labelled(shape: Shape, seed: int) -> ExampleSet:
    """The labelled visits of one simulated platform, with its difficulty table."""
    learners, objectives = platform(shape, seed)
    with tempfile.TemporaryDirectory() as at:
        path = os.path.join(at, "difficulty")
        build_difficulty_table(
            path, learners, START_MS + (shape.visits + 1) * DAY_MS, correct_from=GOOD, crowds=FOLDS_OF_GROUPS
        )
        table = DifficultyTable.open(path)
        try:
            return labelled_examples(learners, objectives, table, correct_from=GOOD)
        finally:
            table.close()


def trained(shape: Shape, seed: int) -> Trained:
    """What a first training on one simulated platform comes to."""
    examples = labelled(shape, seed)
    y = examples.y.astype(float)
    try:
        prior = suited(shipped(), GOOD)
        groups = groups_of(examples.learner)
        said = adapt(prior, examples.X, y, examples.learner, "simulated", correct_from=GOOD, folds=groups).probabilities
    except NotEnoughExamples:
        return Trained(None, 0.0)
    gain = float((log_losses(y, np.full_like(y, y.mean())) - log_losses(y, said)).mean())
    return Trained(decide(y, None, said, rules_on(examples), examples.learner), gain)


@click.command()
@reported
@extras.required
@click.option("--seeds", default=10, type=click.IntRange(1), show_default=True, help="Platforms of each shape.")
def training(seeds: int) -> Report:
    """Share of first trainings whose model may answer, on simulated platforms without signal and with some."""
    asked = [(shape, seed) for shape in (*WITHOUT_SIGNAL, WITH_GAIN) for seed in range(seeds)]
    found: dict[str, list[Trained]] = {}
    for shape, seed in tqdm(asked, disable=None):
        found.setdefault(shape.name, []).append(trained(shape, seed))
    return report_of(found, this_run())


def report_of(found: Mapping[str, Sequence[Trained]], measured_by: Run) -> Report:
    """What became of each shape, and the two shares that are asked for."""
    records, goals = [], []
    for name, runs in found.items():
        records.append(Record(name, "platforms", len(runs)))
        records.append(Record(name, "promoted", sum(run.promoted for run in runs)))
        records.append(Record(name, "mean gain over the constant", float(np.mean([run.gain for run in runs]))))
    without = [run for name, runs in found.items() if name != WITH_GAIN.name for run in runs]
    if without:
        share = sum(run.promoted for run in without) / len(without)
        goals.append(Goal("share promoted without signal", share, MOST_WITHOUT_SIGNAL))
    if WITH_GAIN.name in found:
        runs = found[WITH_GAIN.name]
        share = sum(run.promoted for run in runs) / len(runs)
        goals.append(Goal(f"share promoted with a {WITH_GAIN.name}", share, LEAST_WITH_GAIN, at_most=False))
    return Report("training", measured_by, records, goals)
