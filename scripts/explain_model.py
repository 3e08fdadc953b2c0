"""A model as one page: its shape functions and reliability diagram, `python scripts/explain_model.py --out model.html`.

The page is self-contained (inline SVG, no script, no other file). The reliability diagram is that of the model's card,
which was measured on learners whom the model was not fitted on. With --learner and --objective the page is about that
one prediction.
"""

from __future__ import annotations

import os
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

import db
from db.client import Client
from db.stored_names import names_of_objectives
from ml.extractor import StruggleFeatureExtractor
from ml.instants import iso
from ml.model import StrugglePredictionModel, load
from ml.study.history import WINDOW, StudyHistory
from ml.study.objective_names import name_of
from scripts.auditing.audited import audited
from scripts.cli.command import command
from scripts.cli.database_options import database_options
from scripts.cli.exits import UNKNOWN, Misconfigured, Usage
from scripts.cli.extras import Extras
from scripts.cli.model_card import card_beside, card_of
from scripts.cli.options import Id, as_of_option, model_option
from scripts.cli.output_file import OutputPath, write_whole
from scripts.pages.model import Asked, page


@command({0: "the page was written", UNKNOWN: ""})
@Extras().required
@audited(learner="learner")
@model_option(rules=False)
@click.option(
    "--card",
    "card_path",
    type=click.Path(exists=True),
    metavar="FILE.json",
    help="The model's card. Default: the one beside the model.",
)
@click.option("--learner", type=Id(), metavar="ID", help="Draw a prediction for this learner; needs --objective.")
@click.option("--objective", type=Id(), metavar="ID", help="The objective of that prediction.")
@as_of_option("The moment of that prediction.")
@database_options(needed=lambda options: options["learner"] is not None)
@click.option("--out", required=True, type=OutputPath(), metavar="FILE.html", help="Write the page to FILE.html.")
def explain_model(
    model: str | None,
    card_path: str | None,
    learner: str | None,
    objective: str | None,
    as_of_ms: int | None,
    database_url: str | None,
    schema: str | None,
    out: str,
) -> None:
    """Draw how a model uses each feature, and how well its probabilities matched what happened.

    With --learner and --objective, the page shows how one prediction came about: what each feature added, and where the
    learner stands on each curve. It then holds a learner's records; keep it accordingly.
    """
    if (learner is None) != (objective is None):
        raise Usage("--learner and --objective belong together.")
    if as_of_ms is not None and learner is None:
        raise Usage("--as-of belongs to --learner and --objective.")
    judge = load(model)
    if judge.saved is None:
        raise Misconfigured("The rules answer: there is no trained model to draw.")
    found = card_of(card_path) if card_path else card_beside(judge.path, judge.saved.model_version)
    asked = None
    if learner is not None and objective is not None and database_url is not None:
        with db.connect(database_url, schema_path=schema) as client:
            asked = _asked(client, judge, learner, objective, as_of_ms)
    write_whole(out, page(judge, found, asked))
    click.echo(out)


def _asked(client: Client, judge: StrugglePredictionModel, learner: str, objective: str, as_of_ms: int | None) -> Asked:
    """The prediction as predict.py makes it. Raises UnknownLearner, UnknownObjective, DatabaseUnavailable."""
    rows = client.read(learner, objective, as_of_ms, WINDOW)
    history = StudyHistory.before(rows, judge.correct_from)
    moment = history.past.as_of_ms
    difficulty = judge.difficulty_at(moment)
    features = StruggleFeatureExtractor(client, difficulty, judge.correct_from).features_of(history)
    title = name_of(names_of_objectives(client, [objective]).get(objective), objective)
    return Asked(learner, title, objective, iso(moment), features, judge.predict(features))


if __name__ == "__main__":
    explain_model()
