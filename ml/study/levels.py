"""The platform's own levels in numbers: mastery 0..1 and complexity 0.3..0.9; and stored scores, held to 0..1."""

from __future__ import annotations

MASTERY = {"NOT_STARTED": 0.0, "BEGINNER": 0.25, "INTERMEDIATE": 0.5, "ADVANCED": 0.75, "MASTERED": 1.0}
COMPLEXITY = {"BASIC": 0.3, "INTERMEDIATE": 0.6, "ADVANCED": 0.9}
MASTERED_FROM = 0.7
"""Mastery below this counts as unmastered."""


def mean(scores: list[float]) -> float | None:
    """The mean, or None of nothing."""
    return sum(scores) / len(scores) if scores else None


def bounded(score: object) -> float | None:
    """A stored score held to 0..1; None where it is no finite number."""
    if isinstance(score, bool) or not isinstance(score, (int, float)) or score != score or abs(score) == _INFINITY:
        return None
    return float(min(1, max(0, score)))


_INFINITY = float("inf")
