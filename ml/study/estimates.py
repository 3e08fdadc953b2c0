"""Estimates from a learner's dated answers: ability, retention, recency and visits; one pass, O(1) per answer.

Every estimate is a running state: training goes through a history once, a prediction replays its window, and both give
the same numbers to the last bit. Ability follows the Rasch model, P(correct) = logistic(ability + offset on the
objective - difficulty). Its posterior is tracked by assumed-density filtering (a Gaussian mean and variance updated
answer by answer), so that early answers change it a lot and later ones little. Retention is the power law of FSRS-4.5,
R = (1 + 19/81 t/S)^-1/2.
"""

from __future__ import annotations

from bisect import bisect_left
from math import sqrt

from ml.study.correctness import GOOD, correct_ratings
from ml.study.difficulty import NO_DIFFICULTY
from ml.study.history import DAY_MS
from ml.study.scales import logistic
from ml.study.visits import GRADES, JUDGED_ANSWERS, Visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ml import ports
    from ml.study.difficulty import Difficulties, LearnerDifficulty
    from ml.study.history import LearnerHistory, StudyHistory

FAST, SLOW = 0.13, 0.03
"""Weight of the newest answer in the recency-weighted means: a memory of about 8 and of about 33 answers."""
OBJECTIVE_FAST = 0.25
FAST_RESIDUAL = 0.15
"""The same weight in the mean of one objective's answers, and in that of the residuals."""
ABILITY_VARIANCE, OFFSET_VARIANCE = 0.6, 0.15
ABILITY_DRIFT, OFFSET_DRIFT = 0.002, 0.015
OFFSET_FADES = 0.95
"""Variances in squared logits, before the first answer and added with each; chosen on three public logs."""
FIRST_STABILITY_DAYS = 1.0


class Strength:
    """A Gaussian estimate of a Rasch parameter, in logits; 0 is the average learner."""

    __slots__ = ("logit", "variance")

    def __init__(self, variance: float) -> None:
        self.logit = 0.0
        self.variance = variance

    def copy(self) -> Strength:
        """A copy of the estimate, which later answers change independently."""
        strength = Strength(self.variance)
        strength.logit = self.logit
        return strength


def learn(ability: Strength, offset: Strength | None, hardness: float, correct: float) -> None:
    """One step of the filter, for an answer of correctness 0..1 to a question of the given difficulty (a logit)."""
    ability_variance = ability.variance + ABILITY_DRIFT
    if offset is None:
        expected = logistic(ability.logit - hardness)
        information = expected * (1.0 - expected)
        step = (correct - expected) / (1.0 + information * ability_variance)
    else:
        faded = OFFSET_FADES * offset.logit
        offset_variance = offset.variance + OFFSET_DRIFT
        expected = logistic(ability.logit - hardness + faded)
        information = expected * (1.0 - expected)
        step = (correct - expected) / (1.0 + information * (ability_variance + offset_variance))
        offset.logit = faded + offset_variance * step
        offset.variance = offset_variance / (1.0 + information * offset_variance)
    ability.logit += ability_variance * step
    ability.variance = ability_variance / (1.0 + information * ability_variance)


class ObjectiveTrace:
    """The state of one learner on one objective so far.

    offset, opening_offset: how much better the learner does here than the general ability suggests, over all answers
    and over those that open a visit. fast: recency-weighted accuracy. residual: sum of (correct - expected by others'
    difficulty). visit: the newest one, with its outcome so far (None while it has none). judged: the number of visits
    with an outcome.
    """

    __slots__ = (
        "answers",
        "correct",
        "fast",
        "judged",
        "last_ms",
        "last_position",
        "offset",
        "opening_offset",
        "residual",
        "stability_days",
        "struggled",
        "visit",
        "visit_struggled",
        "visits",
        "wrong_streak",
    )

    def __init__(self, prior: float) -> None:
        self.answers = 0
        self.correct = 0.0
        self.fast = prior
        self.last_ms = 0
        self.last_position = 0
        self.offset = Strength(OFFSET_VARIANCE)
        self.opening_offset = Strength(OFFSET_VARIANCE)
        self.residual = 0.0
        self.stability_days = FIRST_STABILITY_DAYS
        self.visits = 0
        self.judged = 0
        self.struggled = 0
        self.visit: Visit | None = None
        self.visit_struggled: bool | None = None
        self.wrong_streak = 0

    def copy(self) -> ObjectiveTrace:
        """A copy of the state, which later answers change independently."""
        trace = object.__new__(ObjectiveTrace)
        for name in ObjectiveTrace.__slots__:
            setattr(trace, name, getattr(self, name))
        trace.offset, trace.opening_offset = self.offset.copy(), self.opening_offset.copy()
        trace.visit = None if self.visit is None else self.visit.copy()
        return trace

    def retention(self, as_of_ms: int) -> float:
        """Expected recall at as_of, 0..1, from the time since the last answer and the stability reached so far."""
        return 1.0 / sqrt(1.0 + 19.0 / 81.0 * (as_of_ms - self.last_ms) / DAY_MS / self.stability_days)


class LearnerEstimates:
    """The running state; `observe` takes the learner's answers, oldest first.

    correct_from: the setting that says which answers are correct; difficulty must have been counted under the same one.
    """

    def __init__(self, difficulty: LearnerDifficulty = NO_DIFFICULTY, correct_from: str = GOOD) -> None:
        self.difficulty = difficulty
        self.correct_from = correct_from
        correct = correct_ratings(correct_from)
        self._correctness_of = {grade: 1.0 if grade in correct else 0.0 for grade in GRADES}
        accuracy = 1.0 - difficulty.totals.error_rate
        self.prior_accuracy = accuracy
        self.objectives: dict[str, ObjectiveTrace] = {}
        self.last_ms = 0
        self.order_only = False
        self.answers = 0
        self.correct = 0
        self.strength = Strength(ABILITY_VARIANCE)
        self.opening_strength = Strength(ABILITY_VARIANCE)
        self.fast = accuracy
        self.fast_residual = 0.0
        self.slow_residual = 0.0
        self.judged = 0
        self.struggled = 0
        self.struggle_residual = 0.0

    @property
    def ability(self) -> float:
        """The learner's ability in logits; 0 is the average learner."""
        return self.strength.logit

    @property
    def opening_ability(self) -> float:
        """The ability over the answers that open a visit, measured against other learners' opening answers."""
        return self.opening_strength.logit

    @classmethod
    def facing(cls, histories: Sequence[StudyHistory], table: Difficulties | None) -> LearnerEstimates:
        """Replays all of a learner's answers, with the difficulty of what was answered and of what is faced.

        Args:
            histories: one learner's history before each objective that is faced; at least one.
            table: the deployment's difficulties, or None.
        """
        past = histories[0].past
        if table is None:
            return past.once(_from_own_answers)
        targets = [history.objective.id for history in histories]
        cards = [card for history in histories for card in history.cards]
        if past.of_rows is not None:
            faced = table.facing(
                _counted_as(past, table), targets, {card.id for card in cards}, targets, past.correct_from
            )
            return _kept(past, table).knowing(faced)
        difficulty = difficulty_facing(past, targets, cards, table, past.correct_from, _counted_as(past, table))
        return cls(difficulty, past.correct_from).replay(past)

    def knowing(self, faced: LearnerDifficulty) -> LearnerEstimates:
        """The same estimates with the difficulty of what is faced, on which what was observed does not depend."""
        estimates = object.__new__(LearnerEstimates)
        estimates.__dict__.update(self.__dict__)
        estimates.difficulty = self.difficulty.joined_by(faced)
        return estimates

    def after(self, reviews: Sequence[ports.Review], validations: Sequence[ports.Validation]) -> LearnerEstimates:
        """The estimates once these rows have been observed too; they follow on all that were observed before.

        This state stays as it is. The difficulty of what the rows are about must be known to it.
        """
        later = object.__new__(LearnerEstimates)
        later.__dict__.update(self.__dict__)
        later.strength, later.opening_strength = self.strength.copy(), self.opening_strength.copy()
        later.objectives = dict(self.objectives)
        about = {review.objective_id for review in reviews}.union([score.objective_id for score in validations])
        for objective_id in self.objectives.keys() & about:
            later.objectives[objective_id] = self.objectives[objective_id].copy()
        later.observe_all(reviews, validations)
        return later

    def replay(self, past: LearnerHistory) -> LearnerEstimates:
        """Observes a whole history: its answers and validation scores, in the order of their times."""
        self.observe_all(past.reviews, past.validations)
        return self

    def observe(self, review: ports.Review) -> None:
        """Takes the next answer; a row whose rating is not a grade is ignored."""
        self._take((review,))

    def observe_all(self, reviews: Sequence[ports.Review], validations: Sequence[ports.Validation]) -> None:
        """Takes the next answers and validation scores, each oldest first; of one instant, the score comes first."""
        taken = 0
        for validation in validations:
            reached = bisect_left(reviews, validation.responded_at_ms, taken, key=_reviewed_at_ms)
            if reached > taken:
                self._take(reviews[taken:reached])
                taken = reached
            self.observe_validation(validation)
        self._take(reviews[taken:] if taken else reviews)

    def _take(self, reviews: Iterable[ports.Review]) -> None:
        """The answers between two validation scores.

        This loop is most of a prediction from a full window: what every answer changes is kept in local names.
        """
        of_card, of_any_card = self.difficulty.of_card, self.difficulty.of_any_card
        traces, correctness_of = self.objectives, self._correctness_of
        ability, answers, correct_answers = self.strength, self.answers, self.correct
        fast, fast_residual, slow_residual = self.fast, self.fast_residual, self.slow_residual
        latest = None
        for review in reviews:
            correct = correctness_of.get(review.rating)
            if correct is None:
                continue
            latest = review
            objective_id = review.objective_id
            hardness, expected = of_any_card or of_card(objective_id, review.card_id)
            residual = correct - expected
            fast += FAST * (correct - fast)
            fast_residual += FAST_RESIDUAL * (residual - fast_residual)
            slow_residual += SLOW * (residual - slow_residual)
            answers += 1
            if correct:
                correct_answers += 1
            if objective_id is None:
                learn(ability, None, hardness, correct)
                continue
            trace = traces.get(objective_id)
            if trace is None:
                trace = traces[objective_id] = ObjectiveTrace(0.5 * self.prior_accuracy + 0.5 * expected)
            learn(ability, trace.offset, hardness, correct)
            at_ms = review.reviewed_at_ms
            visit = trace.visit
            if visit is None or visit.is_over(at_ms):
                visit = _new_visit(trace, objective_id, correct, review)
            visit.take(at_ms, correct)
            if visit.answers <= JUDGED_ANSWERS:
                self._judge(trace, visit, correct, hardness)
            trace.answers += 1
            trace.correct += correct
            trace.fast += OBJECTIVE_FAST * (correct - trace.fast)
            trace.wrong_streak = 0 if correct else trace.wrong_streak + 1
            trace.residual += residual
            trace.last_ms = at_ms
            trace.last_position = answers
        self.answers, self.correct = answers, correct_answers
        self.fast, self.fast_residual, self.slow_residual = fast, fast_residual, slow_residual
        if latest is not None:
            self.last_ms, self.order_only = latest.reviewed_at_ms, latest.order_only

    def observe_validation(self, validation: ports.Validation) -> None:
        """Takes a validation score as one more answer of that correctness; it does not start a visit."""
        objective_id, score = validation.objective_id, validation.score
        if objective_id is None or score is None:
            return
        score = min(1.0, max(0.0, score))
        objective = self.difficulty.objectives.get(objective_id, self.difficulty.totals)
        trace = self.objectives.get(objective_id)
        learn(self.strength, None if trace is None else trace.offset, objective.error_logit, score)
        residual = score - 1.0 + objective.error_rate
        self.fast_residual += FAST_RESIDUAL * (residual - self.fast_residual)
        self.slow_residual += SLOW * (residual - self.slow_residual)
        if trace is not None:
            trace.fast += OBJECTIVE_FAST * (score - trace.fast)
            trace.residual += residual

    def _judge(self, trace: ObjectiveTrace, visit: Visit, correct: float, hardness: float) -> None:
        """Learns from an answer that the visit's judgement looks at, and from what the judgement now is."""
        objective = self.difficulty.objectives.get(visit.objective_id, self.difficulty.totals)
        shift = objective.repeat_shift if visit.repeat else objective.first_shift
        learn(self.opening_strength, trace.opening_offset, hardness + shift, correct)
        struggled, before = visit.struggled(), trace.visit_struggled
        if struggled is None or struggled is before:
            return
        trace.visit_struggled = struggled
        if before is None:
            trace.judged += 1
            self.judged += 1
            self.struggle_residual -= objective.repeat_struggle_rate if visit.repeat else objective.first_struggle_rate
        change = bool(struggled) - bool(before)
        if change:
            trace.struggled += change
            self.struggled += change
            self.struggle_residual += change


def _new_visit(trace: ObjectiveTrace, objective_id: str, correct: float, review: ports.Review) -> Visit:
    """The visit that this answer begins; the answer itself is not taken yet."""
    at_ms, repeat = review.reviewed_at_ms, trace.visit is not None
    if repeat and not review.order_only:
        trace.stability_days = _stability_after(trace, correct, at_ms)
    visit = trace.visit = Visit(objective_id, at_ms, repeat)
    trace.visits += 1
    trace.visit_struggled = None
    return visit


def _stability_after(trace: ObjectiveTrace, correct: float, at_ms: int) -> float:
    """Days for recall to fall to 90 %, after a visit's first answer; the later a success comes, the more it adds."""
    recall = trace.retention(at_ms)
    if correct:
        return min(365.0, trace.stability_days * (1.35 + 2.0 * (1.0 - recall)))
    return max(0.05, trace.stability_days * 0.5)


def difficulty_facing(
    rows: ports.LearnerRows | LearnerHistory,
    targets: Sequence[str],
    cards: Iterable[ports.Card],
    table: Difficulties | None,
    correct_from: str,
    counted_as: str | None = "",
) -> LearnerDifficulty:
    """Looks up every objective and card that a learner's predictions need.

    The difficulty of one objective does not depend on the others, so many may be looked up at once.

    Args:
        rows: the learner, with the answers and validation scores that are replayed.
        targets: ids of the objectives that are faced.
        cards: cards of those objectives that are due.
        table: the deployment's difficulties; None gives NO_DIFFICULTY.
        correct_from: the setting that says which answers are correct; the table must have been counted under the same
            one.
        counted_as: the id under which the learner's answers may be in the table, None for a learner who has none; by
            default the learner's id.

    Raises:
        ModelRefused: the table is damaged, or was counted under another setting.
    """
    if table is None:
        return NO_DIFFICULTY
    objectives = set(targets)
    objectives.update(row.objective_id for row in rows.reviews if row.objective_id is not None)
    objectives.update(row.objective_id for row in rows.validations if row.objective_id is not None)
    card_ids = {review.card_id for review in rows.reviews}
    card_ids.update(card.id for card in cards)
    counted_as = rows.learner.id if counted_as == "" else counted_as
    return table.facing(counted_as, objectives, card_ids, targets, correct_from)


def _counted_as(past: LearnerHistory, table: Difficulties) -> str | None:
    """The learner's id, or None if nothing of this learner can be in the table."""
    answered = past.reviews or past.validations or past.as_of_ms < table.cutoff_ms
    return past.learner.id if answered else None


def _reviewed_at_ms(review: ports.Review) -> int:
    return review.reviewed_at_ms


def _kept(past: LearnerHistory, table: Difficulties | None) -> LearnerEstimates:
    """The estimates that the same rows led to before, under the same table and setting, else new ones."""
    of_rows = {} if past.of_rows is None else past.of_rows
    before = of_rows.get(LearnerEstimates)
    if isinstance(before, tuple) and before[0] is table and before[1] == past.correct_from:
        return before[2]  # type: ignore[no-any-return]
    whose = None if table is None else _counted_as(past, table)
    difficulty = difficulty_facing(past, (), (), table, past.correct_from, whose)
    estimates = LearnerEstimates(difficulty, past.correct_from).replay(past)
    of_rows[LearnerEstimates] = table, past.correct_from, estimates
    return estimates


def _from_own_answers(past: LearnerHistory) -> LearnerEstimates:
    """The estimates without a table, which are the same for every objective faced and so are worked out once."""
    if past.of_rows is not None:
        return _kept(past, None)
    return LearnerEstimates(NO_DIFFICULTY, past.correct_from).replay(past)
