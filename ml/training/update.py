"""update_model and train: a model is corrected by given examples, as in the guide's retraining script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.errors import InvalidFeatures, NotEnoughExamples
from ml.evaluation.figures import THRESHOLD, evaluate
from ml.evaluation.metrics import Floats
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.scoring.scorecard import SavedModel
from ml.study.correctness import GOOD
from ml.training.examples import TrainingExample, row_of
from ml.training.prior import Trained, adapt, with_figures
from ml.training.tables import asked


class UpdateMetrics(NamedTuple):
    """How good the updated model is on examples of learners on whom it was not fitted.

    None where that cannot be measured. accuracy, precision and recall are those at probability 0.5. previous_accuracy
    is that of the model before the update, on the same examples. updated: whether anything changed. note: one sentence
    that says why or how.
    """

    n: int
    accuracy: float
    previous_accuracy: float
    precision: float | None
    recall: float | None
    auc: float | None
    brier: float | None
    log_loss: float | None
    updated: bool
    note: str


def update(
    prior: SavedModel, examples: Sequence[TrainingExample], correct_from: str = GOOD
) -> tuple[UpdateMetrics, SavedModel]:
    """(Metrics, the corrected model). Degraded predictions are not used.

    correct_from: the setting under which the examples were judged.

    Raises NotEnoughExamples below 50 examples or with one outcome only, InvalidFeatures where an example's features are
    not features.
    """
    x, y, learners = columns_of(examples)
    before = asked(prior.scorecard, x) if len(y) else np.zeros(0)
    trained = adapt(
        prior,
        x,
        y,
        learners,
        prior.model_version,
        [f"corrected by {len(y)} recorded outcomes"],
        correct_from=correct_from,
    )
    metrics = _metrics(trained.probabilities, before, y, learners, trained)
    figures = {"accuracy": metrics.accuracy, "auc": metrics.auc, "brier": metrics.brier, "log_loss": metrics.log_loss}
    saved = trained.saved.but(
        figures={**prior.figures, **trained.saved.figures}, until_ms=prior.until_ms, difficulty=prior.difficulty
    )
    return metrics, with_figures(saved, figures)


def unchanged(prior: SavedModel, examples: Sequence[TrainingExample], refusal: NotEnoughExamples) -> UpdateMetrics:
    """The metrics where there are too few examples to learn from: those of the present model on these examples."""
    x, y, learners = columns_of(examples)
    if not len(y):
        accuracy = prior.figures.get("accuracy", 0.0)
        return UpdateMetrics(0, accuracy, accuracy, None, None, None, None, None, False, str(refusal))
    before = asked(prior.scorecard, x)
    return _metrics(before, before, y, learners, None)._replace(note=str(refusal))


def columns_of(examples: Sequence[TrainingExample]) -> tuple[Floats, Floats, npt.NDArray[np.str_]]:
    """(Features with NaN where they are defaulted, 1 for each struggle, learner ids) of the usable examples."""
    rows, outcomes, learners = [], [], []
    for example in examples:
        vector = features_in(example)
        if not vector.degraded:
            rows.append(row_of(vector))
            outcomes.append(float(example.struggled))
            learners.append(str(example.user_id))
    x = np.array(rows, dtype=float).reshape(len(rows), len(FEATURE_NAMES))
    return x, np.array(outcomes), np.array(learners, dtype=np.str_)


def features_in(example: TrainingExample) -> FeatureVector:
    """The example's features, given as a FeatureVector or as the mapping that its to_dict returned."""
    if isinstance(example.features, FeatureVector):
        return example.features
    if not isinstance(example.features, Mapping):
        raise InvalidFeatures("an example's features must be a FeatureVector or a mapping")
    return FeatureVector.from_dict(example.features, extracted_at_ms=0)


def _metrics(
    probabilities: Floats, before: Floats, y: Floats, learners: npt.NDArray[np.str_], trained: Trained | None
) -> UpdateMetrics:
    found = evaluate(y, probabilities, learners, bootstrap=0)
    earlier = evaluate(y, before, learners, bootstrap=0)
    changed = trained is not None and trained.result.chosen != "prior"
    note = f"chosen on learners left out: {trained.result.chosen}" if trained is not None else ""
    return UpdateMetrics(
        n=len(y),
        accuracy=float(found.decisions[THRESHOLD]["accuracy"].value or 0.0),
        previous_accuracy=float(earlier.decisions[THRESHOLD]["accuracy"].value or 0.0),
        precision=found.decisions[THRESHOLD]["precision"].value,
        recall=found.decisions[THRESHOLD]["recall"].value,
        auc=found.figures["auc"].value,
        brier=found.figures["brier"].value,
        log_loss=found.figures["log_loss"].value,
        updated=changed,
        note=note,
    )
