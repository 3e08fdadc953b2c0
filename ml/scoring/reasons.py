"""Turns contributions into words for teachers and learners: one sentence with the strongest one to three reasons."""

from __future__ import annotations

from ml.features.vector import FEATURES
from ml.scoring.prediction import Factor, risk_level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.features.vector import FeatureVector

MOST_REASONS = 3
WEAKEST_SHARE = 0.2
"""A second or third reason weighs at least this much of the first."""
NEGLIGIBLE = 0.02
"""Logits: a contribution below moves no probability by half a point."""


def factors_of(features: FeatureVector, contributions: Sequence[float]) -> list[Factor]:
    """A Factor for each feature that contributes, the strongest first.

    Args:
        features: The values.
        contributions: logits, in the order of FEATURE_NAMES. A feature without data may contribute too, because a
            trained model learns from its absence; the factor's value is then None.
    """
    factors = []
    for feature, contribution in zip(FEATURES, contributions):
        if not contribution:
            continue
        value = features.known(feature.name)
        text = feature.absence() if value is None else feature.clause(value, contribution > 0)
        factors.append(Factor(feature.name, value, contribution, text))
    factors.sort(key=lambda factor: -abs(factor.contribution))
    return factors


def reasoning_of(probability: float, factors: Sequence[Factor], degraded: str = "") -> str:
    """One English sentence: the level, the probability, and the strongest reasons that rest on data.

    A high or medium risk is explained by what raises it, a low one by what lowers it; where nothing does, what speaks
    against the level is named as such. degraded: why the study records could not be read.
    """
    level = risk_level(probability)
    share = _share(probability)
    if degraded:
        return f"{_without_records(degraded)}: this is a default estimate of {share}."
    opening = f"{level.capitalize()} risk of struggling ({share})"
    sign = -1 if level == "LOW" else 1
    reasons = _reasons(factors, sign)
    if reasons:
        return f"{opening}: {_listed(reasons)}."
    exceptions = _reasons(factors, -sign)
    if exceptions:
        return f"{opening}, although {_listed(exceptions)}."
    if any(factor.value is not None for factor in factors):
        return f"{opening}: no single reason stands out."
    return f"{opening}: too little is on record to name a reason."


def _share(probability: float) -> str:
    """The probability as a percentage, rounded down, so that 70 % is HIGH wherever it is printed."""
    whole = int(100 * probability + 1e-9)
    if whole == 0:
        return "less than 1 %"
    return "more than 99 %" if probability > 0.99 + 1e-9 else f"{whole} %"


def _without_records(degraded: str) -> str:
    from ml.study.degraded import code_of  # few answers need its sentences

    if code_of(degraded) in _SAID_BY_THEMSELVES:
        return degraded.rstrip(".")
    return f"We could not read the study records ({_phrase(degraded)})"


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


def _listed(clauses: list[str]) -> str:
    """ "a", "a and b", "a, b, and c"."""
    if len(clauses) < 3:
        return " and ".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _phrase(reason: str) -> str:
    """A message as a part of a sentence: one line, no capital "The", no full stop, not endless."""
    words = " ".join(reason.split()).replace(". ", "; ").rstrip(".!? ")[:120]
    return "the " + words[4:] if words.startswith("The ") else words


_SAID_BY_THEMSELVES = ("deadline", "tracking_off", "extraction_failed")
"""Causes of default features whose own sentence speaks of the study records."""
_SUBJECTS = {feature.name: feature.subject for feature in FEATURES}
