#!/usr/bin/env python3
"""Predictions over a pipe: `python -m scripts.worker` reads requests from stdin and writes answers to stdout, a line
each.

It runs the same pipeline as predict.py, and answers with the same bytes for the same as_of, without a new process and
a new connection for each. scripts/piping/README.md describes the lines.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # nothing may be imported from the caller's directory, which `python -m` puts first
    sys.path[: not sys.flags.safe_path] = [os.path.dirname(os.path.dirname(os.path.realpath(__file__)))]

import click

from ml.places import AUDIENCE, LANGUAGE, setting
from ml.wording.choice import chosen
from predict import __version__, respond_with
from scripts.cli.command import command
from scripts.cli.database_options import DEMO_URL, declared, refuse_two_databases, warning_of_passwords
from scripts.cli.exits import INTERRUPTED, MEANINGS, TERMINATED
from scripts.cli.options import Number, correct_from_option, model_option
from scripts.cli.request import TIMEOUT_S
from scripts.outputs.worker_lines import LONGEST_TIMEOUT_S, SHORTEST_TIMEOUT_S
from scripts.piping.answering import Answerer, Settings
from scripts.piping.kept import KeptDatabase, LatestModel, Named
from scripts.piping.life import Life
from scripts.piping.lines import hello
from scripts.piping.streams import Notes, own_streams
from scripts.serving.connections import LOG

ENDS = {
    0: "stdin was closed, and everything that was asked is answered",
    INTERRUPTED: MEANINGS[INTERRUPTED],
    TERMINATED: "the command was stopped by SIGTERM",
}


@command(ENDS)
@declared()
@model_option()
@correct_from_option(decided=False)
@click.option(
    "--timeout",
    "timeout_s",
    type=Number(SHORTEST_TIMEOUT_S, LONGEST_TIMEOUT_S),
    default=TIMEOUT_S,
    metavar="SECONDS",
    help="Answer from default features where the database takes longer; a request may name its own.",
)
@click.option("--strict", is_flag=True, help="Answer with an error (69) rather than from default features.")
@click.option(
    "--threads",
    default=1,
    type=click.IntRange(1, 64),
    help="How many requests are answered at once. With 1, answers come in the order of the requests.",
)
def worker(
    database_url: str | None,
    env_file: str | None,
    schema: str | None,
    demo: bool,
    model: str | None,
    correct_from: str | None,
    timeout_s: float,
    strict: bool,
    threads: int,
) -> None:
    """Answer predictions over stdin and stdout, as predict.py would print them.

    Each line on stdin is a JSON object with id, user_id and objective_id, and optionally as_of, timeout, features,
    language and audience. Each line on stdout has the id and either the answer, or an error with predict.py's exit
    code.
    """
    refuse_two_databases(database_url, env_file, demo)
    reading, writing = own_streams()
    notes = Notes()
    notes.take_log(LOG)
    if warning := warning_of_passwords([database_url]):
        notes.say(warning)
    words, doubt = chosen(setting(LANGUAGE), setting(AUDIENCE))
    if doubt:
        notes.say(doubt)
    latest = LatestModel(model, correct_from, notes.say)
    named = Named(
        DEMO_URL if demo else database_url, env_file, schema or (None if demo else setting("STRUGGLE_SCHEMA"))
    )
    database = KeptDatabase(named, threads, timeout_s)
    first_line = hello(__version__, latest.model().model_version)
    answerer = Answerer(respond_with, latest, database, Settings(timeout_s, strict, words), notes.say)
    life = Life(reading, writing, answerer, threads, timeout_s)
    code, sentence = life.lived(first_line)
    if sentence:
        notes.say(sentence)
    notes.finish(0.2)
    os._exit(code)  # threads may be left behind: one that reads stdin, and those of requests whose deadline passed


if __name__ == "__main__":
    worker()
