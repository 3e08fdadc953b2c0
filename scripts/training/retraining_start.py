"""What a round of retraining starts from: the model that answers, and what is known of its predictions and visits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from db import decoded, stored_predictions
from db.client import Client
from ml.errors import ModelNotFound
from ml.model import StrugglePredictionModel
from ml.places import CURRENT, shipped
from ml.scoring.scorecard import SavedModel
from ml.storage.registry import Registry
from ml.study.outcome_mark import in_force
from ml.training.examples import ExampleSet
from ml.training.stored_outcomes import StoredOutcome, Usable, with_stored
from scripts.labelling.history import read_examples
from scripts.labelling.part import Extraction
from scripts.training.hold_out import STUDIED_WITHIN_MS
from scripts.workers.backends import Workers


class Round(NamedTuple):
    """What a round of retraining is about.

    everything: the platform's visits until now. below: the mark below which one of them is a struggle, for training and
    comparison alike; None for the platform's definition.
    """

    client: Client
    registry: Registry
    everything: Extraction
    workers: Workers
    champion: StrugglePredictionModel
    stored: Usable
    below: float | None

    def seen_with(self, table: str | None) -> ExampleSet:
        """All examples with the features that they have by this difficulty table."""
        extraction = self.everything._replace(struggle_below=self.below)
        return with_stored(
            read_examples(self.client, extraction, table, None, self.workers), self.stored, STUDIED_WITHIN_MS
        )

    def path(self, saved: SavedModel) -> str | None:
        """The path of a version's difficulty table."""
        return None if saved.difficulty is None else os.path.join(self.registry.directory, saved.difficulty[0])


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
