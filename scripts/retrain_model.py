#!/usr/bin/env python3
"""Weekly retraining: `python scripts/retrain_model.py --since "7 days ago"`.

The challenger learns from everything before --since: the learners' history, and stored predictions whose outcome is
known (scripts/record_outcomes.py, or the learner's own word), with their features as they were seen. Champion and
challenger are then compared on what came after both trainings. The challenger is promoted only when it is proven
better; else it is kept as a version, and the champion answers on. Degraded predictions never train, nor do those
after which somebody intervened. Where answers have gone from the database since, the difficulty tables of the model
that answers then and of the one that a rollback returns to are counted anew without them; --count-anew does so
whatever has changed.

Exit codes: 0 promoted, or kept and why; 2 usage; 69 database unreachable; 75 another retraining is under way; 78
configuration.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import db
from db import decoded, stored_predictions
from db.client import Client
from db.errors import DatabaseError
from ml.errors import ModelNotFound, ModelRefused, NotEnoughExamples
from ml.instants import iso
from ml.model import StrugglePredictionModel, suited
from ml.places import CURRENT, shipped
from ml.scoring import rules
from ml.scoring.prediction import risk_level
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files
from ml.storage.registry import Registry
from ml.study.outcome_mark import in_force
from ml.study.visits import PERFORMANCE_BELOW
from scripts.cli.correct_option import correct_from_option
from scripts.cli.database_options import database_options
from scripts.cli.exits import CONFIGURATION, UNAVAILABLE, USAGE, ExtraMissing, Refused, of_database
from scripts.cli.extras import Extras
from scripts.cli.model_options import models_dir_option
from scripts.workers.backends import Workers, WorkersLost
from scripts.workers.options import engine_options, names_workers, workers_of

extras = Extras()
with extras:
    import numpy as np
    import numpy.typing as npt

    from ml.evaluation.promotion import Verdict, decide
    from ml.evaluation.slices import history_band
    from ml.training.examples import ExampleSet, vector_of
    from ml.training.model_card import answers_of
    from ml.training.prior import adapt
    from ml.training.stored_outcomes import TEACHING, StoredOutcome, usable, with_stored
    from ml.training.tables import Additive
    from scripts.cli.human_times import moment_ms
    from scripts.labelling.history import build_table, read_examples
    from scripts.labelling.part import Extraction
    from scripts.labelling.table_renewal import renew

UNDER_WAY = 75
FORETOLD_WITHIN_MS = 14 * 24 * 3_600_000
"""A stored prediction and the visit it was about are one example when the visit began this soon after."""


class Retraining(NamedTuple):
    """What was done: version is the challenger's name (None where none was trained), note why."""

    version: str | None
    verdict: Verdict | None
    note: str
    trained_on: int
    judged_on: int
    left_out: dict[str, int]

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        found = self._asdict()
        found["verdict"] = self.verdict.to_dict() if self.verdict else None
        found["promoted"] = bool(self.verdict and self.verdict.promote)
        return found


def retrain(client: Client, registry: Registry, since_ms: int, everything: Extraction, workers: Workers) -> Retraining:
    """One round; the caller holds the registry's lock. Raises ModelRefused where the champion's file is damaged.

    everything: the platform until now, labelled as the platform does; the prior may label otherwise.
    """
    now_ms, correct_from = everything.until_ms, everything.correct_from
    champion = _champion(registry, correct_from)
    prior = suited(shipped(), correct_from)
    until_ms = champion.saved.until_ms if champion.saved is not None else None
    start_ms = max(since_ms, until_ms or 0)  # what is judged is newer than both trainings
    below = None if abs(prior.struggle_below - PERFORMANCE_BELOW) < 1e-9 else prior.struggle_below
    stored = usable(stored_outcomes(client, now_ms, correct_from))
    left_out = dict(stored.left_out)

    def seen_with(table: str | None) -> ExampleSet:
        history = read_examples(client, everything._replace(struggle_below=below), table, None, workers)
        return with_stored(history, stored, FORETOLD_WITHIN_MS)

    with atomic_files.workshop(registry.directory) as at:
        table = os.path.join(at, "difficulty")
        size = build_table(client, table, start_ms, None, below, correct_from)
        examples = seen_with(table)
        older, newer = examples.select(examples.as_of_ms < start_ms), examples.select(examples.as_of_ms >= start_ms)
        learners = len(set(older.learner.tolist()))
        sentence = f"{len(older)} visits of {learners} learners of this platform before {iso(start_ms)}"
        try:
            y = older.y.astype(float)
            fitted = adapt(
                *(prior, older.X, y, older.learner, "challenger", [sentence], prior.struggle_below),
                correct_from=correct_from,
            )
        except NotEnoughExamples as refusal:
            return Retraining(None, None, str(refusal), len(older), len(newer), left_out)
        with open(table, "rb") as file:
            difficulty = registry.add_difficulty(file.read())
    known = champion.difficulty
    as_champion_saw_them = seen_with(known.path if known else None).select(examples.as_of_ms >= start_ms)
    verdict = _judge(champion, fitted.saved, newer, as_champion_saw_them)
    card = {
        "correct_from": correct_from,
        "sources": list(fitted.saved.sources),
        "difficulty": size._asdict(),
        "trained_on": len(older),
        "judged_on": len(newer),
        "left_out": left_out,
        "examples": TEACHING,
        "champion": champion.model_version,
        "verdict": verdict.to_dict(),
        "use": "advisory only",
    }
    version = registry.add(_dated(fitted.saved, start_ms, difficulty), iso(now_ms)[:10], card)
    if verdict.promote:
        registry.promote(version, iso(now_ms), f"retraining: {verdict.checks[1].sentence}")
    return Retraining(version, verdict, verdict.outcome, len(older), len(newer), left_out)


def _champion(registry: Registry, correct_from: str) -> StrugglePredictionModel:
    """The model that answers; in a directory without any, the shipped one, which answers until the first training."""
    try:
        return StrugglePredictionModel.load(os.path.join(registry.directory, CURRENT), correct_from)
    except ModelNotFound:
        return StrugglePredictionModel.load(shipped(), correct_from)


def stored_outcomes(client: Client, now_ms: int, correct_from: str) -> Iterator[StoredOutcome]:
    """Stored predictions whose outcome is known (the learner's own word outranks the recorded one), or intervened."""
    left = stored_predictions.opted_out(client)
    for batch in stored_predictions.stream_predictions(client, 0, now_ms):
        for prediction in batch:
            known = prediction.struggled is not None or prediction.intervened
            if known and prediction.learner_id not in left:
                features = decoded(prediction.features)
                yield StoredOutcome(
                    prediction.learner_id,
                    prediction.objective_id,
                    prediction.predicted_at_ms,
                    prediction.struggled,
                    prediction.intervened,
                    features,
                    prediction.said or in_force(features, correct_from, prediction.struggled),
                )


def _judge(
    champion: StrugglePredictionModel, challenger: SavedModel, newer: ExampleSet, as_champion_saw_them: ExampleSet
) -> Verdict:
    """Each model on the newer examples, with its own knowledge of objectives; the rules see what the champion saw."""
    rules_said = [rules.predict(vector_of(row, at)) for row, at in zip(as_champion_saw_them.X, newer.as_of_ms.tolist())]
    by_rules = np.array([prediction.probability for prediction in rules_said])
    before = by_rules if champion.saved is None else _probabilities(champion.saved, as_champion_saw_them)
    groups: dict[str, list[object]] = {
        "answers of history": [history_band(answers) for answers in answers_of(newer.X)],
        "risk level": [risk_level(probability) for probability in before.tolist()],
    }
    return decide(newer.y, before, _probabilities(challenger, newer), by_rules, newer.learner, groups)


def _probabilities(saved: SavedModel, examples: ExampleSet) -> npt.NDArray[np.float64]:
    return Additive.of(saved.scorecard).probabilities(examples.X)


def _dated(saved: SavedModel, until_ms: int, difficulty: tuple[str, str]) -> SavedModel:
    return SavedModel(
        *(saved.model_version, saved.scorecard, saved.sources, saved.figures, saved.struggle_below),
        *(until_ms, difficulty, saved.correct_from),
    )


@click.command(help=__doc__.partition("\n\n")[2])
@extras.required
@click.option("--since", default="7 days ago", show_default=True, help="Any human or ISO time; what is newer judges.")
@database_options(models=True, looks_for_env_file=lambda options: False, needed=names_workers)
@models_dir_option
@click.option("--as-of", metavar="ISO", help="Retrain as if it were then. Default: the database's now.")
@click.option(
    "--count-anew", is_flag=True, help="Count kept tables anew for certain, as is needed after a learner was forgotten."
)
@correct_from_option
@engine_options(jobs=2)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def retrain_model(
    since: str,
    database_url: str,
    schema: str | None,
    models_dir: str,
    as_of: str | None,
    count_anew: bool,
    correct_from: str,
    as_json: bool,
    **engine: Any,
) -> None:
    workers = workers_of(**engine)
    registry = Registry(models_dir)
    try:
        with registry.locked(wait=False), db.connect(database_url, schema_path=schema) as client:
            now_ms = client.now() if as_of is None else moment_ms(as_of, client.now())
            since_ms = moment_ms(since, now_ms)
            if since_ms >= now_ms:
                raise Refused(f"--since {since!r} does not lie in the past", USAGE)
            everything = Extraction(database_url, schema, now_ms, None, correct_from=correct_from)
            done = retrain(client, registry, since_ms, everything, workers)
            renewed = renew(client, registry, now_ms, done.version, every=count_anew)
    except BlockingIOError:
        raise Refused(f"another retraining holds the lock of {models_dir}", UNDER_WAY) from None
    except ValueError as error:
        raise Refused(str(error), USAGE) from None
    except WorkersLost as error:
        raise Refused(str(error), UNAVAILABLE) from None
    except (ExtraMissing, ModelNotFound, ModelRefused) as error:
        raise Refused(str(error), CONFIGURATION) from None
    except DatabaseError as error:
        raise of_database(error) from None
    if as_json:
        click.echo(json.dumps({**done.to_dict(), "renewed": renewed}))
        return
    click.echo(f"{done.version or 'no new version'}: {done.note}")
    left_out = ", ".join(f"{number} ({why})" for why, number in done.left_out.items()) or "none"
    click.echo(f"trained on {done.trained_on} examples, judged on {done.judged_on} newer ones; left out: {left_out}")
    for before, after in renewed.items():
        click.echo(f"{after} takes the place of {before}: its learners' history has changed")
    for check in done.verdict.checks if done.verdict else ():
        click.echo(f"  {'pass' if check.passed else 'FAIL'}  {check.name}: {check.sentence}")


if __name__ == "__main__":
    retrain_model()
