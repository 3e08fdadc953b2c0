#!/usr/bin/env python3
"""What became of stored predictions: `python scripts/record_outcomes.py [--dry-run]`.

A PENDING prediction is decided once its learner has studied the objective since: the first visit that the platform's
definition can judge, or, where answers trickle in over several short visits, the first five of them together. A
learner's own answer (prediction_feedbacks.actualStruggle, where the app has that table) outranks both, also after the
fact. Run it as often as you like: what is decided stays, unless the learner says otherwise.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import db
from db.errors import DatabaseError
from db.rows import LearnerRows
from db.writing import Writer, open_writer
from ml.errors import InvalidFeatures
from ml.instants import parse_iso
from ml.visits import FEWEST_ANSWERS, Visit, is_correct, visits_of
from scripts.database_options import database_options
from scripts.refusal import USAGE, Refused, of_database

SAID_FROM = 0.5
"""A probability from which a prediction counts as having said that the learner will struggle."""
LEARNERS_AT_ONCE = 500
STATUS = {
    (True, True): "CONFIRMED",
    (True, False): "FALSE_POSITIVE",
    (False, True): "MISSED",
    (False, False): "RESOLVED",
}
_DECIDED = frozenset(STATUS.values())
_FIELDS = (
    "id",
    "userId",
    "learningObjectiveId",
    "predictedStruggleProbability",
    "predictionStatus",
    "predictedAt",
    "actualOutcome",
)


class Stored(NamedTuple):
    """A stored prediction, as far as its outcome needs it."""

    id: str
    learner_id: str
    objective_id: str
    probability: float
    status: str
    predicted_at_ms: int
    outcome: bool | None


class Decision(NamedTuple):
    """What a prediction's outcome turned out to be, and by whose word: "answers", "validation" or "learner"."""

    prediction: Stored
    struggled: bool
    by: str

    @property
    def status(self) -> str:
        """Said and came, said and did not come, and so on."""
        return STATUS[self.prediction.probability >= SAID_FROM, self.struggled]


def outcome_of(rows: LearnerRows, objective_id: str, predicted_at_ms: int, now_ms: int) -> tuple[bool, str] | None:
    """(struggled, by) of what the learner did on the objective in [predicted_at, now), or None while it is open."""
    since = [
        review
        for review in rows.reviews
        if review.objective_id == objective_id and predicted_at_ms <= review.reviewed_at_ms < now_ms
    ]
    prompts = [
        validation
        for validation in rows.validations
        if validation.objective_id == objective_id and predicted_at_ms <= validation.responded_at_ms < now_ms
    ]
    for visit in visits_of(since, prompts):
        struggled = visit.struggled()
        if struggled is not None:
            return struggled, "validation" if visit.scores else "answers"
    if len(since) < FEWEST_ANSWERS:
        return None
    together = Visit(objective_id, since[0].reviewed_at_ms, repeat=False)
    together.answers = len(since)
    first = since[:5]
    together.judged, together.wrong = len(first), sum(not is_correct(review.rating) for review in first)
    return bool(together.struggled()), "answers"


def decisions(
    predictions: Sequence[Stored], words: Mapping[str, bool], learners: Mapping[str, LearnerRows], now_ms: int
) -> Iterator[Decision]:
    """What is newly known of these predictions; `words` holds what learners said, by prediction id."""
    for prediction in predictions:
        word = words.get(prediction.id)
        if word is not None:
            decided = prediction.status in _DECIDED and prediction.outcome == word
            if not decided and prediction.status in _DECIDED | {"PENDING"}:
                yield Decision(prediction, word, "learner")
        elif prediction.status == "PENDING" and prediction.learner_id in learners:
            found = outcome_of(
                learners[prediction.learner_id], prediction.objective_id, prediction.predicted_at_ms, now_ms
            )
            if found is not None:
                yield Decision(prediction, *found)


def _learners_concerned(writer: Writer) -> list[str]:
    """Learners with a prediction still open, or with a word on one that was decided otherwise."""
    if not writer.has("StrugglePrediction"):
        return []
    open_ids = {
        str(row[0]) for row in writer.select("StrugglePrediction", ("userId",), "predictionStatus", ["PENDING"])
    }
    if writer.has("PredictionFeedback"):
        open_ids |= {str(row[0]) for row in writer.select("PredictionFeedback", ("userId",))}
    return sorted(open_ids)


def _stored(writer: Writer, learner_ids: Sequence[str]) -> list[Stored]:
    found = []
    for row in writer.select("StrugglePrediction", _FIELDS, "userId", learner_ids):
        identifier, learner, objective, probability, status, at_ms, outcome = row
        if isinstance(at_ms, int) and isinstance(probability, (int, float)):
            known = None if outcome is None else bool(outcome)
            found.append(Stored(str(identifier), str(learner), str(objective), probability, str(status), at_ms, known))
    return found


def _words(writer: Writer, predictions: Sequence[Stored], now_ms: int) -> dict[str, bool]:
    """Of several answers of a learner on one prediction, the last; none where the app keeps no such table."""
    if not writer.has("PredictionFeedback"):
        return {}
    fields = ("predictionId", "actualStruggle", "submittedAt")
    ids = [prediction.id for prediction in predictions]
    said = writer.select("PredictionFeedback", fields, "predictionId", ids)
    heard = sorted(
        (at, str(identifier), bool(word)) for identifier, word, at in said if word is not None and at is not None
    )
    return {identifier: word for at, identifier, word in heard if at < now_ms}  # type: ignore[operator]


def record(url: str, schema: str | None, now_ms: int | None, dry_run: bool, quiet: bool) -> Counter[str]:
    """Decides what can be decided, page by page of learners, each page kept as it is done; counts by status."""
    counts: Counter[str] = Counter()
    with db.connect(url, schema_path=schema) as client, open_writer(url, schema_path=schema) as writer:
        now = client.now() if now_ms is None else now_ms
        concerned = _learners_concerned(writer)
        writer.commit()
        pages = [concerned[start : start + LEARNERS_AT_ONCE] for start in range(0, len(concerned), LEARNERS_AT_ONCE)]
        for page in _shown(pages, quiet):
            predictions = _stored(writer, page)
            words = _words(writer, predictions, now)
            writer.commit()  # reading the histories takes long; meanwhile the writer is in no transaction
            pending = {each.learner_id for each in predictions if each.status == "PENDING"}
            learners = {rows.learner.id: rows for rows in client.stream_learners(now, None, sorted(pending))}
            for decision in decisions(predictions, words, learners, now):
                counts[decision.status] += 1
                counts[f"by {decision.by}"] += 1
                if not dry_run:
                    writer.update(
                        "StrugglePrediction",
                        decision.prediction.id,
                        actualOutcome=decision.struggled,
                        actualOutcomeRecordedAt=now,
                        predictionStatus=decision.status,
                    )
            writer.commit()
            counts["still open"] += sum(each.status == "PENDING" for each in predictions)
        counts["still open"] -= sum(counts[status] for status in _DECIDED)
    counts["still open"] = max(0, counts["still open"])
    return counts


def _shown(pages: Sequence[Sequence[str]], quiet: bool) -> Iterator[Sequence[str]]:
    """The same pages, with a progress bar on stderr unless it is to be quiet."""
    if quiet:
        yield from pages
        return
    with click.progressbar(pages, label="outcomes", file=sys.stderr) as bar:
        yield from bar


@click.command(help=__doc__.partition("\n\n")[2])
@database_options(writes=lambda options: True)
@click.option("--as-of", metavar="ISO", help="Decide by what had happened by then. Default: now.")
@click.option("--dry-run", is_flag=True, help="Say what would be recorded; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def record_outcomes(database_url: str, schema: str | None, as_of: str | None, dry_run: bool, as_json: bool) -> None:
    try:
        now_ms = None if as_of is None else parse_iso(as_of)
        counts = record(database_url, schema, now_ms, dry_run, quiet=as_json or not sys.stderr.isatty())
    except InvalidFeatures as error:
        raise Refused(str(error), USAGE) from None
    except DatabaseError as error:
        raise of_database(error) from None
    recorded = {
        name: counts[name] for name in (*STATUS.values(), "by answers", "by validation", "by learner", "still open")
    }
    if as_json:
        click.echo(
            json.dumps({"dry_run": dry_run, **{name.replace(" ", "_").lower(): n for name, n in recorded.items()}})
        )
        return
    click.echo("Nothing is written (--dry-run)." if dry_run else "Recorded.")
    for name, number in recorded.items():
        click.echo(f"{number:8d}  {name}")


if __name__ == "__main__":
    record_outcomes()
