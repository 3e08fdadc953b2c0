"""The signs that answers are worse than predicted (ml/evaluation/unexplained.py), with ids and names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ml.evaluation.answer_signs import Answers, Sign, Signs
from ml.evaluation.unexplained import RATE, Unexplained, unexplained
from scripts.cohort.groups import named, titled
from scripts.cohort.looking_back import NOTHING
from scripts.cohort.words import Names
from scripts.cohort.work import LearnerView


class Codes:
    """Ids as numbers from 0 on, in the order in which they come."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._code: dict[str, int] = {}

    def of(self, identifier: str) -> int:
        """The number of an id."""
        code = self._code.setdefault(identifier, len(self.ids))
        if code == len(self.ids):
            self.ids.append(identifier)
        return code


class Found:
    """The signs in the answers of a cohort, and the ids that their codes stand for."""

    def __init__(self, views: Sequence[LearnerView], minimum: int) -> None:
        objectives, cards = Codes(), Codes()
        answers = [view.answers for view in views]
        sizes = [len(each.objective_ids) for each in answers]
        self.answers = sum(sizes)
        self.learners = [view.learner_id for view in views]
        arrays = Answers(
            np.repeat(np.arange(len(views)), sizes),
            np.array([objectives.of(key) for each in answers for key in each.objective_ids], dtype=np.int64),
            np.array([cards.of(key) for each in answers for key in each.card_ids], dtype=np.int64),
            np.concatenate([NOTHING.wrong, *(each.wrong for each in answers)]),
            np.concatenate([NOTHING.opens, *(each.opens for each in answers)]),
            *np.concatenate([NOTHING.expected, *(each.expected for each in answers)]).T,
        )
        self.objectives, self.cards = objectives.ids, cards.ids
        self.signs: Unexplained = unexplained(arrays, minimum)

    def objective_ids(self) -> set[str]:
        """The objectives that the signs name."""
        signs = self.signs
        found = (*signs.learners.found, *signs.cards.found, *signs.objectives.found)
        return {self.objectives[sign.objective] for sign in found}

    def to_dict(self, names: Names) -> dict[str, Any]:
        """The part of the report, as scripts/outputs/cohort_report.py describes it."""
        return {
            "rate": RATE,
            "answers": self.answers,
            "learners": self._told(self.signs.learners, lambda sign: self._of_learner(sign, names)),
            "cards": self._told(self.signs.cards, lambda sign: self._of_group(sign, names)),
            "objectives": self._told(self.signs.objectives, lambda sign: self._of_group(sign, names)),
        }

    def _told(self, signs: Signs, one: Callable[[Sign], dict[str, Any]]) -> dict[str, Any]:
        return {"tested": signs.tested, "too_few": signs.too_few, "found": [one(sign) for sign in signs.found]}

    def _of_learner(self, sign: Sign, names: Names) -> dict[str, Any]:
        return {
            **named(self.learners[sign.learner], names),
            **titled(self.objectives[sign.objective], names),
            **_figures(sign),
            "cause": sign.cause,
            "cards": [self.cards[card] for card in sign.because],
            "other_learners": sign.others,
        }

    def _of_group(self, sign: Sign, names: Names) -> dict[str, Any]:
        card = {"card_id": self.cards[sign.card]} if sign.card >= 0 else {}
        objective = titled(self.objectives[sign.objective], names)
        return {**card, **objective, "learners": sign.learners, **_figures(sign)}


def _figures(sign: Sign) -> dict[str, Any]:
    return {
        "answers": sign.answers,
        "wrong": sign.wrong,
        "wrong_expected": sign.expected,
        "chance": sign.chance,
        "adjusted": sign.adjusted,
    }
