"""A batch's predictions in the platform's own tables: one row per learner, objective and day that it is about.

The row's id is computed from those three (ml/study/occasion.py), or the database makes it where the column holds
numbers. A row that is still PENDING gets the newer numbers; one that was decided, answered in the app, or dismissed,
stays as it is, and so do its indicators. A row for that learner, objective and day under another id, from an earlier
release or another program, counts as the same row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from db.errors import DatabaseConfiguration, RowRefused
from db.writing.columns import Column
from db.writing.open import Writer
from db.writing.row_by_row import insert_what_fits
from ml.study.history import DAY_MS
from scripts.batch.stored_rows import Held, Made, indicator_values, prediction_values

FIELDS = (
    *("userId", "learningObjectiveId", "topicId", "predictedStruggleProbability", "predictionConfidence"),
    *("predictionStatus", "featureVector", "strugglingFactors", "predictionDate", "predictedAt"),
)
UPDATED = (
    *("topicId", "predictedStruggleProbability", "predictionConfidence", "featureVector", "strugglingFactors"),
    *("predictionDate", "predictedAt"),
)
INDICATOR_FIELDS = (
    *("userId", "learningObjectiveId", "predictionId"),
    *("indicatorType", "severity", "context", "detectedAt"),
)
ONE_BATCH_AT_A_TIME = 0x5BB4AD446A11
"""The advisory lock under which rows are made where no key keeps a second one out."""

Key = tuple[str, str, int]


class StoreResult(NamedTuple):
    """How many predictions and indicators were written, and how many rows were left as they were or refused.

    refusals: the database's message about each row that it refused.
    """

    written: int
    kept: int
    refused: int
    indicators: int
    refusals: list[str]


def store(writer: Writer, made: Sequence[Made]) -> StoreResult:
    """Writes the predictions in the writer's transaction, which the caller commits.

    What the app's tables lack (topicId, or the table of indicators) is left out. Raises DatabaseConfiguration where
    there is no table of predictions or the ids of a column cannot be made, and WriteRefused where the fault is not in a
    row.
    """
    columns = writer.columns("StrugglePrediction")
    if not columns:
        table = writer.mapping.table("StrugglePrediction")
        raise DatabaseConfiguration(f"The database has no table {table!r} in which predictions could be stored.")
    _be_alone_where_rows_may_double(writer, columns)
    held = _held(writer, made)
    open_ones = [each for each in made if (row := held.get(_key(each))) is None or row.takes(each)]
    updated = [each for each in open_ones if _key(each) in held]
    new = [each for each in open_ones if _key(each) not in held]
    ids, refusals = _update(writer, columns, updated, held)
    more_ids, more_refusals = _insert(writer, columns, new)
    written = len(ids) + len(more_ids)
    indicators, no_signs = _replace_indicators(writer, [*ids, *more_ids], {each[1] for each in ids})
    said = refusals + more_refusals + no_signs
    return StoreResult(written, len(made) - len(open_ones), len(said), indicators, said)


def dismiss(writer: Writer, learner_ids: Sequence[str]) -> int:
    """Dismisses the open predictions of these learners, and returns their number."""
    if not learner_ids or not writer.has("StrugglePrediction"):
        return 0
    dismissed = 0
    if not writer.has("StrugglePrediction"):
        return dismissed
    for identifier, status in writer.select("StrugglePrediction", ("id", "predictionStatus"), "userId", learner_ids):
        if status == "PENDING":
            dismissed += writer.update("StrugglePrediction", str(identifier), predictionStatus="DISMISSED")
    return dismissed


def _key(made: Made) -> Key:
    return made.occasion.learner_id, made.occasion.objective_id, made.occasion.day


def _be_alone_where_rows_may_double(writer: Writer, columns: Mapping[str, Column]) -> None:
    """Takes a lock where two batches at once could each make a row for the same learner, objective and day.

    They may where the database makes the ids, and where the id alone is no key, as in a table partitioned by date.
    """
    if "id" in columns and not _is_upserted(columns["id"]):
        if not (columns["id"].takes_a_uuid or columns["id"].has_default):
            raise DatabaseConfiguration(
                f"The column id of {writer.mapping.table('StrugglePrediction')!r} takes no UUID and has no default."
            )
        if writer.dialect == "postgresql":
            writer.query("SELECT CAST(pg_catalog.pg_advisory_xact_lock(?) AS text)", [ONE_BATCH_AT_A_TIME])


def _is_upserted(identifier: Column) -> bool:
    return identifier.takes_a_uuid and identifier.is_key


def _held(writer: Writer, made: Sequence[Made]) -> dict[Key, Held]:
    """The rows that exist, by learner, objective and day; of several for one day the PENDING one, else the newest."""
    if not made:
        return {}
    days = [each.occasion.day for each in made]
    fields = (
        *("userId", "learningObjectiveId", "predictionDate", "id", "predictionStatus", "predictedAt"),
        *("predictedStruggleProbability", "featureVector", "actualOutcome"),
    )
    learners = sorted({each.occasion.learner_id for each in made})
    within = ("predictionDate", min(days) * DAY_MS, (max(days) + 1) * DAY_MS)
    wanted = set(map(_key, made))
    found: dict[Key, Held] = {}
    for learner, objective, date_ms, identifier, status, *said in writer.select(
        "StrugglePrediction", fields, "userId", learners, within
    ):
        key = str(learner), str(objective), int(str(date_ms)) // DAY_MS
        row = Held(str(identifier), str(status), *said)  # type: ignore[arg-type]
        if key in wanted and (key not in found or _standing(row) > _standing(found[key])):
            found[key] = row
    return found


def _standing(row: Held) -> tuple[bool, int]:
    return row.status == "PENDING", row.predicted_at_ms or 0


def _update(
    writer: Writer, columns: Mapping[str, Column], made: Sequence[Made], held: Mapping[Key, Held]
) -> tuple[list[tuple[Made, str]], list[str]]:
    """Brings these rows up to date;

    returns the predictions stored with their rows' ids, and the database's refusals.
    """
    fields = ["id", *_present(FIELDS, columns)]
    rows = sorted(((held[_key(each)], each) for each in made), key=lambda pair: pair[0].id)  # no deadlocks
    values = [{"id": row.id, **_values(each, row, columns)} for row, each in rows]
    if _is_upserted(columns["id"]):
        return _stored_of([(each, row.id) for row, each in rows], _upserted(writer, fields, values))
    refused: dict[int, str] = {}
    for place, (row, _) in enumerate(rows):
        try:
            with writer.savepoint():  # an id that is always generated may not be given, not even the one it has
                fresh = {field: values[place][field] for field in _present(UPDATED, columns)}
                writer.update("StrugglePrediction", row.id, **fresh)
        except RowRefused as error:
            refused[place] = str(error)
    return _stored_of([(each, row.id) for row, each in rows], refused)


def _insert(
    writer: Writer, columns: Mapping[str, Column], made: Sequence[Made]
) -> tuple[list[tuple[Made, str]], list[str]]:
    """Makes new rows; returns the same as _update."""
    fields = _present(FIELDS, columns)
    if columns["id"].takes_a_uuid:
        ids = {columns["id"].id_of(each.occasion.prediction_id): each for each in made}
        values = [{"id": key, **_values(ids[key], None, columns)} for key in sorted(ids)]
        pairs = [(ids[key], key) for key in sorted(ids)]
        if _is_upserted(columns["id"]):
            return _stored_of(pairs, _upserted(writer, ["id", *fields], values))
        rows = [[row[field] for field in ("id", *fields)] for row in values]
        _, refused = insert_what_fits(writer, "StrugglePrediction", ("id", *fields), rows)
        return _stored_of(pairs, refused)
    values = [_values(each, None, columns) for each in made]
    rows = [[row[field] for field in fields] for row in values]
    _, refused = insert_what_fits(writer, "StrugglePrediction", fields, rows)
    held = _held(writer, [each for place, each in enumerate(made) if place not in refused])
    return _stored_of([(each, held[_key(each)].id if _key(each) in held else "") for each in made], refused)


def _values(made: Made, held: Held | None, columns: Mapping[str, Column]) -> dict[str, object]:
    """The prediction's fields but for its id. PostgreSQL would round a day's last millisecond up to the next day."""
    values = prediction_values(made, held)
    unit_ms = columns["predictionDate"].unit_ms if "predictionDate" in columns else 1
    return {**values, "predictionDate": made.occasion.date_ms // unit_ms * unit_ms}


def _upserted(writer: Writer, fields: Sequence[str], values: Sequence[Mapping[str, object]]) -> dict[int, str]:
    """Inserts or updates the rows; returns the database's sentence for each row that it refused, by the row's place."""
    _, refused = insert_what_fits(
        writer,
        "StrugglePrediction",
        fields,
        [[row[field] for field in fields] for row in values],
        on_conflict="update",
        update=[field for field in UPDATED if field in fields],
        only_where=("predictionStatus", "PENDING"),
    )
    return refused


def _stored_of(
    pairs: Sequence[tuple[Made, str]], refused: Mapping[int, str]
) -> tuple[list[tuple[Made, str]], list[str]]:
    stored = [pair for place, pair in enumerate(pairs) if place not in refused]
    return stored, [f"{pairs[place][0].occasion.learner_id}: {said}" for place, said in refused.items()]


def _replace_indicators(writer: Writer, stored: Sequence[tuple[Made, str]], updated: set[str]) -> tuple[int, list[str]]:
    """Replaces the stored signs of these predictions; returns how many were written, and the database's refusals."""
    columns = writer.columns("StruggleIndicator")
    if not columns:
        return 0, []
    writer.delete("StruggleIndicator", "predictionId", sorted(updated))
    values = [row for made, identifier in stored for row in indicator_values(made, identifier)]
    fields = list(_present(INDICATOR_FIELDS, columns))
    if columns["id"].takes_a_uuid:
        fields.append("id")
        values = [{**row, "id": columns["id"].id_of(str(row["id"]))} for row in values]
    rows = [[row[field] for field in fields] for row in values]
    written, refused = insert_what_fits(writer, "StruggleIndicator", fields, rows, on_conflict="ignore")
    return written, [f"{values[place]['userId']}: {said}" for place, said in refused.items()]


def _present(fields: Sequence[str], columns: Mapping[str, Column]) -> list[str]:
    return [field for field in fields if field in columns]
