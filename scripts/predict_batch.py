#!/usr/bin/env python3
"""Predicts every learner's upcoming objectives: `python scripts/predict_batch.py --output tonight.jsonl [--store]`.

The probabilities are predict.py's, but each learner's history is read once for all objectives ahead. Work is divided
into ranges of learners that any process can repeat: after an interruption, the same command continues where it stopped.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from ml.storage.levels_file import MOST_CAPACITY
from scripts.auditing.audited import audited
from scripts.batch.options import PARQUET, BatchOptions
from scripts.cli.command import as_record, command
from scripts.cli.database_options import database_options
from scripts.cli.exits import UNKNOWN, Interrupted, Unavailable, Usage
from scripts.cli.extras import Extras
from scripts.cli.options import (
    as_of_option,
    correct_from_option,
    days_ahead_option,
    json_option,
    learners_option,
    model_option,
    quiet_option,
    words_options,
)
from scripts.cli.output_file import OutputPath
from scripts.workers.options import engine_options, names_workers

extras = Extras()
with extras:
    from scripts.batch.output import is_unfinished
    from scripts.batch.run import CONTINUED_FOR_MS, run
    from scripts.batch.summary import in_words
    from scripts.labelling.difficulty_nightly import keep_up_to_date_before

LEARNERS_OF_A_PART = 250


def _makes_a_batch(options: Mapping[str, Any]) -> bool:
    """True; refuses options that make no batch before a database is looked for."""
    output = options["output"] or ""
    if options["full"] and output.endswith(PARQUET):
        raise Usage("--full writes JSON lines: give --output a name that ends in .jsonl.")
    if options["capacity"] and options["store"] and not output:
        raise Usage("--capacity flags lines, and --store alone writes none: give --output as well.")
    if options["as_json"] and not (output or options["store"]):
        raise Usage("--json needs --output or --store: stdout holds the predictions otherwise.")
    return names_workers(options)


@command({0: "every prediction was made", UNKNOWN: "no learner in --users is known"})
@extras.required
@audited()
@database_options(
    writes=lambda options: options["store"],
    looks_for_env_file=lambda options: not options["store"],
    needed=_makes_a_batch,
)
@learners_option("--users", "Predict only for the learners whom FILE names.")
@days_ahead_option
@click.option(
    "--objectives",
    type=click.Choice(["upcoming", "all"]),
    default="upcoming",
    help="upcoming: those of missions and exams ahead, else unmastered ones; all: also every one that the learner owns"
    " or has met.",
)
@as_of_option("The moment of the predictions; nothing later is used.")
@model_option()
@click.option(
    "--output",
    type=OutputPath(forms=(".jsonl", ".parquet")),
    metavar="FILE",
    help="Write to *.jsonl or *.parquet. Default: JSON lines on stdout.",
)
@click.option("--full", is_flag=True, help="Write predict.py's whole answer on each line, with its reasons.")
@words_options
@click.option("--store", is_flag=True, help="Write struggle_predictions and struggle_indicators.")
@click.option(
    "--capacity",
    type=click.IntRange(1, MOST_CAPACITY),
    metavar="N",
    help="Flag the N most likely predictions, as many as there is time for. Default: the capacity of levels.json beside"
    " the model, else no line has a flag.",
)
@correct_from_option()
@engine_options(jobs=1)
@click.option(
    "--part",
    type=click.IntRange(min=1),
    default=LEARNERS_OF_A_PART,
    help="How many learners make one part of the work.",
)
@json_option
@quiet_option
@as_record(BatchOptions)
def predict_batch(options: BatchOptions) -> None:
    """Predict struggle for every learner's upcoming objectives.

    One line of JSON per prediction: ids, as_of, probability, confidence, risk_level, interval, model_version, source,
    degraded. With --store each becomes a row of struggle_predictions for the day that it is about; running again
    updates rows that are still PENDING and adds none. Rows that the database refuses are counted in the summary, and
    the others stored. An interrupted run with --output is continued by the same command.

    Predictions as of now first bring the difficulty table beside the model up to date, where the directory of models is
    named (STRUGGLE_MODELS_DIR, --model) or holds a model or a table of this deployment.
    """
    try:
        if options.as_of_ms is None and not is_unfinished(
            options.output, time.time_ns() // 1_000_000 - CONTINUED_FOR_MS
        ):
            keep_up_to_date_before(options.database_url, options.schema, options.model, options.correct_from)
        summary = run(options)
    except KeyboardInterrupt:
        raise Interrupted("The batch was interrupted; the same command continues from here.") from None
    click.echo(json.dumps(summary) if options.as_json else in_words(summary), err=not options.as_json)
    if summary["refused"] and not (summary["written"] or summary["kept"]):
        raise Unavailable(f"The database refused every row: {summary['failures'][0]}")


if __name__ == "__main__":
    predict_batch()
