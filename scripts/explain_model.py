"""A model as one page: its shape functions and reliability diagram, `python scripts/explain_model.py --out model.html`.

The page is self-contained (inline SVG, no script, no other file). The reliability diagram is that of the model's card,
which was measured on learners whom the model was not fitted on.
"""

from __future__ import annotations

import os
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from ml.model import load
from scripts.cli.command import command
from scripts.cli.exits import Misconfigured
from scripts.cli.extras import Extras
from scripts.cli.model_card import card_of
from scripts.cli.options import model_option
from scripts.cli.output_file import OutputPath, write_whole
from scripts.pages.model import page


@command({0: "the page was written"})
@Extras().required
@model_option(rules=False)
@click.option(
    "--card",
    "card_path",
    type=click.Path(exists=True),
    metavar="FILE.json",
    help="The model's card. Default: the one beside the model.",
)
@click.option("--out", required=True, type=OutputPath(), metavar="FILE.html", help="Write the page to FILE.html.")
def explain_model(model: str | None, card_path: str | None, out: str) -> None:
    """Draw how a model uses each feature, and how well its probabilities matched what happened."""
    judge = load(model)
    if judge.saved is None:
        raise Misconfigured("The rules answer: there is no trained model to draw.")
    directory = os.path.dirname(judge.path or "")
    found = card_of(card_path or os.path.join(directory, _card_name(judge.saved.model_version)))
    write_whole(out, page(judge, found))
    click.echo(out)


def _card_name(model_version: str) -> str:
    """The card's bare name beside the model; a version is a text from a file, and may look like a path."""
    name = "pretrained" if model_version.startswith("pretrained") else os.path.basename(model_version)
    return name + ".json"


if __name__ == "__main__":
    explain_model()
