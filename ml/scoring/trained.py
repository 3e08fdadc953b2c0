"""A trained model's answer to one feature vector: probability, interval, confidence, factors and reasoning."""

from __future__ import annotations

from math import sqrt

from ml.scoring.prediction import DEGRADED_CONFIDENCE, ENOUGH_HISTORY, Prediction, factors_of, reasoning_of
from ml.scoring.scorecard import known_values
from ml.study.scales import PLATFORM, probability_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.features.vector import FeatureVector
    from ml.scoring.scorecard import SavedModel, Score
    from ml.study.scales import Levels

INTERVAL_SPREADS = 1.96
"""Half the interval's width in spreads: 95 % if the bagged logits are roughly normal."""
STATED_DOUBT = 0.3
"""A stated contribution is taken to be off by about this share of itself: nobody has measured it yet."""
UNKNOWN_OBJECTIVE_DOUBT = 0.03
"""The accuracy lost where no other learner's outcome on the objective is known, measured on learners left out."""
NO_HISTORY_CAP = 0.5


def predict(saved: SavedModel, features: FeatureVector, levels: Levels = PLATFORM) -> Prediction:
    """The model's prediction for these features; the same features always give the same prediction."""
    features = saved.scorecard.seen(features)
    score = saved.scorecard.score(features)
    probability = probability_of(score.logit)
    bag_logits = saved.scorecard.bag_logits(features, score.logit)
    stated_doubt = STATED_DOUBT * saved.scorecard.stated_part(score.contributions)
    spread = sqrt(mean_square(bag_logits, score.logit) + stated_doubt**2)
    reach = INTERVAL_SPREADS * sqrt(spread**2 + saved.level_spread(features) ** 2)
    intercept, contributions = score.intercept, score.contributions
    if features.degraded:
        intercept, contributions = _without_absences(features, score)
    factors = factors_of(features, contributions, intercept, probability)
    return Prediction(
        probability=probability,
        confidence=confidence_of(probability, spread, features),
        interval=(probability_of(score.logit - reach), probability_of(score.logit + reach)),
        factors=factors,
        intercept=intercept,
        reasoning=reasoning_of(probability, factors, features.degraded, level=levels.of(probability)),
        model_version=saved.model_version,
        source="model",
        levels=levels,
    )


def probability(saved: SavedModel, features: FeatureVector) -> float:
    """The probability of `predict` alone."""
    return probability_of(saved.scorecard.score(saved.scorecard.seen(features)).logit)


def _without_absences(features: FeatureVector, score: Score) -> tuple[float, list[float]]:
    """The intercept and contributions of a degraded answer: what was not read is a part of the intercept.

    Forty factors that say "there is no record" would be untrue: there may well be one that nobody could read.
    """
    intercept, contributions = score.intercept, list(score.contributions)
    for position, value in enumerate(known_values(features)):
        if value is None:
            intercept += contributions[position]
            contributions[position] = 0.0
    return intercept, contributions


def confidence_of(probability: float, spread: float, features: FeatureVector) -> float:
    """How far the answer can be relied on, from 0 to 1: the chance that its side of 0.5 is right, less deductions.

    Args:
        probability: The model's.
        spread: The standard deviation of the bagged logits, from which a deduction is computed.
        features: The features that the prediction rests on. An objective of unknown difficulty causes a deduction too;
            a history of fewer than 20 answers caps the confidence; where all features are defaults it is at most 0.2.
    """
    sureness = max(probability, 1.0 - probability)
    doubt = probability * (1.0 - probability) * spread
    if not features.known("objective_support"):
        doubt += UNKNOWN_OBJECTIVE_DOUBT
    history = min(1.0, (features.known("answers_of_history") or 0.0) / ENOUGH_HISTORY)
    cap = DEGRADED_CONFIDENCE if features.degraded else NO_HISTORY_CAP + (1.0 - NO_HISTORY_CAP) * history
    return min(sureness - doubt, cap)


def mean_square(logits: Sequence[float], centre: float) -> float:
    """The mean square of the bagged logits' deviations from the model's own logit; 0 where there are no bags."""
    return sum((logit - centre) ** 2 for logit in logits) / len(logits) if logits else 0.0
