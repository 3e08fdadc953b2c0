"""Signs of struggle by the platform's own names and marks: what stands behind a risk, for struggle_indicators."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml.features import FeatureVector

SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
MARKS = {
    "retention_score": ("LOW_RETENTION", (0.7, 0.5, 0.3)),
    "prerequisite_gap_count": ("PREREQUISITE_GAP", (0.2, 0.5, 0.8)),
    "complexity_mismatch": ("COMPLEXITY_MISMATCH", (0.3, 0.6, 0.8)),
    "historical_struggle_score": ("HISTORICAL_STRUGGLE_PATTERN", (0.5, 0.7, 0.85)),
    "cognitive_load_indicator": ("COGNITIVE_OVERLOAD", (0.7, 0.85, 0.95)),
}
"""Per feature its indicator type, and from where it is MEDIUM, HIGH and CRITICAL; a retention falls below its marks.

The marks of the platform's rules are MEDIUM's for retention, prerequisites and load, and HIGH's for the others.
"""


class Sign:
    """One indicator: its type, the feature and value behind it, and MEDIUM, HIGH or CRITICAL."""

    __slots__ = ("feature", "kind", "severity", "value")

    def __init__(self, kind: str, feature: str, value: float, severity: str) -> None:
        self.kind = kind
        self.feature = feature
        self.value = value
        self.severity = severity

    def to_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {"indicatorType": self.kind, "severity": self.severity, "feature": self.feature, "value": self.value}


def signs_of(features: FeatureVector) -> list[Sign]:
    """The signs that these features show, the severest first; only features with data show anything."""
    found = []
    for name, (kind, marks) in MARKS.items():
        value = features.known(name)
        if value is None:
            continue
        passed = sum(value < mark if name == "retention_score" else value >= mark for mark in marks)
        if passed:
            found.append(Sign(kind, name, value, SEVERITIES[passed]))
    found.sort(key=lambda sign: -SEVERITIES.index(sign.severity))
    return found
