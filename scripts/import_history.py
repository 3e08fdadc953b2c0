"""Imports real answer logs into the platform's tables: `python -m scripts.import_history FILE`.

Skills become learning objectives, items their cards, answers reviews, visits study sessions; rows of kind=posttest
become validation responses, and rows of kind=study, which contain no answer, only introduce their item. Ids are the
log's own, or digests of what identifies a row. Importing a log twice adds nothing, and importing a longer one adds what
is new and brings the visits and daily metrics of its learners up to date. A database holds the logs of one source.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.writing.open import Writer, open_writer
from ml.study.correctness import GOOD, correct_setting
from scripts.cli.command import command, note
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.extras import lacking_package
from scripts.cli.options import json_option
from scripts.cli.progress import bar
from scripts.importing import tables, words
from scripts.importing.answers import LoggedAnswer, MalformedLog
from scripts.importing.mapping import Wishes
from scripts.importing.merge import Changes, StoredReview, changes, learner_log
from scripts.importing.options import Treatment, file_options
from scripts.importing.prepared import PreparedLog, prepared
from scripts.importing.staging import Skill, StagedLog, rare_collections
from scripts.importing.study import REVIEW_PREFIX, Review
from scripts.importing.survey import survey
from scripts.importing.tables import Table
from scripts.structure.rows import settle_cards

LEARNERS_AT_ONCE = 200
ANSWERS_AT_ONCE = 20_000

Counts = Counter[str]


def import_log(
    log: StagedLog,
    writer: Writer,
    progress: Callable[[int], object] = lambda answers: None,
    correct_from: str = GOOD,
    skills: Mapping[str, Skill] | None = None,
) -> Counts:
    """Stores the log in the writer's transaction; returns, per model, how many rows were added or updated.

    progress is called after each batch of learners with its number of answers. correct_from: the lowest grade that is a
    correct answer. skills: the log's, where they are known. Raises MalformedLog where the log contradicts an earlier
    import, WriteRefused, DatabaseUnavailable.
    """
    written: Counts = Counter()
    known = survey(log, 0).skills if skills is None else skills
    for table in (
        *tables.course(),
        *tables.objectives(known),
        tables.cards(log.cards()),
    ):
        _store(writer, table, written)
    with rare_collections():
        _import_learners(log, writer, progress, correct_from, written)
    settle_cards(writer)
    return written


def _import_learners(
    log: StagedLog, writer: Writer, progress: Callable[[int], object], correct_from: str, written: Counts
) -> None:
    for some in _batches(log):
        began = tables.learners((learner, answers[0].at_ms) for learner, answers in some)
        # Where every learner is new, no earlier import left anything to merge with.
        is_new = _store(writer, began, written) == len(some)
        logs = [learner_log(learner, answers) for learner, answers in some]
        stored = {} if is_new else _stored_reviews(writer, [one.id for one in logs])
        merged = [changes(one, stored.get(one.id, ()), log.order_only, correct_from) for one in logs]
        _store_changes(writer, merged, written)
        progress(sum(len(answers) for _, answers in some))


def _batches(log: StagedLog) -> Iterator[list[tuple[str, list[LoggedAnswer]]]]:
    """Learners in turn, as many at once as the two limits allow."""
    some: list[tuple[str, list[LoggedAnswer]]] = []
    held = 0
    for learner, answers in log.learners():
        some.append((learner, answers))
        held += len(answers)
        if len(some) >= LEARNERS_AT_ONCE or held >= ANSWERS_AT_ONCE:
            yield some
            some, held = [], 0
    if some:
        yield some


def _stored_reviews(writer: Writer, learners: Sequence[str]) -> dict[str, list[StoredReview]]:
    """The answers that earlier imports stored, by learner; the app's own answers are left out."""
    fields = ("id", "userId", "cardId", "rating", "reviewedAt", "sessionId", "timeSpentMs")
    found = [
        row for row in writer.select("Review", fields, "userId", learners) if str(row[0]).startswith(REVIEW_PREFIX)
    ]
    cards = sorted({str(row[2]) for row in found})
    objective_of = {str(card): str(skill) for card, skill in writer.select("Card", ("id", "objectiveId"), "id", cards)}
    stored: dict[str, list[StoredReview]] = {}
    for identifier, learner, card, rating, at_ms, session, spent_ms in found:
        if isinstance(at_ms, int) and isinstance(spent_ms, int):
            known = Review(
                str(identifier), str(learner), objective_of[str(card)], str(card), str(rating), at_ms, spent_ms
            )
            stored.setdefault(known.learner_id, []).append(StoredReview(known, str(session)))
    return stored


def _store_changes(writer: Writer, merged: Sequence[Changes], written: Counts) -> None:
    _store(writer, tables.sessions(visit for one in merged for visit in one.visits), written)
    _store(writer, tables.reviews(row for one in merged for row in one.new_reviews), written)
    _store(writer, tables.metrics(day for one in merged for day in one.metrics), written)
    _store(writer, tables.responses(score for one in merged for score in one.validations), written)
    for one in merged:
        for session_id, review in one.moved:
            writer.update("Review", review, sessionId=session_id)
        writer.delete("StudySession", "id", one.ended)


def _store(writer: Writer, table: Table, written: Counts) -> int:
    on_conflict = "update" if table.updated else "ignore"
    stored = writer.insert(table.model, table.fields, table.rows, on_conflict, table.updated, distinct=True)
    written[table.model] += stored
    return stored


@command({0: "the log is imported", 2: "the arguments are invalid, or a row of FILE is malformed (its line is named)"})
@click.argument("file", type=click.Path(exists=True))
@file_options
@click.option("--dry-run", is_flag=True, help="Show how FILE is understood, and import nothing.")
@database_options(demo=False, needed=lambda options: not options["dry_run"])
@json_option
def import_history(
    file: str,
    wishes: Wishes,
    treatment: Treatment,
    dry_run: bool,
    database_url: str | None,
    schema: str | None,
    as_json: bool,
) -> None:
    """Import the answer log FILE into the platform's tables, in one transaction.

    The formats of --format are recognised, packed or not (gzip, bz2, xz, zip, Zstandard); --map describes any other
    table: CSV, TSV, JSON, Parquet, Excel. What is doubtful is said on stderr. An empty database gets the platform's
    tables first. Importing a file twice adds nothing.
    """
    began = time.monotonic()
    try:
        with prepared(file, wishes, treatment) as log:
            summary = log.summary()
            _tell(log, summary, as_json, dry_run)
            if dry_run:
                summary["preview"] = log.preview()
            else:
                summary |= import_prepared(log, str(database_url), schema)
    except (MalformedLog, OSError) as error:
        raise Usage(f"{click.format_filename(file)}: {error}") from None
    except ModuleNotFoundError as error:
        raise lacking_package(error) from None
    summary["seconds"] = round(time.monotonic() - began, 1)
    if as_json:
        click.echo(json.dumps(summary))
    elif not dry_run:
        click.echo(words.of_import(summary))


def _tell(log: PreparedLog, summary: dict[str, Any], as_json: bool, dry_run: bool) -> None:
    """What people read before anything is stored: the log on stdout, and each doubt on stderr."""
    if not as_json:
        lines = words.of_log(summary)
        if dry_run:
            lines += ["", *words.of_preview(log.preview())]
        click.echo("\n".join(lines))
    for doubt in log.doubts:
        note(f"Warning: {doubt.text}")


def import_prepared(prepared_log: PreparedLog, database_url: str, schema: str | None = None) -> dict[str, Any]:
    """Imports the log in one transaction, into new tables where there are none; returns the counts of new rows.

    Raises MalformedLog where the log contradicts an earlier import, WriteRefused, DatabaseUnavailable.
    """
    correct_from = correct_setting()
    log, found = prepared_log.log, prepared_log.survey
    with open_writer(database_url, schema_path=schema, create=True) as writer:
        create_tables = schema is None and not writer.existing_tables()
        if create_tables:
            writer.create_tables(indexed=False)
        writer.expect_many_rows()
        with bar("importing answers", log.answers) as progress:
            written = import_log(log, writer, progress.update, correct_from, found.skills)
        if create_tables:
            writer.create_indexes()
    return {
        "new_learners": written["User"],
        "new_objectives": written["LearningObjective"],
        "new_cards": written["Card"],
        "new_answers": written["Review"],
        "visits": written["StudySession"],
        "daily_metrics": written["PerformanceMetric"],
        "validation_scores": written["ValidationResponse"],
        "created_tables": create_tables,
    }


if __name__ == "__main__":
    import_history()
