"""What the predictor itself has stored about learners: the one list that exporting shows and forgetting removes.

Everything else about a learner is the app's own. A row is about a learner where it names the learner, and where it
belongs to a prediction that does.
"""

from __future__ import annotations

from db.tables.ddl import TABLES
from db.tables.models import default_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.writing.writer import Writer

    Row = dict[str, object]

STORED = {
    "PredictionFeedback": ("userId", "predictionId"),
    "StruggleIndicator": ("userId", "predictionId"),
    "StrugglePrediction": ("userId",),
}
"""Model -> the fields that lead to a learner. The predictions come last: the others refer to them."""
_DATED = {
    "PredictionFeedback": ("submittedAt",),
    "StruggleIndicator": ("detectedAt",),
    "StrugglePrediction": ("predictedAt", "predictionDate"),
}
"""Model -> the field that says how old a row is: the first of these that the table has."""


def rows_about(writer: Writer, user_id: str) -> dict[str, list[Row]]:
    """The rows about the learner by the table's default name, each by the fields that the table has.

    An instant is in milliseconds since 1970. A table that the database lacks has no rows. The order is that of the ids.
    Raises DatabaseUnavailable, and WriteRefused where the database refuses to be read.
    """
    predictions = _predictions(writer, user_id)
    found: dict[str, list[Row]] = {}
    for model in STORED:
        fields = _fields(writer, model)
        rows: dict[str, Row] = {}
        for link, ids in _links(fields, model, user_id, predictions):
            for values in writer.select(model, fields, link, ids):
                row = {field: _as_told(model, field, value) for field, value in zip(fields, values)}
                rows[str(row["id"])] = row
        found[default_table(model)] = [rows[key] for key in sorted(rows)]
    return found


def remove_rows_about(writer: Writer, user_id: str) -> dict[str, int]:
    """Removes these rows in the writer's transaction. Returns their number by table, 0 where a table is absent."""
    predictions = _predictions(writer, user_id)
    return {
        default_table(model): sum(
            writer.delete(model, link, ids) for link, ids in _links(_fields(writer, model), model, user_id, predictions)
        )
        for model in STORED
    }


def old_rows(writer: Writer, before_ms: int) -> dict[str, int]:
    """How many rows of everybody's remove_old_rows would remove, by table."""
    return {table: len(ids) for table, ids in _old(writer, before_ms).items()}


def remove_old_rows(writer: Writer, before_ms: int) -> dict[str, int]:
    """Removes predictions made before an instant with what belongs to them, and other rows that are older than it.

    before_ms: milliseconds since 1970. Returns the number of rows by table, 0 where a table is absent. All of it is in
    the writer's transaction. Raises DatabaseUnavailable, and WriteRefused where the database refuses.
    """
    models = {default_table(model): model for model in STORED}
    return {table: writer.delete(models[table], "id", ids) for table, ids in _old(writer, before_ms).items()}


def _old(writer: Writer, before_ms: int) -> dict[str, list[str]]:
    """The ids of the old rows by table, in the order of STORED."""
    found: dict[str, list[str]] = {}
    predictions: list[str] = []
    for model in reversed(STORED):  # the predictions first, because the others go with them
        fields = _fields(writer, model)
        dated = next((field for field in _DATED[model] if field in fields), None)
        ids = {} if dated is None else dict.fromkeys(writer.ids_before(model, dated, before_ms))
        if "predictionId" in fields:
            ids |= dict.fromkeys(str(row[0]) for row in writer.select(model, ("id",), "predictionId", predictions))
        found[default_table(model)] = list(ids)
        if model == "StrugglePrediction":
            predictions = list(ids)
    return {default_table(model): found[default_table(model)] for model in STORED}


def _predictions(writer: Writer, user_id: str) -> list[str]:
    if not writer.has("StrugglePrediction"):
        return []
    return [str(row[0]) for row in writer.select("StrugglePrediction", ("id",), "userId", [user_id])]


def _fields(writer: Writer, model: str) -> tuple[str, ...]:
    """The fields of the model that the database's table has; none where there is no such table."""
    if not writer.has(model):
        return ()
    columns = writer.columns(model)
    return tuple(field for field in TABLES[model].fields if field in columns)


def _links(fields: tuple[str, ...], model: str, user_id: str, predictions: list[str]) -> list[tuple[str, list[str]]]:
    """The fields of the table that lead to the learner, each with the ids that do so."""
    ids = {"userId": [user_id], "predictionId": predictions}
    return [(link, ids[link]) for link in STORED[model] if link in fields]


def _as_told(model: str, field: str, value: object) -> object:
    """The value; an id as a text, whatever the app's column is."""
    return str(value) if value is not None and TABLES[model].fields[field].type == "String" else value
