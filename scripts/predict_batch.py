#!/usr/bin/env python3
"""Every learner's upcoming objectives at once: `python scripts/predict_batch.py --output tonight.jsonl [--store]`.

The probabilities are predict.py's, but each learner's history is read once for all objectives ahead. Work is cut into
ranges of learners that any process can do again: interrupted, the same command goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import sys
import time
from binascii import crc32
from collections.abc import Iterator, Mapping
from typing import IO, Any

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import db
from db.client import Client
from db.errors import DatabaseError
from ml.errors import PredictorError
from ml.instants import iso, parse_iso
from ml.model import RULES, load_whole
from ml.places import MODEL, MODELS_DIR, setting
from ml.study.upcoming import MOST_OBJECTIVES
from scripts.batch.output import PARQUET, Output
from scripts.cli.correct_option import correct_from_option
from scripts.cli.database_options import database_options
from scripts.cli.exits import (
    CANNOT_WRITE,
    CONFIGURATION,
    UNAVAILABLE,
    UNKNOWN,
    USAGE,
    ExtraMissing,
    OutputBusy,
    Refused,
    of_database,
)
from scripts.cli.extras import Extras
from scripts.cli.model_options import model_option
from scripts.cli.output_file import OutputPath
from scripts.cli.streams import printable
from scripts.workers.backends import WorkersLost, engine, hands, in_order
from scripts.workers.options import engine_options, names_workers, workers_of

extras = Extras()
with extras:
    from tqdm import tqdm

    from scripts.batch.part import Settings, Tally, mark_of
    from scripts.batch.work import Wanted
    from scripts.batch.work import do_part as do_part
    from scripts.workers.ranges import count_learners, ranges

LEARNERS_OF_A_PART = 250
LONGEST_LIST = 1 << 30
"""Bytes of a list of learners: ten million ids of a hundred characters."""
CONTINUED_FOR_MS = 12 * 3_600_000
"""A batch as of now is continued for so long after its now; later it begins anew."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@extras.required
@database_options(
    writes=lambda options: options["store"],
    looks_for_env_file=lambda options: not options["store"],
    needed=lambda options: _checked(options),
)
@click.option(
    "--users", type=click.File("rb"), metavar="FILE", help="Learners' ids, one per line in UTF-8; - is stdin."
)
@click.option("--days-ahead", type=click.IntRange(0, 3650), default=14, show_default=True, help="Missions and exams.")
@click.option(
    "--objectives",
    type=click.Choice(["upcoming", "all"]),
    default="upcoming",
    show_default=True,
    help="upcoming: of missions and exams ahead, else unmastered ones; all: also every own or already met one.",
)
@click.option("--as-of", metavar="ISO", help="The moment of prediction; nothing later is seen. Default: now.")
@model_option()
@click.option("--output", type=OutputPath(), metavar="FILE", help="*.jsonl or *.parquet; else stdout.")
@click.option("--full", is_flag=True, help="JSON lines that hold predict.py's whole answer, reasons too.")
@click.option("--store", is_flag=True, help="Write struggle_predictions and struggle_indicators.")
@correct_from_option
@engine_options(jobs=1)
@click.option(
    "--part", type=click.IntRange(min=1), default=LEARNERS_OF_A_PART, show_default=True, help="Learners of a part."
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on stdout (with --output or --store).")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def predict_batch(**options: Any) -> None:
    """Predict struggle for every learner's upcoming objectives.

    One line of JSON a prediction: ids, as_of, probability, confidence, risk_level, interval, model_version, source,
    degraded. With --store each becomes a row of struggle_predictions for the day that it is about; running again
    updates rows that are still PENDING and adds none. Rows that the database refuses are counted in the summary, and
    the others stored. An interrupted run with --output is continued by the same command.

    \b
    Exit codes: 0 done, 2 usage, 66 no learner in --users is known, 69 database or workers unreachable or every row
    refused, 74 the output cannot be written, 78 configuration or model, 130 interrupted.
    """
    try:
        summary = run(options)
    except DatabaseError as error:
        raise of_database(error) from None
    except (OutputBusy, WorkersLost) as error:
        raise Refused(str(error), UNAVAILABLE) from None
    except (ExtraMissing, PredictorError) as error:
        raise Refused(str(error), CONFIGURATION) from None
    except OSError as error:
        raise Refused(f"{error.filename or 'the output'} cannot be written: {error.strerror}", CANNOT_WRITE) from None
    except KeyboardInterrupt:
        raise Refused("Interrupted; the same command goes on from here.", 130) from None
    click.echo(json.dumps(summary) if options["as_json"] else _told(summary), err=not options["as_json"])
    if summary["refused"] and not (summary["written"] or summary["kept"]):
        raise Refused(f"The database refused every row: {summary['failures'][0]}", UNAVAILABLE)


def _checked(options: Mapping[str, Any]) -> bool:
    """True; refuses options that make no batch before a database is looked for."""
    output = options["output"] or ""
    if options["full"] and output.endswith(PARQUET):
        raise Refused("--full writes JSON lines: give --output a name that ends in .jsonl.", USAGE)
    if options["as_json"] and not (output or options["store"]):
        raise Refused("--json needs --output or --store: stdout holds the predictions otherwise.", USAGE)
    names_workers(options)
    if options["as_of"] is not None:
        try:
            parse_iso(options["as_of"])
        except PredictorError as error:
            raise Refused(str(error), USAGE) from None
    return True


def run(options: Mapping[str, Any]) -> dict[str, Any]:
    """The whole batch; returns its summary."""
    began = time.monotonic()
    url, schema = options["database_url"], options["schema"]
    model = load_whole(options["model"], options["correct_from"])
    if model.instead:
        click.echo(model.instead, err=True)
    # Workers may stand in surroundings that name another model, or none.
    name = options["model"] or (model.asked or RULES if setting(MODEL) or setting(MODELS_DIR) else None)
    wanted = Wanted(_lines_wanted(options), options["store"])
    learners = _listed(options["users"])
    with db.connect(url, schema_path=schema, timeout_s=600) as client:
        now_ms = client.now()
        asked_ms = None if options["as_of"] is None else parse_iso(options["as_of"])
        marks = {
            "version": 1,
            "database": client.label,
            "model": mark_of(model),
            "learners": None if learners is None else crc32("\n".join(learners).encode()),
            **{name: options[name] for name in ("as_of", "days_ahead", "objectives", "full", "store", "correct_from")},
        }
        youngest_ms = now_ms - CONTINUED_FOR_MS if asked_ms is None else asked_ms
        path = options["output"] if wanted.lines and options["output"] else None
        with Output(path, marks, now_ms if asked_ms is None else asked_ms, youngest_ms) as output:
            settings = Settings(
                *(url, schema, name, mark_of(model), output.as_of_ms),
                *(asked_ms is None or asked_ms >= now_ms, options["days_ahead"], options["objectives"]),
                correct_from=options["correct_from"],
            )
            done_before = output.tally.counts["predictions"]
            _work(client, learners, settings, wanted, output, options)
            if learners is not None and not output.tally.counts["learners"]:
                output.drop()
                kept = f"; {path} stays as it was" if path and os.path.exists(path) else ""
                raise Refused(
                    f"None of the {len(learners)} learners in --users is known to the database{kept}.", UNKNOWN
                )
            output.finish()
            return _summary(output, done_before, time.monotonic() - began, model.model_version)


def _lines_wanted(options: Mapping[str, Any]) -> str:
    if options["output"] or not options["store"]:
        return "full" if options["full"] else "short"
    return ""


def _listed(users: IO[bytes] | None) -> list[str] | None:
    """The ids in the file, sorted, each once; None: every learner. Refuses what is no list of ids in UTF-8."""
    if users is None:
        return None
    octets = users.read(LONGEST_LIST + 1)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # also UTF-16, which PowerShell writes
        raise Refused("--users must be text in UTF-8, one learner's id per line.", USAGE)
    if len(octets) > LONGEST_LIST:
        raise Refused(f"--users may have at most {LONGEST_LIST >> 20} MiB.", USAGE)
    found = sorted({line.strip() for line in text.splitlines()} - {""})
    if not found:
        raise Refused("--users names no learner.", USAGE)
    return found


def _work(
    client: Client,
    learners: list[str] | None,
    settings: Settings,
    wanted: Wanted,
    output: Output,
    options: Mapping[str, Any],
) -> None:
    last: list[str] = []
    workers = workers_of(options["backend"], options["jobs"], options["scheduler"])
    known = _looked_at(output.tally)

    def parts(at_once: int) -> Iterator[tuple[Settings, Wanted, list[str]]]:
        for ids in ranges(client, learners, output.after, options["part"], total - known, at_once):
            last.append(ids[-1])
            yield settings, wanted, ids

    with engine(*workers):
        total = count_learners(client) if learners is None else len(learners)
        bar = tqdm(total=total, initial=known, unit=" learners", disable=options["quiet"], file=sys.stderr)
        with bar:
            for done in in_order(do_part, parts(hands(workers)), workers):
                output.add(done.lines, done.tally, last.pop(0))
                bar.update(_looked_at(done.tally))
                bar.set_postfix_str(f"{output.tally.counts['predictions']} predictions", refresh=False)


def _looked_at(tally: Tally) -> int:
    return tally.counts["learners"] + tally.counts["unknown_learners"]


def _summary(output: Output, done_before: int, seconds: float, model_version: str) -> dict[str, Any]:
    counts = output.tally.counts
    made = counts["predictions"] - done_before
    return {
        "output": output.path,
        "as_of": iso(output.as_of_ms),
        "model_version": model_version,
        "continued": output.resumed,
        **counts,
        "failures": output.tally.failures,
        "seconds": round(seconds, 3),
        "predictions_per_second": round(made / seconds, 1) if seconds else None,
    }


def _told(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    counts: Mapping[str, int] = summary
    lines = [
        f"{summary['predictions']} predictions for {summary['learners']} learners as of {summary['as_of']}"
        f" by {summary['model_version']}: {summary['HIGH']} HIGH, {summary['MEDIUM']} MEDIUM, {summary['LOW']} LOW",
        f"{summary['seconds']:.1f} s, {summary['predictions_per_second']:.0f} predictions/s"
        + (", continued from an earlier run" if summary["continued"] else ""),
    ]
    told = {
        "degraded": "rest on default features",
        "unknown_learners": "learners are unknown",
        "unknown_objectives": "planned objectives are unknown",
        "tracking_off": "learners have switched performance tracking off",
        "dismissed": "of their open rows dismissed",
        "left_out": f"objectives beyond a learner's first {MOST_OBJECTIVES} were left out",
        "written": "rows of struggle_predictions written",
        "kept": "rows stay as they are: decided, dismissed, or newer",
        "refused": "rows were refused by the database",
        "indicators": "rows of struggle_indicators written",
    }
    lines += [f"{counts[name]} {words}" for name, words in told.items() if counts[name]]
    return "\n".join(lines + [printable(each) for each in summary["failures"]])


if __name__ == "__main__":
    predict_batch()
