#!/usr/bin/env python3
"""Records the outcomes of stored predictions: `python scripts/record_outcomes.py [--dry-run]`."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import db
from db.writing.open import Writer, open_writer
from ml.study.correctness import GOOD
from ml.study.outcome_mark import APP, marked
from scripts.batch.store import dismiss
from scripts.cli.command import command
from scripts.cli.database_options import database_options
from scripts.cli.options import as_of_option, correct_from_option, json_option, quiet_option
from scripts.cli.progress import shown
from scripts.labelling.outcome_rules import (
    DECIDED,
    STATUS,
    Decision,
    StoredPrediction,
    decided_again,
    decisions,
    to_decide_again,
)

LEARNERS_AT_ONCE = 500
_FIELDS = (
    "id",
    "userId",
    "learningObjectiveId",
    "predictedStruggleProbability",
    "predictionStatus",
    "predictedAt",
    "actualOutcome",
    "actualOutcomeRecordedAt",
)


def _learners_concerned(writer: Writer, again: bool) -> list[str]:
    """Learners with a prediction still open, or with a word on one that was decided otherwise; again: decided ones."""
    if not writer.has("StrugglePrediction"):
        return []
    statuses = ["PENDING", *(sorted(DECIDED) if again else ())]
    ids = {str(row[0]) for row in writer.select("StrugglePrediction", ("userId",), "predictionStatus", statuses)}
    if writer.has("PredictionFeedback"):
        ids |= {str(row[0]) for row in writer.select("PredictionFeedback", ("userId",))}
    return sorted(ids)


def _stored(writer: Writer, learner_ids: Sequence[str], again: bool) -> list[StoredPrediction]:
    """Their predictions; the features, which are the larger part of a row, only where outcomes are decided again."""
    found = []
    fields = (*_FIELDS, "featureVector") if again else _FIELDS
    for row in writer.select("StrugglePrediction", fields, "userId", learner_ids):
        identifier, learner, objective, probability, status, at_ms, outcome, recorded, *features = row
        if isinstance(at_ms, int) and isinstance(probability, (int, float)):
            known = None if outcome is None else bool(outcome)
            recorded_ms = recorded if isinstance(recorded, int) else None
            place = str(identifier), str(learner), str(objective)
            found.append(StoredPrediction(*place, probability, str(status), at_ms, known, recorded_ms, *features))
    return found


def _untracked(writer: Writer, learner_ids: Sequence[str]) -> set[str]:
    """Those who have switched performance tracking off: what becomes of their predictions is nobody's business."""
    if "performanceTrackingEnabled" not in writer.columns("User"):
        return set()
    fields = ("id", "performanceTrackingEnabled")
    return {str(learner) for learner, tracked in writer.select("User", fields, "id", learner_ids) if tracked is False}


def _words(writer: Writer, predictions: Sequence[StoredPrediction], now_ms: int) -> dict[str, bool]:
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


def record(
    url: str,
    schema: str | None,
    now_ms: int | None,
    dry_run: bool,
    quiet: bool,
    correct_from: str = GOOD,
    again: bool = False,
) -> Counter[str]:
    """Decides what can be decided, and commits after each page of learners; returns counts by status.

    again: whether outcomes decided by another rule than correct_from's are decided again.
    """
    counts: Counter[str] = Counter()
    with db.connect(url, schema_path=schema) as client, open_writer(url, schema_path=schema) as writer:
        now = client.now() if now_ms is None else now_ms
        concerned = _learners_concerned(writer, again)
        writer.commit()
        pages = [concerned[start : start + LEARNERS_AT_ONCE] for start in range(0, len(concerned), LEARNERS_AT_ONCE)]
        for page in shown(pages, "outcomes", len(pages), quiet):
            untracked = _untracked(writer, page)
            if not dry_run:
                counts["dismissed"] += dismiss(writer, sorted(untracked))
            predictions = [each for each in _stored(writer, page, again) if each.learner_id not in untracked]
            words = _words(writer, predictions, now)
            writer.commit()  # reading the histories takes long; meanwhile the writer is in no transaction
            older = to_decide_again(predictions, words, correct_from) if again else []
            asked = {each.learner_id for each in predictions if each.status == "PENDING"}
            asked.update(each.learner_id for each in older)
            learners = {rows.learner.id: rows for rows in client.stream_learners(now, None, sorted(asked))}
            new = list(decisions(predictions, words, learners, now, correct_from))
            for decision in new:
                counts[decision.status] += 1
                counts[f"by {decision.by}"] += 1
            judged = [
                decided_again(each, learners[each.learner_id], now, correct_from)
                for each in older
                if each.learner_id in learners
            ]
            second = [decision for decision in judged if decision is not None]
            counts["judged again"] += len(second)
            counts["changed"] += sum(decision.struggled != decision.prediction.outcome for decision in second)
            if not dry_run:
                _write(writer, new, second, now, correct_from)
            writer.commit()
            counts["still open"] += sum(each.status == "PENDING" for each in predictions)
        counts["still open"] -= sum(counts[status] for status in DECIDED)
    counts["still open"] = max(0, counts["still open"])
    return counts


def _write(writer: Writer, new: Sequence[Decision], second: Sequence[Decision], now: int, correct_from: str) -> None:
    """Each decision into its row, with the mark that says by what rule. One made again keeps its date: no prediction
    of the past may learn of an outcome later, or earlier, than it was known."""
    ids = [decision.prediction.id for decision in (*new, *second)]
    stored = writer.select("StrugglePrediction", ("id", "featureVector"), "id", ids)
    features = {str(identifier): found for identifier, found in stored}
    for place, decision in enumerate((*new, *second)):
        identifier = decision.prediction.id
        values: dict[str, object] = {"actualOutcome": decision.struggled, "predictionStatus": decision.status}
        if (place < len(new) and decision.by != APP) or decision.prediction.recorded_at_ms is None:
            values["actualOutcomeRecordedAt"] = now
        seen = features.get(identifier)
        if seen is None or isinstance(seen, dict):
            values["featureVector"] = marked(seen, decision.by, correct_from, decision.struggled, decision.visit_ms)
        writer.update("StrugglePrediction", identifier, **values)


@command({0: "what can be decided is decided"})
@database_options(writes=lambda options: True)
@as_of_option("Decide by what had happened by then.")
@click.option("--again", is_flag=True, help="Decide again what was decided by another rule.")
@correct_from_option()
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, and write nothing.")
@json_option
@quiet_option
def record_outcomes(
    database_url: str,
    schema: str | None,
    as_of_ms: int | None,
    again: bool,
    correct_from: str,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Record the outcomes of stored predictions, from what their learners did afterwards.

    A PENDING prediction is decided once its learner has studied the objective: by the first visit that the platform's
    definition can judge, or, where answers come in several short visits, by the first five of them together. The
    learner's own answer (prediction_feedbacks.actualStruggle, where the app has that table) takes precedence, also
    afterwards.

    Run the command as often as you like: a decided outcome stays, unless the learner says otherwise. With --again,
    outcomes that were decided by another rule than today's (before GOOD was the lowest correct grade, or under the
    other --correct-from) are decided again from the same answers, and learners' own answers stay. Open predictions of
    learners who have switched performance tracking off are dismissed.
    """
    counts = record(database_url, schema, as_of_ms, dry_run, quiet or as_json, correct_from, again)
    names = (*STATUS.values(), "by answers", "by validation", "by learner", "by app", "still open", "dismissed")
    recorded = {name: counts[name] for name in (*names, *(("judged again", "changed") if again else ()))}
    if as_json:
        told = {name.replace(" ", "_").lower(): n for name, n in recorded.items()}
        click.echo(json.dumps({"dry_run": dry_run, "correct_from": correct_from, **told}))
        return
    rule = f"Answers are correct from {correct_from}."
    click.echo(f"Nothing is written (--dry-run). {rule}" if dry_run else f"Recorded. {rule}")
    for name, number in recorded.items():
        click.echo(f"{number:8,d}  {name}")


if __name__ == "__main__":
    record_outcomes()
