"""What the report calls learners, objectives and courses, and its words for a cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ml.evaluation.causes import CARD, LEARNER, OBJECTIVE, UNCLEAR
from ml.study.objective_names import cleaned

LONGEST_NAME = 120
"""Characters. Longer than in a sentence, because a name has a line of its own."""
CAUSES = {
    LEARNER: "hard for this learner",
    CARD: "a card may be at fault",
    OBJECTIVE: "hard for many",
    UNCLEAR: "too little to tell why",
}
"""The cause of a learner's sign -> its words."""


class Names(NamedTuple):
    """learners: id -> name, empty without --names. objectives, courses: id -> text."""

    learners: Mapping[str, str]
    objectives: Mapping[str, str]
    courses: Mapping[str, str]


def shown(names: Mapping[str, str]) -> dict[str, str]:
    """The names as the report shows them, without those of which nothing is left."""
    return {key: name for key, text in names.items() if (name := cleaned(text, LONGEST_NAME))}
