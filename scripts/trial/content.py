"""What the scratch platform holds, objective by objective, in one pass over its answers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import NamedTuple

from db.client import Client
from db.stored_answers import stream_answers
from db.writing.open import open_writer
from ml.study.correctness import is_correct

FEWEST_ANSWERS, FEWEST_LEARNERS = 20, 5
"""Below these, an objective's share of right answers says more about its few learners than about itself."""


class Objective(NamedTuple):
    """An objective with its counts. right: how many of its answers were right."""

    id: str
    name: str
    answers: int
    right: int
    learners: int

    @property
    def share_right(self) -> float:
        """Share of right answers."""
        return self.right / self.answers


def objectives(client: Client, url: str, correct_from: str) -> list[Objective]:
    """Every objective that was answered, the hardest first; those with few answers or learners last."""
    counts: dict[str, list[int]] = {}
    last_learner: dict[str, str] = {}
    with closing(stream_answers(client)) as batches:
        for batch in batches:
            for answer in batch:
                if answer.objective_id is None or answer.rating is None:
                    continue
                of = counts.setdefault(answer.objective_id, [0, 0, 0])
                of[0] += 1
                of[1] += is_correct(answer.rating, correct_from)
                if last_learner.get(answer.objective_id) != answer.learner_id:  # answers come learner by learner
                    last_learner[answer.objective_id] = answer.learner_id
                    of[2] += 1
    names = _names(url)
    found = [Objective(key, names.get(key, key), *of) for key, of in counts.items()]
    return sorted(found, key=lambda each: (_is_rare(each), each.share_right, each.id))


def _is_rare(objective: Objective) -> bool:
    return objective.answers < FEWEST_ANSWERS or objective.learners < FEWEST_LEARNERS


def common(found: list[Objective]) -> list[Objective]:
    """Those with enough answers and learners."""
    return [each for each in found if not _is_rare(each)]


def _names(url: str) -> Mapping[str, str]:
    with open_writer(url) as reader:
        return {str(key): str(name) for key, name in reader.select("LearningObjective", ("id", "objective"))}
