"""StrugglePredictionModel: the one object callers hold, whichever model answers behind it."""

from __future__ import annotations

import os

from ml import model_file
from ml.errors import ModelNotFound, NotEnoughExamples
from ml.places import CURRENT, MODEL, MODELS_DIR, PRETRAINED, current, models_directory, resolve, setting, shipped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml.difficulty import DifficultyTable
    from ml.features import FeatureVector
    from ml.prediction import Prediction
    from ml.training.examples import TrainingExample
    from ml.training.updating import UpdateMetrics


RULES = "rules"
"""In place of a path: the platform's rules, whatever models there are."""


class StrugglePredictionModel:
    """Says how likely a learner is to struggle, and why.

    `StrugglePredictionModel()` answers with the platform's rules; `load` with a trained model. `source` is "rules" or
    "model", `model_version` names the file's training.
    """

    def __init__(self, saved: model_file.SavedModel | None = None, path: str | None = None) -> None:
        self._saved = saved
        self._path = path
        self._previous_accuracy: float | None = None
        self._difficulty: DifficultyTable | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> StrugglePredictionModel:
        """The model at path; relative paths start at predict.py's directory.

        No path means current.pkl in the directory that STRUGGLE_MODELS_DIR names, by default models/. Where current.pkl
        is absent, pretrained.pkl beside it answers, else the model that the repository ships, else the rules. Any other
        absent path, and a directory that is not there, raises ModelNotFound; a file that must not be used raises
        ModelRefused. "rules" in place of a path means the rules.
        """
        if path == RULES:
            return cls()
        asked = current() if path is None else resolve(path)
        is_default = asked in (current(), resolve(CURRENT))
        candidates = [asked]
        if os.path.basename(asked) == os.path.basename(CURRENT):
            candidates.append(os.path.join(os.path.dirname(asked), PRETRAINED))
        if is_default:
            candidates.append(shipped())
        for candidate in candidates:
            try:
                return cls(model_file.read(candidate), candidate)
            except ModelNotFound:
                if path is None and setting(MODELS_DIR) and not os.path.isdir(models_directory()):
                    raise ModelNotFound(f"{MODELS_DIR} names no directory: {models_directory()}") from None
        if is_default:
            return cls()
        raise ModelNotFound(f"no model file at {asked}")

    @property
    def source(self) -> str:
        """ "model" where a trained model answers, else "rules"."""
        return "rules" if self._saved is None else "model"

    @property
    def model_version(self) -> str:
        """What the answer is marked with."""
        if self._saved is not None:
            return self._saved.model_version
        from ml.rules import MODEL_VERSION

        return MODEL_VERSION

    @property
    def saved(self) -> model_file.SavedModel | None:
        """The trained model itself, with its sources and figures; None for the rules."""
        return self._saved

    @property
    def path(self) -> str | None:
        """Where the model was read from or saved to; None for the rules."""
        return self._path

    @property
    def difficulty(self) -> DifficultyTable | None:
        """The deployment's objective difficulties, opened on first use; None where the model names none.

        Raises ModelRefused where the table is absent or must not be used.
        """
        path = self.difficulty_path
        if self._difficulty is None and path is not None:
            from ml.difficulty import DifficultyTable

            self._difficulty = DifficultyTable.open(path)
        return self._difficulty

    @property
    def difficulty_path(self) -> str | None:
        """Where the difficulty table that the model names should lie; None where it names none."""
        if self._saved is None or self._saved.difficulty is None:
            return None
        return os.path.join(os.path.dirname(self._path or current()), self._saved.difficulty[0])

    def check(self) -> None:
        """Judges the model whole, its difficulty table included: sound, and the one whose hash the model names.

        For processes that keep a model; it reads the whole table. Raises ModelRefused.
        """
        table = self.difficulty
        if table is not None and self._saved is not None and self._saved.difficulty is not None:
            table.check(self._saved.difficulty[1])

    def predict(self, features: FeatureVector) -> Prediction:
        """The probability that the learner struggles, with its confidence, interval, and the factors it is made of."""
        if self._saved is None:
            from ml import rules

            return rules.predict(features)
        from ml import judgement

        return judgement.judge(self._saved, features)

    def train(self, examples: Iterable[TrainingExample]) -> UpdateMetrics:
        """Fit this model anew, with its present tables as the prior; `save` keeps it.

        Raises NotEnoughExamples below 50 usable examples, or with one outcome only. Needs the extra `train`.
        """
        return self._learn(list(examples))

    def update_model(self, examples: Iterable[TrainingExample]) -> UpdateMetrics:
        """Correct the present model by new outcomes; figures are those of learners left out of each fit.

        Few or one-sided examples change nothing, and the metrics' note says so. Needs the extra `train`.
        """
        given = list(examples)
        try:
            return self._learn(given)
        except NotEnoughExamples as refusal:
            from ml.training import updating

            metrics = updating.unchanged(self._prior(), given, refusal)
            self._previous_accuracy = metrics.previous_accuracy
            return metrics

    def _learn(self, examples: list[TrainingExample]) -> UpdateMetrics:
        try:
            from ml.training import updating
        except ModuleNotFoundError as absent:
            raise ModuleNotFoundError(
                f"training needs {absent.name}: pip install '.[train]'", name=absent.name
            ) from None
        metrics, self._saved = updating.update(self._prior(), examples)
        self._previous_accuracy = metrics.previous_accuracy
        return metrics

    def _prior(self) -> model_file.SavedModel:
        if self._saved is not None:
            return self._saved
        return model_file.read(shipped())

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the model, whole or not at all, and return the absolute path; its name becomes the model's version."""
        if self._saved is None:
            raise ModelNotFound("the rules are no trained model: there is nothing to save")
        target = resolve(path)
        stem = os.path.splitext(os.path.basename(target))[0]
        saved = self._saved
        if target not in (current(), resolve(CURRENT)):
            saved = saved.named(stem)
        model_file.write(saved, target)
        self._saved, self._path = saved, target
        return target

    def get_model_performance(self) -> dict[str, object]:
        """What is known of the model's quality: the figures in its file, and previous_accuracy.

        previous_accuracy is that of the model before the last update, on the examples of that update; before any
        update it is the accuracy the model was saved with (0.0 where there is none).
        """
        figures: dict[str, object] = dict(self._saved.figures) if self._saved is not None else {}
        saved_accuracy = figures.get("accuracy", 0.0)
        previous = self._previous_accuracy
        return {
            "model_version": self.model_version,
            "source": self.source,
            **figures,
            "previous_accuracy": saved_accuracy if previous is None else previous,
        }


def load(name: str | None) -> StrugglePredictionModel:
    """What --model names: a path, "rules", or nothing for what STRUGGLE_MODEL names, else for the default order
    (current, pretrained, rules).

    A relative path that a person types starts where that person stands; failing that, at predict.py's directory.
    """
    name = name or setting(MODEL)
    if name == "rules":
        return StrugglePredictionModel()
    return StrugglePredictionModel.load(os.path.abspath(name) if name and os.path.exists(name) else name)


def load_whole(name: str | None) -> StrugglePredictionModel:
    """What `load` gives, judged whole before it answers anything. Raises ModelNotFound, ModelRefused."""
    model = load(name)
    model.check()
    return model
