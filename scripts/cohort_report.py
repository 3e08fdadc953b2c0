#!/usr/bin/env python3
"""Reports on a class: `python scripts/cohort_report.py --course ID --html class.html`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Read when numpy is imported: on a busy machine a second thread mostly spins, and costs more than it gains.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from scripts.auditing.audited import audited, tell_audit_log
from scripts.cli.command import as_record, command
from scripts.cli.database_options import database_options
from scripts.cli.exits import UNKNOWN, Usage
from scripts.cli.extras import Extras
from scripts.cli.options import (
    Id,
    as_of_option,
    correct_from_option,
    days_ahead_option,
    json_option,
    learners_option,
    model_option,
    quiet_option,
)
from scripts.cli.output_file import OutputPath, write_whole
from scripts.cohort.options import CohortOptions
from scripts.workers.options import engine_options, names_workers

extras = Extras()
with extras:
    from scripts.cohort.page import page
    from scripts.cohort.run import run
    from scripts.cohort.table import table
    from scripts.cohort.text import in_words
    from scripts.pages.templates import engine

PRIVATE = 0o600


def _names_a_cohort(options: Mapping[str, Any]) -> bool:
    """True; refuses options that make no report before a database is looked for."""
    if (options["course"] is None) == (options["learners"] is None):
        raise Usage("Give either --course or --users: the report is about a course or a list of learners.")
    if options["course"] == "":
        raise Usage("--course is empty.")  # as with a shell's variable that is not set
    return names_workers(options)


@command({0: "the report is made; this includes too few learners for more than a list", UNKNOWN: ""})
@extras.required
@audited(settings=("course", "names"))
@database_options(needed=_names_a_cohort)
@click.option(
    "--course",
    type=Id(),
    metavar="ID",
    help="Report on the learners of this course: its id, or the name that courses share.",
)
@learners_option("--users", "Report on the learners whom FILE names.", default="")
@as_of_option("The moment of the report; nothing later is used.")
@days_ahead_option
@click.option(
    "--weeks",
    type=click.IntRange(1, 520),
    default=8,
    help="How many calendar weeks to look back.",
)
@click.option(
    "--minimum",
    type=click.IntRange(5),
    default=5,
    help="The fewest learners whose figures may be put together.",
)
@click.option("--names", is_flag=True, help="Show the learners' names beside their ids.")
@model_option()
@click.option("--html", type=OutputPath(), metavar="FILE", help="Write the report as one self-contained page.")
@click.option("--csv", type=OutputPath(), metavar="FILE", help="Write the list of whom to look after as a table.")
@correct_from_option()
@engine_options(jobs=1)
@json_option
@quiet_option
@as_record(CohortOptions)
def cohort_report(options: CohortOptions) -> None:
    """Report on a class: whom to look after first, what troubles many, and whether learners are stuck or a card is bad.

    The predictions are those of predict_batch.py. The signs that answers are worse than the predictions explain tell
    what is hard for one learner from a card that may be at fault. Learners who opted out of analytics or of performance
    tracking are left out and counted. The files can be read by you alone (0600). Nothing is written to the database.
    """
    if options.html:
        engine()  # a page that cannot be made is refused before the work
    report = run(options)
    tell_audit_log(learners=report["learners"]["reported"], predictions=report["predictions"]["made"])
    if options.html:
        write_whole(options.html, page(report), most=PRIVATE)
    if options.csv:
        write_whole(options.csv, table(report), most=PRIVATE)
    click.echo(json.dumps(report, allow_nan=False) if options.as_json else in_words(report))


if __name__ == "__main__":
    cohort_report()
