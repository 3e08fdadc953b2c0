"""How good a model is on the history in a database: `python scripts/evaluate_model.py`.

Every labelled visit is predicted as predict.py would have done at its first answer, by a model that was not trained on
it: the model itself where the visit is newer than the training, else one that is fitted again without the learner.
"""

from __future__ import annotations

import json
import os
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

import db
from ml.model import load_whole
from ml.study.visits import threshold_of
from scripts.auditing.audited import audited
from scripts.cli.command import as_record, command, note
from scripts.cli.database_options import database_options
from scripts.cli.exits import UNKNOWN
from scripts.cli.extras import Extras
from scripts.cli.options import (
    Instant,
    correct_from_option,
    learners_option,
    model_option,
    struggle_below_option,
)
from scripts.cli.output_file import OutputPath, write_whole
from scripts.training.options import MeasuringOptions
from scripts.workers.options import engine_options, names_workers

extras = Extras()
with extras:
    from scripts.labelling.part import Extraction
    from scripts.training.explaining import explained
    from scripts.training.measuring import measured, write_predictions
    from scripts.training.out_of_sample import judged


@command({0: "the model was measured", UNKNOWN: ""})
@extras.required
@audited(learner="explain")
@database_options(needed=names_workers)
@model_option()
@learners_option("--learners", "Measure only on the learners whom FILE names.")
@struggle_below_option
@click.option(
    "--predictions",
    type=OutputPath(),
    metavar="OUT.csv",
    help="Write every labelled visit with its prediction to OUT.csv.",
)
@click.option(
    "--explain",
    type=(str, str, Instant()),
    metavar="LEARNER OBJECTIVE AS_OF",
    help="Print rows, estimates, features and contributions of one prediction instead (AS_OF: ISO 8601).",
)
@click.option(
    "--in-sample",
    is_flag=True,
    help="Let the model itself predict all visits, also those that it was trained on. This is no evaluation.",
)
@click.option(
    "--bootstrap", default=1000, type=click.IntRange(0), help="How many resamples of the learners give the intervals."
)
@correct_from_option()
@engine_options(jobs=2)
@click.option(
    "--json",
    "json_path",
    type=OutputPath(allow_dash=True),
    metavar="OUT.json",
    help="Write all figures to OUT.json; - is stdout, in place of the table.",
)
@as_record(MeasuringOptions)
def evaluate_model(options: MeasuringOptions) -> None:
    """Measure a model, or the rules, on labelled visits on which it was not trained.

    The model predicts visits that are newer than its training. Earlier ones are cross-fitted: the training is done
    again, and each learner is predicted by a model that saw no visit of that learner. The output says which is which.
    Without --struggle-below, visits are labelled by the model's own mark.

    Figures come with 95 % intervals over learners and the number of visits they rest on. AUC: how well it ranks;
    log-loss, Brier: how good the probabilities are; ECE and calibration slope: whether they match what happens.
    """
    found = _found(options)
    text = json.dumps(found, indent=1)
    if options.json_path not in (None, "-"):
        write_whole(options.json_path, text + "\n")
    click.echo(text if options.json_path == "-" or options.explain is not None else found.pop("text"))


def _found(options: MeasuringOptions) -> dict[str, object]:
    """The figures, or all that one prediction rests on, as plain builtins."""
    judge = load_whole(options.model, options.correct_from)
    if judge.instead:
        note(judge.instead)
    with db.connect(options.database_url, schema_path=options.schema) as client:
        if options.explain is not None:
            return explained(client, judge, *options.explain)
        below = options.struggle_below
        if below is None and judge.saved is not None:
            below = threshold_of(judge.saved.struggle_below)
        extraction = Extraction(
            *(options.database_url, options.schema, client.now(), below), correct_from=options.correct_from
        )
        found = judged(client, judge, extraction, options.learners, options.workers, options.in_sample)
        if options.predictions is not None:
            write_predictions(options.predictions, found, judge.source)
        return measured(found, judge, options.bootstrap, below)


if __name__ == "__main__":
    evaluate_model()
