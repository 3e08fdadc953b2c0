#!/usr/bin/env python3
"""The Python API on one screen: who is about to struggle, why, and what would help.

Without arguments it shows the demo learner; `--database-url`, `--user` and `--topic` show your own.
"""

from __future__ import annotations

import asyncio
import os
import sys

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db import get_prisma_client
from db.connecting import located
from db.errors import UnknownLearner, UnknownObjective
from ml import StruggleFeatureExtractor, UnknownTopic
from ml.features.vector import FEATURE_NAMES
from ml.model import load
from ml.scoring.prediction import Prediction
from scripts.cli.command import command, note
from scripts.cli.database_options import database_options
from scripts.cli.exits import UNKNOWN
from scripts.cli.options import Id
from scripts.cli.streams import printable

BAR = 20
COLOURS = {"HIGH": "red", "MEDIUM": "yellow", "LOW": "green"}


async def show(url: str | None, schema: str | None, user_id: str, topic: str) -> None:
    """Shows every objective of the topic, then the topic as a whole."""
    client = await get_prisma_client(url, schema_path=schema)
    async with client:
        model = load(None)
        extractor = StruggleFeatureExtractor(client, model.difficulty_at(None))
        click.echo(f"Model {model.model_version}, {len(FEATURE_NAMES)} features, database {printable(client.label)}")
        for objective_id in client.objectives_of_topic(topic):
            features = await extractor.extract_features_for_objective(user_id, objective_id)
            show_prediction(objective_id, model.predict(features), features.data_quality)
        features = await extractor.extract_features_for_topic(user_id, topic)
        show_prediction(f"{topic} as a whole", model.predict(features), features.data_quality)
        if client.origin.is_demo_by_default:
            note(f"{client.origin.told(client.label)}.")


def show_prediction(title: str, prediction: Prediction, data_quality: float) -> None:
    """A heading, the probability as a bar with its interval, the sentence, and the strongest factors in points."""
    low, high = prediction.interval
    share = int(100 * prediction.probability + 1e-9) / 100  # rounded down, as in the sentence: 0.70 is always HIGH
    filled = round(BAR * prediction.probability)
    bar = click.style("█" * filled, fg=COLOURS[prediction.risk_level]) + "░" * (BAR - filled)
    click.echo(f"\n{click.style(printable(title), bold=True)}")
    click.echo(
        f"  {bar} {share:.2f} ({low:.2f} to {high:.2f}), {prediction.risk_level},"
        f" confidence {prediction.confidence:.2f}, {data_quality:.0%} of the features rest on data"
    )
    click.echo(f"  {prediction.reasoning}")
    for factor in prediction.factors[:3]:
        click.echo(f"    {100 * factor.points:+5.1f}  {factor.text}")


@command({0: "the example is shown", UNKNOWN: ""})
@database_options(demo_by_default=True)
@click.option(
    "--user", "user_id", type=Id(), metavar="ID", default="demo-learner", show_default=True, help="The learner's id."
)
@click.option(
    "--topic",
    type=Id(),
    metavar="TOPIC",
    default="physiology",
    show_default=True,
    help="A course's id or name, or a topic tag.",
)
def example_usage(database_url: str | None, schema: str | None, user_id: str, topic: str) -> None:
    """Show what the Python API says about one learner and one topic."""
    try:
        asyncio.run(show(database_url, schema, user_id, topic))
    except (UnknownLearner, UnknownObjective, UnknownTopic) as error:
        raise type(error)(_with_demo(str(error), database_url, schema)) from None


def _with_demo(message: str, url: str | None, schema: str | None) -> str:
    """The message, and that the database is the demo, where nobody named another."""
    where, _ = located(url, schema)
    return f"{message} {where.origin.told(where.label)}." if where.origin.is_demo_by_default else message


if __name__ == "__main__":
    example_usage()
