"""Who decided the outcome of a stored prediction, and by which rule: a mark inside its featureVector, under "outcome".

The platform's tables have no column for it, and the current app keeps a learner's own report and an outcome computed
from answers in the same column, actualOutcome. An outcome without a mark was recorded before marks existed, or by the
app; `record_outcomes --again` finds out which.
"""

from __future__ import annotations

KEY = "outcome"
VISIT = "outcome_visit_ms"
"""Beside the mark: when the visit that decided the outcome began, in milliseconds since 1970."""
ANSWERS, VALIDATION, LEARNER, APP = "answers", "validation", "learner", "app"
"""Decided by the answers, by a validation score, by the learner's word, or by the app for a reason of its own."""


def marked(features: object, by: str, correct_from: str, struggled: bool, visit_ms: int | None = None) -> object:
    """The stored features with the mark; features that are not a JSON object are returned unchanged.

    visit_ms: when the visit that decided the outcome began. Several predictions may have spoken of one visit.
    """
    if features is not None and not isinstance(features, dict):
        return features
    mark = {KEY: {"by": by, "correct_from": correct_from, "struggled": struggled}}
    unmarked = {key: value for key, value in (features or {}).items() if key != VISIT}
    return {**unmarked, **mark, **({} if visit_ms is None else {VISIT: visit_ms})}


def by_of(features: object, struggled: bool | None) -> str | None:
    """Who decided the stored outcome; None without a mark.

    Where the mark gives another outcome, the app has overwritten it since, most likely with the learner's report.
    """
    mark = features.get(KEY) if isinstance(features, dict) else None
    if not isinstance(mark, dict) or mark.get("by") not in (ANSWERS, VALIDATION, LEARNER, APP):
        return None
    return str(mark["by"]) if mark.get("struggled") == struggled else APP


def in_force(features: object, correct_from: str, struggled: bool | None) -> bool:
    """Whether the stored outcome is valid under the deployment's setting.

    An outcome decided by answers is valid under the setting by which they were judged. A validation score, a learner's
    report and the app's own decision do not depend on the setting. An outcome without a mark is not valid, since the
    rule that decided it is unknown.
    """
    by = by_of(features, struggled)
    if by != ANSWERS:
        return by is not None
    return isinstance(features, dict) and features[KEY].get("correct_from") == correct_from
