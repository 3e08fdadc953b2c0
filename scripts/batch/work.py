"""What a worker does with one part of a batch: makes the predictions, writes them as lines, and stores them."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from db import with_unknown
from db.writing.open import open_writer
from ml import ports
from ml.advice.advise import Advice
from ml.answer import answer
from ml.evaluation.expected_counts import CountSums
from ml.features.vector import FeatureVector
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.scoring.prediction import Prediction
from ml.training.vectorised import ManyAtOnce, PlainPrediction
from ml.wording.choice import language
from ml.wording.rewording import reworded
from scripts.batch.part import MOST_FAILURES, BatchReader, BatchSettings, Outlook, Tally
from scripts.batch.store import dismiss, store
from scripts.batch.stored_rows import Made
from scripts.cli.streams import place_of
from scripts.workers.kept import kept_for, patiently

Earlier = Mapping[tuple[str, str], Sequence[ports.Earlier]]
"""What was stored of earlier predictions, by learner and objective."""
LEARNERS_WITH_EARLIER = 20
"""This many learners' rows are in memory at a time; a stored prediction is some kilobytes."""
LEARNERS_AT_ONCE = 100
"""The features of so many learners are in memory together, and are judged by whole columns."""


class Wanted(NamedTuple):
    """What is done with the predictions. lines: "" for none, "short", or "full" (predict.py's whole answer), whose
    sentences are in the language, for the audience."""

    lines: str
    stored: bool
    language: str = "en"
    audience: str = "teacher"


class Done(NamedTuple):
    """One part's lines (JSON, ASCII) and tally."""

    lines: bytes
    tally: Tally


def do_part(settings: BatchSettings, wanted: Wanted, learner_ids: Sequence[str]) -> Done:
    """Does the whole part, from rows to lines. If the database cannot be reached, it tries again a little later."""
    return patiently(_do_part, settings, wanted, learner_ids)


def _do_part(settings: BatchSettings, wanted: Wanted, learner_ids: Sequence[str]) -> Done:
    reader, tally = kept_for(settings, partial(BatchReader, settings)), Tally()
    judged = reader.outlooks(learner_ids, tally)
    in_words = wanted.stored or wanted.lines == "full"
    lines: list[str] = []
    gc.disable()  # a part's records are many, and live no longer than the part
    try:
        while page := list(islice(judged, LEARNERS_AT_ONCE)):
            lines += _in_words(reader, page, wanted, tally) if in_words else _in_numbers(reader.model, page, tally)
    finally:
        gc.enable()
    return Done("".join(lines).encode("ascii"), tally)


def _in_numbers(model: StrugglePredictionModel, page: Sequence[Outlook], tally: Tally) -> list[str]:
    vectors = list(chain.from_iterable(each.vectors for each in page))
    judged = list(verdicts(model, vectors))
    _expect(model, vectors, judged, tally)
    given = iter(judged)
    lines: list[str] = []
    for each in page:
        lines += _lines(each, [next(given) for _ in each.vectors], model, tally)
    return lines


def _in_words(reader: BatchReader, page: Sequence[Outlook], wanted: Wanted, tally: Tally) -> list[str]:
    """The lines of whole predictions with factors and reasons, which are also stored where that is wanted."""
    missing = reader.client.missing_sources()
    words = language(wanted.language, wanted.audience)
    lines: list[str] = []
    made: list[Made] = []
    for each, earlier in _with_earlier(reader, page):
        predictions = [reader.model.predict(vector) for vector in each.vectors]
        found = [PlainPrediction(one.probability, one.confidence, *one.interval) for one in predictions]
        _expect(reader.model, each.vectors, found, tally)
        short = _lines(each, found, reader.model, tally)
        lines += short if wanted.lines == "short" else ()
        changes = [
            reader.model.change(earlier.get((each.learner_id, objective_id), ()), vector, prediction)
            for objective_id, vector, prediction in zip(each.objective_ids, each.vectors, predictions)
        ]
        advice = _advice(reader.model, each, predictions, missing, tally)
        mine = [Made(*one) for one in zip(each.occasions, each.vectors, predictions, advice, changes)]
        if wanted.lines == "full":
            lines += (
                json.dumps(reworded(_answer(each, place, one, missing), words), allow_nan=False) + "\n"
                for place, one in enumerate(mine)
            )
        made += (one for one in mine if not one.features.degraded)  # a default estimate is no record
    untracked = [each.learner_id for each in page if not each.tracked]
    if wanted.stored and (made or untracked):
        with open_writer(reader.settings.database_url, schema_path=reader.settings.schema) as writer:
            stored = store(writer, made)
            tally.counts["dismissed"] += dismiss(writer, untracked)
        for name in ("written", "kept", "refused", "indicators"):
            tally.counts[name] += getattr(stored, name)
        tally.failures = (tally.failures + stored.refusals)[:MOST_FAILURES]
    return lines


def _with_earlier(reader: BatchReader, page: Sequence[Outlook]) -> Iterator[tuple[Outlook, Earlier]]:
    """Each learner with what was stored of earlier predictions."""
    for start in range(0, len(page), LEARNERS_WITH_EARLIER):
        few = page[start : start + LEARNERS_WITH_EARLIER]
        earlier = reader.client.read_earlier({(each.learner_id, one) for each in few for one in each.objective_ids})
        yield from ((each, earlier) for each in few)


def _advice(
    model: StrugglePredictionModel,
    judged: Outlook,
    predictions: Sequence[Prediction],
    missing: tuple[str, ...],
    tally: Tally,
) -> list[Sequence[Advice]]:
    """What would help, for each of a learner's predictions."""
    found: list[Sequence[Advice]] = [()] * len(predictions)
    seen = zip(predictions, judged.faced, judged.vectors, judged.unknown)
    try:
        for place, (prediction, history, vector, unknown) in enumerate(seen):
            if prediction.risk_level != "LOW":
                absent = with_unknown(missing, unknown)
                found[place] = model.advise(prediction, history, judged.estimates, vector, absent)
    except Exception as error:  # the predictions themselves are made
        tally.failures.append(f"{judged.learner_id}: what would help cannot be worked out ({place_of(error)})")
    return found


def _answer(judged: Outlook, place: int, made: Made, missing: tuple[str, ...]) -> dict[str, object]:
    """predict.py's whole answer to the learner's objective at that place."""
    occasion, absent = made.occasion, with_unknown(missing, judged.unknown[place])
    ids = occasion.learner_id, occasion.objective_id
    return answer(*ids, made.features, made.prediction, absent, occasion, made.advice, made.change)


def verdicts(model: StrugglePredictionModel, vectors: Sequence[FeatureVector]) -> Iterable[PlainPrediction]:
    """The numbers of model.predict for each vector, by columns for a trained model and one by one for the rules."""
    if model.saved is not None:
        return ManyAtOnce(model.saved).judge(vectors)
    predictions = (model.predict(vector) for vector in vectors)
    return (PlainPrediction(one.probability, one.confidence, *one.interval) for one in predictions)


def _expect(
    model: StrugglePredictionModel, vectors: Sequence[FeatureVector], given: Sequence[PlainPrediction], tally: Tally
) -> None:
    """Adds to the tally what the probabilities say of how many will struggle.

    The rules' were never measured, and an answer from default features is not about its learner: neither says anything.
    """
    if model.saved is None:
        return
    known = [verdict for vector, verdict in zip(vectors, given) if not vector.degraded]
    if not known:
        return
    p, low, high = np.array([(each.probability, each.low, each.high) for each in known]).T
    place = (p >= model.levels.medium_from).astype(int) + (p >= model.levels.high_from)
    for rank, level in enumerate(("LOW", "MEDIUM", "HIGH")):
        here = place == rank
        if here.any():
            tally.expected.setdefault(level, CountSums()).add(CountSums.of(p[here], low[here], high[here]))


def _lines(
    judged: Outlook, given: Sequence[PlainPrediction], model: StrugglePredictionModel, tally: Tally
) -> list[str]:
    """The short lines of one learner, which the tally counts. json.dumps would take ten times as long."""
    if not given:
        return []
    counts = tally.counts
    counts["predictions"] += len(given)
    learner = json.dumps(judged.learner_id)
    ends = f'"model_version": {json.dumps(model.model_version)}, "source": "{model.source}"'
    as_of = iso(judged.vectors[0].extracted_at_ms)
    lines, level_of = [], model.levels.of
    for objective_id, vector, verdict in zip(judged.objective_ids, judged.vectors, given):
        probability, confidence, low, high = verdict
        level = level_of(probability)
        counts[level] += 1
        counts["degraded"] += bool(vector.degraded)
        lines.append(
            f'{{"user_id": {learner}, "objective_id": {json.dumps(objective_id)}, "as_of": "{as_of}", '
            f'"probability": {probability!r}, "confidence": {confidence!r}, "risk_level": "{level}", '
            f'"interval": [{low!r}, {high!r}], {ends}, "degraded": {json.dumps(vector.degraded)}}}\n'
        )
    return lines
