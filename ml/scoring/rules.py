"""The platform's rule-based model. It answers until a trained model exists, and a trained model must beat it.

The rules decide the level; within it the logit moves with all fifteen features:

    logit = floor(level) + reach(level) * strain,   strain = sum of share(f) * risk(f), 0..1

where risk(f) is the feature turned so that 1 is worst, or the typical learner's risk(f) where there is no data. The
attribution is defined so that intercept + contributions = logit: the intercept is the logit of a LOW learner who is
typical in everything; each feature contributes reach(level) * share(f) * (risk(f) - typical(f)); and the rise of the
typical learner from LOW to the level is divided among the features that triggered it, by how far they exceeded their
thresholds.
"""

from __future__ import annotations

from math import sqrt

from ml.features.platform_table import PLATFORM_FEATURES
from ml.features.vector import FEATURE_NAMES
from ml.scoring.prediction import DEGRADED_CONFIDENCE, ENOUGH_HISTORY, Prediction, factors_of, reasoning_of
from ml.study.scales import PLATFORM, logistic, logit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.features.vector import FeatureVector
    from ml.study.scales import Levels

MODEL_VERSION = "rules-1"

BANDS = {"LOW": (0.15, 0.39), "MEDIUM": (0.41, 0.69), "HIGH": (0.71, 0.93)}
"""Probabilities at strain 0 and 1; they stay clear of the marks 0.4 and 0.7, so that no rounding crosses one."""

STRAIN = {
    "retention_score": (0.2, 0.3),
    "retention_decline_rate": (0.04, 0.1),
    "review_lapse_rate": (0.2, 0.25),
    "session_performance_score": (0.08, 0.3),
    "validation_score": (0.06, 0.35),
    "prerequisite_gap_count": (0.1, 0.3),
    "prerequisite_mastery_gap": (0.06, 0.4),
    "content_complexity": (0.04, 0.5),
    "complexity_mismatch": (0.06, 0.15),
    "historical_struggle_score": (0.08, 0.3),
    "content_type_mismatch": (0.01, 0.3),
    "cognitive_load_indicator": (0.02, 0.3),
    "days_until_exam": (0.01, 0.2),
    "days_since_last_study": (0.03, 0.3),
    "workload_level": (0.01, 0.2),
}
"""Per feature its share of the strain (they sum to 1) and the typical learner's risk.

Decline weighs less than half of retention: an early lapse lowers both, and must not come out as progress.
"""

HIGH_THRESHOLDS = {
    "retention_score": (0.5, -0.5, False),
    "prerequisite_gap_count": (0.5, 0.5, True),
    "complexity_mismatch": (0.6, 0.4, False),
    "historical_struggle_score": (0.7, 0.3, False),
}
MEDIUM_THRESHOLDS = {
    "retention_score": (0.7, -0.2, True),
    "prerequisite_gap_count": (0.2, 0.3, True),
    "content_type_mismatch": (0.5, 0.5, False),
    "cognitive_load_indicator": (0.7, 0.3, False),
}
"""The platform's thresholds: per feature the threshold, the way that is left to its worst value (for MEDIUM, to the
threshold of HIGH where there is one; negative where a low value is the worse), and whether reaching it suffices."""

STUDY = (
    "retention_score",
    "review_lapse_rate",
    "session_performance_score",
    "validation_score",
    "historical_struggle_score",
)
UNSTUDIED_CONFIDENCE = 0.35
"""The most confidence without any record of the learner's own study."""
FULL_CONFIDENCE = 0.9
LEAST_CONFIDENCE = 0.1
AGREEMENT = 0.25


def predict(features: FeatureVector, levels: Levels = PLATFORM) -> Prediction:
    """The rules' prediction for these features; the same features always give the same prediction.

    The rules' own level decides the probability; other levels than the platform's may give that probability another
    name.
    """
    level, triggers = level_of(features)
    intercept, contributions = _attributed(features, level, triggers)
    total = intercept + sum(contributions.values())
    probability = logistic(total)
    in_order = [contributions.get(name, 0.0) for name in FEATURE_NAMES]
    factors = factors_of(features, in_order, intercept, probability)
    confidence = confidence_of(features, len(triggers))
    reach = 0.4 + 3 * (1 - confidence)  # in logits; a statement of doubt, not a measured coverage
    return Prediction(
        probability=probability,
        confidence=confidence,
        interval=(logistic(total - reach), logistic(total + reach)),
        factors=factors,
        intercept=intercept,
        reasoning=reasoning_of(probability, factors, features.degraded, level=levels.of(probability)),
        model_version=MODEL_VERSION,
        source="rules",
        levels=levels,
    )


def probability(features: FeatureVector) -> float:
    """The probability of `predict` alone."""
    intercept, contributions = _attributed(features, *level_of(features))
    return logistic(intercept + sum(contributions.values()))


def contributions_of(features: FeatureVector) -> dict[str, float]:
    """The contribution of each of the platform's features, in logits; those of `predict`."""
    return _attributed(features, *level_of(features))[1]


def level_of(features: FeatureVector) -> tuple[str, dict[str, float]]:
    """The platform's risk level, and the features that triggered it.

    Returns:
        The level, and for each feature that triggered it how far it exceeded its threshold, as a share of the remaining
            range. Features
        without data trigger nothing.
    """
    high = _triggered(features, HIGH_THRESHOLDS)
    if high:
        return "HIGH", high
    medium = _triggered(features, MEDIUM_THRESHOLDS)
    return ("MEDIUM", medium) if medium else ("LOW", {})


def _triggered(features: FeatureVector, thresholds: Mapping[str, tuple[float, float, bool]]) -> dict[str, float]:
    found = {}
    for name, (threshold, way, reaching) in thresholds.items():
        value = features.known(name)
        if value is None:
            continue
        excess = (value - threshold) / way
        if excess > 0 or (reaching and excess == 0):
            found[name] = excess + 0.0  # not minus zero
    return found


def confidence_of(features: FeatureVector, triggered: int = 0) -> float:
    """The share of the rules' total weight that rests on data, from 0.1 to 0.95.

    Args:
        features: The features that the prediction rests on. Without any record of study the confidence is at most
            0.35, which rises to 0.75 at twenty answers; it is at most 0.2 where the features are defaults.
        triggered: How many features triggered the level; two or more that agree raise the confidence.
    """
    known = sum(share for name, (share, _) in STRAIN.items() if name not in features.defaulted)
    confidence = max(LEAST_CONFIDENCE, FULL_CONFIDENCE * sqrt(known))
    if triggered > 1:
        confidence += AGREEMENT * (1 - confidence)
    answers = features.known("answers_of_history")  # 0 where daily metrics are all there is
    if features.defaulted.issuperset(STUDY):
        confidence = min(confidence, UNSTUDIED_CONFIDENCE)
    elif answers and answers < ENOUGH_HISTORY:
        confidence = min(confidence, UNSTUDIED_CONFIDENCE + 0.4 * answers / ENOUGH_HISTORY)
    return min(confidence, DEGRADED_CONFIDENCE) if features.degraded else confidence


def _attributed(features: FeatureVector, level: str, triggers: dict[str, float]) -> tuple[float, dict[str, float]]:
    """The intercept and the contribution of each feature, in logits, as the module's docstring defines them."""
    floor, reach = _floor_and_reach(level)
    intercept = _typical_logit("LOW")
    contributions = {
        name: reach * share * (_risk(name, features, typical) - typical) for name, (share, typical) in STRAIN.items()
    }
    lift = floor + reach * _TYPICAL_STRAIN - intercept
    whole = sum(1 + excess for excess in triggers.values())
    for name, excess in triggers.items():
        contributions[name] += lift * (1 + excess) / whole
    return intercept, contributions


def _risk(name: str, features: FeatureVector, typical: float) -> float:
    value = features.known(name)
    if value is None:
        return typical
    return 1.0 - value if name in _PROTECTIVE else value


def _floor_and_reach(level: str) -> tuple[float, float]:
    bottom, top = map(logit, BANDS[level])
    return bottom, top - bottom


def _typical_logit(level: str) -> float:
    floor, reach = _floor_and_reach(level)
    return floor + reach * _TYPICAL_STRAIN


_PROTECTIVE = frozenset(feature.name for feature in PLATFORM_FEATURES if feature.direction < 0)
_TYPICAL_STRAIN = sum(share * typical for share, typical in STRAIN.values())
