"""Groups of answers, each tested for more wrong answers than were expected; and the signs, which such tests leave."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.false_discoveries import adjusted
from ml.evaluation.metrics import Floats
from ml.evaluation.poisson_binomial import at_least_where_shared

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


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
    chance: of this many wrong answers or more. adjusted: the same for as many tests as there were (Benjamini-Hochberg).
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


class Group(NamedTuple):
    """Answers that are tested together. rows: their places; learners: how many learners gave them."""

    rows: Integers
    learners: int


def groups_of(key: Integers, learner: Integers) -> Iterator[Group]:
    """The rows of each key, in the order of the keys."""
    order = np.argsort(key, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(order) else ():
        yield Group(rows, len(np.unique(learner[rows])))


def tested(answers: Answers, logits: Floats, spread: float, group: Group, cause: str) -> Sign:
    """The test of one group. logits: of the expected wrong answers, for all answers; spread: what the group shares."""
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


def with_adjusted(tests: list[Sign]) -> list[Sign]:
    """The tests of one kind, in their order, with their adjusted chances."""
    if not tests:
        return []
    found = adjusted([sign.chance for sign in tests]).tolist()
    return [sign._replace(adjusted=each) for sign, each in zip(tests, found)]


def discovered(tests: list[Sign], rate: float, too_few: int) -> Signs:
    """Those of the tests that are signs, at a rate of false discoveries."""
    found = [sign for sign in with_adjusted(tests) if sign.adjusted <= rate]
    found.sort(key=lambda sign: (sign.chance, sign.objective, sign.card))
    return Signs(found, len(tests), too_few)
