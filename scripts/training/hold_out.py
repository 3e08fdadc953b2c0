"""The visits on which champion and challenger are compared: whether there are enough, and the decision on them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import NamedTuple

import numpy as np

from db.client import Client
from ml.evaluation.metrics import Floats
from ml.evaluation.promotion import RISK_LEVEL, Verdict, decide, hold_out_lacks
from ml.evaluation.slices import history_band
from ml.features.consent import teaches
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import SavedModel
from ml.study.scales import Levels
from ml.training.examples import ExampleSet, LabelledVisit, labelled_visits
from ml.training.model_card import answers_of
from ml.training.stored_outcomes import Usable, with_stored
from ml.training.tables import asked
from scripts.labelling.part import Extraction

STUDIED_WITHIN_MS = 14 * 24 * 3_600_000
"""A stored prediction and a visit are one example where the visit began this soon after the prediction."""
AT_ONCE = 200
"""After this many learners it is counted again, for where there are enough visits, most learners need not be read."""


class HoldOut(NamedTuple):
    """The examples on which both models are compared, with each one's probabilities by its own knowledge of objectives.

    by_rules: the rules' probabilities, which see what the champion saw. levels: the champion's, with the threshold from
    which it flags a learner.
    """

    examples: ExampleSet
    champion: Floats
    challenger: Floats
    by_rules: Floats
    levels: Levels

    def judged(self, error: float | None) -> Verdict:
        """The decision on all these examples; error: as in `decide`."""
        groups: dict[str, list[object]] = {
            "answers of history": [history_band(answers) for answers in answers_of(self.examples.X)],
            RISK_LEVEL: [self.levels.of(probability) for probability in self.champion.tolist()],
        }
        return decide(
            *(self.examples.y, self.champion, self.challenger, self.by_rules, self.examples.learner, groups),
            error=error,
            threshold=self.levels.operating_threshold,
        )


def probabilities(saved: SavedModel, examples: ExampleSet) -> Floats:
    """What the model says of every example."""
    return asked(saved.scorecard, examples.X)


def hold_out_wants(client: Client, extraction: Extraction, stored: Usable, start_ms: int) -> str:
    """What is missing of the examples since start_ms that the proof needs; empty where there are enough.

    Only histories are read, without features, and only until there are enough.
    """
    visits: list[LabelledVisit] = []
    newer = _newer(visits, stored, start_ms)
    with closing(_visits(client, extraction, start_ms)) as each:
        while wanting := hold_out_lacks(newer.y, newer.learner):
            more = list(islice(each, AT_ONCE))
            if not more:
                return wanting
            visits += [visit for of_learner in more for visit in of_learner]
            newer = _newer(visits, stored, start_ms)
    return ""


def _visits(client: Client, extraction: Extraction, start_ms: int) -> Generator[list[LabelledVisit], None, None]:
    for rows in client.stream_learners(extraction.until_ms, None, None):
        if teaches(rows.learner):
            own = labelled_visits(rows, extraction.struggle_below, extraction.correct_from)
            yield [visit for visit in own if visit.as_of_ms >= start_ms]


def _newer(visits: list[LabelledVisit], stored: Usable, start_ms: int) -> ExampleSet:
    blank = np.full((len(visits), len(FEATURE_NAMES)), np.nan)
    examples = with_stored(ExampleSet.of(visits, blank), stored, STUDIED_WITHIN_MS)
    return examples.select(examples.as_of_ms >= start_ms)
