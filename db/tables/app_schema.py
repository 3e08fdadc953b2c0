"""The app's own schema.prisma, read for the names that it gives its tables, columns and values (@@map, @map)."""

from __future__ import annotations

import os

from db.errors import SchemaUnreadable
from db.tables.prisma_language import argument, blocks, foreign_key, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from db.tables.prisma_language import Line

LARGEST_SCHEMA = 1 << 20
"""Bytes, all files together: ten times the largest real schemas known to us, and still read in about a second."""

MOST_FILES = 500
"""Files, and folders searched for them."""

_REFERENCES = {
    "userId": "User",
    "courseId": "Course",
    "lectureId": "Lecture",
    "objectiveId": "LearningObjective",
    "learningObjectiveId": "LearningObjective",
    "cardId": "Card",
    "promptId": "ValidationPrompt",
    "predictionId": "StrugglePrediction",
}
"""The foreign keys that the queries use, by the model they point to: an app may call the field otherwise."""


class Model:
    """A model or view: its table, that table's PostgreSQL schema (@@schema), and each field's column and type.

    keys: for each other model, the single-column foreign keys that point to it.
    """

    __slots__ = ("columns", "keys", "schema", "table", "types")

    def __init__(self, name: str, lines: list[Line]) -> None:
        self.table = name
        self.schema: str | None = None
        self.columns: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.keys: dict[str, list[str]] = {}
        for line in lines:
            if line[0] == "@@":
                self.table = argument(line, "@@", "map") or self.table
                self.schema = argument(line, "@@", "schema") or self.schema
            elif len(line) > 1:
                field, type_name = line[0], line[1]
                self.columns[field] = argument(line, "@", "map") or field
                self.types[field] = type_name
                keys = foreign_key(line)
                if len(keys) == 1:
                    self.keys.setdefault(type_name, []).append(keys[0])


class SchemaNames:
    """What the app calls its tables and columns. `default` and `default_table`: the platform's own name of the table.

    provider: the datasource block's ("postgresql", "sqlite", "mysql", ...). url: the literal URL in that block, a
    secret; url_variable: the environment variable that holds it. Each is None where the schema does not say. directory:
    the schema's directory, relative to which file:./dev.db is resolved.
    """

    __slots__ = ("directory", "enums", "models", "provider", "url", "url_variable")

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.models: dict[str, Model] = {}
        self.enums: dict[str, dict[str, str]] = {}
        self.provider: str | None = None
        self.url: str | None = None
        self.url_variable: str | None = None

    def table(self, model: str, default: str) -> str:
        """The model's table; `default` where the app has no such model."""
        found = self._found(model, default)
        return found.table if found else default

    def table_schema(self, model: str, default: str) -> str | None:
        """The PostgreSQL schema that @@schema names, None where there is none."""
        found = self._found(model, default)
        return found.schema if found else None

    def column(self, model: str, default_table: str, field: str) -> str:
        """The field's column; the field's own name where the app's model has no such field."""
        found = self._found(model, default_table)
        if found is None:
            return field
        if field not in found.columns:
            keys = found.keys.get(_REFERENCES.get(field, ""), [])
            field = keys[0] if len(keys) == 1 else field
        return found.columns.get(field, field)

    def stored_values(self, model: str, default_table: str, field: str) -> dict[str, str]:
        """Stored text -> enum value, for those values of the field's enum that @map stores as another text."""
        found = self._found(model, default_table)
        return self.enums.get(found.types.get(field, ""), {}) if found else {}

    def _found(self, name: str, table: str) -> Model | None:
        # `prisma db pull` names the models after the tables.
        return self.models.get(name) or next((m for m in self.models.values() if m.table == table), None)

    def take(self, text: str) -> None:
        """Add the blocks of one file. Raises SchemaUnreadable."""
        for kind, name, lines in blocks(text):
            if kind in ("model", "view"):
                if name in self.models:
                    raise SchemaUnreadable(f"defines {name} a second time")
                self.models[name] = Model(name, lines)
            elif kind == "enum":
                stored = {argument(line, "@", "map"): line[0] for line in lines if line[0] != "@@"}
                self.enums[name] = {text: value for text, value in stored.items() if text}
            elif kind == "datasource":
                self._take_datasource(lines)

    def _take_datasource(self, lines: list[Line]) -> None:
        for line in lines:
            if line[:4] == ["url", "=", "env", "("]:
                self.url_variable = text_of(line[4])
            elif line[:2] == ["url", "="]:
                self.url = text_of(line[-1])
            elif line[:2] == ["provider", "="]:
                self.provider = text_of(line[-1])


def read(path: str) -> SchemaNames:
    """The names in a schema.prisma, or in a directory of .prisma files. Raises SchemaUnreadable."""
    # A device or a pipe would never end.
    files = [path] if os.path.isfile(path) else list(_files_below(path)) if os.path.isdir(path) else []
    if not files:
        raise SchemaUnreadable(f"There is no schema.prisma at {path!r}.")
    names = SchemaNames(os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path)))
    room = LARGEST_SCHEMA
    for file in files:
        try:
            with open(file, "rb") as stream:
                octets = stream.read(room + 1)
            room -= len(octets)
            if room < 0:
                raise SchemaUnreadable(f"is larger than {LARGEST_SCHEMA} bytes")
            names.take(octets.decode("utf-8-sig"))
        except OSError as failure:
            raise SchemaUnreadable(f"The schema {file!r} cannot be read: {failure.strerror}.") from failure
        except UnicodeDecodeError as failure:
            raise SchemaUnreadable(f"The schema {file!r} is not UTF-8 text.") from failure
        except SchemaUnreadable as failure:
            raise SchemaUnreadable(f"The schema {file!r} {failure}.") from None
    if not names.models:
        raise SchemaUnreadable(f"The schema {path!r} defines no model.")
    return names


def _files_below(directory: str) -> Iterator[str]:
    seen = 0
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name not in ("migrations", "node_modules"))
        paths = [os.path.join(folder, file) for file in sorted(files) if file.endswith(".prisma")]
        seen += 1 + len(paths)
        if seen > MOST_FILES:
            raise SchemaUnreadable(
                f"The directory {directory!r} has more than {MOST_FILES} files, too many for a schema."
            )
        yield from filter(os.path.isfile, paths)
