"""The results of monitoring for one period: figures, slices, weeks, drift, the worst mistakes, and the alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ml.evaluation.drift import FeatureDrift
from ml.evaluation.figures import Evaluation, Figure
from ml.evaluation.of_ten import DIMENSION, sentences
from ml.evaluation.slices import Slice
from ml.instants import iso
from ml.study.scales import Levels
from scripts.cli.model_card import TrainingRows
from scripts.monitoring.alerts import Alert
from scripts.monitoring.detectors import DetectorState
from scripts.monitoring.distributions import Distribution
from scripts.monitoring.findings import (
    CalibrationBin,
)
from scripts.monitoring.mistakes import Mistake
from scripts.monitoring.reasons import Reason
from scripts.monitoring.targets import MINIMUM_LEARNERS, Target

DECISIONS = ("accuracy", "recall", "precision")
"""The figures that depend on a threshold and have a target."""
CANNOT_SEE = (
    "These figures are estimated from the probabilities alone. They show what changes where other learners or"
    " objectives are predicted, and cannot show that learners struggle more or less than before at the same"
    " probability: only outcomes do."
)
"""The bound of every estimate before outcomes."""


class Week(NamedTuple):
    """A calendar week (Monday to Sunday, UTC), or the part of it inside the trend.

    evaluation: of the visits whose outcome is known. expected: what the probabilities of all predictions that count say
    of accuracy, precision, recall and AUC (ml/evaluation/before_outcomes.py).
    """

    start_ms: int
    predictions: int
    evaluation: Evaluation
    expected: Mapping[str, Figure]


class OfPage(NamedTuple):
    """What only the page shows.

    titles: objectives in words, by id. distributions: of the features in this period, and training: in the visits that
    the model was trained on, None where no card tells. keeps_evidence: whether --state was given.
    """

    titles: Mapping[str, str]
    distributions: Mapping[str, Distribution]
    training: TrainingRows | None
    keeps_evidence: bool


class Report(NamedTuple):
    """One period [since_ms, until_ms).

    evaluation covers the visits whose outcome is known, each by the prediction that counts for it; correct_from is the
    deployment's setting, under which record_outcomes decides them. A slice with fewer rows than the minimum, or with
    too few learners, is left out, and its value is not named either: too_small counts such slices by their dimension.
    Of a week or a whole period that is as small, only the number of predictions is kept. judged: how many predictions
    have a known outcome.
    awaiting: how many predictions that count await their outcome, and expected: what their probabilities say of it.
    of_page: what only the page shows; None where no page is made.
    evidence: what the looks so far have collected; evidence_note: a sentence where it is not kept, or starts anew.
    """

    since_ms: int
    until_ms: int
    minimum: int
    predictions: int
    judged: int
    learners: int
    awaiting: int
    expected: Mapping[str, Figure]
    degraded: Figure
    evaluation: Evaluation
    calibration: tuple[CalibrationBin, ...]
    slices: tuple[Slice, ...]
    too_small: Mapping[str, int]
    weeks: tuple[Week, ...]
    drift: tuple[FeatureDrift, ...]
    drift_note: str
    mistakes: tuple[Mistake, ...]
    reasons: Mapping[str, Reason]
    targets: Mapping[str, Target]
    alerts: tuple[Alert, ...]
    evidence: DetectorState
    evidence_note: str
    correct_from: str
    levels: Levels
    of_page: OfPage | None = None

    @property
    def sufficient(self) -> bool:
        """Whether enough outcomes are known for any figure to be judged."""
        return self.evaluation.n >= self.minimum and self.evaluation.learners >= MINIMUM_LEARNERS

    @property
    def status(self) -> str:
        """alert, no predictions, insufficient data, or ok."""
        if self.alerts:
            return "alert"
        if not self.predictions:
            return "no predictions"
        return "ok" if self.sufficient else "insufficient data"

    def to_dict(self, mistakes: bool = True) -> dict[str, object]:
        """The JSON form that --json prints; an alert command receives it without the mistakes, which name learners."""
        named = [self._mistake(each) for each in self.mistakes] if mistakes else []
        return {
            "status": self.status,
            "alerts": [each.to_dict() for each in self.alerts],
            "period": {"since": iso(self.since_ms), "until": iso(self.until_ms)},
            "predictions": self.predictions,
            "outcomes_known": self.judged,
            "visits_judged": self.evaluation.n,
            "evidence": {"since": iso(self.evidence.since_ms), "note": self.evidence_note},
            "minimum": self.minimum,
            "correct_from": self.correct_from,
            "levels": self.levels.to_dict(),
            "degraded": self.degraded.to_dict(),
            **_plain(self.evaluation),
            "attainable": self.attainable,
            "before_outcomes": {
                "awaiting": self.awaiting,
                "figures": {name: figure.to_dict() for name, figure in self.expected.items()},
                "note": CANNOT_SEE,
            },
            "learners": self.learners,  # of all predictions; the evaluation counts those with a known outcome
            "slices": [each.to_dict() for each in self.slices],
            "slices_too_small": dict(self.too_small),
            "weeks": [
                {
                    "start": iso(week.start_ms),
                    "predictions": week.predictions,
                    **_plain(week.evaluation),
                    "expected": {name: figure.to_dict() for name, figure in week.expected.items()},
                }
                for week in self.weeks
            ],
            "drift": [each.to_dict() for each in self.drift],
            "drift_note": self.drift_note,
            **({"mistakes": named} if mistakes else {}),
        }

    @property
    def of_each_level(self) -> list[str]:
        """One sentence for each risk level: of ten predictions at it, how many struggled, or did not."""
        return list(sentences((each.value, each.evaluation) for each in self.slices if each.dimension == DIMENSION))

    @property
    def attainable(self) -> dict[str, float | None]:
        """What perfectly calibrated probabilities would give for these predictions; None where it is withheld."""
        told = self.evaluation.figures["struggle_rate"].value is not None
        return {name: self.targets[name].attainable if told else None for name in DECISIONS}

    def _mistake(self, mistake: Mistake) -> dict[str, object]:
        why = self.reasons.get(mistake.prediction_id)
        told = {"predicted_at": iso(mistake.predicted_at_ms), "reasons": list(why.texts) if why else []}
        return {**mistake._asdict(), **told}


def _plain(evaluation: Evaluation) -> dict[str, object]:
    """The figures, ready for JSON. Where the figures are left out, the number of struggles is left out too."""
    untold = {"struggles": None} if evaluation.figures["struggle_rate"].value is None else {}
    return {**evaluation.to_dict(), **untold}
