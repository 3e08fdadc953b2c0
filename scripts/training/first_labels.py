"""What a platform that a prior has never seen may expect: before any label of its own, and after the first ones.

A prior of the other platforms is taught by the visits of a few learners, as training does it, and judges visits of
learners who were not among them. The shipped model's card and `benchmark quality` both have this table.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from db import LearnerRows, ObjectiveRows
from db.client import Client
from ml.errors import NotEnoughExamples
from ml.evaluation.expectations import TENTHS, Expectation, expectation
from ml.scoring.scorecard import SavedModel
from ml.storage.difficulty_table import DifficultyTable
from ml.training.difficulty_build import build_difficulty_table
from ml.training.examples import ExampleSet, labelled_examples, labelled_visits, vector_of
from ml.training.prior import Source, adapt, pretrain
from ml.training.vectorised import ManyAtOnce
from scripts.workers.kept import KeptObjectives

LABELS = (50, 200, 1000)
JUDGED = 3000
"""So many visits are judged, and those with which a learner's visits go beyond it."""
GROUPS = 4
"""How many groups of learners give the first labels in turn; the figures are means over the groups."""
NO_TABLE, OWN_TABLE, WHOLE_TABLE = "none", "of the labelled visits", "of all other learners"
MEAN = "mean"
_AT_ONCE = 10


class Platform(NamedTuple):
    """One platform's learners, in an order that depends on nothing but their ids.

    Attributes:
        name: What it contains.
        judged: The learners whose visits are predicted.
        groups: Other learners; the visits of each group are the first labels once.
        objectives: The objectives that these learners met.
        table: The path of a difficulty table of all learners.
        struggle_below: As in Visit.struggled.
        correct_from: The setting that says which answers are correct.
        adaptive: Whether first cards are left out.
    """

    name: str
    judged: list[LearnerRows]
    groups: list[list[LearnerRows]]
    objectives: dict[str, ObjectiveRows]
    table: str
    struggle_below: float | None
    correct_from: str
    adaptive: bool = False

    def examples(self, learners: Sequence[LearnerRows], table: DifficultyTable | None) -> ExampleSet:
        """The visits that answers labelled. A test's mark makes another base rate, which only its labels tell."""
        found = labelled_examples(learners, self.objectives, table, self.struggle_below, self.correct_from)
        found = found.select(~found.validated)
        return found.without_next_cards() if self.adaptive else found

    def starts(self, rows: LearnerRows) -> list[int]:
        """When each of the learner's visits that answers labelled began."""
        visits = labelled_visits(rows, self.struggle_below, self.correct_from)
        return [visit.as_of_ms for visit in visits if not visit.validated]

    def labels(self, learners: Sequence[LearnerRows]) -> int:
        """How many visits of these learners have a label."""
        return sum(len(self.starts(rows)) for rows in learners)

    def until(self, learners: Sequence[LearnerRows], labels: int) -> list[LearnerRows]:
        """The learners with whom there are so many labels; the last one's history ends there, even within a visit."""
        found = []
        for rows in learners:
            starts = self.starts(rows)
            if len(starts) > labels:
                reviews = [row for row in rows.reviews if row.reviewed_at_ms < starts[labels]]
                validations = [row for row in rows.validations if row.responded_at_ms < starts[labels]]
                rows = rows._replace(reviews=reviews, validations=validations)
            found.append(rows)
            labels -= len(starts)
            if labels <= 0:
                break
        return found


class Stage(NamedTuple):
    """How a prior of other platforms does on `platform` with so many own labels, and with this difficulty table."""

    platform: str
    labels: int
    table: str
    expected: Expectation

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {"platform": self.platform, "labels": self.labels, "table": self.table, **self.expected._asdict()}


def read_platform(
    client: Client, name: str, table: str, struggle_below: float | None, correct_from: str, adaptive: bool = False
) -> Platform:
    """Reads as many learners as the table needs; a small platform has fewer groups, and judges fewer visits."""
    platform = Platform(name, [], [], {}, table, struggle_below, correct_from, adaptive)
    until_ms = client.now()
    ids = sorted(client.learner_ids())
    shuffled = iter([ids[place] for place in np.random.default_rng(0).permutation(len(ids)).tolist()])

    def with_visits(least: int, most: int) -> list[LearnerRows]:
        found: list[LearnerRows] = []
        while least > 0 and (some := list(islice(shuffled, min(_AT_ONCE, most - len(found))))):
            for rows in client.stream_learners(until_ms, None, some):
                found.append(rows)
                least -= len(platform.starts(rows))
        return found

    judged = with_visits(JUDGED, len(ids) // 2)
    groups = [with_visits(LABELS[-1], len(ids)) for _ in range(GROUPS)]
    named = {
        row.objective_id
        for rows in (*judged, *(rows for group in groups for rows in group))
        for source in (rows.reviews, rows.validations)
        for row in source
        if row.objective_id is not None
    }
    objectives = KeptObjectives(client, None).of(sorted(named))
    return platform._replace(judged=judged, groups=[group for group in groups if group], objectives=objectives)


def of_left_out(
    sources: Sequence[Source], platforms: Sequence[Platform], mark: float, each: Callable[[], object]
) -> list[Stage]:
    """Every platform's stages, by a prior of the others. A single platform has none.

    Args:
        sources: The visits of each platform.
        platforms: Their learners, in the same order.
        mark: The share of right answers below which a visit is a struggle.
        each: Called when a platform is done.
    """
    found: list[Stage] = []
    for source, platform in zip(sources, platforms):
        others = [other for other in sources if other is not source]
        if others:
            found += stages(pretrain(others, "prior", [other.name for other in others], mark).saved, platform)
        each()
    return found


def stages(prior: SavedModel, platform: Platform) -> Iterator[Stage]:
    """How a prior of other platforms does on this one, stage by stage.

    A stage for which no group has enough labels is absent.
    """
    unknown = platform.examples(platform.judged, None)
    if len(unknown) < TENTHS or len(set(unknown.y.tolist())) < 2:
        return
    table = DifficultyTable.open(platform.table)
    known = platform.examples(platform.judged, table)
    table.close()
    yield Stage(platform.name, 0, NO_TABLE, judged(prior, unknown))
    yield Stage(platform.name, 0, WHOLE_TABLE, judged(prior, known))
    for labels in LABELS:
        without, within = [], []
        for group in platform.groups:
            if platform.labels(group) < labels:
                continue
            learners = platform.until(group, labels)
            examples = platform.examples(learners, None)
            without.append(judged(taught(prior, examples, platform.correct_from), unknown))
            within.append(_with_own_table(prior, platform, learners))
        if without:
            yield Stage(platform.name, labels, NO_TABLE, Expectation.mean(without))
            yield Stage(platform.name, labels, OWN_TABLE, Expectation.mean(within))


def means(found: Sequence[Stage]) -> list[Stage]:
    """Each stage's mean over the platforms that have it."""
    keys = list(dict.fromkeys((stage.labels, stage.table) for stage in found))
    return [
        Stage(MEAN, *key, Expectation.mean([each.expected for each in found if (each.labels, each.table) == key]))
        for key in sorted(keys, key=lambda key: key[0])
    ]


def taught(prior: SavedModel, examples: ExampleSet, correct_from: str) -> SavedModel:
    """The prior after these labels; where they are too few or all alike, the prior as it was."""
    y = examples.y.astype(float)
    try:
        return adapt(prior, examples.X, y, examples.learner, prior.model_version, correct_from=correct_from).saved
    except NotEnoughExamples:
        return prior


def judged(saved: SavedModel, examples: ExampleSet) -> Expectation:
    """How the model does on these visits."""
    vectors = [vector_of(row, at) for row, at in zip(examples.X, examples.as_of_ms.tolist())]
    said = ManyAtOnce(saved).judge(vectors)
    columns = [np.array([getattr(each, name) for each in said]) for name in ("probability", "low", "high")]
    return expectation(examples.y.astype(float), *columns)


def _with_own_table(prior: SavedModel, platform: Platform, learners: Sequence[LearnerRows]) -> Expectation:
    with tempfile.TemporaryDirectory() as at:
        path = os.path.join(at, "difficulty")
        cutoff_ms = 1 + max(row.reviewed_at_ms for rows in learners for row in rows.reviews)
        build_difficulty_table(path, learners, cutoff_ms, platform.struggle_below, platform.correct_from)
        table = DifficultyTable.open(path)
        try:
            saved = taught(prior, platform.examples(learners, table), platform.correct_from)
            return judged(saved, platform.examples(platform.judged, table))
        finally:
            table.close()
