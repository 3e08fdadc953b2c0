"""The first model of a deployment: the shipped weights, corrected by the platform's own history."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone

import db
from ml.errors import ModelUnsuited, NotEnoughExamples
from ml.evaluation.figures import evaluate
from ml.model import suited
from ml.places import PRETRAINED, shipped
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files
from ml.storage.registry import Registry
from ml.training.examples import ExampleSet
from ml.training.fit import BAGS, HELD_OUT_FOLDS
from ml.training.model_card import card, figures_of
from ml.training.prior import Trained, adapt, refuse_too_few, with_figures
from scripts.cli.command import note
from scripts.cli.progress import bar
from scripts.labelling.history import build_table, read_examples
from scripts.labelling.part import Extraction
from scripts.training.options import TrainingOptions

HOW_MEASURED = (
    "Each visit was predicted from strictly earlier answers by a model that saw no visit of that learner; objective"
    " difficulties come from other learners. Calibration and the choice among {} candidates used the same rows."
)


def train_on_platform(options: TrainingOptions) -> dict[str, object]:
    """Trains on the one database that the options name, and lets the model answer.

    Returns what was written and how good it is. Raises NotEnoughExamples, PredictorError, DatabaseError, WorkersLost.
    """
    models_dir, correct_from, below = options.models_dir, options.correct_from, options.struggle_below
    url, schema = options.urls[0], options.schema
    prior = _prior(options.prior, models_dir, correct_from)
    Registry(models_dir).prepare()
    with db.connect(url, schema_path=schema) as client, atomic_files.workshop(models_dir) as at:
        until_ms = client.now() if options.as_of_ms is None else options.as_of_ms
        table = os.path.join(at, "difficulty")
        size = build_table(client, table, until_ms, options.learners, below, correct_from)
        source = f"{client.label}: {size.answers} answers of {size.learners} learners"
        if options.difficulty_only:
            if not size.answers:
                raise NotEnoughExamples("there are no answers to learn difficulties from: the prior is kept")
            sources = [*prior.sources, f"difficulties from {source}"]
            return _keep(options, table, until_ms, prior, sources, None, {})
        extraction = Extraction(url, schema, until_ms, below, correct_from=correct_from)
        examples = read_examples(client, extraction, table, options.learners, options.workers)
        trained = _fitted(prior, examples, source, below, correct_from)
        how = HOW_MEASURED.format(len(trained.result.log_losses))
        found = card(trained.saved, examples.X, examples.y.astype(float), trained.probabilities, examples.learner, how)
        saved = with_figures(trained.saved, measured(trained, examples))
        return _keep(options, table, until_ms, saved, list(saved.sources), found, {"chosen": trained.result.chosen})


def _fitted(
    prior: SavedModel, examples: ExampleSet, source: str, struggle_below: float | None, correct_from: str
) -> Trained:
    """The prior, taught by the examples. Raises NotEnoughExamples."""
    y = examples.y.astype(float)
    refuse_too_few(y)
    with bar("fitting", HELD_OUT_FOLDS + BAGS) as progress:
        return adapt(
            *(prior, examples.X, y, examples.learner, "unsaved", [source], struggle_below),
            each=lambda step: progress.update(1),
            correct_from=correct_from,
        )


def _keep(
    options: TrainingOptions,
    table: str,
    until_ms: int,
    saved: SavedModel,
    sources: list[str],
    found: dict[str, object] | None,
    more: Mapping[str, object],
) -> dict[str, object]:
    """Puts the difficulty table and the model into the registry, and lets the model answer."""
    now = datetime.now(timezone.utc)
    registry = Registry(options.models_dir)
    with open(table, "rb") as file:
        content = file.read()
    with registry.locked():
        difficulty = registry.add_difficulty(content)
        # correct_from is that of the difficulties, also where the weights are the shipped ones
        model = saved.but(sources=sources, until_ms=until_ms, difficulty=difficulty, correct_from=options.correct_from)
        version = registry.add(model, now.date().isoformat(), found)
        registry.promote(version, now.isoformat(timespec="seconds"), "initial training")
    return {
        "model": os.path.join(options.models_dir, version + ".pkl"),
        "difficulty": difficulty[0],
        "correct_from": options.correct_from,
        **more,
        **saved.figures,
    }


def _prior(path: str | None, models_dir: str, correct_from: str) -> SavedModel:
    """The model to start from: the one named, else pretrained.pkl of the directory, else the shipped one.

    One of another format, for other features or trained under another setting is passed over with a sentence.
    """
    own = os.path.join(models_dir, PRETRAINED)
    for candidate in [path] if path is not None else [own] if os.path.exists(own) else []:
        try:
            return suited(candidate, correct_from)
        except ModelUnsuited as unsuited:
            note(f"{unsuited}. Training starts from the shipped model.")
    return suited(shipped(), correct_from)


def measured(trained: Trained, examples: ExampleSet) -> dict[str, float | None]:
    """The figures that are stored in a model."""
    y = examples.y.astype(float)
    return figures_of(evaluate(y, trained.probabilities, examples.learner, bootstrap=0))
