"""One part of a batch: the rows of a range of learners are read once, and every objective ahead of them is predicted.

Any process can do a part, with a database connection that the process keeps; doing it again gives the same result.
Nothing is written to a database here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import db
from db import Batch, Opened, Template
from db.client import Client
from ml.errors import ModelRefused
from ml.evaluation.expected_counts import CountSums
from ml.features.build import studied
from ml.features.vector import FeatureVector
from ml.model import StrugglePredictionModel, load
from ml.study.correctness import GOOD
from ml.study.degraded import SENTENCES
from ml.study.estimates import LearnerEstimates
from ml.study.history import WINDOW, LearnerHistory, StudyHistory
from ml.study.occasion import Occasion, occasion_of
from ml.study.scales import PLATFORM, Levels
from ml.study.upcoming import MOST_OBJECTIVES, Plans, own_and_met, upcoming
from scripts.cli.streams import place_of
from scripts.workers.kept import MOST_OBJECTIVES_KEPT, TIMEOUT_S, KeptObjectives

if TYPE_CHECKING:
    from db import Conversation

LEARNERS_OF_A_PAGE = 100
MOST_FAILURES = 10
"""At most so many failures are shown."""

_OF_COURSE = Template(
    "LearningObjective",
    ("{l.courseId:text}", "{o.id:text}"),
    "FROM {l} JOIN {o} ON {o.lectureId} = {l.id} WHERE {l.courseId:among} ORDER BY {o.id:byte_order}",
)


class BatchSettings(NamedTuple):
    """What every part of one batch has in common. It is small enough to be sent with each part.

    model: the value of --model; model_mark: the mark of the model that the process must find there. objectives:
    "upcoming" or "all". correct_from: the deployment's setting, not that of the machine that does the part.
    pointer_path: where the difficulty table that is kept up to date is named, since a model by its path names none.
    levels: those beside the model that was asked for, which need not lie beside the one that answers.
    """

    database_url: str | None
    schema: str | None
    model: str | None
    model_mark: str
    as_of_ms: int
    is_now: bool
    days_ahead: int
    objectives: str
    correct_from: str = GOOD
    pointer_path: str | None = None
    levels: Levels = PLATFORM


class Outlook(NamedTuple):
    """What one learner has ahead: the features and the occasion of each objective, in the order of upcoming().

    unknown: for each objective, the enum values in its rows that the app does not define, as (column, value). tracked:
    False for a learner who has switched performance tracking off; nothing is predicted then. faced, estimates: each
    objective with the learner's history, and what both were estimated to be, None where that failed.
    """

    learner_id: str
    objective_ids: list[str]
    vectors: list[FeatureVector]
    occasions: list[Occasion]
    unknown: list[tuple[tuple[str, str], ...]]
    tracked: bool = True
    past: LearnerHistory | None = None
    faced: Sequence[StudyHistory] = ()
    estimates: LearnerEstimates | None = None


class Tally:
    """The counts of one part; those of several parts add up."""

    FIELDS = (
        *("learners", "predictions", "HIGH", "MEDIUM", "LOW", "degraded", "unknown_learners", "unknown_objectives"),
        *("tracking_off", "left_out", "written", "kept", "refused", "indicators", "dismissed"),
    )

    def __init__(self) -> None:
        self.counts = dict.fromkeys(self.FIELDS, 0)
        self.failures: list[str] = []
        self.expected: dict[str, CountSums] = {}
        """By level, what its predictions say of how many will struggle; nothing of those of the rules."""
        self.told_all = True
        """Whether nothing is missing there: the progress of an earlier release has none."""

    def add(self, other: Tally) -> None:
        """Adds another part's counts, and its failures up to MOST_FAILURES."""
        for name, count in other.counts.items():
            self.counts[name] += count
        self.failures = (self.failures + other.failures)[:MOST_FAILURES]
        for level, sums in other.expected.items():
            self.expected.setdefault(level, CountSums()).add(sums)
        self.told_all = self.told_all and other.told_all


class BatchReader:
    """Reads the parts of a batch; a process keeps its connection, the model and the objectives that it has read.

    model, client: for a caller that has already loaded and connected them; the caller then closes the client.
    """

    def __init__(
        self, settings: BatchSettings, model: StrugglePredictionModel | None = None, client: Client | None = None
    ) -> None:
        self.settings = settings
        self.model = _model_of(settings) if model is None else model
        if model is None and mark_of(self.model) != settings.model_mark:
            raise ModelRefused(f"the model here is {mark_of(self.model)}, the batch began with {settings.model_mark}")
        self.client: Client = client or db.connect(
            settings.database_url, schema_path=settings.schema, timeout_s=TIMEOUT_S
        )
        self.objectives = KeptObjectives(self.client, WINDOW)
        self._courses: dict[str, list[str]] = {}

    def close(self) -> None:
        """Closes the connection."""
        self.client.close()

    def of_course(self, course_ids: Iterable[str]) -> dict[str, list[str]]:
        """The ids of each course's objectives."""
        wanted = set(course_ids)
        if len(self._courses) > MOST_OBJECTIVES_KEPT:
            self._courses.clear()
        absent = sorted(wanted.difference(self._courses))
        if absent:
            self._courses.update((each, []) for each in absent)
            for course_id, objective_id in self.client.converse(partial(_of_course, course_ids=absent)):
                self._courses[course_id].append(objective_id)
        return {each: self._courses[each] for each in wanted}

    def outlooks(self, learner_ids: Sequence[str], tally: Tally) -> Iterator[Outlook]:
        """What each learner has ahead; learners who have nothing ahead are included."""
        settings = self.settings
        pages = [learner_ids[at : at + LEARNERS_OF_A_PAGE] for at in range(0, len(learner_ids), LEARNERS_OF_A_PAGE)]
        for page in pages:
            learners = list(self.client.stream_learners(settings.as_of_ms, WINDOW, page))
            tally.counts["unknown_learners"] += len(page) - len(learners)
            untracked = [rows for rows in learners if not rows.learner.performance_tracking_enabled]
            learners = [rows for rows in learners if rows.learner.performance_tracking_enabled]
            tally.counts["learners"] += len(untracked)
            tally.counts["tracking_off"] += len(untracked)
            yield from (Outlook(rows.learner.id, [], [], [], [], tracked=False) for rows in untracked)
            histories = [
                LearnerHistory(rows, settings.as_of_ms, settings.is_now, settings.correct_from) for rows in learners
            ]
            ahead = self.ahead(histories)
            objectives = self.objectives.of(each for ids in ahead for each in ids)
            for rows, past, ids in zip(learners, histories, ahead):
                known = [each for each in ids if each in objectives]
                tally.counts["unknown_objectives"] += len(ids) - len(known)
                tally.counts["left_out"] += len(known[MOST_OBJECTIVES:])
                known = known[:MOST_OBJECTIVES]
                tally.counts["learners"] += 1
                facing = [objectives[each] for each in known]
                unknown = [(*rows.unknown_values, *each.unknown_values) for each in facing]
                occasions = [occasion_of(past, each.objective) for each in facing]
                faced = [StudyHistory(past, each) for each in facing]
                estimates, features = self._studied(past, faced, tally)
                yield Outlook(past.learner.id, known, features, occasions, unknown, True, past, faced, estimates)

    def ahead(self, histories: Sequence[LearnerHistory]) -> list[list[str]]:
        """The ids of the objectives that each learner has ahead."""
        plans = [Plans(past, self.settings.days_ahead) for past in histories]
        everything = self.settings.objectives == "all"
        of_course = self.of_course(course for each in plans for course in each.courses)
        topical = [past for past, each in zip(histories, plans) if each.has_topics]
        objectives = self.objectives.of(found for past in topical for found in own_and_met(past))
        found = []
        for past, each in zip(histories, plans):
            ids = dict.fromkeys(upcoming(past, each, of_course, objectives))
            if everything:
                ids.update(dict.fromkeys(own_and_met(past)))
            found.append(list(ids))
        return found

    def _studied(
        self, past: LearnerHistory, faced: Sequence[StudyHistory], tally: Tally
    ) -> tuple[LearnerEstimates | None, list[FeatureVector]]:
        """The estimates and the features, or default features where extraction fails, as in predict.py."""
        try:
            return studied(faced, self.model.difficulty_at(past.as_of_ms))
        except ModelRefused:
            raise
        except Exception as error:  # one learner's rows must not end the whole batch
            why = f"features cannot be extracted ({place_of(error)})"
            tally.failures.append(f"{past.learner.id}: {why}")
            degraded = SENTENCES["extraction_failed"]
            return None, [FeatureVector.of({}, past.as_of_ms, degraded) for _ in faced]


def _of_course(opened: Opened, course_ids: Sequence[str]) -> Conversation[list[tuple[str, str]]]:
    batch = Batch(opened.renderer)
    batch.add("objectives", _OF_COURSE, ids=json.dumps(list(course_ids)))
    found = yield from batch.ask()
    return [(str(course), str(objective)) for course, objective in found["objectives"]]


def _model_of(settings: BatchSettings) -> StrugglePredictionModel:
    """The batch's model with its tables, all of them checked. Raises ModelNotFound, ModelRefused."""
    model = load(settings.model, settings.correct_from)
    model.pointer_path = settings.pointer_path
    model.levels = settings.levels
    model.check()
    return model


def mark_of(model: StrugglePredictionModel) -> str:
    """The model's version, its file's checksum and its newest difficulty table, by which a process recognises it."""
    if model.path is None:
        return model.model_version
    from binascii import crc32

    kept = None if model.difficulties is None else model.difficulties.kept
    with open(model.path, "rb") as file:
        return f"{model.model_version} ({crc32(file.read()):08x}{f', {kept.table}' if kept else ''})"
