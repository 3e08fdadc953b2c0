"""Train a model on the history in a database: `python scripts/train_initial_model.py`.

Writes models/struggle_prediction_v1.0_DATE.pkl with its card and its difficulty table, and lets it answer
(models/current.pkl). With --pretrained, several databases give the model that the repository ships.
"""

from __future__ import annotations

import json
import os
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from ml.errors import NotProven
from scripts.auditing.audited import audited
from scripts.cli.command import as_record, command
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.extras import Extras
from scripts.cli.options import (
    as_of_option,
    correct_from_option,
    json_option,
    learners_option,
    models_dir_option,
    struggle_below_option,
    target_options,
)
from scripts.training.options import TrainingOptions
from scripts.workers.options import engine_options, names_workers

extras = Extras()
with extras:
    from scripts.training.initial import train_on_platform
    from scripts.training.pretrained import pretrain_on_platforms, told_of_prior


@command(
    {
        0: "the model was trained, and answers",
        1: "there are too few labelled visits, or the model is not proven better; the present model stays",
    }
)
@extras.required
@audited()
@database_options(
    several=True,
    models=True,
    looks_for_env_file=lambda options: False,
    needed=lambda options: names_workers(options) and not options["pretrained"],
)
@models_dir_option
@click.option("--prior", metavar="PATH", help="The model to start from. Default: pretrained.pkl.")
@struggle_below_option
@learners_option("--learners", "Train only on the learners whom FILE names.")
@click.option(
    "--difficulty-only", is_flag=True, help="Keep the prior's weights; learn only how hard the objectives are."
)
@as_of_option("Train on what had happened by then.")
@click.option("--pretrained", is_flag=True, help="Make pretrained.pkl, its card and README.md from all databases.")
@click.option(
    "--source",
    "names",
    multiple=True,
    metavar="TEXT",
    help="What each database contains, in the order of the databases; default: the name of the one database.",
)
@click.option(
    "--adaptive",
    multiple=True,
    metavar="TEXT",
    help="With --pretrained: a --source in which earlier answers decided which card came next. A visit's first card"
    " then does not stand for the cards that are due.",
)
@click.option("--force", is_flag=True, help="Let the model answer even if it is not proven better; its card says so.")
@target_options
@correct_from_option()
@engine_options(jobs=2)
@json_option
@as_record(TrainingOptions)
def train_initial_model(options: TrainingOptions) -> None:
    """Train a model on the study history in a database, and let it answer if it is better than what knows less.

    Every labelled visit is predicted by a model that saw no visit of that learner. By these predictions the model must
    be better than the constant and than the rules, each with 95 % confidence over learners, and its calibration slope
    must not be negative; otherwise nothing is written, and the present model stays.

    With fewer than 50 labelled visits, or only one outcome, nothing is trained. With fewer than 100, the shipped
    weights keep their proportions, and only the difficulties and the base rate are learned.
    """
    if options.pretrained and (options.target_recall or options.capacity):
        raise Usage("--target-recall and --capacity choose for one platform, not for --pretrained.")
    if len(options.urls) > 1 and not options.pretrained:
        raise Usage("Several --database-url need --pretrained.")
    if options.pretrained:
        made = pretrain_on_platforms(options)
        click.echo(json.dumps(made) if options.as_json else told_of_prior(made))
        return
    if len(options.names) > 1:
        raise Usage("Several --source need --pretrained.")
    trained = train_on_platform(options)
    click.echo(json.dumps(trained.to_dict()) if options.as_json else trained.text())
    if trained.version is None:
        raise NotProven(trained.refusal)


if __name__ == "__main__":
    train_initial_model()
