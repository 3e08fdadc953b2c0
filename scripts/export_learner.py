#!/usr/bin/env python3
"""Shows what the predictor has stored about a learner: `python scripts/export_learner.py USER_ID`."""

from __future__ import annotations

import json
import os
import sys

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.writing.open import open_writer
from scripts.auditing.about import actions_on
from scripts.auditing.audited import audited, log_path, tell_audit_log, this_run
from scripts.cli.command import command, note
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.extras import Extras
from scripts.cli.options import Id
from scripts.cli.output_file import OutputPath, write_whole
from scripts.exporting.learner import exported
from scripts.exporting.learner_page import page


@command({0: "everything that was found is shown"})
@Extras().required
@click.argument("user_id", type=Id())
@audited(learner="user_id")
@database_options()
@click.option(
    "--html", type=OutputPath(), metavar="FILE.html", help="Write a page for people to FILE.html as well (extra train)."
)
def export_learner(user_id: str, database_url: str, schema: str | None, html: str | None) -> None:
    """Print what the predictor has stored about the learner USER_ID, as one JSON object.

    It holds the predictions with their reasons in words and their models' versions, the indicators, and the feedback:
    exactly the rows that forget_learner.py removes. With --audit-log it also says which commands were run on the
    learner, when, and how they ended; not by whom, which audit_log.py says. Nothing is written to the database. The
    learner's rows in the platform's own tables (users, reviews, ...) are the app's to export.
    """
    if not user_id:
        raise Usage("USER_ID is empty.")  # as with a shell's variable that is not set
    with open_writer(database_url, schema_path=schema, read_only=True) as writer:
        export = exported(writer, user_id)
    tell_audit_log(**export["rows"])
    log = log_path()
    export["actions"] = None if log is None else actions_on(log, user_id, this_run())
    if html is not None:
        write_whole(html, page(export))
    click.echo(json.dumps(export, indent=2, allow_nan=False))
    if not any(export["rows"].values()):
        note("This id is unknown: no prediction, indicator or feedback is stored under it.")


if __name__ == "__main__":
    export_learner()
