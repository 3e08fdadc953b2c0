"""Works out the features of one learner who faces many objectives; what depends on the learner alone is done once.

The numbers are those of StruggleFeatureExtractor.features_of, to the last bit, because both call the same functions.
"""

from __future__ import annotations

from ml.features import estimated as estimated_features
from ml.features import platform as platform_features
from ml.features.consent import untracked
from ml.features.vector import FeatureVector
from ml.study.difficulty import NO_DIFFICULTY
from ml.study.estimates import LearnerEstimates
from ml.study.history import StudyHistory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml import ports
    from ml.study.difficulty import Difficulties
    from ml.study.history import LearnerHistory


def features_facing(
    past: LearnerHistory, objectives: Sequence[ports.ObjectiveRows], table: Difficulties | None
) -> list[FeatureVector]:
    """The features of one learner facing each of several objectives.

    Args:
        past: what the learner did before the moment of prediction.
        objectives: the rows of each objective that is faced.
        table: the deployment's difficulties, or None.

    Returns:
        One vector per objective, in the order of `objectives`. A learner who has switched performance tracking off
        has default features for every objective.
    """
    if not past.learner.performance_tracking_enabled:
        return [untracked(past)] * len(objectives)
    histories = [StudyHistory(past, rows) for rows in objectives]
    estimates = _estimates_facing(past, histories, table)
    as_of_ms = past.as_of_ms
    of_learner = platform_features.features_of_learner(past)
    of_learner.update(estimated_features.features_of_learner(estimates, as_of_ms))
    shared = FeatureVector.of(of_learner, as_of_ms)
    vectors = []
    for history in histories:
        known = platform_features.features_of_objective(history, estimates)
        known.update(estimated_features.features_of_objective(history, estimates))
        vectors.append(shared.joined_by(known))
    return vectors


def _estimates_facing(
    past: LearnerHistory, histories: Sequence[StudyHistory], table: Difficulties | None
) -> LearnerEstimates:
    """The learner's answers replayed once, against the difficulty of everything that was answered or is faced.

    The difficulty of one objective does not depend on the others, so that knowing them as well changes nothing.
    """
    if table is None:
        return LearnerEstimates(NO_DIFFICULTY, past.correct_from).replay(past)
    targets = [history.objective.id for history in histories]
    objectives = set(targets)
    objectives.update(row.objective_id for row in past.reviews if row.objective_id is not None)
    objectives.update(row.objective_id for row in past.validations if row.objective_id is not None)
    cards = {review.card_id for review in past.reviews}
    cards.update(card.id for history in histories for card in history.cards)
    difficulty = table.facing(past.learner.id, objectives, cards, targets, past.correct_from)
    return LearnerEstimates(difficulty, past.correct_from).replay(past)
