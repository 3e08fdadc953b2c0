"""The writer that both databases share: rows by model and field, `?` for parameters, one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

from db.errors import WriteRefused
from db.sql.decode_values import decoded, flag, instant_ms, integer, number, texts
from db.tables.ddl import TABLES, ddl
from db.writing.columns import stamps
from db.writing.statements import Statements, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Mapping as Dictionary
    from types import TracebackType
    from typing import Any

    from db.tables.models import Mapping
    from db.writing.columns import Column

ROWS_AT_ONCE = 1000
_STORED_OTHERWISE = ("Json", "String[]")
"""The types, beside DateTime, whose values Statements._stored changes."""


class Writer(Statements):
    """One transaction on the platform's tables.

    Rows are given by model and field; the app's own names of both are followed. A DateTime is int milliseconds since
    1970, a Json field whatever json.dumps takes, a String[] a list; each is stored as Prisma would store it.
    """

    def __init__(self, mapping: Mapping, label: str, connection: Any) -> None:
        super().__init__(mapping, label, connection)
        self._stamped: dict[str, dict[str, bool]] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end()
        finally:
            self._connection.close()  # what is not committed is rolled back

    def insert(
        self,
        model: str,
        fields: Sequence[str],
        rows: Iterable[Sequence[object]],
        on_conflict: str = "fail",
        update: Sequence[str] = (),
        only_where: tuple[str, str] | None = None,
        also: Dictionary[str, object] | None = None,
        distinct: bool = False,
    ) -> int:
        """Stores rows (values in the order of fields); returns how many were stored.

        also: a value for columns of the app's that our models lack; each is written where the table demands a value.

        on_conflict: "fail", "ignore" (a row whose id or unique key exists is left as it is) or "update" (of the row
        with that id, the fields named in `update` are overwritten; with only_where = (field, value), only while the
        stored row holds that value). distinct: the caller promises that no two of the rows have the same id; thousands
        of them are then stored by a faster way, if the database has one. Raises WriteRefused, and RowRefused where the
        fault is in a row.
        """
        stamped = self._stamps(model)
        demanded = self._demanded(model, also) if also else {}
        columns = [*(self._column(model, field) for field in fields), *map(quoted, [*stamped, *demanded])]
        overwritten = [self._column(model, field) for field in update]
        overwritten += [quoted(each) for each, moves in stamped.items() if moves]
        conflict = {
            "fail": "",
            "ignore": " ON CONFLICT DO NOTHING",
            "update": f" ON CONFLICT ({self._column(model, 'id')}) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in overwritten),
        }[on_conflict]
        if only_where is not None:
            field, value = only_where
            held = "'" + str(named(value, self._names(model, field))).replace("'", "''") + "'"
            conflict += f" WHERE {self._table(model)}.{self._column(model, field)} = {held}"
        added = [self._stored("DateTime", self.now_ms())] * len(stamped) + list(demanded.values())
        return self._insert(model, columns, conflict, self._as_stored(model, fields, rows, added), distinct)

    def _as_stored(
        self, model: str, fields: Sequence[str], rows: Iterable[Sequence[object]], added: list[object]
    ) -> Iterator[list[object]]:
        """The rows with their values as the driver takes them, each with the added ones at its end."""
        convert: list[tuple[int, Callable[[Any], object]]] = []
        for place, field in enumerate(fields):
            kind, names = TABLES[model].fields[field].type, self._names(model, field)
            if names:
                convert.append((place, partial(self._named_and_stored, kind, names)))
            elif kind == "DateTime":
                convert.append((place, self._instants()))
            elif kind in _STORED_OTHERWISE:
                convert.append((place, partial(self._stored, kind)))
        for row in rows:
            values = [*row, *added]
            for place, converted in convert:
                if values[place] is not None:
                    values[place] = converted(values[place])
            yield values

    def _named_and_stored(self, kind: str, names: Dictionary[str, str], value: object) -> object:
        return self._stored(kind, named(value, names))

    def select(
        self,
        model: str,
        fields: Sequence[str],
        among: str | None = None,
        values: Sequence[str] = (),
        within: tuple[str, int, int] | None = None,
    ) -> list[tuple[object, ...]]:
        """The fields of the rows whose field `among` holds one of `values` (of all rows where none is named).

        within = (field, from, until): only where that DateTime lies from the one instant to just before the other.
        Types as in `insert`, whatever the app's column is: a DateTime comes back in milliseconds, a Json field decoded,
        a Boolean that is held as a number or a text as a bool, a Float that is a decimal as a float. Unordered.
        """
        kinds = [TABLES[model].fields[field].type for field in fields]
        columns = ", ".join(self._read(kind, self._column(model, field)) for kind, field in zip(kinds, fields))
        sql = f"SELECT {columns} FROM {self._table(model)}"
        found: list[tuple[object, ...]] = []
        if among is None:
            found = self.query(sql)
        for chunk in chunks(self._possible(model, str(among), values), ROWS_AT_ONCE) if among is not None else ():
            marks = ", ".join("?" * len(chunk))
            chunk = [named(value, self._names(model, str(among))) for value in chunk]
            where, bounds = f"{self._column(model, str(among))} IN ({marks})", []
            if within is not None:
                at = self._read("DateTime", self._column(model, within[0]))
                where, bounds = f"{where} AND {at} >= ? AND {at} < ?", list(within[1:])
            found += self.query(f"{sql} WHERE {where}", [*chunk, *bounds])
        meant = [self.mapping.stored_values(model, field) for field in fields]
        return [
            tuple(named(_given(kind, value), names) for kind, names, value in zip(kinds, meant, row)) for row in found
        ]

    def ids_before(self, model: str, field: str, instant_ms: int) -> list[str]:
        """The ids of the rows whose DateTime `field` lies before an instant, in milliseconds since 1970."""
        at = self._read("DateTime", self._column(model, field))
        sql = f"SELECT {self._column(model, 'id')} FROM {self._table(model)} WHERE {at} < ?"
        return [str(identifier) for (identifier,) in self.query(sql, [instant_ms])]

    def update(self, model: str, identifier: str, **values: object) -> int:
        """Overwrites fields of the row with that id; returns how many rows were changed, 0 or 1."""
        assignments = ", ".join(f"{self._column(model, field)} = ?" for field in values)
        stored = [
            self._stored(TABLES[model].fields[field].type, named(value, self._names(model, field)))
            for field, value in values.items()
        ]
        sql = f"UPDATE {self._table(model)} SET {assignments} WHERE {self._column(model, 'id')} = ?"
        return self.execute(sql, [*stored, identifier])

    def delete(self, model: str, field: str, values: Sequence[str]) -> int:
        """Deletes the rows whose field holds one of the values; returns their number."""
        deleted = 0
        for chunk in chunks(self._possible(model, field, values), ROWS_AT_ONCE):
            marks = ", ".join("?" * len(chunk))
            chunk = [named(value, self._names(model, field)) for value in chunk]
            where = f"{self._column(model, field)} IN ({marks})"
            deleted += self.execute(f"DELETE FROM {self._table(model)} WHERE {where}", chunk)
        return deleted

    def create_tables(self, indexed: bool = True) -> None:
        """Makes every table under its default name. Raises WriteRefused where one of them exists.

        indexed: False leaves the indexes to create_indexes, which is faster after many rows than before them.
        """
        for statement in ddl(self.dialect, self.schema()):
            if indexed or not _is_of_an_index(statement):
                self.execute(statement)

    def create_indexes(self) -> None:
        """Makes the indexes that create_tables(indexed=False) left out."""
        for statement in filter(_is_of_an_index, ddl(self.dialect, self.schema())):
            self.execute(statement)

    def expect_many_rows(self) -> None:
        """Prepares for an import of any size. Memory may grow by some tens of MiB, and by no more."""

    def commit(self) -> None:
        """Commits what was written so far and starts the next transaction, for long runs that may be resumed."""
        self._end()
        self._begin()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A block whose writes are undone if something is raised in it; what the transaction wrote before is kept."""
        self.execute("SAVEPOINT one")
        try:
            yield
        except WriteRefused:
            self.execute("ROLLBACK TO SAVEPOINT one")
            raise
        self.execute("RELEASE SAVEPOINT one")

    def columns(self, model: str) -> dict[str, Column]:
        """Returns the database's columns for the model's fields, by field; empty where there is no such table."""
        described = self._described(model)
        names = {field: self.mapping.column(model, field) for field in TABLES[model].fields}
        return {field: described[name] for field, name in names.items() if name in described}

    def _demanded(self, model: str, also: Dictionary[str, object]) -> dict[str, object]:
        """Those of the columns that the table has and that must be given a value, under the app's names."""
        described = self._described(model)
        named_so = {self.mapping.column(model, field): value for field, value in also.items()}
        return {name: value for name, value in named_so.items() if name in described and described[name].is_required}

    def _stamps(self, model: str) -> dict[str, bool]:
        if model not in self._stamped:
            known = {self.mapping.column(model, field) for field in TABLES[model].fields}
            column_of = partial(self.mapping.column, model)
            self._stamped[model] = stamps(self._described(model), known, column_of)
        return self._stamped[model]


def _is_of_an_index(statement: str) -> bool:
    return statement.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX"))


def named(value: object, names: Dictionary[str, str]) -> object:
    """The other name of the value, or the value itself where it has none."""
    return names.get(value, value) if names and isinstance(value, str) else value


def _given(kind: str, value: object) -> object:
    if value is None:
        return None
    if kind == "DateTime":
        return instant_ms(value)
    if kind == "Boolean":  # a word that is neither true nor false is no answer
        return flag(value) if flag(value, True) == flag(value, False) else None
    if kind == "String[]":
        return list(texts(value))
    read = {"Float": number, "Int": integer, "Json": decoded}.get(kind)
    return value if read is None else read(value)


def chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The rows in lists of at most `size`."""
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
