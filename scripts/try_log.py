"""From an answer log to a judgement, in one command: `python -m scripts.try_log answers.csv`.

Imports the log into a platform of its own, learns from four fifths of its learners, measures the predictions on the
others, and writes one page with what was found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import db
from db.writing.open import open_writer
from scripts.cli.command import command, note
from scripts.cli.exits import Usage
from scripts.cli.extras import Extras, lacking_package
from scripts.cli.options import correct_from_option, json_option
from scripts.cli.output_file import write_whole
from scripts.import_history import import_prepared
from scripts.importing.answers import MalformedLog
from scripts.importing.mapping import Wishes
from scripts.importing.options import Treatment, file_options
from scripts.importing.prepared import prepared
from scripts.structure.files import StructureFile, read_structure
from scripts.structure.graph import put_together
from scripts.structure.rows import planned, read_stored, write
from scripts.trial.place import Place, default_directory

extras = Extras()
with extras:
    from scripts.trial.content import objectives
    from scripts.trial.learned import learn
    from scripts.trial.page import page
    from scripts.trial.report import Trial
    from scripts.workers.backends import Workers


@command(
    {0: "the log was tried, and the page is written", 2: "the arguments are invalid, or a row of FILE is malformed"}
)
@extras.required
@click.argument("file", type=click.Path(exists=True))
@click.option(
    "--output",
    type=click.Path(),
    metavar="DIR",
    help="Write the page, the platform and the models to DIR. Default: NAME-trial in the working directory, NAME being"
    " how FILE's name begins.",
)
@click.option(
    "--structure",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Names, courses and prerequisites of the objectives, as import_structure.py reads them.",
)
@file_options
@correct_from_option()
@click.option(
    "--jobs", default=2, show_default=True, type=click.IntRange(1, 256), help="How many processes share the work."
)
@json_option
def try_log(
    file: str,
    output: str | None,
    structure: tuple[str, ...],
    wishes: Wishes,
    treatment: Treatment,
    correct_from: str,
    jobs: int,
    as_json: bool,
) -> None:
    """Try the predictor on the answer log FILE: import it, learn from it, and measure the predictions.

    A fifth of the learners is left out of the training, and the figures are about them. Nothing outside DIR is written.
    Where DIR holds an earlier trial, that is replaced once FILE has been read.
    """
    place = Place(output or default_directory(file))
    files = [_structure_file(path) for path in structure]
    seconds: dict[str, float] = {}
    try:
        with _step("Importing", seconds), prepared(file, wishes, treatment) as log:
            summary = log.summary()
            if not summary["answers"]:
                raise Usage(f"{click.format_filename(file)}: it holds no answers.")
            for doubt in log.doubts:
                note(f"Warning: {doubt.text}")
            place.begin(file)
            import_prepared(log, place.url)
            structured = _structured(place.url, files) if files else None
    except (MalformedLog, OSError) as error:
        raise Usage(f"{click.format_filename(file)}: {error}") from None
    except ModuleNotFoundError as error:
        raise lacking_package(error) from None
    name = os.path.basename(os.path.abspath(file))
    with _step("Training and measuring", seconds):
        learned = learn(place.url, place.models, name, correct_from, Workers(jobs=jobs))
    with _step("Writing the page", seconds):
        with db.connect(place.url) as client:
            found = objectives(client, place.url, correct_from)
        trial = Trial(name, place.directory, place.url, place.page, summary, structured, found, learned, None, seconds)
        trial = trial._replace(answer=_answer(trial.command, correct_from))
        write_whole(place.page, page(trial))
    report = json.dumps(trial.to_dict())
    write_whole(place.report, report + "\n")
    click.echo(report if as_json else trial.text())


@contextmanager
def _step(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Says on a terminal what is done now, and keeps how long it took."""
    if sys.stderr.isatty():
        note(f"{name} ...")
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 1)


def _structure_file(path: str) -> StructureFile:
    try:
        return read_structure(path, {}, None, None)
    except OSError as error:
        raise Usage(f"{click.format_filename(path)} cannot be read: {error.strerror or error}.") from None


def _structured(url: str, files: Sequence[StructureFile]) -> Mapping[str, Any]:
    with open_writer(url) as writer:
        stored = read_stored(writer)
        found = put_together(files, stored.objectives)
        write(writer, planned(found, stored, rename=False), None)
    for warning in found.warnings:
        note(f"Warning: {warning.sentence}.")
    return {"objectives": len(found.objectives), "prerequisites": len(found.edges)}


def _answer(argv: list[str], correct_from: str) -> Mapping[str, Any] | None:
    """What the command for one learner prints: a real predict.py process answers, as it will for the reader."""
    if not argv:
        return None
    environment = {**os.environ, "STRUGGLE_CORRECT_FROM": correct_from}
    done = subprocess.run(  # noqa: S603 - our own command, without a shell
        [sys.executable, *argv[1:]], env=environment, capture_output=True, check=False, timeout=60
    )
    answer = json.loads(done.stdout)
    return answer if done.returncode == 0 and isinstance(answer, dict) else None


if __name__ == "__main__":
    try_log()
