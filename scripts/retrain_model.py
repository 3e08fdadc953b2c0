#!/usr/bin/env python3
"""Weekly retraining: `python scripts/retrain_model.py --since "7 days ago"`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import db
from ml.instants import iso
from ml.storage.contests import Contest
from ml.storage.registry import Registry
from scripts.auditing.audited import audited
from scripts.cli.command import as_record, command
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.exits import UNDER_WAY, UnderWay, Usage
from scripts.cli.extras import Extras
from scripts.cli.human_times import moment_ms
from scripts.cli.options import as_of_option, correct_from_option, json_option, models_dir_option, target_options
from scripts.training.options import RetrainingOptions
from scripts.workers.options import engine_options, names_workers

if TYPE_CHECKING:
    from scripts.training.retraining import Retraining

extras = Extras()
with extras:
    import dateparser  # noqa: F401 - for --since

    from scripts.labelling.difficulty_upkeep import Upkeep, keep_up_to_date
    from scripts.labelling.part import Extraction
    from scripts.labelling.table_renewal import renew
    from scripts.training.retraining import retrain
    from scripts.training.retraining_start import champion_of
    from scripts.training.target import target_of, told


@command({0: "the challenger is promoted, or it is kept and the reason is printed", UNDER_WAY: ""})
@extras.required
@audited()
@click.option(
    "--since",
    default="7 days ago",
    metavar="TIME",
    help="A new challenger learns from what came before and is compared on what is newer: '7 days ago' or ISO 8601.",
)
@database_options(models=True, looks_for_env_file=lambda options: False, needed=names_workers)
@models_dir_option
@as_of_option("Retrain as if it were then.")
@click.option(
    "--new-challenger",
    is_flag=True,
    help="Train a new challenger, although the last one is still being compared.",
)
@click.option(
    "--count-anew",
    is_flag=True,
    help="Count the kept difficulty tables anew in any case, as is needed after a learner was forgotten.",
)
@target_options
@correct_from_option()
@engine_options(jobs=2)
@json_option
@as_record(RetrainingOptions)
def retrain_model(options: RetrainingOptions) -> None:
    """Train a challenger, compare it week after week, and let it answer once it is proven better than the champion.

    The challenger learns from everything before --since: the learners' history, and stored predictions whose outcome is
    known (from record_outcomes.py or from the learner), with the features that they had then. Champion and challenger
    are compared on what came after both trainings. The challenger is promoted only when it is proven better. Otherwise
    the champion goes on answering, and the next runs compare the same challenger on all that has come since, until it
    is promoted or given up; --since then matters no more. All challengers of a year together have a chance of at most 5
    % of being promoted without being better. Where too few visits came after --since for any proof, nothing is trained.
    Degraded predictions are never trained on, nor are those after which somebody intervened.

    Where answers have been removed from the database, the difficulty tables are counted again without them: that of the
    model that answers, and that of the model to which a rollback returns. With --count-anew this is done in any
    case.

    The table from which predictions as of now take the difficulties is counted from the beginning, whatever was
    promoted, as soon as there are 100 answers. Between two runs, predict_batch.py adds to it what is new.
    """
    done, renewed, upkeep = _retrained(options)
    if options.as_json:
        difficulties = None if upkeep is None else upkeep.to_dict()
        click.echo(json.dumps({**done.to_dict(), "renewed": renewed, "difficulties": difficulties}))
    else:
        click.echo("\n".join(_told(done, renewed, upkeep, options.models_dir)))


def _retrained(options: RetrainingOptions) -> tuple[Retraining, dict[str, str], Upkeep | None]:
    """One round under the registry's lock: what was done, {old version: new version} of tables counted anew, and the
    table for predictions as of now."""
    registry = Registry(options.models_dir)
    try:
        with registry.locked(wait=False), db.connect(options.database_url, schema_path=options.schema) as client:
            now_ms = client.now() if options.as_of_ms is None else options.as_of_ms
            everything = Extraction(
                options.database_url, options.schema, now_ms, None, correct_from=options.correct_from
            )
            since_ms = _since_ms(options.since, now_ms)
            target = target_of(options.models_dir, options.target_recall, options.capacity)
            done = retrain(client, registry, since_ms, everything, options.workers, target, options.new_challenger)
            fresh = done.version if done.trained else None
            renewed = renew(client, registry, now_ms, fresh, every=options.count_anew)
            model = champion_of(registry, options.correct_from)
            return done, renewed, keep_up_to_date(client, registry, model, now_ms, whole=True)
    except BlockingIOError:
        raise UnderWay(f"Another retraining holds the lock of {options.models_dir}.") from None


def _since_ms(since: str, now_ms: int) -> int:
    try:
        since_ms = moment_ms(since, now_ms)
    except ValueError as error:
        raise Usage(f"--since: {error}.") from None
    if since_ms >= now_ms:
        raise Usage(f"--since {since!r} is not in the past.")
    return since_ms


def _told(done: Retraining, renewed: Mapping[str, str], upkeep: Upkeep | None, models_dir: str) -> list[str]:
    """The lines for people."""
    left_out = ", ".join(f"{number:,} ({why})" for why, number in done.left_out.items()) or "none"
    checks = done.verdict.checks if done.verdict else ()
    return [
        f"{done.version or 'no new version'}: {done.note}",
        f"trained on {counted(done.trained_on, 'example')}, judged on {counted(done.judged_on, 'newer one')};"
        f" left out: {left_out}",
        *([told(models_dir, done.point)] if done.point else []),
        *([] if done.contest is None else [_compared(done.contest)]),
        *(f"{new} takes the place of {old}: its learners' history has changed" for old, new in renewed.items()),
        *([] if upkeep is None else [upkeep.sentence()]),
        *(f"  {'pass' if check.passed else 'FAIL'}  {check.name}: {check.sentence}" for check in checks),
    ]


def _compared(contest: Contest) -> str:
    """Who is compared since when, and what chance of error it has."""
    return (
        f"compared with {contest.champion} on what came since {iso(contest.since_ms)}; chance of a promotion without"
        f" being better, over all looks: at most {contest.error:.2%}"
    )


if __name__ == "__main__":
    retrain_model()
