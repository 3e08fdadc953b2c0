"""A whole batch: distributes its parts, and puts their lines and counts together in the order of the learners."""

from __future__ import annotations

import os
import time
from binascii import crc32
from collections.abc import Iterator
from typing import Any

import db
from db.client import Client
from db.errors import UnknownLearner
from ml.instants import iso
from ml.language import Language
from ml.model import RULES, StrugglePredictionModel, load_whole
from ml.places import AUDIENCE, LANGUAGE, MODEL, MODELS_DIR, setting
from ml.wording.choice import chosen
from scripts.batch.options import BatchOptions
from scripts.batch.output import Output
from scripts.batch.part import BatchSettings, Tally, mark_of
from scripts.batch.summary import summary_of
from scripts.batch.work import Wanted, do_part
from scripts.cli.command import note
from scripts.cli.counted import counted
from scripts.cli.progress import bar
from scripts.workers.backends import engine, hands, in_order
from scripts.workers.ranges import count_learners, ranges

CONTINUED_FOR_MS = 12 * 3_600_000
"""A batch as of now is continued for so long after its now; later it begins anew."""
TIMEOUT_S = 600


def run(options: BatchOptions) -> dict[str, Any]:
    """Runs the whole batch and returns its summary. Raises UnknownLearner where none of the given learners is known."""
    began = time.monotonic()
    model = load_whole(options.model, options.correct_from)
    for doubt in filter(None, (model.instead, _words(options)[1], _unknown_difficulty(model, options.as_of_ms))):
        note(doubt)
    with db.connect(options.database_url, schema_path=options.schema, timeout_s=TIMEOUT_S) as client:
        now_ms, asked_ms = client.now(), options.as_of_ms
        youngest_ms = now_ms - CONTINUED_FOR_MS if asked_ms is None else asked_ms
        path = options.output if options.lines else None
        capacity = (options.capacity or model.levels.capacity) if options.lines else None
        marks = {**_marks(options, client.label, mark_of(model)), "levels": model.levels.to_dict()}
        with Output(path, marks, now_ms if asked_ms is None else asked_ms, youngest_ms, capacity) as output:
            settings = BatchSettings(
                *(options.database_url, options.schema, name_for_workers(options.model, model), mark_of(model)),
                *(output.as_of_ms, asked_ms is None or asked_ms >= now_ms, options.days_ahead, options.objectives),
                correct_from=options.correct_from,
                pointer_path=model.pointer_path,
                levels=model.levels,
            )
            done_before = output.tally.counts["predictions"]
            _work(client, settings, output, options)
            if options.learners is not None and not output.tally.counts["learners"]:
                output.drop()
                raise UnknownLearner(_nobody(len(options.learners), path))
            output.finish()
            return summary_of(output, done_before, time.monotonic() - began, model, capacity)


def _marks(options: BatchOptions, database: str, model_mark: str) -> dict[str, object]:
    """What must be the same for an earlier run's part of the work to count."""
    learners = None if options.learners is None else crc32("\n".join(options.learners).encode())
    words, _ = _words(options)
    same = ("as_of_ms", "days_ahead", "objectives", "full", "store", "correct_from")
    given = {name: getattr(options, name) for name in same}
    given["words"] = f"{words.code} {words.audience}" if options.full else ""
    return {"version": 1, "database": database, "model": model_mark, "learners": learners, **given}


def _words(options: BatchOptions) -> tuple[Language, str]:
    """The language of whole answers, decided here and not by each worker's environment; and what to say of it."""
    return chosen(options.language or setting(LANGUAGE), options.audience or setting(AUDIENCE))


def _unknown_difficulty(model: StrugglePredictionModel, as_of_ms: int | None) -> str:
    """What to say where the model's difficulty tables know of answers after the moment, and are therefore left out."""
    if as_of_ms is None or model.difficulty is None or model.difficulty_at(as_of_ms) is not None:
        return ""
    return (
        f"No difficulty table ends before {iso(as_of_ms)}: these predictions do not know how hard objectives are, and"
        " their probabilities may be far off. Train with the same --as-of to see what would have been predicted then."
    )


def name_for_workers(given: str | None, model: StrugglePredictionModel) -> str | None:
    """The name by which workers find the model, since their environment may name another one or none."""
    return given or (model.asked or RULES if setting(MODEL) or setting(MODELS_DIR) else None)


def _nobody(asked_for: int, path: str | None) -> str:
    kept = f"; {path} stays as it was" if path and os.path.exists(path) else ""
    none = (
        "The one learner in --users is not" if asked_for == 1 else f"None of the {asked_for:,} learners in --users is"
    )
    return f"{none} known to the database{kept}."


def _work(client: Client, settings: BatchSettings, output: Output, options: BatchOptions) -> None:
    last: list[str] = []
    words, _ = _words(options)
    wanted = Wanted(options.lines, options.store, words.code, words.audience)
    known, learners, workers = _looked_at(output.tally), options.learners, options.workers

    def parts(at_once: int) -> Iterator[tuple[BatchSettings, Wanted, list[str]]]:
        for ids in ranges(client, learners, output.after, options.part, total - known, at_once):
            last.append(ids[-1])
            yield settings, wanted, ids

    def made_so_far(_item: int | None) -> str:
        return counted(output.tally.counts["predictions"], "prediction")

    with engine(*workers):
        total = count_learners(client) if learners is None else len(learners)
        with bar("learners", total, options.quiet, item_show_func=made_so_far, show_pos=True) as progress:
            progress.update(known)
            for done in in_order(do_part, parts(hands(workers)), workers):
                output.add(done.lines, done.tally, last.pop(0))
                progress.update(_looked_at(done.tally))


def _looked_at(tally: Tally) -> int:
    return tally.counts["learners"] + tally.counts["unknown_learners"]
