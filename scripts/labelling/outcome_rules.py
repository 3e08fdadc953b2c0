"""Decides a prediction's outcome: by the learner's later answers, by a validation score, or by the learner's report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from db import LearnerRows
from ml.study.correctness import GOOD, HARD, is_correct
from ml.study.outcome_mark import ANSWERS, APP, LEARNER, VALIDATION, by_of, in_force
from ml.study.visits import GRADES, Visit, visits_of

SAID_FROM = 0.5
"""A probability from which a prediction counts as having said that the learner will struggle."""
STATUS = {
    (True, True): "CONFIRMED",
    (True, False): "FALSE_POSITIVE",
    (False, True): "MISSED",
    (False, False): "RESOLVED",
}
DECIDED = frozenset(STATUS.values())
BEFORE_MARKS = HARD
"""The setting under which outcomes were decided before they were marked: every grade but AGAIN was correct."""


class StoredPrediction(NamedTuple):
    """The fields of a stored prediction that its outcome depends on. features: None where they were not read."""

    id: str
    learner_id: str
    objective_id: str
    probability: float
    status: str
    predicted_at_ms: int
    outcome: bool | None
    recorded_at_ms: int | None
    features: object = None


class Decision(NamedTuple):
    """A prediction's outcome, and who or what decided it (ml/study/outcome_mark.py).

    visit_ms: when the visit that decided it began; None where no visit did.
    """

    prediction: StoredPrediction
    struggled: bool
    by: str
    visit_ms: int | None = None

    @property
    def status(self) -> str:
        """The status that follows from the prediction and the outcome."""
        return STATUS[self.prediction.probability >= SAID_FROM, self.struggled]


def outcome_of(
    rows: LearnerRows, objective_id: str, predicted_at_ms: int, now_ms: int, correct_from: str = GOOD
) -> tuple[bool, str, int] | None:
    """(struggled, by, start of the visit) from what the learner did on the objective in [predicted_at, now).

    None while undecided.
    """
    since = [
        review
        for review in rows.reviews
        if review.objective_id == objective_id
        and review.rating in GRADES
        and predicted_at_ms <= review.reviewed_at_ms < now_ms
    ]
    prompts = [
        validation
        for validation in rows.validations
        if validation.objective_id == objective_id and predicted_at_ms <= validation.responded_at_ms < now_ms
    ]
    for visit in visits_of(since, prompts, correct_from):
        struggled = visit.struggled()
        if struggled is not None:
            return struggled, VALIDATION if visit.scores else ANSWERS, visit.started_ms
    # Visits that are each too short to be judged: their answers are judged as if they were one.
    together = Visit(objective_id, predicted_at_ms, repeat=False)
    for review in since:
        together.take(review.reviewed_at_ms, is_correct(review.rating, correct_from))
    struggled = together.struggled()
    return None if struggled is None else (struggled, ANSWERS, since[0].reviewed_at_ms)


def decisions(
    predictions: Sequence[StoredPrediction],
    words: Mapping[str, bool],
    learners: Mapping[str, LearnerRows],
    now_ms: int,
    correct_from: str = GOOD,
) -> Iterator[Decision]:
    """New outcomes of these predictions; `words` has learners' reports, by prediction id.

    An open prediction that has an outcome got it from the app, which did not change the status.
    """
    for prediction in predictions:
        word = words.get(prediction.id)
        if word is not None:
            decided = prediction.status in DECIDED and prediction.outcome == word
            if not decided and prediction.status in DECIDED | {"PENDING"}:
                yield Decision(prediction, word, LEARNER)
        elif prediction.status == "PENDING" and prediction.outcome is not None:
            yield Decision(prediction, prediction.outcome, APP)
        elif prediction.status == "PENDING" and prediction.learner_id in learners:
            rows = learners[prediction.learner_id]
            found = outcome_of(rows, prediction.objective_id, prediction.predicted_at_ms, now_ms, correct_from)
            if found is not None:
                yield Decision(prediction, *found)


def to_decide_again(
    predictions: Sequence[StoredPrediction], words: Mapping[str, bool], correct_from: str
) -> list[StoredPrediction]:
    """The decided predictions whose outcome may rest on another rule than the deployment's."""
    return [
        prediction
        for prediction in predictions
        if prediction.status in DECIDED
        and prediction.outcome is not None
        and prediction.id not in words
        and not in_force(prediction.features, correct_from, prediction.outcome)
    ]


def decided_again(prediction: StoredPrediction, rows: LearnerRows, now_ms: int, correct_from: str) -> Decision | None:
    """The outcome as the deployment's setting has it, from the rows that the first decision could see.

    An outcome without a mark was computed from the answers if the rule of that time gives exactly this outcome; it is
    then computed again. Any other one is a learner's report, or the app's, and stays. Returns None where its answers no
    longer exist, so that it cannot be computed.
    """
    until_ms = now_ms if prediction.recorded_at_ms is None else min(now_ms, prediction.recorded_at_ms)
    place = prediction.objective_id, prediction.predicted_at_ms, until_ms
    if by_of(prediction.features, prediction.outcome) is None:
        then = outcome_of(rows, *place, BEFORE_MARKS)
        if then is None or then[0] != prediction.outcome:
            return Decision(prediction, bool(prediction.outcome), APP)
    now = outcome_of(rows, *place, correct_from)
    return None if now is None else Decision(prediction, *now)
