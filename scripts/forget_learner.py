#!/usr/bin/env python3
"""Removes what the predictor has stored about a learner: `python scripts/forget_learner.py USER_ID`."""

from __future__ import annotations

import json
import os
import sys

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.writing.open import open_writer
from db.writing.stored_about import remove_rows_about
from ml.storage.registry import STATE, Registry
from scripts.auditing.audited import audited, tell_audit_log
from scripts.cli.command import command
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.options import Id, json_option, models_dir_option


@command({0: "everything that was found is removed"})
@click.argument("user_id", type=Id())
@audited(learner="user_id")
@database_options(writes=lambda options: True, looks_for_env_file=lambda options: False)
@models_dir_option
@json_option
def forget_learner(user_id: str, database_url: str, schema: str | None, models_dir: str, as_json: bool) -> None:
    """Remove the predictions, indicators and feedback of the learner USER_ID: what export_learner.py shows.

    The learner's rows in the platform's own tables (users, reviews, ...) must be erased by the app. Models hold
    weights, not learners. The difficulty tables of a deployment count the learner's answers until the app has erased
    them and you have run `retrain_model.py --count-anew` and then `models.py prune --keep 0`. What is kept beside the
    models to bring a table up to date names learners; it is removed, and the next update counts everything anew. No
    examples are cached
    anywhere else. Files that you had the commands write (predict_batch.py --output, evaluate_model.py --predictions,
    monitor.py --html and --json, cohort_report.py --html, --csv and --json, export_history.py --output,
    explain_model.py --learner) may contain the learner's rows; remove them yourself.

    An audit log keeps its lines on the learner, under a keyed hash, as the proof that the rows were removed.
    """
    if not user_id:
        raise click.UsageError("USER_ID is empty.")  # as with a shell's variable that is not set
    with open_writer(database_url, schema_path=schema) as writer:
        removed = remove_rows_about(writer, user_id)
    tell_audit_log(**removed)
    if os.path.lexists(os.path.join(models_dir, STATE)):
        registry = Registry(models_dir)
        with registry.locked():
            registry.forget_state()
    if as_json:
        click.echo(json.dumps({"user_id": user_id, "removed": removed}))
        return
    for table, rows in removed.items():
        click.echo(f"{counted(rows, 'row')} removed from {table}")
    if not any(removed.values()):
        click.echo("This id is unknown: no prediction, indicator or feedback was stored under it.", err=True)
    click.echo(
        "The learner's answers stay in the counts of difficulty tables. Once the app has erased the answers, run:\n"
        "  python scripts/retrain_model.py --count-anew\n"
        "  python scripts/models.py prune --keep 0\n"
        "Files that you had written may contain the learner's rows: what predict_batch.py --output,"
        " evaluate_model.py --predictions, monitor.py --html and --json, cohort_report.py --html, --csv and --json,"
        " export_history.py --output, and explain_model.py --learner wrote.",
        err=True,
    )


if __name__ == "__main__":
    forget_learner()
