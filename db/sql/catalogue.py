"""Which of the platform's tables and columns a database has, and which of them our role may read."""

from __future__ import annotations

from db.errors import RequiredTableAbsent
from db.sql.json_values import listed
from db.tables.models import DEMO_CLOCK, MODELS, REQUIRED_MODELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db.tables.models import Mapping


LEARNERS = "User"
"""The model whose table tells who owns the platform. It comes first among the models."""


class Catalogue:
    """For each model, the declared types of its fields by name; a model that lacks a required field is absent.

    missing_sources: the default names of the absent optional tables ("missions"), and of absent columns of tables that
    exist ("users.includeInAnalytics"). filtered: the models whose tables may hide rows from us, perhaps all of them.
    hidden: those whose tables hide all rows, and which are therefore absent.
    """

    __slots__ = (
        *("_columns", "_encoding", "_fields", "_schemas"),
        *("filtered", "has_own_clock", "hidden", "mapping", "missing_sources"),
    )

    def __init__(self, mapping: Mapping, columns: Iterable[Sequence[object]], encoding: str = "UTF8") -> None:
        """Takes the database's encoding and the dialect's rows: schema or None, table, column, type, place in the
        search, owner, whether it is trusted, row security. Raises RequiredTableAbsent.
        """
        columns = list(columns)
        security = None
        if any(row[-1] for row in columns):
            from db.sql.row_security import RowSecurity

            security = RowSecurity(columns)
        relations = _Relations(columns)
        self.mapping = mapping
        self._encoding = encoding
        self._fields: dict[str, dict[str, str]] = {}
        self._columns: dict[str, dict[str, str]] = {}
        self._schemas: dict[str, str | None] = {}
        missing: list[str] = []
        for model, known in MODELS.items():
            schema, types = relations.find(mapping.table_schema(model), mapping.table(model), model == LEARNERS)
            if security is not None and mapping.table(model) in security.hidden:
                types = {}
            fields = {field: types[name] for field in known.fields if (name := mapping.column(model, field)) in types}
            if fields.keys() >= set(known.needed):
                self._fields[model], self._columns[model], self._schemas[model] = fields, types, schema
            elif model in REQUIRED_MODELS:
                if security is not None and mapping.table(model) in security.hidden:
                    from db.sql.row_security import refusal

                    raise refusal(mapping.table(model))
                raise RequiredTableAbsent(_absence(mapping, model, types))
            if not types:
                missing.append(known.table)
            elif len(fields) < len(known.fields):
                missing += [f"{known.table}.{field}" for field in known.fields if field not in fields]
            if model == LEARNERS:
                relations.trust_the_owner_of(schema, mapping.table(model))
        schema, types = relations.find(None, DEMO_CLOCK)
        self.has_own_clock = "now" in types
        if self.has_own_clock:
            self._fields["DemoClock"], self._schemas["DemoClock"] = types, schema
        self.missing_sources = tuple(missing)
        self.hidden = tuple(model for model in MODELS if security and mapping.table(model) in security.hidden)
        self.filtered = tuple(model for model in self._fields if security and mapping.table(model) in security.filtered)

    def __contains__(self, model: str) -> bool:
        return model in self._fields

    def models(self) -> Iterable[str]:
        """The models that the database has of those that are read, and its own clock where it has one."""
        return self._fields

    def fields(self, model: str) -> Iterable[str]:
        """The fields that the database has of those that are read."""
        return self._fields[model]

    def type(self, model: str, field: str) -> str | None:
        """The declared type, "" where SQLite's column has none; None where there is no such column."""
        return self._fields.get(model, {}).get(field)

    def column_type(self, model: str, column: str) -> str | None:
        """Returns the declared type of any readable column of the model's table, by the column's own name."""
        return self._columns.get(model, {}).get(column)

    def schema(self, model: str) -> str | None:
        """The PostgreSQL schema in which the model's table was found; None in SQLite."""
        return self._schemas[model]

    def admits(self, model: str, field: str, identifier: str) -> bool:
        """Tells whether the column could hold the id.

        A uuid column cannot even be compared with a text that is not a UUID.
        """
        return admits(self.type(model, field), self._encoding, identifier)


def admits(kind: str | None, encoding: str, identifier: str) -> bool:
    """Tells whether a column of that type, in a database of that encoding, could hold the id."""
    if kind in ("int2", "int4", "int8"):
        return identifier.isascii() and identifier.isdigit() and int(identifier[:19]) < 1 << 8 * int(kind[3]) - 1
    if kind == "numeric":
        return identifier.isascii() and identifier.isdigit() and len(identifier) < 1000
    if kind == "uuid":
        digits = identifier.replace("-", "")
        return len(digits) == 32 and len(identifier) in (32, 36) and all(d in "0123456789abcdefABCDEF" for d in digits)
    try:
        identifier.encode()
    except UnicodeEncodeError:  # bytes of a command line that are no text
        return False
    if encoding != "UTF8":
        from db.sql.encodings import can_hold

        if not can_hold(encoding, identifier):
            return False
    return "\0" not in identifier


MOST_VALUES = 3
LONGEST_VALUE = 40


def with_unknown(missing: tuple[str, ...], unknown: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What is missing, and columns with values unknown to the app, such as "reviews.rating (unknown value 'ok')"."""
    values: dict[str, set[str]] = {}
    for column, value in unknown:
        values.setdefault(column, set()).add(ascii(value[:LONGEST_VALUE]))
    told = list(missing)
    for column, found in values.items():
        shown = ", ".join(sorted(found)[:MOST_VALUES]) + (", ..." if len(found) > MOST_VALUES else "")
        told.append(f"{column} (unknown value{'s' if len(found) > 1 else ''} {shown})")
    return tuple(told)


def tables(mapping: Mapping) -> str:
    """The tables to look for, as a JSON list."""
    return listed([*(mapping.table(model) for model in MODELS), DEMO_CLOCK])


def named_schemas(mapping: Mapping) -> str:
    """The PostgreSQL schemas that the app's own schema names for its tables, as a JSON list."""
    return listed(sorted({schema for model in MODELS if (schema := mapping.table_schema(model)) is not None}))


class _Relations:
    """The tables and views that the catalogue tells of.

    One whose reading may run somebody's code counts only if that is the owner of its schema, or of the learners' table:
    others may be allowed to make views where the app keeps its tables, under names that the app does not have.
    """

    def __init__(self, columns: Iterable[Sequence[object]]) -> None:
        self._types: dict[tuple[str | None, str], dict[str, str]] = {}
        self._places: dict[str, dict[str | None, int]] = {}
        self._owners: dict[tuple[str | None, str], tuple[object, bool]] = {}
        self._trusted: object = None
        for schema, table, column, kind, place, owner, trusted, _security in columns:
            where = (_text(schema), str(table))
            if where not in self._types:
                self._types[where] = {}
                self._owners[where] = (owner, bool(trusted))
                if place is not None:
                    self._places.setdefault(where[1], {})[where[0]] = int(str(place))
            if not trusted:  # of one column's type is enough
                self._owners[where] = (owner, False)
            self._types[where][str(column)] = str(kind)

    def trust_the_owner_of(self, schema: str | None, table: str) -> None:
        """Trusts tables and types of that owner from now on."""
        self._trusted, _ = self._owners.get((schema, table), (None, False))

    def find(self, schema: str | None, table: str, whosever: bool = False) -> tuple[str | None, dict[str, str]]:
        """The schema and the columns' types of a table, looked up in the given schema, else on the search path.

        There are no columns where there is no such table. whosever: the owner does not matter.
        """
        places = self._places.get(table, {})
        schemas = sorted(places, key=places.__getitem__) if schema is None or None in places else [schema]
        for each in schemas:
            owner, trusted = self._owners.get((each, table), (None, False))
            if trusted or whosever or (owner is not None and owner == self._trusted):
                return each, self._types.get((each, table), {})
        return None, {}


def _absence(mapping: Mapping, model: str, types: dict[str, str]) -> str:
    hint = (
        "if the app calls it otherwise, give the app's schema.prisma with --schema;"
        " on PostgreSQL, the role must be allowed to read it (GRANT SELECT)"
    )
    if not types:
        return f"The database has no readable table {mapping.table(model)!r} (model {model}); {hint}."
    absent = next(name for field in MODELS[model].needed if (name := mapping.column(model, field)) not in types)
    return f"The table {mapping.table(model)!r} has no readable column {absent!r} (model {model}); {hint}."


def _text(value: object) -> str | None:
    return None if value is None else str(value)
