"""One round of retraining: a challenger is trained, compared with the champion, and kept or promoted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from db import decoded, stored_predictions
from db.client import Client
from ml.errors import ModelNotFound, NotEnoughExamples
from ml.evaluation.figures import THRESHOLD, evaluate
from ml.evaluation.promotion import Verdict, decide
from ml.evaluation.slices import history_band
from ml.instants import iso
from ml.model import StrugglePredictionModel, suited
from ml.places import CURRENT, shipped
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files
from ml.storage.levels_file import OPERATING_POINT
from ml.storage.registry import Registry
from ml.study.outcome_mark import in_force
from ml.study.visits import threshold_of
from ml.training.examples import ExampleSet
from ml.training.model_card import answers_of, figures_of
from ml.training.operating_point import Target, operating_point
from ml.training.prior import Trained, adapt, with_figures
from ml.training.stored_outcomes import TEACHING, StoredOutcome, usable, with_stored
from ml.training.tables import asked
from ml.training.training_rows import training_rows
from scripts.labelling.history import build_table, read_examples
from scripts.labelling.part import Extraction
from scripts.training.rules_on_visits import rules_on
from scripts.workers.backends import Workers

HOW_MEASURED = "The visits of the hold-out are newer than the training; the model predicted each of them."
STUDIED_WITHIN_MS = 14 * 24 * 3_600_000
"""A stored prediction and a visit are one example where the visit began this soon after the prediction."""


class Retraining(NamedTuple):
    """What was done. version: the challenger's name, None where none was trained. note: the reason.

    point: the operating threshold that was chosen for it, which holds from its promotion on.
    """

    version: str | None
    verdict: Verdict | None
    note: str
    trained_on: int
    judged_on: int
    left_out: dict[str, int]
    point: Mapping[str, object] | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        found = self._asdict()
        found["verdict"] = self.verdict.to_dict() if self.verdict else None
        found["operating_point"] = found.pop("point")
        found["promoted"] = bool(self.verdict and self.verdict.promote)
        return found


def retrain(
    client: Client,
    registry: Registry,
    since_ms: int,
    everything: Extraction,
    workers: Workers,
    target: Target | None = None,
) -> Retraining:
    """Runs one round; the caller must hold the registry's lock.

    Raises ModelRefused where the champion's file is damaged. everything: the platform's visits until now, labelled by
    the platform's definition, although the prior may have used another. target: what the operating threshold is chosen
    for; None for a recall of 0.70.
    """
    now_ms, correct_from = everything.until_ms, everything.correct_from
    champion = champion_of(registry, correct_from)
    prior = suited(shipped(), correct_from)
    until_ms = champion.saved.until_ms if champion.saved is not None else None
    start_ms = max(since_ms, until_ms or 0)  # what is judged is newer than both trainings
    below = threshold_of(prior.struggle_below)
    stored = usable(stored_outcomes(client, now_ms, correct_from))
    left_out = dict(stored.left_out)

    def seen_with(table: str | None) -> ExampleSet:
        history = read_examples(client, everything._replace(struggle_below=below), table, None, workers)
        return with_stored(history, stored, STUDIED_WITHIN_MS)

    with atomic_files.workshop(registry.directory) as at:
        table = os.path.join(at, "difficulty")
        size = build_table(client, table, start_ms, None, below, correct_from)
        examples = seen_with(table)
        older, newer = examples.select(examples.as_of_ms < start_ms), examples.select(examples.as_of_ms >= start_ms)
        try:
            trained = _challenger(prior, older, start_ms, correct_from)
        except NotEnoughExamples as refusal:
            return Retraining(None, None, str(refusal), len(older), len(newer), left_out)
        with open(table, "rb") as file:
            difficulty = registry.add_difficulty(file.read())
    point = operating_point(target or Target(), trained.probabilities, older, iso(now_ms))
    challenger = with_figures(trained.saved, {"threshold": float(str(point["operating_threshold"]))})
    known = champion.difficulty
    as_champion_saw_them = seen_with(known.path if known else None).select(examples.as_of_ms >= start_ms)
    verdict = _judge(champion, challenger, newer, as_champion_saw_them)
    said = _probabilities(challenger, newer)
    found = evaluate(
        newer.y.astype(float), said, newer.learner, threshold=challenger.figures.get("threshold", THRESHOLD)
    )
    challenger = with_figures(challenger, figures_of(found))
    card = {
        "correct_from": correct_from,
        "sources": list(challenger.sources),
        "difficulty": size._asdict(),
        "how_measured": HOW_MEASURED,
        "evaluation": found.to_dict(),
        "training_rows": training_rows(challenger, older.X),
        "trained_on": len(older),
        "judged_on": len(newer),
        "left_out": left_out,
        "examples": TEACHING,
        "champion": champion.model_version,
        "verdict": verdict.to_dict(),
        OPERATING_POINT: point,
        "use": "advisory only",
    }
    version = registry.add(challenger.but(until_ms=start_ms, difficulty=difficulty), iso(now_ms)[:10], card)
    if verdict.promote:
        registry.promote(version, iso(now_ms), f"retraining: {verdict.checks[1].sentence}")
    return Retraining(version, verdict, verdict.outcome, len(older), len(newer), left_out, point)


def _challenger(prior: SavedModel, older: ExampleSet, until_ms: int, correct_from: str) -> Trained:
    """The prior, taught by the older examples. Raises NotEnoughExamples."""
    learners = len(set(older.learner.tolist()))
    source = f"{len(older)} visits of {learners} learners of this platform before {iso(until_ms)}"
    return adapt(
        *(prior, older.X, older.y.astype(float), older.learner, "challenger", [source], prior.struggle_below),
        correct_from=correct_from,
    )


def champion_of(registry: Registry, correct_from: str) -> StrugglePredictionModel:
    """The model that answers; in a directory without any, the shipped one, which answers until the first training."""
    try:
        return StrugglePredictionModel.load(os.path.join(registry.directory, CURRENT), correct_from)
    except ModelNotFound:
        return StrugglePredictionModel.load(shipped(), correct_from)


def stored_outcomes(client: Client, now_ms: int, correct_from: str) -> Iterator[StoredOutcome]:
    """Stored predictions that have an outcome (the learner's report takes precedence) or an intervention."""
    left = stored_predictions.opted_out(client)
    for batch in stored_predictions.stream_predictions(client, 0, now_ms):
        for prediction in batch:
            known = prediction.struggled is not None or prediction.intervened
            if known and prediction.learner_id not in left:
                features = decoded(prediction.features)
                yield StoredOutcome(
                    prediction.learner_id,
                    prediction.objective_id,
                    prediction.predicted_at_ms,
                    prediction.struggled,
                    prediction.intervened,
                    features,
                    prediction.said or in_force(features, correct_from, prediction.struggled),
                )


def _judge(
    champion: StrugglePredictionModel, challenger: SavedModel, newer: ExampleSet, as_champion_saw_them: ExampleSet
) -> Verdict:
    """Each model on the newer examples, with its own knowledge of objectives; the rules see what the champion saw."""
    by_rules = rules_on(as_champion_saw_them)
    before = by_rules if champion.saved is None else _probabilities(champion.saved, as_champion_saw_them)
    groups: dict[str, list[object]] = {
        "answers of history": [history_band(answers) for answers in answers_of(newer.X)],
        "risk level": [champion.levels.of(probability) for probability in before.tolist()],
    }
    return decide(newer.y, before, _probabilities(challenger, newer), by_rules, newer.learner, groups)


def _probabilities(saved: SavedModel, examples: ExampleSet) -> npt.NDArray[np.float64]:
    return asked(saved.scorecard, examples.X)
