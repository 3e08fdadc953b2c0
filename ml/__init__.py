"""Predicts whether a learner will struggle with an objective.

The public names are loaded on first use, so importing ml costs nothing.

    from ml import StruggleFeatureExtractor, StrugglePredictionModel
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml.errors import (
        InvalidFeatures,
        ModelNotFound,
        ModelRefused,
        NotEnoughExamples,
        PredictorError,
        UnknownTopic,
        UnsupportedClient,
    )
    from ml.extractor import StruggleFeatureExtractor
    from ml.features.vector import FeatureVector
    from ml.model import StrugglePredictionModel
    from ml.scoring.prediction import Factor, Prediction
    from ml.study.history import LearnerHistory, StudyHistory
    from ml.training.examples import TrainingExample

__all__ = [
    "Factor",
    "FeatureVector",
    "InvalidFeatures",
    "LearnerHistory",
    "ModelNotFound",
    "ModelRefused",
    "NotEnoughExamples",
    "Prediction",
    "PredictorError",
    "StruggleFeatureExtractor",
    "StrugglePredictionModel",
    "StudyHistory",
    "TrainingExample",
    "UnknownTopic",
    "UnsupportedClient",
]

_HOMES = {
    "Factor": "ml.scoring.prediction",
    "FeatureVector": "ml.features.vector",
    "LearnerHistory": "ml.study.history",
    "Prediction": "ml.scoring.prediction",
    "StruggleFeatureExtractor": "ml.extractor",
    "StrugglePredictionModel": "ml.model",
    "StudyHistory": "ml.study.history",
    "TrainingExample": "ml.training.examples",
}
"""Where a public name lives; the others in __all__ are errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'ml' has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(_HOMES.get(name, "ml.errors")), name)
    globals()[name] = found  # the next access finds it without coming here
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
