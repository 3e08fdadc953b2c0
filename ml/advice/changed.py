"""The features once a change has been made: those that it touches are computed from the changed history, by the same
functions as before; all others are taken over."""

from __future__ import annotations

from ml.advice.changes import dated
from ml.advice.records import Mastered
from ml.features import context, estimated, platform
from ml.features.build import features_beside
from ml.study.estimates import LearnerEstimates
from ml.study.history import WINDOW, StudyHistory
from ml.study.objective_names import unmastered_of
from ml.study.summary import FEWEST_FOR_LEVEL, LearnerSummary, prerequisite_mastery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml import ports
    from ml.advice.changes import Change
    from ml.advice.records import Answer, FullScore
    from ml.features.vector import FeatureVector
    from ml.study.difficulty import Difficulties
    from ml.study.history import LearnerHistory


class Faced:
    """A learner who faces an objective, as a prediction has seen them: the history, and what was computed from it.

    features: as the extractor gave them. table: the difficulties that the estimates rest on, or None.
    """

    __slots__ = ("estimates", "features", "history", "table")

    def __init__(
        self, history: StudyHistory, estimates: LearnerEstimates, features: FeatureVector, table: Difficulties | None
    ) -> None:
        self.history = history
        self.estimates = estimates
        self.features = features
        self.table = table


def features_after(faced: Faced, changes: Sequence[Change], roughly: bool = False) -> FeatureVector:
    """The features that the database would give once it holds the rows of all these changes.

    roughly: leave out of account that a full window loses its first rows to new ones. Otherwise it is replayed, which
    takes as long as to estimate it in the first place.
    """
    return _after(faced, changes, roughly).features


def faced_after(faced: Faced, changes: Sequence[Change]) -> Faced:
    """The learner as a prediction would see them once the database holds the rows of all these changes."""
    return _after(faced, changes, whole=True)


def _after(faced: Faced, changes: Sequence[Change], roughly: bool = False, whole: bool = False) -> Faced:
    """whole: whether the history has all the rows, also where no feature that is computed anew looks at them."""
    history, past = faced.history, faced.history.past
    answers, scores = dated(changes, past.as_of_ms)
    mastered = {change.mastered for change in changes if change.mastered is not None}
    replaced: dict[str, object] = {}
    missions = next((change.missions for change in reversed(changes) if change.missions is not None), None)
    if missions is not None:
        replaced["missions"] = missions
    prerequisites = history.prerequisites
    if mastered:
        prerequisites = tuple([_mastered(row) if row.objective_id in mastered else row for row in prerequisites])
        if whole or answers or scores or _level_rests_on_masteries(faced):
            replaced["masteries"] = [
                Mastered(row.objective_id, row.course_id, None, None) if row.objective_id in mastered else row
                for row in past.masteries
            ]
    if answers or scores:
        replaced.update(reviews=[*past.reviews, *answers], validations=[*past.validations, *scores])
        changed = history.but(past.but(**replaced), prerequisites)
        if not scores and len({answer.objective_id for answer in answers}) == 1 and not _is_too_much(past, answers, ()):
            later = past.once(LearnerSummary).after(changed.past.bare(), answers)
            changed.past.deriving(LearnerSummary, later)
        estimates = _estimates_after(faced, changed, answers, scores, roughly)
        return Faced(changed, estimates, _features(faced, changed, estimates), faced.table)
    changed = history.but(past.but(**replaced) if whole or "masteries" in replaced else past, prerequisites)
    known: dict[str, float | None] = {}
    if mastered:
        summary = changed.past.once(LearnerSummary)
        levels = [prerequisite_mastery(row, summary) for row in prerequisites]
        known["prerequisite_gap_count"] = platform.prerequisite_gap_count(levels)
        known["prerequisite_mastery_gap"] = platform.prerequisite_mastery_gap(levels)
        if "masteries" in replaced:
            topic = summary.topic(changed.objective)
            known["complexity_mismatch"] = platform.complexity_mismatch(changed, topic, faced.estimates)
    if missions is not None:
        known["workload_level"] = context.workload_level(past.but(missions=missions))
    features = faced.features.joined_by(known)
    if mastered:
        features.unmastered = unmastered_of(prerequisites, levels)
    return Faced(changed, faced.estimates, features, faced.table)


def _features(faced: Faced, changed: StudyHistory, estimates: LearnerEstimates) -> FeatureVector:
    """The features of the changed history; those that no answer and no score touches are taken over."""
    past = changed.past
    known: dict[str, float | None] = {
        "session_performance_score": platform.session_performance_score(past.once(LearnerSummary)),
        "content_type_mismatch": faced.features.known("content_type_mismatch"),
        "cognitive_load_indicator": context.cognitive_load_indicator(past),
        "workload_level": (
            faced.features.known("workload_level")
            if past.missions is faced.history.past.missions
            else context.workload_level(past)
        ),
    }
    known.update(estimated.features_of_learner(estimates, past.as_of_ms))
    return features_beside(known, changed, estimates)


def _level_rests_on_masteries(faced: Faced) -> bool:
    """Whether complexity_mismatch looks at the learner's level in the topic, and this at stated masteries."""
    if faced.history.objective.id in faced.estimates.difficulty.objectives:
        return False
    topic = faced.history.past.once(LearnerSummary).topic(faced.history.objective)
    return topic.level_answers < FEWEST_FOR_LEVEL


def _mastered(row: ports.Prerequisite) -> ports.Prerequisite:
    return Mastered(row.objective_id, row.course_id, row.owner_id, row.name)


def _estimates_after(
    faced: Faced, changed: StudyHistory, answers: Sequence[Answer], scores: Sequence[FullScore], roughly: bool
) -> LearnerEstimates:
    """The estimates of the changed history: the present ones go on, unless the first row of a window falls out."""
    past, table, estimates = faced.history.past, faced.table, faced.estimates
    if table is not None:
        if not (past.reviews or past.validations):
            # Nothing of such a learner is in the table; with the first answer, the learner's group of it is left out.
            return LearnerEstimates.facing([changed], table)
        about = {answer.objective_id for answer in answers}.union([score.objective_id for score in scores])
        estimates = estimates.knowing(table.facing(past.learner.id, about, (), (), past.correct_from))
    if not roughly and _is_too_much(past, answers, scores):
        return LearnerEstimates(estimates.difficulty, past.correct_from).replay(changed.past)
    return estimates.after(answers, scores)


def overflows(past: LearnerHistory, change: Change) -> bool:
    """Whether the change adds so many rows that the first ones of a window fall out of it."""
    return _is_too_much(past, change.answers, change.scores)


def _is_too_much(past: LearnerHistory, answers: Sequence[object], scores: Sequence[object]) -> bool:
    rows = WINDOW.reviews - len(past.reviews), WINDOW.validations - len(past.validations)
    return len(answers) > rows[0] or len(scores) > rows[1]
