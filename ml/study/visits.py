"""Visits: one learner's answers on one objective with no gap over an hour, and whether each was a struggle.

The definition is the platform's own and is written here once. Estimates, difficulty tables, labelled examples, imported
sessions and recorded outcomes all divide their rows into visits here and decide about a visit by `Visit.struggled`;
ml/study/correctness.py decides which answers are correct.
"""

from __future__ import annotations

from ml.study.correctness import GOOD, correct_ratings
from ml.study.history import HOUR_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Hashable, Iterable, Sequence
    from typing import TypeVar

    from ml import ports

    Row = TypeVar("Row")

VISIT_GAP_MS = HOUR_MS
"""Two answers of one learner on one objective belong to one visit unless more than this lies between them."""
GRADES = frozenset(("AGAIN", "HARD", "GOOD", "EASY"))
"""A review whose rating is any other text is not an answer."""
JUDGED_ANSWERS = 5
"""The first answers of a visit that its judgement looks at."""
FEWEST_ANSWERS = 3
"""A visit with fewer graded answers, and no validation score, is not judged at all."""
PERFORMANCE_BELOW = 0.65
"""This is two wrong answers or more, whether three, four or five are judged."""
VALIDATION_BELOW = 0.60


class Visit:
    """A visit to one objective, or a run of validation prompts on it outside any visit.

    answers: the number of graded answers (0 in a run of prompts). first_card: the card answered first, or None. judged,
    wrong: the number of the first answers, up to five, and of the wrong ones among them; the setting says which answers
    are wrong (ml/study/correctness.py). scores: validation scores 0..1 given during the visit. repeat: the learner had
    met the objective before.
    """

    __slots__ = (
        "answers",
        "first_card",
        "judged",
        "last_ms",
        "objective_id",
        "repeat",
        "scores",
        "started_ms",
        "wrong",
    )

    def __init__(self, objective_id: str, started_ms: int, repeat: bool, first_card: str | None = None) -> None:
        self.first_card = first_card
        self.objective_id = objective_id
        self.started_ms = started_ms
        self.last_ms = started_ms
        self.repeat = repeat
        self.answers = 0
        self.judged = 0
        self.wrong = 0
        self.scores: list[float] = []

    def copy(self) -> Visit:
        """A copy of the visit, which later answers change independently."""
        visit = object.__new__(Visit)
        for name in Visit.__slots__:
            setattr(visit, name, getattr(self, name))
        visit.scores = list(self.scores)
        return visit

    def is_over(self, at_ms: int) -> bool:
        """Whether a row at that instant begins another visit."""
        return at_ms - self.last_ms > VISIT_GAP_MS

    def take(self, at_ms: int, correct: float) -> None:
        """Adds the next answer; any correctness but 0 is correct."""
        self.last_ms = at_ms
        self.answers += 1
        if self.judged < JUDGED_ANSWERS:
            self.judged += 1
            self.wrong += not correct

    @property
    def validation(self) -> float | None:
        """The mean validation score, or None where none was given."""
        return sum(self.scores) / len(self.scores) if self.scores else None

    @property
    def accuracy(self) -> float:
        """The share of the judged answers that were correct, 0..1; at least one must have been taken."""
        return (self.judged - self.wrong) / self.judged

    @property
    def prompted(self) -> bool:
        """Whether this is a run of validation prompts alone."""
        return self.answers == 0

    def struggled(self, below: float | None = None) -> bool | None:
        """Whether the visit was a struggle by the platform's definition, or None where it is too short to tell.

        Where there are validation scores, their mean decides (below 60 %); else the share of the first answers, up to
        five, that were right does (below 65 %). `below` replaces both thresholds. The platform's third rule, three
        AGAIN, is applied to the same five answers and adds nothing: with three wrong of five, 40 % are right.
        """
        if self.scores:
            return sum(self.scores) / len(self.scores) < (VALIDATION_BELOW if below is None else below)
        if self.answers < FEWEST_ANSWERS:
            return None
        return (self.judged - self.wrong) / self.judged < (PERFORMANCE_BELOW if below is None else below)


def threshold_of(struggle_below: float) -> float | None:
    """A label's threshold as `Visit.struggled` takes it: None where it is the platform's own.

    >>> threshold_of(0.65), threshold_of(0.6)
    (None, 0.6)
    """
    return None if abs(struggle_below - PERFORMANCE_BELOW) < 1e-9 else struggle_below


def are_apart(earlier_ms: int, later_ms: int) -> bool:
    """Whether more than an hour lies between two instants, so that they belong to different visits."""
    return later_ms - earlier_ms > VISIT_GAP_MS


def runs_of(
    rows: Iterable[Row], at_ms: Callable[[Row], int], of: Callable[[Row], Hashable] = lambda row: None
) -> list[list[Row]]:
    """The rows, oldest first, cut wherever more than an hour passes; the runs are in the order in which they start.

    at_ms: a row's instant in milliseconds. of: what a row is about; rows about different things are in different runs.

    >>> runs_of([0, 3_600_000, 7_200_001], at_ms=int)
    [[0, 3600000], [7200001]]
    """
    runs: list[list[Row]] = []
    latest: dict[Hashable, list[Row]] = {}
    for row in rows:
        key = of(row)
        run = latest.get(key)
        if run is None or are_apart(at_ms(run[-1]), at_ms(row)):
            run = latest[key] = []
            runs.append(run)
        run.append(row)
    return runs


def visits_of(
    reviews: Sequence[ports.Review],
    validations: Sequence[ports.Validation] = (),
    correct_from: str = GOOD,
    met: Container[str] = (),
) -> list[Visit]:
    """All visits in the order in which they start; both sources must begin with the oldest row.

    A validation between two answers of a visit belongs to that visit; any other one starts or extends a run of prompts
    of its own (a test after the last answer is a new question). Rows without an objective or a score belong to no
    visit. met: ids of objectives that the learner had answered before these rows, in visits that were over by then.
    """
    correct = correct_ratings(correct_from)
    visits: list[Visit] = []
    of_objective: dict[str, list[Visit]] = {}
    for review in reviews:
        objective_id = review.objective_id
        if objective_id is None or review.rating not in GRADES:
            continue
        earlier = of_objective.setdefault(objective_id, [])
        if not earlier or earlier[-1].is_over(review.reviewed_at_ms):
            repeat = bool(earlier) or objective_id in met
            earlier.append(Visit(objective_id, review.reviewed_at_ms, repeat, review.card_id))
            visits.append(earlier[-1])
        earlier[-1].take(review.reviewed_at_ms, review.rating in correct)
    runs: dict[str, Visit] = {}
    for validation in validations:
        objective_id, score, at_ms = validation.objective_id, validation.score, validation.responded_at_ms
        if objective_id is None or score is None:
            continue
        around = next((v for v in of_objective.get(objective_id, ()) if v.started_ms < at_ms <= v.last_ms), None)
        if around is None:
            around = runs.get(objective_id)
            if around is None or around.is_over(at_ms):
                before = any(v.started_ms < at_ms for v in of_objective.get(objective_id, ()))
                around = runs[objective_id] = Visit(objective_id, at_ms, before or objective_id in met)
                visits.append(around)
            around.last_ms = at_ms
        around.scores.append(min(1.0, max(0.0, score)))
    visits.sort(key=lambda visit: visit.started_ms)  # stable: answers stay in their own order
    return visits
