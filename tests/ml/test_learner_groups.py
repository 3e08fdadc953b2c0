"""Without signal, an AUC is near 0.5, although each learner's own outcomes are left out of the difficulties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.evaluation.auc_intervals import auc_interval
from ml.evaluation.bootstrap import Learners
from ml.evaluation.figures import evaluate
from ml.evaluation.metrics import grouped_roc_auc, roc_auc
from ml.features.vector import FEATURE_NAMES
from ml.model import suited
from ml.places import shipped
from ml.storage.difficulty_table import DifficultyTable, fold_of
from ml.study.correctness import GOOD
from ml.training.difficulty_build import build_difficulty_table
from ml.training.examples import ExampleSet, labelled_examples
from ml.training.learner_groups import FOLDS_OF_GROUPS, groups_of
from ml.training.tables import asked
from scripts.benchmarks.training import Shape, platform
from tests.ml.interval_coverage import learners_visits

ONE_OBJECTIVE = Shape("one objective, no signal", 80, 3, 1, 0.7)
UNTIL_MS = 2_000_000_000_000


def examples_of(path: Path, seed: int, crowds: list[list[int]] | None) -> ExampleSet:
    learners, objectives = platform(ONE_OBJECTIVE, seed)
    build_difficulty_table(str(path), learners, UNTIL_MS, correct_from=GOOD, crowds=crowds)
    table = DifficultyTable.open(str(path))
    try:
        return labelled_examples(learners, objectives, table, correct_from=GOOD)
    finally:
        table.close()


@pytest.mark.slow
def test_leaving_learners_out_runs_against_their_outcomes_but_not_within_a_group(tmp_path: Path) -> None:
    prior = suited(shipped(), GOOD)
    pooled, grouped = [], []
    for seed in range(6):
        for kept, crowds in ((pooled, None), (grouped, FOLDS_OF_GROUPS)):
            examples = examples_of(tmp_path / "difficulty", seed, crowds)
            examples.X[:, FEATURE_NAMES.index("first_card_difficulty")] = np.nan  # drawn at random
            new = np.nan_to_num(examples.X[:, FEATURE_NAMES.index("answers_of_history")]) == 0
            y, p = examples.y[new].astype(float), asked(prior.scorecard, examples.X[new])
            groups = groups_of(examples.learner)
            assert groups is not None
            kept.append(roc_auc(y, p) if crowds is None else grouped_roc_auc(y, p, groups[new]))
    assert np.mean(pooled) < 0.42, "the cause"
    assert grouped == pytest.approx([0.5] * 6), "newcomers to one objective differ in nothing"


def test_groups_depend_on_ids_alone_and_are_those_of_the_table() -> None:
    learners = np.array([f"learner-{number % 40}" for number in range(120)])
    groups = groups_of(learners)
    assert groups is not None
    assert groups.tolist() == groups_of(learners[:40]).tolist() * 3  # type: ignore[union-attr]
    for learner, group in zip(learners.tolist(), groups.tolist()):
        assert fold_of(learner) in FOLDS_OF_GROUPS[group]
    assert sorted(fold for folds in FOLDS_OF_GROUPS for fold in folds) == list(range(32))
    assert groups_of(learners[:9]) is None


def test_one_group_compares_what_no_group_does() -> None:
    y, p, who = learners_visits(3, 60, 4, 0.5)
    together, learners = np.zeros(len(y), np.int64), Learners(who, 400, 0)
    auc = grouped_roc_auc(y, p, together)
    assert auc == pytest.approx(roc_auc(y, p))
    plain, grouped = (auc_interval(y, p, auc or 0.0, learners, 0.95, groups) for groups in (None, together))
    assert grouped == pytest.approx(plain)


def test_pairs_across_groups_do_not_count() -> None:
    y, p = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.2, 0.1, 0.9, 0.8])
    groups = np.array([0, 0, 1, 1])
    assert (roc_auc(y, p), grouped_roc_auc(y, p, groups)) == (0.75, 1.0)
    assert grouped_roc_auc(y, p, np.arange(4)) is None
    y, p, who = learners_visits(4, 60, 4, 0.5)
    found = evaluate(y, p, who, comparable=(who % 3).astype(np.int64)).figures["auc"]
    assert found.low is not None
    assert found.high is not None
    assert found.low < (found.value or 0.0) < found.high


def test_the_interval_within_groups_holds_the_truth() -> None:
    """Groups that differ in their level alone leave the AUC as it is without them."""
    held, runs = 0, 50
    truth = roc_auc(*learners_visits(99, 20_000, 4, 0.5)[:2])
    for run in range(runs):
        y, p, who = learners_visits(run, 60, 4, 0.5)
        groups = (who % 4).astype(np.int64)
        auc = grouped_roc_auc(y, p, groups)
        interval = auc_interval(y, p, auc or 0.0, Learners(who, 200, run), 0.95, groups)
        assert interval is not None
        held += interval.low <= (truth or 0.0) <= interval.high
    assert held / runs >= 0.86
