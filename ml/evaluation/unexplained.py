"""Which answers are worse than predicted: hard for one learner, a card that may be at fault, or hard for many.

Every answer has the probability with which it was expected to be wrong (ml/evaluation/expected_answers.py). A learner's
answers on one objective, or the answers of many learners to one card or on one objective, are a sign where so many of
them being wrong has a small chance (ml/evaluation/poisson_binomial.py) under probabilities that are

1. of a learner on an objective: those of the predictions, set to the level of all these learners;
2. of a card: those of an ordinary card of its objective, by what the learners did on its other cards;
3. of an objective: those of an ordinary objective, without the cards that are signs themselves.

Cards, objectives and learners differ without anything being wrong. The usual amount is estimated from the middle half
of them, as the spread of the normal distribution with the same middle half, so that a few bad cards do not widen it.
Only what is beyond that amount, too, is a sign. Of all tests of one kind, false discoveries are held to a rate.

A learner's sign is then looked at beside others' answers on the objective and its cards. Where the learner's answers
are still worse than theirs explain, the objective is hard for this learner. Where theirs explain them, there is no sign
about the learner, but one about the card or the objective where that is a sign. Where too few others have answered, or
their answers neither explain the learner's nor rule that out, nothing can be told.
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import numpy as np

from ml.evaluation.answer_signs import (
    Answers,
    Integers,
    Signs,
    discovered,
    groups_of,
    tested,
    with_adjusted,
)
from ml.evaluation.causes import CARD, LEARNER, OBJECTIVE, UNCLEAR
from ml.evaluation.shifts import ordinary_spread, shifted, shifts_of

FEWEST_ANSWERS = 5
"""The fewest answers of a learner on one objective that are tested."""
MOST_OPENINGS = 3
"""At most this many answers of one learner count in the test of a card, each from another visit: a learner who is wrong
on it again and again says something about the learner, not about the card."""
RATE = 0.05


class Unexplained(NamedTuple):
    """The signs about learners, cards and objectives."""

    learners: Signs
    cards: Signs
    objectives: Signs


def unexplained(answers: Answers, fewest_learners: int, rate: float = RATE) -> Unexplained:
    """Looks for answers that are worse than expected.

    Args:
        answers: of one cohort, each learner's oldest first.
        fewest_learners: a card or an objective is looked at from so many learners on; as many others must have answered
            the same cards before anything is called hard for one learner.
        rate: the share of false discoveries, 0..1, that is allowed in each of the three kinds.
    """
    openings = answers.only(_openings(answers))
    cards = _cards(openings, fewest_learners, rate)
    objectives = _objectives(openings, [sign.card for sign in cards.found], fewest_learners, rate)
    return Unexplained(_learners(answers, cards, objectives, fewest_learners, rate), cards, objectives)


def _openings(answers: Answers) -> Integers:
    """The first answers of each learner to each card, at most MOST_OPENINGS, each from another visit."""
    seen: dict[tuple[int, int], int] = {}
    kept = []
    for row in np.flatnonzero(answers.opens):
        key = int(answers.learner[row]), int(answers.card[row])
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= MOST_OPENINGS:
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def _cards(openings: Answers, fewest: int, rate: float) -> Signs:
    base = shifted(openings.logits(openings.objective_hardness), openings.wrong)
    shifts = shifts_of(base, openings.wrong, openings.objective)
    beside = shifts.without(openings.card)
    groups = list(groups_of(openings.card, openings.learner))
    large = [group for group in groups if group.learners >= fewest]
    spread = ordinary_spread(base + beside.means, openings.wrong, [group.rows for group in large], beside.variances)
    tests = [
        tested(openings, base + beside.means, float(np.sqrt(spread**2 + beside.variances[group.rows[0]])), group, CARD)
        for group in large
    ]
    return discovered(tests, rate, len(groups) - len(large))


def _objectives(openings: Answers, bad_cards: list[int], fewest: int, rate: float) -> Signs:
    kept = openings.only(~np.isin(openings.card, bad_cards))
    ordinary = kept.hardness * 0.0 + _usual(kept)
    base = shifted(kept.logits(ordinary), kept.wrong)
    groups = list(groups_of(kept.objective, kept.learner))
    large = [group for group in groups if group.learners >= fewest]
    spread = ordinary_spread(base, kept.wrong, [group.rows for group in large])
    tests = [tested(kept, base, spread, group, OBJECTIVE)._replace(card=-1) for group in large]
    return discovered(tests, rate, len(groups) - len(large))


def _usual(answers: Answers) -> float:
    """The hardness of an ordinary objective."""
    _, first = np.unique(answers.objective, return_index=True)
    return float(np.median(answers.objective_hardness[first])) if len(first) else 0.0


def _learners(answers: Answers, cards: Signs, objectives: Signs, fewest: int, rate: float) -> Signs:
    base = shifted(answers.logits(answers.hardness), answers.wrong)
    of_objective = shifts_of(base, answers.wrong, answers.objective)
    by_others = of_objective.without(answers.learner)
    of_card = shifts_of(base + of_objective.of_each(), answers.wrong, answers.card)
    by_card = of_card.without(answers.learner)
    # What others' answers leave open about a card makes its answers less certain; about the objective, all of them.
    beside = (base + by_others.means + by_card.means) / np.sqrt(1.0 + pi / 8.0 * by_card.variances)
    key = answers.learner * (int(answers.objective.max(initial=0)) + 1) + answers.objective
    groups = list(groups_of(key, answers.learner))
    large = [group for group in groups if len(group.rows) >= FEWEST_ANSWERS]
    spread = ordinary_spread(beside, answers.wrong, [group.rows for group in large], by_others.variances, least=0.0)
    alone = with_adjusted([tested(answers, base, spread, group, UNCLEAR) for group in large])
    of_whole = _who_answered(answers.objective, answers.learner)
    compared = [
        tested(answers, beside, float(np.sqrt(spread**2 + by_others.variances[group.rows[0]])), group, LEARNER)
        for group, sign in zip(large, alone)
        if len(of_whole[sign.objective]) > fewest
    ]
    held = {(sign.learner, sign.objective): sign for sign in with_adjusted(compared)}
    of_cards = _who_answered(answers.card, answers.learner)
    at_fault = {sign.card for sign in cards.found}
    hard = {sign.objective for sign in objectives.found}
    found = []
    for group, sign in zip(large, alone):
        of_others = held.get((sign.learner, sign.objective))
        missed = answers.card[group.rows[answers.wrong[group.rows]]].tolist()
        others = _others(of_cards, missed)
        told = sign._replace(card=-1, others=others)
        if of_others is not None and of_others.adjusted <= rate:
            cause = LEARNER if others >= fewest else UNCLEAR
            found.append(of_others._replace(card=-1, others=others, cause=cause))
        elif sign.adjusted <= rate:
            because = tuple(sorted(at_fault.intersection(missed)))
            if of_others is None or of_others.chance <= rate:
                found.append(told)
            elif because or sign.objective in hard:
                found.append(told._replace(cause=CARD if because else OBJECTIVE, because=because))
    found.sort(key=lambda sign: (sign.chance, sign.learner, sign.objective))
    return Signs(found, len(large), len(groups) - len(large))


def _who_answered(of: Integers, learner: Integers) -> dict[int, set[int]]:
    """Card or objective -> the learners who answered it."""
    who: dict[int, set[int]] = {}
    for each, code in zip(of.tolist(), learner.tolist()):
        who.setdefault(each, set()).add(code)
    return who


def _others(who: dict[int, set[int]], missed: list[int]) -> int:
    """How many others answered the cards on which a learner was wrong: at least so many for half of these answers."""
    counts = sorted(len(who[card]) - 1 for card in missed)
    return counts[(len(counts) - 1) // 2] if counts else 0
