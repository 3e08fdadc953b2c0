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
