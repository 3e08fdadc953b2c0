"""What a worker does with some of a cohort's learners: predicts what is ahead, and looks back on what they answered.

The predictions are a batch's. Nothing is written to the database.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from db import with_unknown
from ml.errors import ModelRefused
from ml.study.history import LearnerHistory
from ml.study.scales import MASTERED_FROM
from ml.study.summary import LearnerSummary, prerequisite_mastery
from ml.study.upcoming import unmastered
from ml.training.vectorised import PlainPrediction
from scripts.batch.part import BatchReader, BatchSettings, Outlook, Tally
from scripts.batch.work import verdicts
from scripts.cli.streams import place_of
from scripts.cohort.looking_back import NOTHING, Answered, Visit, answered, judged_visits
from scripts.workers.kept import kept_for, patiently

ADVISED = 3
"""This many of a learner's likeliest struggles come with what would help."""
ADVICE = ("kind", "objective_id", "objective_name", "probability", "drop", "basis", "text")
"""What the report says of each: all but the rows to write."""


class CohortSettings(NamedTuple):
    """What all parts have in common. since_ms: from when answers and visits are looked back on. within: ids of the
    objectives that the report keeps to, or None."""

    batch: BatchSettings
    since_ms: int
    within: frozenset[str] | None


class Ahead(NamedTuple):
    """One prediction.

    lacking: ids of the stated prerequisites that the learner has not mastered. reasoning, advice: only of a learner's
    likeliest struggles.
    """

    objective_id: str
    probability: float
    confidence: float
    interval: tuple[float, float]
    risk_level: str
    degraded: str
    lacking: tuple[str, ...]
    reasoning: str = ""
    advice: tuple[dict[str, object], ...] = ()


class LearnerView(NamedTuple):
    """What the report needs of one learner.

    tracked: False for a learner who has
    switched performance tracking off meanwhile.
    """

    learner_id: str
    ahead: list[Ahead]
    answers: Answered
    visits: list[Visit]
    tracked: bool = True


class CohortReader(BatchReader):
    """A batch's reader that keeps to some objectives: of those, a learner's planned ones, else unmastered ones."""

    def __init__(self, settings: CohortSettings) -> None:
        super().__init__(settings.batch)
        self.missing_sources = self.client.missing_sources()
        self._within = settings.within

    def ahead(self, histories: Sequence[LearnerHistory]) -> list[list[str]]:
        """The ids of the objectives ahead of each learner."""
        found, within = super().ahead(histories), self._within
        if within is None:
            return found
        return [
            [each for each in ids if each in within] or [each for each in unmastered(past) if each in within]
            for past, ids in zip(histories, found)
        ]


def do_part(settings: CohortSettings, learner_ids: Sequence[str]) -> tuple[list[LearnerView], Tally]:
    """The views of these learners. If the database cannot be reached, it tries again a little later."""
    return patiently(_do_part, settings, learner_ids)


def _do_part(settings: CohortSettings, learner_ids: Sequence[str]) -> tuple[list[LearnerView], Tally]:
    reader, tally = kept_for(settings, partial(CohortReader, settings)), Tally()
    gc.disable()  # a part's records are many, and live no longer than the part
    try:
        return [_view(reader, each, settings, tally) for each in reader.outlooks(learner_ids, tally)], tally
    finally:
        gc.enable()


def _view(reader: CohortReader, outlook: Outlook, settings: CohortSettings, tally: Tally) -> LearnerView:
    past = outlook.past
    if past is None:
        return LearnerView(outlook.learner_id, [], NOTHING, [], False)
    ahead = _ahead(reader, outlook, reader.missing_sources)
    span = settings.since_ms, settings.within
    try:
        answers = answered(past, reader.model.difficulty_at(past.as_of_ms), *span)
        return LearnerView(outlook.learner_id, ahead, answers, judged_visits(past, *span))
    except ModelRefused:
        raise
    except Exception as error:  # one learner's rows must not end the whole report
        tally.failures.append(f"{outlook.learner_id}: answers cannot be looked back on ({place_of(error)})")
        return LearnerView(outlook.learner_id, ahead, NOTHING, [])


def _ahead(reader: CohortReader, outlook: Outlook, missing: tuple[str, ...]) -> list[Ahead]:
    """The learner's predictions, the likeliest struggle first; those first ones in words, and with what would help."""
    degraded = [bool(vector.degraded) for vector in outlook.vectors]
    judged = list(zip(verdicts(reader.model, outlook.vectors), range(len(outlook.vectors))))
    judged.sort(key=lambda each: (degraded[each[1]], -each[0].probability, each[1]))
    return [
        _in_words(reader, outlook, place, missing) if rank < ADVISED else _in_numbers(reader, outlook, place, verdict)
        for rank, (verdict, place) in enumerate(judged)
    ]


def _in_words(reader: CohortReader, outlook: Outlook, place: int, missing: tuple[str, ...]) -> Ahead:
    features, history = outlook.vectors[place], outlook.faced[place]
    prediction = reader.model.predict(features)
    absent = with_unknown(missing, outlook.unknown[place])
    advice = reader.model.advise(prediction, history, outlook.estimates, features, absent)
    plain = PlainPrediction(prediction.probability, prediction.confidence, *prediction.interval)
    told = tuple({name: getattr(each, name) for name in ADVICE} for each in advice)
    return _in_numbers(reader, outlook, place, plain)._replace(reasoning=prediction.reasoning, advice=told)


def _in_numbers(reader: CohortReader, outlook: Outlook, place: int, verdict: PlainPrediction) -> Ahead:
    history = outlook.faced[place]
    summary = history.past.once(LearnerSummary)
    lacking = (row.objective_id for row in history.prerequisites if prerequisite_mastery(row, summary) < MASTERED_FROM)
    return Ahead(
        outlook.objective_ids[place],
        verdict.probability,
        verdict.confidence,
        (verdict.low, verdict.high),
        reader.model.levels.of(verdict.probability),
        outlook.vectors[place].degraded,
        tuple(lacking),
    )
