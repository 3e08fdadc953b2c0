#!/usr/bin/env python3
"""Removes what the predictor stored long ago: `python scripts/retention.py --older-than 730 --delete`."""

from __future__ import annotations

import json
import os
import sys

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.writing.open import open_writer
from db.writing.stored_about import old_rows, remove_old_rows
from ml.instants import iso
from ml.study.history import DAY_MS
from scripts.auditing.audited import audited, tell_audit_log
from scripts.cli.command import command, note
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.options import json_option

MOST_DAYS = 36_500


@command({0: "the old rows are counted, or removed where --delete is given"})
@audited(settings=("days", "delete"))
@database_options(
    demo=False, writes=lambda options: bool(options["delete"]), looks_for_env_file=lambda options: not options["delete"]
)
@click.option(
    "--older-than",
    "days",
    required=True,
    type=click.IntRange(1, MOST_DAYS),
    metavar="DAYS",
    help="Rows of predictions that were made more than so many days ago.",
)
@click.option("--delete", is_flag=True, help="Remove the rows. Default: only count them.")
@json_option
def retention(days: int, delete: bool, database_url: str, schema: str | None, as_json: bool) -> None:
    """Count, and with --delete remove, the predictions of long ago with their indicators and feedback.

    The rows are those of the tables that export_learner.py shows, of every learner. Indicators and feedback go with
    their prediction, and also where they are so old themselves. Retraining and monitoring learn from stored outcomes:
    keep at least the period that they look back.
    """
    with open_writer(database_url, schema_path=schema, read_only=not delete) as writer:
        before_ms = writer.now_ms() - days * DAY_MS
        rows = remove_old_rows(writer, before_ms) if delete else old_rows(writer, before_ms)
    tell_audit_log(**rows)
    if as_json:
        click.echo(json.dumps({"made_before": iso(before_ms), "removed": delete, "rows": rows}))
        return
    for table, number in rows.items():
        click.echo(f"{counted(number, 'row')} {'removed from' if delete else 'would be removed from'} {table}")
    if not delete and any(rows.values()):
        note("Nothing is removed yet: --delete removes these rows.")


if __name__ == "__main__":
    retention()
