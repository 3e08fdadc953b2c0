"""Signs that answers are worse than predicted: what was planted is found, its cause is told, and chance is not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from db.reading.rows import ReviewRow
from ml.evaluation.answer_signs import Answers
from ml.evaluation.causes import CARD, LEARNER, OBJECTIVE, UNCLEAR
from ml.evaluation.expected_answers import expected_answers
from ml.evaluation.unexplained import FEWEST_ANSWERS, unexplained
from ml.study.history import DAY_MS, HOUR_MS, MINUTE_MS, LearnerHistory
from tests.support.history_builder import AS_OF_MS, answers, study_rows, validation

FEWEST = 5
CARDS = 6
BAD, STUCK = (2, 3), (4, 5)


class School(NamedTuple):
    """How learners, objectives and cards differ, in standard deviations of logits. usual: the mean logit of wrong."""

    learners: int = 24
    objectives: int = 8
    visits: int = 3
    of_cards: float = 0.4
    of_objectives: float = 0.6
    of_pairs: float = 0.2
    usual: float = -0.9
    bad: tuple[int, int] | None = None
    stuck: tuple[int, int] | None = None
    hard: int | None = None


def answered(school: School, seed: int) -> Answers:
    """The answers of a simulated school, each with what was expected of it before."""
    draw = np.random.default_rng(seed)
    of_objective = draw.normal(0, school.of_objectives, school.objectives)
    of_card = draw.normal(0, school.of_cards, (school.objectives, CARDS))
    columns: list[list[object]] = [[] for _ in Answers._fields]
    for learner in range(school.learners):
        ability, of_pair = draw.normal(0, 0.8), draw.normal(0, school.of_pairs, school.objectives)
        rows, at_ms = [], AS_OF_MS - 50 * DAY_MS
        for _ in range(school.visits):
            for objective in draw.permutation(school.objectives).tolist():
                for card in range(CARDS):
                    logit = school.usual + of_objective[objective] + of_card[objective, card]
                    logit += of_pair[objective] - ability
                    if (objective, card) == school.bad or (learner, objective) == school.stuck:
                        logit = 2.5
                    logit += 3.0 if objective == school.hard else 0.0
                    grade = "AGAIN" if draw.random() < 1 / (1 + np.exp(-logit)) else "GOOD"
                    rows.append(ReviewRow(f"{objective}/{card}", str(objective), "c", grade, at_ms, False))
                    at_ms += MINUTE_MS
                at_ms += 2 * HOUR_MS
        past = LearnerHistory(study_rows(reviews=rows, learner=str(learner)).learner, AS_OF_MS, True)
        for each in expected_answers(past, None):
            objective, _, card = each.card_id.partition("/")
            codes = learner, int(objective), int(objective) * CARDS + int(card)
            expected = each.ability, each.variance, each.hardness, each.objective_hardness
            for column, value in zip(columns, (*codes, each.wrong, each.opens, *expected)):
                column.append(value)
    return Answers(*(np.array(column) for column in columns))


def test_what_is_expected_of_an_answer_was_known_before_it() -> None:
    rows = answers("GAGHGAAGGA" * 3, days_ago=20, apart_ms=5 * HOUR_MS)
    scores = [validation(0.2, 18), validation(0.9, 15)]
    past = LearnerHistory(study_rows(reviews=rows, validations=scores).learner, AS_OF_MS, True)
    told = list(expected_answers(past, None))
    assert [each.wrong for each in told] == [row.rating in ("AGAIN", "HARD") for row in rows]
    for place in (1, 7, 19):
        changed = [*rows[:place], *answers("A" * 11, days_ago=20 - place * 5 / 24, apart_ms=5 * HOUR_MS)]
        other = LearnerHistory(study_rows(reviews=changed, validations=scores).learner, AS_OF_MS, True)
        known = list(expected_answers(other, None))[place]
        assert (known.ability, known.variance) == (told[place].ability, told[place].variance)


@pytest.mark.slow
@pytest.mark.parametrize(
    "school",
    [
        School(visits=2, of_cards=1.0),
        School(visits=2, of_pairs=0.5),
        School(visits=2, usual=0.3),
        School(learners=8),
    ],
    ids=["cards differ", "learners differ", "many wrong", "few learners"],
)
def test_where_nothing_is_the_matter_at_most_one_report_in_twenty_says_otherwise(school: School) -> None:
    reports = [unexplained(answered(school, seed), FEWEST) for seed in range(40)]
    blamed = sum(any(sign.cause == LEARNER for sign in report.learners.found) for report in reports)
    cards = sum(bool(report.cards.found) for report in reports)
    objectives = sum(bool(report.objectives.found) for report in reports)
    # Of 40 reports with a chance of 0.05, more than 5 have a sign in one of 70 such tests.
    assert max(blamed, cards, objectives) <= 5, (blamed, cards, objectives)


@pytest.mark.slow
def test_a_bad_card_is_found_and_no_learner_is_blamed_for_it() -> None:
    found = blamed = 0
    for seed in range(20):
        report = unexplained(answered(School(bad=BAD), seed), FEWEST)
        found += BAD[0] * CARDS + BAD[1] in {sign.card for sign in report.cards.found}
        blamed += sum(sign.cause == LEARNER for sign in report.learners.found)
    assert found >= 18
    assert blamed <= 1


@pytest.mark.slow
def test_a_stuck_learner_is_found_and_no_card_is_blamed_for_it() -> None:
    found = blamed = 0
    for seed in range(20):
        report = unexplained(answered(School(stuck=STUCK, visits=6), seed), FEWEST)
        found += STUCK in {(sign.learner, sign.objective) for sign in report.learners.found if sign.cause == LEARNER}
        blamed += len(report.cards.found) + len(report.objectives.found)
    assert found >= 18
    assert blamed <= 2


def test_an_objective_that_is_hard_for_everybody_is_nobodys_fault() -> None:
    report = unexplained(answered(School(hard=1, of_objectives=0.2, objectives=12), 1), FEWEST)
    assert [sign.objective for sign in report.objectives.found] == [1]
    causes = {sign.cause for sign in report.learners.found if sign.objective == 1}
    assert causes == {OBJECTIVE}
    assert LEARNER not in {sign.cause for sign in report.learners.found}


def test_learners_who_met_little_but_bad_cards_are_told_so() -> None:
    """Six learners answered one objective only on its bad card, again and again; the others answered all of it."""
    whole = answered(School(bad=BAD, visits=6), 3)
    card = BAD[0] * CARDS + BAD[1]
    few = np.isin(whole.learner, range(6)) & (whole.objective == BAD[0]) & (whole.card != card)
    report = unexplained(whole.only(~few), FEWEST)
    mine = [sign for sign in report.learners.found if sign.objective == BAD[0]]
    assert {sign.learner for sign in mine} >= set(range(3)) or len(mine) >= 3
    assert {sign.cause for sign in mine} == {CARD}
    assert {sign.because for sign in mine} == {(card,)}


def test_with_too_few_others_nothing_is_told_of_the_cause() -> None:
    whole = answered(School(stuck=STUCK, visits=6), 2)
    alone = whole.only((whole.objective != STUCK[1]) | np.isin(whole.learner, (*range(3), STUCK[0])))
    report = unexplained(alone, FEWEST)
    mine = [sign for sign in report.learners.found if (sign.learner, sign.objective) == STUCK]
    assert [(sign.cause, sign.others) for sign in mine] == [(UNCLEAR, 3)]
    assert report.cards.too_few == CARDS
    assert report.objectives.too_few == 1


def test_few_answers_are_not_tested_and_none_are_no_error() -> None:
    whole = answered(School(learners=2, objectives=1, visits=1), 1)
    empty = unexplained(whole.only(np.zeros(len(whole.wrong), dtype=bool)), FEWEST)
    assert [(kind.found, kind.tested, kind.too_few) for kind in empty] == [([], 0, 0)] * 3
    short = unexplained(whole.only(np.arange(len(whole.wrong)) < FEWEST_ANSWERS - 1), FEWEST)
    assert (short.learners.tested, short.learners.too_few) == (0, 1)
