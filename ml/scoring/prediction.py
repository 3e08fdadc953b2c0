"""A model's answer: probability, confidence, interval, and the factors that add up to the probability."""

from __future__ import annotations

from ml.features.feature import FULL_HISTORY, grows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

HIGH_FROM = 0.7
MEDIUM_FROM = 0.4
DEGRADED_CONFIDENCE = 0.2
"""The highest confidence of an answer that rests on default features."""
ENOUGH_HISTORY = grows(20, FULL_HISTORY)
"""answers_of_history of a learner with 20 answers; below it the confidence is capped."""


def risk_level(probability: float) -> str:
    """HIGH from 0.7, MEDIUM from 0.4, else LOW (the platform's thresholds).

    >>> risk_level(0.7), risk_level(0.6999), risk_level(0.1)
    ('HIGH', 'MEDIUM', 'LOW')
    """
    return "HIGH" if probability >= HIGH_FROM else "MEDIUM" if probability >= MEDIUM_FROM else "LOW"


class Factor:
    """One feature's part in a prediction: `contribution` is in logits, and positive where it raises the risk."""

    __slots__ = ("contribution", "feature", "text", "value")

    def __init__(self, feature: str, value: float | None, contribution: float, text: str) -> None:
        self.feature = feature
        self.value = value
        self.contribution = contribution
        self.text = text

    def to_dict(self) -> dict[str, object]:
        """The JSON form; value is null where the feature had no data."""
        return {
            "feature": self.feature,
            "value": self.value,
            "contribution": self.contribution,
            "text": self.text,
        }


class Prediction:
    """A model's answer. The contributions of all factors and `intercept` sum to the logit of `probability`.

    probability, confidence: 0..1. interval: (low, high) of the probability. factors: strongest first.
    source: "model" or "rules". reasoning: one English sentence.
    """

    __slots__ = (
        "confidence",
        "factors",
        "intercept",
        "interval",
        "model_version",
        "probability",
        "reasoning",
        "source",
    )

    def __init__(
        self,
        probability: float,
        confidence: float,
        interval: tuple[float, float],
        factors: Sequence[Factor],
        intercept: float,
        reasoning: str,
        model_version: str,
        source: str,
    ) -> None:
        self.probability = probability
        self.confidence = confidence
        self.interval = interval
        self.factors = factors
        self.intercept = intercept
        self.reasoning = reasoning
        self.model_version = model_version
        self.source = source

    @property
    def risk_level(self) -> str:
        """LOW, MEDIUM or HIGH."""
        return risk_level(self.probability)
