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
from collections.abc import Callable, Mapping, Sequence

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.writing.open import Writer, open_writer
from scripts.cli.command import command
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.options import json_option
from scripts.cli.progress import bar
from scripts.importing import tables
from scripts.importing.answer_log import STUDY, AnswerLog, MalformedLog, read_log
from scripts.importing.merge import Changes, LearnerLog, StoredReview, by_learner, changes
from scripts.importing.study import REVIEW_PREFIX, Review
from scripts.importing.tables import Table
from scripts.structure.rows import settle_cards

LEARNERS_AT_ONCE = 200

Counts = Counter[str]


def import_log(log: AnswerLog, writer: Writer, progress: Callable[[int], object] = lambda learners: None) -> Counts:
    """Stores the log in the writer's transaction; returns, per model, how many rows were added or updated.

    progress is called after each batch with its number of learners. Raises MalformedLog where the log contradicts an
    earlier import, WriteRefused, DatabaseUnavailable.
    """
    learners = by_learner(log)
    written: Counts = Counter()
    for table in tables.course_tables(log):
        _store(writer, table, written)
    # Where every learner is new, no earlier import left anything to merge with.
    objective_of = _objectives_of_cards(writer) if written["User"] < len(learners) else None
    for start in range(0, len(learners), LEARNERS_AT_ONCE):
        some = learners[start : start + LEARNERS_AT_ONCE]
        stored = _stored_reviews(writer, some, objective_of) if objective_of is not None else {}
        _store_changes(writer, [changes(one, stored.get(one.id, ()), log.order_only) for one in some], written)
        progress(len(some))
    settle_cards(writer)
    return written


def _objectives_of_cards(writer: Writer) -> dict[str, str]:
    return {str(card): str(objective) for card, objective in writer.select("Card", ("id", "objectiveId"))}


def _stored_reviews(
    writer: Writer, learners: Sequence[LearnerLog], objective_of: Mapping[str, str]
) -> dict[str, list[StoredReview]]:
    """The answers that earlier imports stored, by learner; the app's own answers are left out."""
    stored: dict[str, list[StoredReview]] = {}
    fields = ("id", "userId", "cardId", "rating", "reviewedAt", "sessionId")
    for row in writer.select("Review", fields, "userId", [learner.id for learner in learners]):
        identifier, learner_id, card, rating, at_ms, session_id = row
        if str(identifier).startswith(REVIEW_PREFIX) and isinstance(at_ms, int):
            review = Review(str(identifier), str(learner_id), objective_of[str(card)], str(card), str(rating), at_ms)
            stored.setdefault(review.learner_id, []).append(StoredReview(review, str(session_id)))
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


def _store(writer: Writer, table: Table, written: Counts) -> None:
    on_conflict = "update" if table.updated else "ignore"
    stored = writer.insert(table.model, table.fields, table.rows, on_conflict, table.updated)
    written[table.model] += stored


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
        log = read_log(file)
        summary = _import_file(log, database_url, schema)
    except (MalformedLog, OSError) as error:
        raise Usage(f"{click.format_filename(file)}: {error}") from None
    summary["seconds"] = round(time.monotonic() - began, 1)
    click.echo(json.dumps(summary) if as_json else _sentence(summary))


def _import_file(log: AnswerLog, database_url: str, schema: str | None) -> dict[str, int | float | bool]:
    with open_writer(database_url, schema_path=schema, create=True) as writer:
        create_tables = schema is None and not writer.existing_tables()
        if create_tables:
            writer.create_tables()
        learners = len({answer.learner_id for answer in log.answers})
        with bar("importing learners", learners) as progress:
            written = import_log(log, writer, progress.update)
    return {
        "rows": len(log.answers),
        "learners": learners,
        "new_learners": written["User"],
        "new_objectives": written["LearningObjective"],
        "new_cards": written["Card"],
        "new_answers": written["Review"],
        "visits": written["StudySession"],
        "daily_metrics": written["PerformanceMetric"],
        "validation_scores": written["ValidationResponse"],
        "study_rows": sum(answer.kind == STUDY for answer in log.answers),
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
        f" StoredReview anew were {told('visits', 'daily_metrics', 'validation_scores')}."
        + (" The times are only an order." if summary["order_only"] else "")
        + (" The tables were created." if summary["created_tables"] else "")
    )


if __name__ == "__main__":
    import_history()
