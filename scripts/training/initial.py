"""The first model of a deployment: the shipped weights, corrected by the platform's own history.

It answers only after it has passed the gate of ml/evaluation/promotion.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import db
from ml.errors import ModelUnsuited, NotEnoughExamples
from ml.evaluation.figures import Evaluation, evaluate
from ml.evaluation.promotion import Verdict, decide
from ml.instants import iso
from ml.model import levels_at, suited
from ml.places import PRETRAINED, shipped
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files
from ml.storage.levels_file import OPERATING_POINT
from ml.storage.registry import Registry
from ml.training.examples import ExampleSet
from ml.training.fit import BAGS, HELD_OUT_FOLDS
from ml.training.learner_groups import FOLDS_OF_GROUPS, groups_of
from ml.training.model_card import card, figures_of
from ml.training.operating_point import operating_point
from ml.training.prior import Trained, adapt, refuse_too_few, with_figures
from scripts.cli.command import note
from scripts.cli.counted import counted
from scripts.cli.progress import bar
from scripts.labelling.history import build_table, read_examples
from scripts.labelling.part import Extraction
from scripts.training.measuring import figure_lines
from scripts.training.options import TrainingOptions
from scripts.training.rules_on_visits import rules_on
from scripts.training.target import target_of, told

HOW_MEASURED = (
    "Each visit was predicted from strictly earlier answers by a model that saw no visit of that learner; objective"
    " difficulties come from other learners. Calibration and the choice among {} candidates used the same rows. The AUC"
    " compares visits that were predicted with the same learners left out."
)
STAYS = "the present model stays"


class FirstTraining(NamedTuple):
    """What was done. version: the model that answers now, None where the gate kept the present one.

    difficulty: the table's file name. chosen: the candidate among the ways to fit. figures: those in the model file;
    they are those of the model named by figures_of. measured: how good the model is on the platform's own visits.
    verdict: the gate's. forced: it answers against the verdict. point: the operating threshold that was chosen, with
    what for. The last five are None or False where only difficulties were learned.
    """

    models_dir: str
    version: str | None
    difficulty: str | None
    correct_from: str
    source: str
    figures: Mapping[str, float]
    figures_of: str
    chosen: str | None = None
    measured: Evaluation | None = None
    verdict: Verdict | None = None
    forced: bool = False
    point: Mapping[str, object] | None = None

    @property
    def refusal(self) -> str:
        """Why the present model stays, in one sentence."""
        failed = self.verdict.failed if self.verdict is not None else ()
        why = "; ".join(f"{check.name}: {check.sentence}" for check in failed)
        return f"the new model is not proven better, and {STAYS} (--force lets the new one answer). {why}"

    @property
    def path(self) -> str | None:
        """The model's file."""
        return None if self.version is None else os.path.join(self.models_dir, self.version + ".pkl")

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON; the figures of the model file stand beside the rest."""
        return {
            "model": self.path,
            "promoted": self.version is not None,
            "forced": self.forced,
            "difficulty": self.difficulty,
            "correct_from": self.correct_from,
            "source": self.source,
            "figures_of": self.figures_of,
            **({} if self.chosen is None else {"chosen": self.chosen}),
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            **({} if self.point is None else {"operating_point": dict(self.point)}),
            "evaluation": None if self.measured is None else self.measured.to_dict(),
            **self.figures,
        }

    def text(self) -> str:
        """What was done, for people."""
        lines = [f"not written: {STAYS}" if self.path is None else f"model: {self.path}"]
        if self.difficulty is not None:
            lines.append(f"difficulty: {self.difficulty}")
        lines += [f"source: {self.source}", f"correct_from: {self.correct_from}"]
        if self.measured is None:
            lines.append(f"The weights are those of {self.figures_of}, and so are these figures, from other platforms:")
            return "\n".join([*lines, *(f"  {name:22} {_told(name, value)}" for name, value in self.figures.items())])
        found = self.measured
        lines += [
            f"chosen: {self.chosen}",
            f"{counted(found.n, 'labelled visit')} of {counted(found.learners, 'learner')},"
            f" {counted(found.struggles, 'struggle')}; each was predicted by a model that saw none of its learner:",
            *figure_lines(found),
        ]
        if self.verdict is not None:
            lines += [
                f"  {'pass' if check.passed else 'FAIL'}  {check.name}: {check.sentence}"
                for check in self.verdict.checks
            ]
        if self.version is not None and self.point is not None:
            lines.append(told(self.models_dir, self.point))
        if self.forced:
            lines.append("The model answers although it is not proven better (--force).")
        return "\n".join(lines)


def train_on_platform(options: TrainingOptions) -> FirstTraining:
    """Trains on the one database that the options name, and lets the model answer if it passes the gate.

    Raises NotEnoughExamples, PredictorError, DatabaseError, WorkersLost.
    """
    models_dir, correct_from, below = options.models_dir, options.correct_from, options.struggle_below
    url, schema = options.urls[0], options.schema
    prior = _prior(options.prior, models_dir, correct_from)
    target = target_of(models_dir, options.target_recall, options.capacity)
    Registry(models_dir).prepare()
    with db.connect(url, schema_path=schema) as client, atomic_files.workshop(models_dir) as at:
        until_ms = client.now() if options.as_of_ms is None else options.as_of_ms
        table = os.path.join(at, "difficulty")
        size = build_table(client, table, until_ms, options.learners, below, correct_from)
        name = options.names[0] if options.names else name_of(client.label)
        source = f"{name}: {counted(size.answers, 'answer')} of {counted(size.learners, 'learner')}"
        done = FirstTraining(models_dir, None, None, correct_from, source, prior.figures, prior.model_version)
        if options.difficulty_only:
            if not size.answers:
                raise NotEnoughExamples("there are no answers to learn difficulties from: the prior is kept")
            sources = [*prior.sources, f"difficulties from {source}"]
            note_on_card = {"figures_of": prior.model_version, "sources": sources}
            # weights that came from a platform with a clock may have come from this one
            folds = prior.folds if prior.until_ms is not None else 0
            saved = prior.but(sources=sources, until_ms=until_ms, folds=folds)
            return _kept(done, table, saved, note_on_card, "difficulties alone")
        extraction = Extraction(url, schema, until_ms, below, correct_from=correct_from)
        grouped = os.path.join(at, "grouped")
        build_table(client, grouped, until_ms, options.learners, below, correct_from, FOLDS_OF_GROUPS)
        examples = read_examples(client, extraction, grouped, options.learners, options.workers)
        groups = groups_of(examples.learner)
        if groups is None:
            examples = read_examples(client, extraction, table, options.learners, options.workers)
        trained = _fitted(prior, examples, source, below, correct_from, groups)
        y, probabilities = examples.y.astype(float), trained.probabilities
        verdict = decide(y, None, probabilities, rules_on(examples), examples.learner)
        point = operating_point(target, probabilities, examples, iso(until_ms))
        threshold = float(str(point["operating_threshold"]))
        found = evaluate(y, probabilities, examples.learner, threshold=threshold, comparable=groups)
        sources = list(trained.saved.sources)
        if source not in sources:
            sources.append(f"difficulties and base rate from {source}")
        saved = with_figures(trained.saved, {**figures_of(found), "threshold": threshold}).but(
            until_ms=until_ms, sources=sources
        )
        done = done._replace(
            figures=saved.figures,
            figures_of="this model",
            chosen=trained.result.chosen,
            measured=found,
            verdict=verdict,
            forced=options.force and not verdict.promote,
            point=point,
        )
        if not verdict.promote and not options.force:
            return done
        how = HOW_MEASURED.format(len(trained.result.log_losses))
        gate = {"verdict": verdict.to_dict(), "forced": done.forced, OPERATING_POINT: point}
        shown = {
            **card(
                *(saved, examples.X, y, probabilities, examples.learner, how),
                comparable=groups,
                levels=levels_at(models_dir)[0],
            ),
            **gate,
        }
        failed = ", ".join(check.name for check in verdict.failed)
        return _kept(done, table, saved, shown, f"forced, although not proven: {failed}" if done.forced else "proven")


def _fitted(
    prior: SavedModel,
    examples: ExampleSet,
    source: str,
    struggle_below: float | None,
    correct_from: str,
    groups: npt.NDArray[np.int64] | None,
) -> Trained:
    """The prior, taught by the examples. Raises NotEnoughExamples."""
    y = examples.y.astype(float)
    refuse_too_few(y)
    with bar("fitting", HELD_OUT_FOLDS + BAGS) as progress:
        return adapt(
            *(prior, examples.X, y, examples.learner, "unsaved", [source], struggle_below),
            each=lambda step: progress.update(1),
            correct_from=correct_from,
            folds=groups,
        )


def _kept(done: FirstTraining, table: str, saved: SavedModel, shown: Mapping[str, object], why: str) -> FirstTraining:
    """Puts the difficulty table and the model with its card into the registry, and lets the model answer."""
    now = datetime.now(timezone.utc)
    registry = Registry(done.models_dir)
    with open(table, "rb") as file:
        content = file.read()
    with registry.locked():
        difficulty = registry.add_difficulty(content)
        # correct_from is that of the difficulties, also where the weights are the shipped ones
        model = saved.but(difficulty=difficulty, correct_from=done.correct_from)
        version = registry.add(model, now.date().isoformat(), dict(shown))
        registry.promote(version, now.isoformat(timespec="seconds"), f"initial training: {why}")
    return done._replace(version=version, difficulty=difficulty[0])


def name_of(label: str) -> str:
    """The database's own name out of a client's label: neither its host nor the directory that it lies in.

    >>> name_of("db.example:5432/school"), name_of("/srv/app/school.sqlite3")
    ('school', 'school.sqlite3')
    """
    return label.replace("\\", "/").rstrip("/").rpartition("/")[2] or "a database"


def _told(name: str, value: float) -> str:
    return f"{value:,.0f}" if name == "labels" else f"{value:.3f}"


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
