"""The features of one history as mappings, for tests that look at single values."""

from __future__ import annotations

from collections.abc import Sequence

from ml.features import estimated, platform
from ml.study.estimates import LearnerEstimates
from ml.study.history import StudyHistory


def platform_features(history: StudyHistory, estimates: LearnerEstimates | None = None) -> dict[str, float | None]:
    """The platform's fifteen features by name, or None without data."""
    return {**platform.features_of_learner(history.past), **platform.features_of_objective(history, estimates)}


def estimated_features(
    history: StudyHistory, estimates: LearnerEstimates, next_cards: Sequence[str] | None = None
) -> dict[str, float | None]:
    """The estimated features by name; None or absent without data."""
    return {
        **estimated.features_of_learner(estimates, history.past.as_of_ms),
        **estimated.features_of_objective(history, estimates, next_cards),
    }
