"""A model's answer: probability, confidence, interval, the factors that add up to the probability, and the sentence.

The sentence is for teachers and learners, and gives the strongest one to three reasons.
"""

from __future__ import annotations

from math import fsum

from ml.features.feature import FULL_HISTORY, grows
from ml.features.vector import FEATURES
from ml.language import ENGLISH
from ml.study.scales import PLATFORM, probability_of, risen_per_logit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.features.vector import FeatureVector
    from ml.language import Language
    from ml.study.objective_names import Unmastered
    from ml.study.scales import Levels

DEGRADED_CONFIDENCE = 0.2
"""The highest confidence of an answer that rests on default features."""
ENOUGH_HISTORY = grows(20, FULL_HISTORY)
"""answers_of_history of a learner with 20 answers; below it the confidence is capped."""
MOST_REASONS = 3
MOST_OBJECTIVES = 20
"""A factor lists at most this many objectives in JSON, the least mastered first."""
WEAKEST_SHARE = 0.2
"""A second or third reason weighs at least this much of the first."""
NEGLIGIBLE = 0.02
"""Logits: a contribution below moves no probability by half a point."""


class Factor:
    """One feature's part in a prediction, positive where it raises the risk.

    contribution: its part of the logit. points: its part of the probability minus the base. Where strong factors cancel
    each other, points may lie beyond -1 and 1. objectives: the prerequisites behind it that are not mastered.
    """

    __slots__ = ("contribution", "feature", "objectives", "points", "text", "value")

    def __init__(
        self,
        feature: str,
        value: float | None,
        contribution: float,
        text: str,
        points: float = 0.0,
        objectives: Sequence[Unmastered] = (),
    ) -> None:
        self.feature = feature
        self.value = value
        self.contribution = contribution
        self.text = text
        self.points = points
        self.objectives = objectives

    def to_dict(self) -> dict[str, object]:
        """The JSON form; value is null where the feature had no data."""
        told: dict[str, object] = {
            "feature": self.feature,
            "value": self.value,
            "contribution": self.contribution,
            "points": self.points,
            "text": self.text,
        }
        if self.objectives:
            told["objectives"] = [each.to_dict() for each in self.objectives[:MOST_OBJECTIVES]]
            if len(self.objectives) > MOST_OBJECTIVES:
                told["objectives_in_all"] = len(self.objectives)
        return told


class Prediction:
    """A model's answer. The contributions of all factors and `intercept` sum to the logit of `probability`.

    Their points and `base`, which is the probability at the intercept, sum to `probability`.

    probability, confidence: 0..1. interval: (low, high) of the probability. factors: strongest first.
    source: "model" or "rules". reasoning: one English sentence. levels: the thresholds of the risk level.
    """

    __slots__ = (
        "confidence",
        "factors",
        "intercept",
        "interval",
        "levels",
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
        levels: Levels = PLATFORM,
    ) -> None:
        self.probability = probability
        self.confidence = confidence
        self.interval = interval
        self.factors = factors
        self.intercept = intercept
        self.reasoning = reasoning
        self.model_version = model_version
        self.source = source
        self.levels = levels

    @property
    def base(self) -> float:
        """The probability before any factor is looked at."""
        return probability_of(self.intercept)

    @property
    def risk_level(self) -> str:
        """LOW, MEDIUM or HIGH."""
        return self.levels.of(self.probability)


def factors_of(
    features: FeatureVector, contributions: Sequence[float], intercept: float, probability: float
) -> list[Factor]:
    """A Factor for each feature that contributes, the strongest first.

    Args:
        features: The values.
        contributions: logits, in the order of FEATURE_NAMES. A feature without data may contribute too, because a
            trained model learns from its absence; the factor's value is then None.
        intercept: logits.
        probability: The one that the intercept and the contributions make.
    """
    per_logit = risen_per_logit(probability_of(intercept), probability, fsum(contributions))
    factors, unmastered = [], features.unmastered
    for feature, contribution in zip(FEATURES, contributions):
        if not contribution:
            continue
        value = features.known(feature.name)
        points = contribution * per_logit
        objectives: Sequence[Unmastered] = ()
        if value is None:
            text = feature.absence()
        elif unmastered and feature.names(unmastered):
            objectives = unmastered
            text = feature.clause_naming(value, unmastered) if contribution > 0 else feature.clause(value, False)
        else:
            text = feature.clause(value, contribution > 0)
        factors.append(Factor(feature.name, value, contribution, text, points, objectives))
    factors.sort(key=lambda factor: -abs(factor.contribution))
    return factors


def reasoning_of(
    probability: float,
    factors: Sequence[Factor],
    degraded: str = "",
    language: Language = ENGLISH,
    level: str | None = None,
) -> str:
    """One sentence for a teacher: the level, the probability, and the strongest reasons that rest on data.

    A high or medium risk is explained by what raises it, a low one by what lowers it. Where nothing does, the sentence
    names what points the other way, and says so.

    Args:
        probability: The prediction.
        factors: The strongest first; their texts are in the language.
        degraded: Why the study records could not be read, in English.
        language: The language of the sentence.
        level: The risk level; None for the platform's.
    """
    level = level or PLATFORM.of(probability)
    share = language.probability(probability)
    if degraded:
        return language.say("default", cause=_without_records(degraded, language), share=share)
    opening = language.say(f"level_{level}", share=share)
    sign = -1 if level == "LOW" else 1
    for key, reasons in (("because", _reasons(factors, sign)), ("although", _reasons(factors, -sign))):
        if reasons:
            return language.say(key, level=opening, reasons=language.listed(reasons))
    key = "no_reason" if any(factor.value is not None for factor in factors) else "no_record"
    return language.say(key, level=opening)


def percentage(probability: float) -> str:
    """The probability as a percentage, rounded down, so that 70 % is HIGH wherever it is printed."""
    return ENGLISH.probability(probability)


def _without_records(degraded: str, language: Language) -> str:
    from ml.study.degraded import code_of  # few answers need its sentences

    code = code_of(degraded)
    said = str(language.messages.get(f"degraded_{code}", degraded))
    return said.rstrip(".") if code in _SAID_BY_THEMSELVES else language.say("unread", cause=_phrase(said))


def _reasons(factors: Sequence[Factor], sign: int) -> list[str]:
    """The clauses of the strongest factors of that sign, each about something else."""
    named: dict[str, str] = {}
    strongest = 0.0
    for factor in factors:
        weight = sign * factor.contribution
        if factor.value is None or weight < max(NEGLIGIBLE, WEAKEST_SHARE * strongest):
            continue
        strongest = strongest or weight
        named.setdefault(_SUBJECTS.get(factor.feature, factor.feature), factor.text)
        if len(named) == MOST_REASONS:
            break
    return list(named.values())


def _phrase(reason: str) -> str:
    """A message as a part of a sentence: one line, no capital "The" or "Die", no full stop, not endless."""
    words = " ".join(reason.split()).replace(". ", "; ").rstrip(".!? ")[:120]
    return words[0].lower() + words[1:] if words.startswith(("The ", "Die ", "Der ", "Das ")) else words


_SAID_BY_THEMSELVES = ("deadline", "tracking_off", "extraction_failed")
"""Causes of default features whose own sentence speaks of the study records."""
_SUBJECTS = {feature.name: feature.subject for feature in FEATURES}
