"""Point-in-time labelled examples from learners' histories: what was known when each visit began, and how it ended.

Features come from the functions that serve a prediction. A history is gone through once, and the estimates are carried
from one visit to the next; where a prediction's window would cut the history, the window is replayed instead, so that
training and prediction get the same numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.features.build import features_of
from ml.features.consent import teaches
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.storage.difficulty_table import DifficultyTable
from ml.study.correctness import GOOD
from ml.study.difficulty import LearnerDifficulty
from ml.study.estimates import LearnerEstimates, difficulty_facing
from ml.study.history import WINDOW, LearnerHistory, StudyHistory
from ml.study.visits import Visit, visits_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports


class TrainingExample(NamedTuple):
    """One prediction with its outcome, as the guide builds it: features as a FeatureVector or its stored mapping.

    recorded_at: when the outcome was recorded, a datetime (naive: UTC) or milliseconds since 1970.
    """

    features: object
    struggled: bool
    user_id: str
    objective_id: str
    recorded_at: object


class LabelledVisit(NamedTuple):
    """A visit with an outcome, as a labelled example.

    answers: the number of graded answers, or of validation prompts. first_card: the card that came first. It stands in
    for the cards that were due at the time, which the database does not keep.
    """

    learner_id: str
    objective_id: str
    as_of_ms: int
    struggled: bool
    answers: int
    validated: bool
    first_card: str | None = None


class ExampleSet(NamedTuple):
    """Examples as columns, in the order of the learners and of as_of.

    X: n x len(FEATURE_NAMES), NaN where a feature is defaulted. y: 0 or 1. The rest: one entry per example.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int8]
    learner: NDArray[np.str_]
    objective: NDArray[np.str_]
    as_of_ms: NDArray[np.int64]
    answers: NDArray[np.int64]
    validated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def of(cls, visits: Sequence[LabelledVisit], features: NDArray[np.float64]) -> ExampleSet:
        """Puts visits together with their rows of features."""
        return cls(
            features,
            np.array([visit.struggled for visit in visits], np.int8),
            np.array([visit.learner_id for visit in visits], np.str_),
            np.array([visit.objective_id for visit in visits], np.str_),
            np.array([visit.as_of_ms for visit in visits], np.int64),
            np.array([visit.answers for visit in visits], np.int64),
            np.array([visit.validated for visit in visits], np.bool_),
        )

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> ExampleSet:
        """The examples that a mask selects, or those at these positions."""
        columns: Any = (column[which] for column in self)
        return ExampleSet(*columns)

    def without_next_cards(self) -> ExampleSet:
        """The same examples as if no card had been known to come next."""
        x = self.X.copy()
        x[:, FEATURE_NAMES.index("first_card_difficulty")] = np.nan
        columns: Any = tuple(self)[1:]  # _replace counts the fields by len
        return ExampleSet(x, *columns)

    def training_examples(self) -> list[TrainingExample]:
        """The same examples as public records, with their features as FeatureVectors."""
        return [
            TrainingExample(vector_of(row, as_of_ms), bool(struggled), str(learner), str(objective), int(as_of_ms))
            for row, struggled, learner, objective, as_of_ms in zip(
                self.X, self.y, self.learner, self.objective, self.as_of_ms
            )
        ]


def vector_of(row: NDArray[np.float64], as_of_ms: int) -> FeatureVector:
    """The FeatureVector from which a row of X was made."""
    return FeatureVector.of(dict(zip(FEATURE_NAMES, row.tolist())), int(as_of_ms))


def row_of(vector: FeatureVector) -> list[float]:
    """A FeatureVector as a row of X: NaN where defaulted."""
    nan = float("nan")
    return [nan if name in vector.defaulted else value for name, value in zip(FEATURE_NAMES, vector.values)]


def labelled_visits(
    rows: ports.LearnerRows, struggle_below: float | None = None, correct_from: str = GOOD
) -> list[LabelledVisit]:
    """All visits of one learner that have an outcome, oldest first; struggle_below as in Visit.struggled."""
    found = []
    for visit in visits_of(rows.reviews, rows.validations, correct_from):
        struggled = visit.struggled(struggle_below)
        if struggled is not None:
            found.append(_labelled(rows.learner.id, visit, struggled))
    return found


def _labelled(learner_id: str, visit: Visit, struggled: bool) -> LabelledVisit:
    answers = visit.answers or len(visit.scores)
    return LabelledVisit(
        learner_id, visit.objective_id, visit.started_ms, struggled, answers, bool(visit.scores), visit.first_card
    )


def features_at(
    rows: ports.LearnerRows,
    visits: Sequence[LabelledVisit],
    objectives: Mapping[str, ports.ObjectiveRows],
    table: DifficultyTable | None,
    correct_from: str = GOOD,
) -> list[FeatureVector]:
    """The features that a prediction would have had at the start of each visit.

    The visits must be in the order of time.
    """
    targets = sorted({visit.objective_id for visit in visits})
    difficulty = difficulty_facing(rows, targets, (), table, correct_from)
    running = _Running(rows, difficulty, correct_from)
    vectors = []
    past: LearnerHistory | None = None
    for visit in visits:
        if past is None or past.as_of_ms != visit.as_of_ms:
            past = LearnerHistory(rows, visit.as_of_ms, False, correct_from)
        history = StudyHistory(past, objectives[visit.objective_id])
        estimates = running.until(past)
        next_cards = () if visit.first_card is None else (visit.first_card,)
        vectors.append(features_of(history, estimates, next_cards=next_cards))
    return vectors


class _Running:
    """One learner's estimates, carried forward as long as the window holds the whole past."""

    def __init__(self, rows: ports.LearnerRows, difficulty: LearnerDifficulty, correct_from: str) -> None:
        self.reviews, self.validations = rows.reviews, rows.validations
        self.estimates = LearnerEstimates(difficulty, correct_from)
        self.reviewed = self.validated = 0

    def until(self, past: LearnerHistory) -> LearnerEstimates:
        """The estimates as of past.as_of_ms, which must not be earlier than in the call before."""
        as_of_ms = past.as_of_ms
        reviews, validations, estimates = self.reviews, self.validations, self.estimates
        reviewed = bisect_left(reviews, as_of_ms, self.reviewed, key=lambda review: review.reviewed_at_ms)
        validated = bisect_left(validations, as_of_ms, self.validated, key=lambda row: row.responded_at_ms)
        estimates.observe_all(reviews[self.reviewed : reviewed], validations[self.validated : validated])
        self.reviewed, self.validated = reviewed, validated
        if reviewed > WINDOW.reviews or validated > WINDOW.validations:
            return LearnerEstimates(estimates.difficulty, past.correct_from).replay(past)
        return estimates


def labelled_examples(
    learners: Iterable[ports.LearnerRows],
    objectives: Mapping[str, ports.ObjectiveRows],
    table: DifficultyTable | None,
    struggle_below: float | None = None,
    correct_from: str = GOOD,
) -> ExampleSet:
    """Labelled examples of all learners who take part in analytics, in their order.

    objectives: the rows of each objective that a visit names; visits to other objectives are ignored. correct_from: the
    setting that says which answers are correct, for labels and features alike; the table must have been counted under
    the same one.
    """
    visits: list[LabelledVisit] = []
    rows_of_x: list[list[float]] = []
    for rows in learners:
        if not teaches(rows.learner):
            continue
        own = [v for v in labelled_visits(rows, struggle_below, correct_from) if v.objective_id in objectives]
        visits += own
        rows_of_x += map(row_of, features_at(rows, own, objectives, table, correct_from))
    return ExampleSet.of(visits, np.array(rows_of_x, np.float64).reshape(-1, len(FEATURE_NAMES)))


def joined(parts: Iterable[ExampleSet]) -> ExampleSet:
    """The parts joined in their order, which equals the examples of all their learners at once."""
    columns: Any = map(np.concatenate, zip(labelled_examples((), {}, None), *parts))
    return ExampleSet(*columns)
