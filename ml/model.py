"""StrugglePredictionModel: the one object that callers use, whichever model answers."""

from __future__ import annotations

import os

from ml.errors import ModelNotFound, ModelUnsuited, NotEnoughExamples
from ml.places import (
    CURRENT,
    LEVELS_FILE,
    MODEL,
    MODELS_DIR,
    POINTER,
    PRETRAINED,
    answers_by_default,
    current,
    models_directory,
    resolve,
    setting,
    shipped,
)
from ml.storage import model_file
from ml.study.correctness import correct_setting, suits
from ml.study.scales import PLATFORM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ml import ports
    from ml.advice.advise import Advice
    from ml.features.vector import FeatureVector
    from ml.scoring.change import Change
    from ml.scoring.difference import Baseline, Difference, RulesBaseline
    from ml.scoring.prediction import Prediction
    from ml.scoring.scorecard import SavedModel
    from ml.storage.difficulty_choice import DifficultyTables
    from ml.storage.difficulty_table import DifficultyTable
    from ml.study.estimates import LearnerEstimates
    from ml.study.history import StudyHistory
    from ml.study.scales import Levels
    from ml.training.examples import TrainingExample
    from ml.training.update import UpdateMetrics


RULES = "rules"
"""Named in place of a path: the platform's rules answer, whatever models there are."""


class StrugglePredictionModel:
    """Says how likely a learner is to struggle, and why.

    `StrugglePredictionModel()` answers with the platform's rules; `load` with a trained model. `source` is "rules" or
    "model", `model_version` names the file's training. `correct_from` is the deployment's setting (GOOD or HARD) under
    which a history must be read for this model; None means the environment's. `refused` is the model that this one
    replaces because it could not be used.
    """

    def __init__(
        self,
        saved: SavedModel | None = None,
        path: str | None = None,
        correct_from: str | None = None,
        refused: ModelUnsuited | None = None,
    ) -> None:
        self._saved = saved
        self._path = path
        self._refused = refused
        self.asked = path
        """What another process must load to get this model: its path, or the path of the model in whose place it
        answers; None for the rules."""
        self.correct_from = correct_setting(correct_from)
        self._previous_accuracy: float | None = None
        self._tables: DifficultyTables | None = None
        self.pointer_path: str | None = None
        """Where the difficulty table that is kept up to date is named, which need not be there; None for a model other
        than the one that answers by default in its directory."""
        self.levels: Levels = PLATFORM
        """The levels of levels.json in the directory of the model that was asked for, or the platform's."""
        self.levels_path: str | None = None
        """Where levels.json lies; None where the levels are the platform's."""

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] | None = None, correct_from: str | None = None
    ) -> StrugglePredictionModel:
        """The model at path; relative paths start at predict.py's directory.

        No path means current.pkl in the directory that STRUGGLE_MODELS_DIR names, by default models/. Where current.pkl
        is absent, pretrained.pkl beside it answers, else the model that the repository ships, else the rules. Any other
        absent path, and a directory that is not there, raises ModelNotFound; a file that must not be used raises
        ModelRefused. "rules" in place of a path means the rules. A current.pkl of another format, for other features,
        or trained under another setting than correct_from never prevents an answer: the model that would answer without
        that file answers, and `instead` and `model_version` say so.

        levels.json in the directory of the path gives the levels, whichever model answers. Raises ModelRefused where
        that file must not be used.
        """
        if path == RULES:
            return cls(correct_from=correct_from)
        asked, judged_from = current() if path is None else resolve(path), correct_setting(correct_from)
        is_default = answers_by_default(asked)
        is_current = os.path.basename(asked) == CURRENT
        candidates, refused = [asked], None
        if is_current:
            candidates.append(os.path.join(os.path.dirname(asked), PRETRAINED))
        if is_default:
            candidates.append(shipped())
        for candidate in candidates:
            try:
                saved = suited(candidate, judged_from)
                found = cls(saved, candidate, judged_from, refused)
                found.asked = asked if refused is not None else candidate
                if is_current:
                    found.pointer_path = os.path.join(os.path.dirname(asked), POINTER)
                found.levels, found.levels_path = levels_at(os.path.dirname(asked), saved.model_version)
                return found
            except ModelNotFound:
                if path is None and setting(MODELS_DIR) and not os.path.isdir(models_directory()):
                    raise ModelNotFound(f"{MODELS_DIR} names no directory: {models_directory()}") from None
            except ModelUnsuited as unsuited:
                if not is_current:
                    raise
                if refused is None:
                    candidates.append(shipped())
                    refused = unsuited
        if refused is not None or is_default:
            found = cls(None, None, judged_from, refused)
            found.asked = None if refused is None else asked
            found.levels, found.levels_path = levels_at(os.path.dirname(asked), RULES)
            return found
        raise ModelNotFound(f"no model file at {asked}")

    @property
    def source(self) -> str:
        """ "model" where a trained model answers, else "rules"."""
        return "rules" if self._saved is None else "model"

    @property
    def model_version(self) -> str:
        """The version with which answers are marked; it also says why where another model replaces current.pkl."""
        if self._saved is not None:
            return self._marked(self._saved.model_version)
        from ml.scoring.rules import MODEL_VERSION

        return self._marked(MODEL_VERSION)

    def _marked(self, version: str) -> str:
        if self._refused is None:
            return version
        return f"{version} (current.pkl: {self._refused.why})"

    @property
    def instead(self) -> str:
        """Why a model other than current.pkl answers, as one sentence; empty where the requested model answers."""
        if self._refused is None:
            return ""
        return f"{self._refused}. Until then {os.path.basename(self._path) if self._path else 'the rules'} answers."

    @property
    def saved(self) -> SavedModel | None:
        """The trained model itself, with its sources and figures; None for the rules."""
        return self._saved

    @property
    def path(self) -> str | None:
        """Where the model was read from or saved to; None for the rules."""
        return self._path

    @property
    def difficulty(self) -> DifficultyTable | None:
        """The difficulty table that the model itself names, opened on first use; None where it names none.

        It was made for the model's training, and the model is evaluated with it. Predictions use `difficulty_at`.
        Raises ModelRefused where the table is absent or must not be used.
        """
        tables = self.difficulties
        return None if tables is None else tables.own()

    def difficulty_at(self, as_of_ms: int | None) -> DifficultyTable | None:
        """The newest difficulty table that knows nothing of what happened at as_of or later, for a prediction.

        as_of_ms: the moment of the prediction; None is now. Raises ModelRefused where the table is absent or must not
        be used.
        """
        tables = self.difficulties
        return None if tables is None else tables.at(as_of_ms)

    @property
    def difficulties(self) -> DifficultyTables | None:
        """The model's difficulty tables; None where it has none. Raises ModelRefused."""
        if self._tables is None and self._saved is not None:
            if self._saved.difficulty is None and not self._may_have_kept_table():
                return None
            from ml.storage.difficulty_choice import DifficultyTables

            directory = os.path.dirname(self._path or current())
            self._tables = DifficultyTables(self._saved, directory, self.pointer_path, self.correct_from)
        return self._tables

    @property
    def difficulty_path(self) -> str | None:
        """The path at which the difficulty table that the model names should be; None where it names none."""
        if self._saved is None or self._saved.difficulty is None:
            return None
        return os.path.join(os.path.dirname(self._path or current()), self._saved.difficulty[0])

    def _may_have_kept_table(self) -> bool:
        """Looks for the file itself, so that a prediction without any table loads no more than it needs."""
        if self.pointer_path is None:
            return False
        try:
            os.stat(self.pointer_path)
        except FileNotFoundError:
            return False
        except OSError:  # inside predict.pyz it is no file of its own
            return True
        return True

    def check(self) -> None:
        """Checks the whole model: its difficulty tables must be intact and have the hashes under which they are named.

        It reads the whole tables, so it is meant for processes that keep a model for long. Raises ModelRefused.
        """
        if self.difficulties is not None:
            self.difficulties.check()

    def predict(self, features: FeatureVector) -> Prediction:
        """Predicts the probability that the learner struggles, with its confidence, its interval, and its factors."""
        if self._saved is None:
            from ml.scoring import rules

            found = rules.predict(features, self.levels)
        else:
            from ml.scoring import trained

            found = trained.predict(self._saved, features, self.levels)
        found.model_version = self._marked(found.model_version)
        return found

    def probability(self, features: FeatureVector) -> float:
        """The probability of `predict` alone, for callers who ask for many."""
        if self._saved is None:
            from ml.scoring import rules

            return rules.probability(features)
        from ml.scoring import trained

        return trained.probability(self._saved, features)

    def baseline(self, before: FeatureVector) -> Baseline | RulesBaseline:
        """The model's view of one vector, from which it looks at changed ones in a fraction of a prediction's time."""
        from ml.scoring.difference import Baseline, RulesBaseline

        return RulesBaseline(before) if self._saved is None else Baseline(self._saved, before)

    def difference(self, before: FeatureVector, after: FeatureVector) -> Difference:
        """How far the predictions for two vectors lie apart in logits, how certain that is, and what it comes from."""
        return self.baseline(before).moved_to(after).difference

    def change(self, stored: Sequence[ports.Earlier], features: FeatureVector, prediction: Prediction) -> Change | None:
        """What has changed since the newest earlier prediction before this one; None where there is none.

        Args:
            stored: What was stored for the same learner and objective.
            features: What this prediction rests on.
            prediction: What this model said of them.
        """
        if not stored:
            return None
        from ml.scoring.change import change_of

        return change_of(stored, features, prediction, self._parts, self.probability)

    def _parts(self, features: FeatureVector) -> Sequence[float]:
        """The contributions of the features, in the order of FEATURE_NAMES, before the logit is bounded."""
        if self._saved is None:
            from ml.features.vector import FEATURE_NAMES
            from ml.scoring import rules

            by_name = rules.contributions_of(features)
            return [by_name.get(name, 0.0) for name in FEATURE_NAMES]
        return self._saved.scorecard.unbounded_parts(self._saved.scorecard.seen(features))

    def advise(
        self,
        prediction: Prediction,
        history: StudyHistory,
        estimates: LearnerEstimates | None,
        features: FeatureVector,
        missing_sources: Sequence[str] = (),
    ) -> list[Advice]:
        """What would help: the changes of the learner's records after which this model would expect less struggle.

        Args:
            prediction: What this model said of the features.
            history: The history that it is about.
            estimates: What the features rest on, as the extractor's `studied` gives it.
            features: As the extractor gave them.
            missing_sources: What the database lacks.
        """
        if estimates is None or prediction.risk_level == "LOW":
            return []
        from ml.advice.advise import advice_for
        from ml.advice.changed import Faced

        faced = Faced(history, estimates, features, self.difficulty_at(history.past.as_of_ms))
        return advice_for(faced, prediction, self, missing_sources)

    def train(self, examples: Iterable[TrainingExample]) -> UpdateMetrics:
        """Fits this model anew, with its present tables as the prior; `save` keeps it.

        Raises NotEnoughExamples below 50 usable examples, or with one outcome only. Needs the extra `train`.
        """
        return self._learn(list(examples))

    def update_model(self, examples: Iterable[TrainingExample]) -> UpdateMetrics:
        """Corrects the present model by new outcomes; the figures are measured on learners left out of each fit.

        Few examples, or examples of one outcome, change nothing, and the metrics' note says so. Needs the extra
        `train`.
        """
        given = list(examples)
        try:
            return self._learn(given)
        except NotEnoughExamples as refusal:
            from ml.training.update import unchanged

            metrics = unchanged(self._prior(), given, refusal)
            self._previous_accuracy = metrics.previous_accuracy
            return metrics

    def _learn(self, examples: list[TrainingExample]) -> UpdateMetrics:
        try:
            from ml.training.update import update
        except ModuleNotFoundError as absent:
            raise ModuleNotFoundError(
                f"training needs {absent.name}: pip install '.[train]'", name=absent.name
            ) from None
        metrics, self._saved = update(self._prior(), examples, self.correct_from)
        self._tables = None
        self._refused = None
        self._previous_accuracy = metrics.previous_accuracy
        return metrics

    def _prior(self) -> SavedModel:
        if self._saved is not None:
            return self._saved
        return model_file.read(shipped())

    def save(self, path: str | os.PathLike[str]) -> str:
        """Writes the whole model or nothing, and returns the absolute path; its name becomes the model's version."""
        if self._saved is None:
            raise ModelNotFound("the rules are not a trained model, so there is nothing to save")
        target = resolve(path)
        stem = os.path.splitext(os.path.basename(target))[0]
        saved = self._saved
        if not answers_by_default(target):
            saved = saved.but(model_version=stem)
        model_file.write(saved, target)
        self._saved, self._path, self._tables = saved, target, None
        return target

    def get_model_performance(self) -> dict[str, object]:
        """Returns what is known about the model's quality: the figures in its file, and previous_accuracy.

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


def suited(path: str, correct_from: str) -> SavedModel:
    """The model at path, if it may answer under the setting.

    Raises ModelNotFound, ModelRefused, and ModelUnsuited where it was trained under the other setting.
    """
    saved = model_file.read(path)
    if not suits(saved.correct_from, correct_from):
        raise ModelUnsuited(
            f"the model file {path} is refused: it was trained with answers correct from {saved.correct_from}, and this"
            f" deployment counts from {correct_from}; train it again",
            f"trained with correct from {saved.correct_from}",
        )
    return saved


def load(name: str | None, correct_from: str | None = None) -> StrugglePredictionModel:
    """The model that --model names: a path, or "rules".

    Without a name, STRUGGLE_MODEL names it; without that, the order is current.pkl, pretrained.pkl, the rules. A
    relative path that a person types starts in the working directory or, if there is no such file, in predict.py's
    directory. correct_from: the deployment's setting, GOOD or HARD; None is the environment's.
    """
    name = name or setting(MODEL)
    return StrugglePredictionModel.load(
        os.path.abspath(name) if name and name != RULES and os.path.exists(name) else name, correct_from
    )


def levels_in_force(name: str | None = None) -> Levels:
    """The levels of the model that --model names, as `load` finds them, without reading the model.

    Raises ModelRefused where levels.json must not be used.
    """
    name = name or setting(MODEL)
    if name == RULES:
        return PLATFORM
    asked = current() if name is None else os.path.abspath(name) if os.path.exists(name) else resolve(name)
    return levels_at(os.path.dirname(asked))[0]


def levels_at(directory: str, model_version: str = "") -> tuple[Levels, str | None]:
    """The levels of levels.json in the directory with the file's path, or the platform's with None.

    model_version: of the model that they are for. Raises ModelRefused where the file must not be used.
    """
    path = os.path.join(directory, LEVELS_FILE)
    try:
        os.stat(path)  # a prediction without the file loads no more than it needs
    except FileNotFoundError:
        return PLATFORM, None
    except OSError:  # inside predict.pyz it is no file of its own
        pass
    from ml.storage.levels_file import read_levels

    found = read_levels(path, model_version)
    return (PLATFORM, None) if found is None else (found, path)


def load_whole(name: str | None, correct_from: str | None = None) -> StrugglePredictionModel:
    """Loads a model as `load` does and checks the whole of it. Raises ModelNotFound, ModelRefused."""
    model = load(name, correct_from)
    model.check()
    return model
