"""Puts features together, for predictions, batches and training alike."""

from __future__ import annotations

from ml.features import estimated, platform
from ml.features.vector import FeatureVector
from ml.study.estimates import LearnerEstimates
from ml.study.history import StudyHistory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml import ports
    from ml.study.difficulty import Difficulties
    from ml.study.history import LearnerHistory


def features_of(
    history: StudyHistory,
    estimates: LearnerEstimates,
    of_learner: FeatureVector | None = None,
    next_cards: Sequence[str] | None = None,
) -> FeatureVector:
    """The features of one learner who faces one objective.

    Args:
        history: What the learner did before the moment of prediction.
        estimates: The estimates from the learner's answers before that moment.
        of_learner: The features that depend on the learner alone, if the caller has computed them already.
        next_cards: Ids of the objective's cards that come next; by default those that are due first.
    """
    mastered = platform.mastered_prerequisites(history)
    known = platform.features_of_objective(history, estimates, mastered)
    known.update(estimated.features_of_objective(history, estimates, next_cards))
    of_both = (of_learner or _features_of_learner(history.past, estimates)).joined_by(known)
    if mastered:
        from ml.study.objective_names import unmastered_of  # many an objective has no prerequisite

        of_both.unmastered = unmastered_of(history.prerequisites, mastered)
    return of_both


def features_beside(
    of_learner: dict[str, float | None], history: StudyHistory, estimates: LearnerEstimates
) -> FeatureVector:
    """The same features where those of the learner are known by name; for a single objective that is quicker."""
    mastered = platform.mastered_prerequisites(history)
    of_learner.update(platform.features_of_objective(history, estimates, mastered))
    of_learner.update(estimated.features_of_objective(history, estimates))
    of_both = FeatureVector.of(of_learner, history.past.as_of_ms)
    if mastered:
        from ml.study.objective_names import unmastered_of

        of_both.unmastered = unmastered_of(history.prerequisites, mastered)
    return of_both


def features_of_all(histories: Sequence[StudyHistory], table: Difficulties | None) -> list[FeatureVector]:
    """The features of one learner who faces several objectives; those of the learner alone are computed once.

    Args:
        histories: The same learner's history before each objective.
        table: The deployment's difficulties, or None.

    Returns:
        One vector per history, in their order. A learner who has switched performance tracking off has default
        features for every objective.
    """
    return studied(histories, table)[1]


def studied(
    histories: Sequence[StudyHistory], table: Difficulties | None
) -> tuple[LearnerEstimates | None, list[FeatureVector]]:
    """The features as features_of_all gives them, and the estimates that they rest on, None where there are none."""
    if not histories:
        return None, []
    past = histories[0].past
    if not past.learner.performance_tracking_enabled:
        from ml.features.consent import untracked  # few learners switch it off

        return None, [untracked(past)] * len(histories)
    estimates = LearnerEstimates.facing(histories, table)
    of_learner = _features_of_learner(past, estimates)
    return estimates, [features_of(history, estimates, of_learner) for history in histories]


def features_facing(
    past: LearnerHistory, objectives: Sequence[ports.ObjectiveRows], table: Difficulties | None
) -> list[FeatureVector]:
    """Does the same as `features_of_all`, from the rows of the objectives."""
    return features_of_all([StudyHistory(past, rows) for rows in objectives], table)


def _features_of_learner(past: LearnerHistory, estimates: LearnerEstimates) -> FeatureVector:
    """The features that are the same whichever objective the learner faces; all others are without data."""
    known = platform.features_of_learner(past)
    known.update(estimated.features_of_learner(estimates, past.as_of_ms))
    return FeatureVector.of(known, past.as_of_ms)
