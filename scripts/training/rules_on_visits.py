"""The rules' predictions of labelled visits."""

from __future__ import annotations

import numpy as np

from ml.evaluation.metrics import Floats
from ml.features.vector import FeatureVector
from ml.scoring import rules
from ml.training.examples import ExampleSet, vector_of
from ml.training.vectorised import PlainPrediction


def prediction_by_rules(vector: FeatureVector) -> PlainPrediction:
    """The rules' numbers, without their sentences."""
    prediction = rules.predict(vector)
    return PlainPrediction(prediction.probability, prediction.confidence, *prediction.interval)


def rules_on(examples: ExampleSet) -> Floats:
    """The rules' probability of each visit."""
    vectors = (vector_of(row, at) for row, at in zip(examples.X, examples.as_of_ms.tolist()))
    return np.array([rules.predict(vector).probability for vector in vectors], np.float64)
