"""The platform's answers as an answer log: `python -m scripts.export_history --output answers.csv`.

The log is in the plain layout, which import_history.py reads, so that it can be kept, shared and benchmarked. Learners
who have opted out are left out, as in training.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from itertools import chain
from typing import IO, NamedTuple

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import db
from db.stored_answers import count_answers, stream_answers
from scripts.auditing.audited import audited, tell_audit_log
from scripts.cli.command import as_record, command, note
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.options import correct_from_option, json_option, quiet_option
from scripts.cli.output_file import OutputPath, written_whole
from scripts.cli.progress import shown
from scripts.exporting.plain import DATES, HEADER, LEFT_OUT, ORDER, Counts, Row, exported
from scripts.exporting.pseudonyms import kept_in, unkept

REASONS = {
    "opted_out": ("of a learner who has opted out", "of learners who have opted out"),
    "without_objective": ("on a card or a prompt without an objective",) * 2,
    "without_a_grade": ("without a grade that is known",) * 2,
    "without_a_usable_date": ("without a date that a log can hold",) * 2,
    "without_a_usable_id": ("with an id that a log cannot hold",) * 2,
    "with_other_times": ("with times of the other kind",) * 2,
}
"""Reason -> in words, for one answer and for several."""


class Options(NamedTuple):
    """The options, whose help explains them."""

    output: str
    pseudonymise: bool
    key: str | None
    times: str | None
    correct_from: str
    database_url: str
    schema: str | None
    quiet: bool
    as_json: bool


@command({0: "the log is written"})
@audited(settings=("pseudonymise",))
@database_options()
@click.option(
    "--output",
    required=True,
    type=OutputPath(allow_dash=True),
    metavar="FILE",
    help="Write the log to FILE, compressed where it ends in .gz; - is stdout.",
)
@click.option("--pseudonymise", is_flag=True, help="Write a pseudonym in the place of every learner's id.")
@click.option(
    "--key",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep the key of the pseudonyms in FILE, for later exports. Default: nobody keeps it.",
)
@click.option(
    "--times",
    type=click.Choice([DATES, ORDER]),
    help="Only learners whose answers have dates, or only an order. Default: all, who must be alike.",
)
@correct_from_option()
@quiet_option
@json_option
@as_record(Options)
def export_history(options: Options) -> None:
    """Write the platform's answers as an answer log in the plain layout.

    One row per answer: user_id, item_id, timestamp (seconds since 1970), correct, skill_id, kind, rating and
    time_spent_ms. Importing the log again gives the same answers, sessions and daily metrics. A validation score
    becomes posttest rows, of which that share are right.
    """
    _refuse(options)
    counts = Counts()
    named = _names(options)
    with (
        db.connect(options.database_url, schema_path=options.schema) as client,
        # closed before the database is, also where an error ends the export
        closing(stream_answers(client)) as batches,
    ):
        total = count_answers(client)
        with _opened(options.output) as file:
            answers = shown(chain.from_iterable(batches), "exporting answers", total, options.quiet)
            _write(file, exported(answers, named, options.correct_from, options.times, counts))
    tell_audit_log(**{name: counts[name] for name in ("rows", "learners", "answers")})
    summary = {
        **{name: counts[name] for name in ("rows", "learners", "answers", "validation_scores", "rounded_scores")},
        "learners_opted_out": counts["learners_opted_out"],
        "left_out": {reason: counts[reason] for reason in LEFT_OUT},
        "order_only": bool(counts["order_only"]),
        "pseudonymised": options.pseudonymise,
    }
    told = json.dumps(summary) if options.as_json else _told(counts)
    if options.output == "-":
        note(told)
    else:
        click.echo(told)


def _refuse(options: Options) -> None:
    if options.key is not None and not options.pseudonymise:
        raise Usage("--key belongs to --pseudonymise.")
    if options.key is not None and os.path.realpath(options.key) == os.path.realpath(options.output):
        raise Usage("--key and --output are the same file: the key must be kept apart from the log.")


def _names(options: Options) -> Callable[[str], str]:
    if not options.pseudonymise:
        return str
    return (unkept() if options.key is None else kept_in(options.key)).of


@contextmanager
def _opened(path: str) -> Iterator[IO[str]]:
    with nullcontext(sys.stdout.buffer) if path == "-" else written_whole(path) as file:
        octets = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) if path.endswith(".gz") else None
        text = io.TextIOWrapper(octets or file, encoding="utf-8", newline="", write_through=True)
        try:
            yield text
        finally:
            text.detach()  # whoever opened the file closes it
            if octets is not None:
                octets.close()


def _write(file: IO[str], rows: Iterable[Row]) -> None:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(HEADER)
    out.writerows(rows)


def _told(counts: Counts) -> str:
    told = f"{counted(counts['answers'], 'answer')} and {counted(counts['validation_scores'], 'validation score')}"
    told += f" of {counted(counts['learners'], 'learner')} are in the log."
    if counts["order_only"]:
        told += " Only the order of the answers is known."
    if counts["rounded_scores"]:
        told += f" {counted(counts['rounded_scores'], 'score was', 'scores were')} rounded to hundredths."
    for reason in LEFT_OUT:
        if number := counts[reason]:
            said = REASONS[reason][number > 1 or counts["learners_opted_out"] > 1]
            told += f" {counted(number, 'answer')} {said} {'was' if number == 1 else 'were'} left out."
    return told


if __name__ == "__main__":
    export_history()
