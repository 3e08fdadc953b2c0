"""Which answers are worse than predicted: hard for one learner, a card that may be at fault, or hard for many.

Every answer has the probability with which it was expected to be wrong (ml/evaluation/expected_answers.py). A learner's
answers on one objective, or the answers of many learners to one card or on one objective, are a sign where so many of
them being wrong has a small chance (ml/evaluation/poisson_binomial.py) under probabilities that are

1. of a learner on an objective: those of the predictions, set to the level of all these learners;
2. of a card: those of an ordinary card of its objective, by what the learners did on its other cards;
3. of an objective: those of an ordinary objective, without the cards that are signs themselves.

Cards, objectives and learners differ without anything being wrong. How much, is estimated from the ordinary ones: such
that half of them lie within what half of a normal law does, so that a few bad cards do not widen it. Only what is
beyond that difference, too, is a sign. Of all tests of one kind, false discoveries are held to a rate.

A learner's sign is then looked at beside others' answers to the same cards. Where the learner's answers are still worse
than theirs explain, the objective is hard for this learner. Where theirs explain them, there is no sign about the
learner, but one about the card or the objective where that is a sign. Where too few others have answered, or their
answers neither explain the learner's nor rule that out, nothing can be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.causes import CARD, LEARNER, OBJECTIVE, UNCLEAR
from ml.evaluation.false_discoveries import adjusted
from ml.evaluation.metrics import Floats
from ml.evaluation.poisson_binomial import at_least_where_shared
from ml.evaluation.shifts import ordinary_spread, shifted, shifts_of

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

FEWEST_ANSWERS = 5
"""A learner's answers on one objective are looked at from so many on."""
MOST_OPENINGS = 3
"""At most so many answers of one learner to one card tell about the card, each from another visit: a learner who is
wrong again and again tells about the learner."""
RATE = 0.05


class Answers(NamedTuple):
    """Arrays of one length. learner, objective, card: codes from 0 on. The others are as in ExpectedAnswer."""

    learner: Integers
    objective: Integers
    card: Integers
    wrong: Booleans
    opens: Booleans
    ability: Floats
    variance: Floats
    hardness: Floats
    objective_hardness: Floats

    def only(self, which: NDArray[np.generic]) -> Answers:
        """Some of the answers."""
        return Answers(*(each[which] for each in self))

    def logits(self, hardness: Floats | float) -> Floats:
        """The expected logit of a wrong answer to a question of that hardness, under an uncertain ability."""
        return (hardness - self.ability) / np.sqrt(1.0 + pi / 8.0 * self.variance)


class Sign(NamedTuple):
    """Answers that are worse than expected. learner, objective, card: codes; -1 where it is about all of them.

    answers, wrong: how many there are; expected: how many of them were expected to be wrong. learners: who gave them.
    chance: of so many wrong answers or more. adjusted: the same for as many tests as there were (Benjamini-Hochberg).
    cause: of a learner's sign, LEARNER, CARD, OBJECTIVE or UNCLEAR; of others the kind. because: codes of the cards
    that explain it. others: how many other learners answered the same cards.
    """

    learner: int
    objective: int
    card: int
    answers: int
    wrong: int
    expected: float
    learners: int
    chance: float
    adjusted: float
    cause: str
    because: tuple[int, ...] = ()
    others: int = 0


class Signs(NamedTuple):
    """All signs of one kind, the least likely first; how many tests there were, and how many rest on too little."""

    found: list[Sign]
    tested: int
    too_few: int


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


class _Group(NamedTuple):
    rows: Integers
    learners: int


def _groups(key: Integers, learner: Integers) -> Iterator[_Group]:
    """The rows of each key, in the order of the keys."""
    order = np.argsort(key, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(order) else ():
        yield _Group(rows, len(np.unique(learner[rows])))


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
    groups = list(_groups(openings.card, openings.learner))
    large = [group for group in groups if group.learners >= fewest]
    spread = ordinary_spread(base + beside.means, openings.wrong, [group.rows for group in large], beside.variances)
    tests = [
        _test(openings, base + beside.means, float(np.sqrt(spread**2 + beside.variances[group.rows[0]])), group, CARD)
        for group in large
    ]
    return _discovered(tests, rate, len(groups) - len(large))


def _objectives(openings: Answers, bad_cards: list[int], fewest: int, rate: float) -> Signs:
    kept = openings.only(~np.isin(openings.card, bad_cards))
    ordinary = kept.hardness * 0.0 + _usual(kept)
    base = shifted(kept.logits(ordinary), kept.wrong)
    groups = list(_groups(kept.objective, kept.learner))
    large = [group for group in groups if group.learners >= fewest]
    spread = ordinary_spread(base, kept.wrong, [group.rows for group in large])
    tests = [_test(kept, base, spread, group, OBJECTIVE)._replace(card=-1) for group in large]
    return _discovered(tests, rate, len(groups) - len(large))


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
    groups = list(_groups(key, answers.learner))
    large = [group for group in groups if len(group.rows) >= FEWEST_ANSWERS]
    spread = ordinary_spread(beside, answers.wrong, [group.rows for group in large], by_others.variances, least=0.0)
    who = _who_answered(answers)
    alone = [_test(answers, base, spread, group, UNCLEAR) for group in large]
    others = [_others(who, answers, group) for group in large]
    compared = [
        _test(answers, beside, float(np.sqrt(spread**2 + by_others.variances[group.rows[0]])), group, LEARNER)
        for group, count in zip(large, others)
        if count >= fewest
    ]
    held = {(sign.learner, sign.objective): sign for sign in _discovered(compared, 1.0, 0).found}
    at_fault = {sign.card for sign in cards.found}
    hard = {sign.objective for sign in objectives.found}
    found = []
    for group, count, sign in zip(large, others, _with_adjusted(alone)):
        of_others = held.get((sign.learner, sign.objective))
        told = sign._replace(card=-1, others=count)
        if of_others is not None and of_others.adjusted <= rate:
            found.append(of_others._replace(card=-1, others=count))
        elif sign.adjusted <= rate:
            missed = answers.card[group.rows[answers.wrong[group.rows]]].tolist()
            because = tuple(sorted(at_fault.intersection(missed)))
            if of_others is None or of_others.chance <= rate:
                found.append(told)
            elif because or sign.objective in hard:
                found.append(told._replace(cause=CARD if because else OBJECTIVE, because=because))
    found.sort(key=lambda sign: (sign.chance, sign.learner, sign.objective))
    return Signs(found, len(large), len(groups) - len(large))


def _who_answered(answers: Answers) -> dict[int, set[int]]:
    who: dict[int, set[int]] = {}
    for card, learner in zip(answers.card.tolist(), answers.learner.tolist()):
        who.setdefault(card, set()).add(learner)
    return who


def _others(who: dict[int, set[int]], answers: Answers, group: _Group) -> int:
    """How many other learners answered a card on which this one was wrong; the fewest over these cards."""
    missed = group.rows[answers.wrong[group.rows]]
    return min((len(who[card]) for card in set(answers.card[missed].tolist())), default=1) - 1


def _test(answers: Answers, logits: Floats, spread: float, group: _Group, cause: str) -> Sign:
    rows = group.rows
    mine = logits[rows]
    expected = float((0.5 * (1.0 + np.tanh(0.5 * mine))).sum())
    wrong = int(answers.wrong[rows].sum())
    chance = at_least_where_shared(mine, spread, wrong) if wrong > expected else 1.0
    first = rows[0]
    ids = int(answers.learner[first]), int(answers.objective[first]), int(answers.card[first])
    if group.learners > 1:
        ids = -1, *ids[1:]
    return Sign(*ids, len(rows), wrong, expected, group.learners, chance, 1.0, cause)


def _with_adjusted(tests: list[Sign]) -> list[Sign]:
    if not tests:
        return []
    found = adjusted([sign.chance for sign in tests]).tolist()
    return [sign._replace(adjusted=each) for sign, each in zip(tests, found)]


def _discovered(tests: list[Sign], rate: float, too_few: int) -> Signs:
    found = [sign for sign in _with_adjusted(tests) if sign.adjusted <= rate]
    found.sort(key=lambda sign: (sign.chance, sign.objective, sign.card))
    return Signs(found, len(tests), too_few)
