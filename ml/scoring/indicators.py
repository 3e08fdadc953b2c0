"""Signs of struggle by the platform's own names and thresholds; each becomes one row of struggle_indicators.

The app decides on alerts by counting severities: HIGH where two signs are HIGH, or one is HIGH and two are MEDIUM;
MEDIUM where one is HIGH or two are MEDIUM. It does not count CRITICAL. So the signs of a prediction are no more severe
than its own risk level, and a HIGH prediction has at least two HIGH signs: the alert finds every learner at high risk,
and nobody else.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml.features.vector import FeatureVector
    from ml.scoring.prediction import Factor, Prediction

MARKS = {
    "retention_score": ("LOW_RETENTION", 0.7, 0.5),
    "prerequisite_gap_count": ("PREREQUISITE_GAP", 0.2, 0.5),
    "complexity_mismatch": ("COMPLEXITY_MISMATCH", 0.3, 0.6),
    "historical_struggle_score": ("HISTORICAL_STRUGGLE_PATTERN", 0.5, 0.7),
    "cognitive_load_indicator": ("COGNITIVE_OVERLOAD", 0.7, 0.85),
}
"""Per feature its indicator type, and the thresholds of MEDIUM and HIGH; retention must fall below its own.

The thresholds of the platform's rules are those of MEDIUM for retention, prerequisites and load, and those of HIGH for
the others.
"""
_TYPES = {
    "LOW_RETENTION": (
        *("retention_decline_rate", "review_lapse_rate", "retention_estimate", "days_since_last_study"),
        *("time_since_objective", "time_since_any", "answers_since_objective"),
    ),
    "PREREQUISITE_GAP": ("prerequisite_mastery_gap", "predecessors_unseen", "related_performance"),
    "COMPLEXITY_MISMATCH": (
        *("content_complexity", "content_type_mismatch", "ability", "opening_ability", "ability_gap"),
        *("objective_ability_gap", "opening_ability_gap", "objective_struggle_rate", "objective_error_rate"),
        *("objective_overall_struggle_rate", "objective_opening_error_rate", "objective_validation_failure_rate"),
        "first_card_difficulty",
    ),
    "COGNITIVE_OVERLOAD": ("workload_level", "days_until_exam"),
}
"""The type under which a feature without thresholds is stored; the rest are HISTORICAL_STRUGGLE_PATTERN."""
_TYPE_OF = {feature: kind for kind, features in _TYPES.items() for feature in features}
FOUND_FROM = 2
"""The number of HIGH signs that makes the app's alert HIGH."""


class Indicator:
    """One sign: its type, its severity (MEDIUM or HIGH), and in `context` the feature behind it.

    context: feature, value (0..1, None without data), contribution in logits and the factor's text.
    """

    __slots__ = ("context", "kind", "severity")

    def __init__(self, kind: str, severity: str, context: dict[str, object]) -> None:
        self.kind = kind
        self.severity = severity
        self.context = context

    def to_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {"indicator_type": self.kind, "severity": self.severity, "context": self.context}


def indicators_of(features: FeatureVector, prediction: Prediction) -> list[Indicator]:
    """The signs behind a prediction.

    Returns:
        The signs of a MEDIUM or HIGH risk, HIGH before MEDIUM and then by their contribution. The list is empty for a
            LOW risk, and where the features are only defaults.
    """
    level = prediction.risk_level
    if level == "LOW" or features.degraded:
        return []
    factors = {factor.feature: factor for factor in prediction.factors}
    found = []
    for name, (kind, medium, high) in MARKS.items():
        value = features.known(name)
        if value is None or not _reaches(name, value, medium):
            continue
        severity = "HIGH" if level == "HIGH" and _reaches(name, value, high) else "MEDIUM"
        found.append(Indicator(kind, severity, _context(name, value, factors.get(name))))
    found.sort(key=lambda sign: (sign.severity != "HIGH", -_weight(sign)))
    if level == "HIGH":
        _make_found(found, prediction)
    return found


def _make_found(signs: list[Indicator], prediction: Prediction) -> None:
    """Completes the signs of a HIGH risk to two HIGH ones: by its strongest reasons, or else by the probability."""
    shown = {sign.context["feature"] for sign in signs}
    reasons = [factor for factor in prediction.factors if factor.contribution > 0 and factor.feature not in shown]
    reasons.sort(key=lambda factor: factor.value is None)  # stable: the weightiest first among those with data
    for factor in reasons[: max(0, FOUND_FROM - len(signs))]:
        kind = MARKS[factor.feature][0] if factor.feature in MARKS else _TYPE_OF.get(factor.feature)
        context = _context(factor.feature, factor.value, factor)
        signs.append(Indicator(kind or "HISTORICAL_STRUGGLE_PATTERN", "HIGH", context))
    while len(signs) < FOUND_FROM:
        context = {"feature": "probability", "value": prediction.probability}
        signs.append(Indicator("HISTORICAL_STRUGGLE_PATTERN", "HIGH", context))
    for sign in signs[:FOUND_FROM]:
        sign.severity = "HIGH"


def _reaches(name: str, value: float, mark: float) -> bool:
    return value < mark if name == "retention_score" else value >= mark


def _context(name: str, value: float | None, factor: Factor | None) -> dict[str, object]:
    context: dict[str, object] = {"feature": name, "value": value}
    if factor is not None:
        context.update(contribution=factor.contribution, text=factor.text)
    return context


def _weight(sign: Indicator) -> float:
    contribution = sign.context.get("contribution")
    return contribution if isinstance(contribution, float) else 0.0
