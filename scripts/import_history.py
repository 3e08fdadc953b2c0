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

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.writing.open import Writer, open_writer
from ml.study.correctness import GOOD, correct_setting
from scripts.cli.command import command
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.options import json_option
from scripts.cli.progress import bar
from scripts.importing import tables
from scripts.importing.answer_log import read_log
from scripts.importing.answers import LoggedAnswer, MalformedLog
from scripts.importing.merge import Changes, StoredReview, changes, learner_log
from scripts.importing.staging import StagedLog
from scripts.importing.study import REVIEW_PREFIX, Review
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
) -> Counts:
    """Stores the log in the writer's transaction; returns, per model, how many rows were added or updated.

    progress is called after each batch of learners with its number of answers. correct_from: the lowest grade that is a
    correct answer. Raises MalformedLog where the log contradicts an earlier import, WriteRefused, DatabaseUnavailable.
    """
    written: Counts = Counter()
    for table in (*tables.course(), *tables.objectives(log.skills()), tables.cards(log.cards())):
        _store(writer, table, written)
    for some in _batches(log):
        began = tables.learners((learner, answers[0].at_ms) for learner, answers in some)
        # Where every learner is new, no earlier import left anything to merge with.
        is_new = _store(writer, began, written) == len(some)
        logs = [learner_log(learner, answers) for learner, answers in some]
        stored = {} if is_new else _stored_reviews(writer, [one.id for one in logs])
        merged = [changes(one, stored.get(one.id, ()), log.order_only, correct_from) for one in logs]
        _store_changes(writer, merged, written)
        progress(sum(len(answers) for _, answers in some))
    settle_cards(writer)
    return written


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
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@database_options(demo=False)
@json_option
def import_history(file: str, database_url: str, schema: str | None, as_json: bool) -> None:
    """Import the answer log FILE into the platform's tables, in one transaction.

    FILE is tab-separated or CSV, plain or gzip, one answer per row: user_id, item_id, timestamp (seconds), correct (1
    or 0), skill_id and, if there is one, kind (practice, posttest or study). Where all timestamps are 0 only the order
    is known. FILE must be a regular file; a line has at most 64 KiB, and a gzip file unpacks to at most 1 GiB. An empty
    database gets the platform's tables first. Importing a file twice adds nothing.
    """
    began = time.monotonic()
    try:
        with read_log(file) as log:
            summary = _import_file(log, database_url, schema)
    except (MalformedLog, OSError) as error:
        raise Usage(f"{click.format_filename(file)}: {error}") from None
    summary["seconds"] = round(time.monotonic() - began, 1)
    click.echo(json.dumps(summary) if as_json else _sentence(summary))


def _import_file(log: StagedLog, database_url: str, schema: str | None) -> dict[str, int | float | bool]:
    correct_from = correct_setting()
    with open_writer(database_url, schema_path=schema, create=True) as writer:
        create_tables = schema is None and not writer.existing_tables()
        if create_tables:
            writer.create_tables(indexed=False)
        writer.expect_many_rows()
        with bar("importing answers", log.answers) as progress:
            written = import_log(log, writer, progress.update, correct_from)
        if create_tables:
            writer.create_indexes()
    return {
        "rows": log.answers,
        "learners": log.count_of_learners(),
        "new_learners": written["User"],
        "new_objectives": written["LearningObjective"],
        "new_cards": written["Card"],
        "new_answers": written["Review"],
        "visits": written["StudySession"],
        "daily_metrics": written["PerformanceMetric"],
        "validation_scores": written["ValidationResponse"],
        "study_rows": log.study_rows(),
        "order_only": log.order_only,
        "created_tables": create_tables,
    }


def _sentence(summary: Mapping[str, int | float | bool]) -> str:
    def told(*names: str) -> str:
        each = [counted(int(summary[name]), name.removeprefix("new_").replace("_", " ").rstrip("s")) for name in names]
        return f"{', '.join(each[:-1])} and {each[-1]}"

    rows, learners = counted(int(summary["rows"]), "row"), counted(int(summary["learners"]), "learner")
    return (
        f"{rows} of {learners} in {summary['seconds']} s."
        f" New are {told('new_answers', 'new_learners', 'new_objectives', 'new_cards')}."
        f" Stored anew were {told('visits', 'daily_metrics', 'validation_scores')}."
        + (" The times are only an order." if summary["order_only"] else "")
        + (" The tables were created." if summary["created_tables"] else "")
    )


if __name__ == "__main__":
    import_history()
