"""Who decided the outcome of a stored prediction, and by which rule: a mark inside its featureVector, under "outcome".

The platform's tables have no column for it, and in the current app a learner's own word and an outcome worked out
from answers lie in the same column, actualOutcome. An outcome without a mark was recorded before marks were made, or
by the app; `record_outcomes --again` finds out which.
"""

from __future__ import annotations

KEY = "outcome"
ANSWERS, VALIDATION, LEARNER, APP = "answers", "validation", "learner", "app"
"""Decided by the answers, by a validation score, by the learner's word, or by the app for a reason of its own."""


def marked(features: object, by: str, correct_from: str, struggled: bool) -> object:
    """The stored features with the mark; features that are no JSON object are returned as they are."""
    if features is not None and not isinstance(features, dict):
        return features
    return {**(features or {}), KEY: {"by": by, "correct_from": correct_from, "struggled": struggled}}


def by_of(features: object, struggled: bool | None) -> str | None:
    """Who decided the outcome that is stored; None without a mark.

    Where the mark speaks of another outcome, the app has written this one since: a learner's word, most likely.
    """
    mark = features.get(KEY) if isinstance(features, dict) else None
    if not isinstance(mark, dict) or mark.get("by") not in (ANSWERS, VALIDATION, LEARNER, APP):
        return None
    return str(mark["by"]) if mark.get("struggled") == struggled else APP


def in_force(features: object, correct_from: str, struggled: bool | None) -> bool:
    """Whether the outcome that is stored stands under the deployment's setting.

    An outcome decided by answers stands under the setting by which they were judged. A validation score, a learner's
    word and the app's own decision do not depend on the setting. An outcome without a mark does not stand, since nobody
    knows the rule that decided it.
    """
    by = by_of(features, struggled)
    if by != ANSWERS:
        return by is not None
    return isinstance(features, dict) and features[KEY].get("correct_from") == correct_from
