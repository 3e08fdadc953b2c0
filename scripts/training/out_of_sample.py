"""Predictions of labelled visits by models that were not trained on them, which alone are an evaluation.

A model file says until when it was trained, and whether its weights come from visits before that. What came later is
new to it. Earlier visits are cross-fitted: the training is done again, and each learner is predicted by a model that
saw no visit of that learner. No id is needed for either.
"""

from __future__ import annotations

import os
import tempfile
from typing import NamedTuple

import numpy as np

from db.client import Client
from ml.errors import NotEnoughExamples
from ml.evaluation.metrics import Floats, Integers
from ml.instants import iso
from ml.model import StrugglePredictionModel, suited
from ml.places import shipped
from ml.study.visits import threshold_of
from ml.training.examples import ExampleSet, vector_of
from ml.training.learner_groups import FOLDS_OF_GROUPS, GROUPS, groups_of
from ml.training.prior import adapt
from ml.training.vectorised import ManyAtOnce, PlainPrediction
from scripts.cli.counted import counted
from scripts.labelling.history import build_table, read_examples
from scripts.labelling.part import Extraction
from scripts.training.rules_on_visits import prediction_by_rules
from scripts.workers.backends import Workers

AT_ONCE = 5000
CROSS_FITTED, IN_SAMPLE = "cross-fitted", "in-sample"
NEW, EARLIER = "after the training", "before the training's end"


class Judged(NamedTuple):
    """Labelled visits and a prediction of each at its first answer.

    cross_fitted: which of them were predicted by a model fitted again without their learners; the rest was predicted by
    the model itself. left_out: how many earlier visits have no such prediction and are missing here. until_ms: the
    training's end, where the model was trained on this platform's visits. trained_on: whether the model's own
    predictions of visits that it may have been trained on are among them, so that their figures are no evaluation.
    by_rules: whether the rules predicted all of them. comparable: a number of each; only visits of one number may be
    ranked against each other (ml/training/learner_groups.py); None where all may.
    """

    examples: ExampleSet
    verdicts: list[PlainPrediction]
    cross_fitted: np.ndarray[tuple[int], np.dtype[np.bool_]]
    left_out: int = 0
    until_ms: int | None = None
    trained_on: bool = False
    by_rules: bool = False
    comparable: Integers | None = None

    @property
    def told(self) -> str:
        """In one sentence, by what the visits were predicted."""
        if self.trained_on:
            return "NO EVALUATION: the model may have been trained on these visits, and looks better on them than it is"
        if self.by_rules:
            return "the rules predicted every visit; they learn from none"
        if self.until_ms is None:
            return "the model itself predicted every visit; its weights come from other platforms"
        refitted = int(self.cross_fitted.sum())
        parts = []
        if refitted:
            many = counted(refitted, "visit")
            parts.append(f"{many} before the training's end, each by a model fitted again without its learner")
        if len(self.examples) > refitted or not refitted:
            many = counted(len(self.examples) - refitted, "new visit")
            parts.append(f"{many} since {iso(self.until_ms)} by the model itself")
        if self.left_out:
            many = counted(self.left_out, "visit")
            parts.append(f"left out: {many} that it may have been trained on, too few to fit it again")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {
            "how": self.told,
            "is_evaluation": not self.trained_on,
            "cross_fitted": int(self.cross_fitted.sum()),
            "by_the_model": len(self.examples) - int(self.cross_fitted.sum()),
            "left_out": self.left_out,
            "trained_until": None if self.until_ms is None else iso(self.until_ms),
        }

    def sources(self, model: str) -> list[str]:
        """What predicted each visit: the model, named so, the model in sample, or one fitted again."""
        itself = IN_SAMPLE if self.trained_on else model
        new = [self.until_ms is not None and at >= self.until_ms for at in self.examples.as_of_ms.tolist()]
        return [
            CROSS_FITTED if refitted else model if later else itself
            for refitted, later in zip(self.cross_fitted.tolist(), new)
        ]

    def age(self) -> list[str]:
        """Of each visit, whether it came before the training's end; empty where nothing is known of that."""
        if self.until_ms is None:
            return []
        return [EARLIER if at < self.until_ms else NEW for at in self.examples.as_of_ms.tolist()]


def judged(
    client: Client,
    model: StrugglePredictionModel,
    extraction: Extraction,
    learner_ids: list[str] | None,
    workers: Workers,
    in_sample: bool = False,
) -> Judged:
    """Labelled visits of these learners, and a prediction of each; by default only such as make an evaluation.

    in_sample: the model itself predicts all visits, also those that it was trained on.
    """
    saved, table = model.saved, model.difficulty.path if model.difficulty else None
    trained_here = saved is not None and saved.until_ms is not None and saved.folds != 0
    # the training saw all learners, so that doing it again needs them all
    wanted = None if trained_here and not in_sample else learner_ids
    examples = read_examples(client, extraction, table, wanted, workers)
    nothing = np.zeros(len(examples), np.bool_)
    if saved is None:
        return Judged(examples, _by_the_model(model, examples), nothing, by_rules=True)
    until_ms = saved.until_ms
    earlier = nothing if until_ms is None else examples.as_of_ms < until_ms
    if in_sample and trained_here:
        verdicts = _by_the_model(model, examples)
        return Judged(examples, verdicts, nothing, 0, until_ms, trained_on=bool(earlier.any()))
    groups = groups_of(examples.learner) if until_ms is not None and table is not None and earlier.any() else None
    taught = examples
    with tempfile.TemporaryDirectory() as at:
        if groups is not None and until_ms is not None:
            below = threshold_of(saved.struggle_below)
            grouped = os.path.join(at, "grouped")
            build_table(client, grouped, until_ms, None, below, extraction.correct_from, FOLDS_OF_GROUPS)
            seen = read_examples(client, extraction, grouped, wanted, workers)
            examples.X[earlier] = seen.X[earlier]
            groups = np.where(earlier, groups, GROUPS)  # what is newer than the table holds no outcome of it
            table = grouped
        if trained_here and extraction.struggle_below != threshold_of(saved.struggle_below):
            at_its_mark = extraction._replace(struggle_below=threshold_of(saved.struggle_below))
            taught = read_examples(client, at_its_mark, table, None, workers)
    verdicts = _by_the_model(model, examples)
    if not trained_here:
        own = until_ms is None and _counted_in(saved.sources, examples)
        return Judged(examples, verdicts, nothing, trained_on=own, comparable=groups)
    chosen = np.ones(len(examples), np.bool_) if learner_ids is None else np.isin(examples.learner, learner_ids)
    folds = None if groups is None else groups[earlier]
    held_out = _held_out(taught.select(earlier), extraction.correct_from, folds)
    if held_out is None:
        kept, left_out = chosen & ~earlier, int((chosen & earlier).sum())
    else:
        kept, left_out = chosen, 0
        for row, probability in zip(np.flatnonzero(earlier).tolist(), held_out.tolist()):
            verdicts[row] = verdicts[row]._replace(probability=probability)
    rows = np.flatnonzero(kept)
    return Judged(
        examples.select(kept),
        [verdicts[row] for row in rows.tolist()],
        earlier[kept],
        left_out,
        until_ms,
        comparable=None if groups is None else groups[kept],
    )


def _held_out(earlier: ExampleSet, correct_from: str, folds: Integers | None) -> Floats | None:
    """Each visit's probability by a model that saw no visit of its learner; None where there are too few visits."""
    prior = suited(shipped(), correct_from)
    y = earlier.y.astype(float)
    try:
        return adapt(
            *(prior, earlier.X, y, earlier.learner, "fitted again", (), prior.struggle_below),
            correct_from=correct_from,
            folds=folds,
        ).probabilities
    except NotEnoughExamples:
        return None


def _by_the_model(model: StrugglePredictionModel, examples: ExampleSet) -> list[PlainPrediction]:
    many = ManyAtOnce(model.saved) if model.saved is not None else None
    verdicts: list[PlainPrediction] = []
    for start in range(0, len(examples), AT_ONCE):
        stop = start + AT_ONCE
        vectors = [vector_of(row, at) for row, at in zip(examples.X[start:stop], examples.as_of_ms[start:stop])]
        verdicts += many.judge(vectors) if many else [prediction_by_rules(vector) for vector in vectors]
    return verdicts


def _counted_in(sources: tuple[str, ...], examples: ExampleSet) -> bool:
    """Whether a source of a model without a clock has exactly as many labelled visits as this platform."""
    return len(examples) > 0 and any(f"and {len(examples)} labelled visits of " in source for source in sources)
