"""The writing side, for scripts: imports, outcomes, stored predictions, erasure. A prediction never comes here.

One `with` block is one transaction: committed at its end, rolled back when anything is raised.
"""

from __future__ import annotations

import json
import time

from db import connecting
from db.dialects import POSTGRESQL, SQLITE
from db.errors import DatabaseConfiguration, DatabaseUnavailable, WriteRefused
from db.readings import decoded, instant_ms, texts
from db.tables import TABLES, ddl
from db.timestamps import postgres_ms, sqlite_ms, stored_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Any

    from db.mapping import Mapping
    from db.url import DatabaseURL

ROWS_AT_ONCE = 1000
LOCK_PATIENCE_S = 30.0


def open_writer(
    url: str | None = None, *, schema_path: str | None = None, create: bool = False, patience_s: float = LOCK_PATIENCE_S
) -> Writer:
    """A writer on the database at url, else at $DATABASE_URL; the demo database is never written to by default.

    create: make the SQLite file if there is none. patience_s: how long to wait for a connection or a lock. Raises
    UnsupportedURL, SchemaUnreadable, DatabaseUnavailable, and DatabaseConfiguration where no database is named.
    """
    where, mapping = connecting.located(url, schema_path)
    if where.path == connecting.DEMO and not url:
        raise DatabaseConfiguration("No database to write to: give --database-url or set DATABASE_URL.")
    if where.path is not None:
        return SQLiteWriter(where.path, mapping, create, patience_s)
    return PostgreSQLWriter(where, mapping, patience_s)


class Writer:
    """One transaction on the platform's tables.

    Rows are given by model and field; the app's own names of both are followed. A DateTime is int milliseconds since
    1970, a Json field whatever json.dumps takes, a String[] a list; each is stored as Prisma would store it.
    """

    dialect: str
    error: type[Exception]

    def __init__(self, mapping: Mapping, label: str, connection: Any) -> None:
        self.mapping = mapping
        self.label = label
        self._connection = connection

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end("COMMIT")
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
    ) -> int:
        """Stores rows (values in the order of fields); returns how many were stored.

        on_conflict: "fail", "ignore" (a row whose id or unique key exists is left as it is) or "update" (of the row
        with that id, the fields named in `update` are overwritten; with only_where = (field, value), only while the
        stored row holds that value). Raises WriteRefused.
        """
        columns = ", ".join(self._column(model, field) for field in fields)
        conflict = {
            "fail": "",
            "ignore": " ON CONFLICT DO NOTHING",
            "update": f" ON CONFLICT ({self._column(model, 'id')}) DO UPDATE SET "
            + ", ".join(f"{(name := self._column(model, field))} = excluded.{name}" for field in update),
        }[on_conflict]
        if only_where is not None:
            field, value = only_where
            held = "'" + value.replace("'", "''") + "'"
            conflict += f" WHERE {self._table(model)}.{self._column(model, field)} = {held}"
        kinds = [TABLES[model].fields[field].type for field in fields]
        stored = ([self._stored(kind, value) for kind, value in zip(kinds, row)] for row in rows)
        return self._insert(f"INSERT INTO {self._table(model)} ({columns}) VALUES ", len(fields), conflict, stored)

    def select(
        self, model: str, fields: Sequence[str], among: str | None = None, values: Sequence[str] = ()
    ) -> list[tuple[object, ...]]:
        """The fields of the rows whose field `among` holds one of `values` (of all rows where none is named).

        Types as in `insert`: a DateTime comes back in milliseconds, a Json field decoded. Unordered.
        """
        kinds = [TABLES[model].fields[field].type for field in fields]
        columns = ", ".join(self._read(kind, self._column(model, field)) for kind, field in zip(kinds, fields))
        sql = f"SELECT {columns} FROM {self._table(model)}"
        found: list[tuple[object, ...]] = []
        if among is None:
            found = self.query(sql)
        for chunk in _chunks(list(values), ROWS_AT_ONCE) if among is not None else ():
            marks = ", ".join("?" * len(chunk))
            found += self.query(f"{sql} WHERE {self._column(model, str(among))} IN ({marks})", chunk)
        return [tuple(_given(kind, value) for kind, value in zip(kinds, row)) for row in found]

    def update(self, model: str, identifier: str, **values: object) -> int:
        """Overwrites fields of the row with that id; returns how many rows that were, 0 or 1."""
        assignments = ", ".join(f"{self._column(model, field)} = ?" for field in values)
        stored = [self._stored(TABLES[model].fields[field].type, value) for field, value in values.items()]
        sql = f"UPDATE {self._table(model)} SET {assignments} WHERE {self._column(model, 'id')} = ?"
        return self.execute(sql, [*stored, identifier])

    def delete(self, model: str, field: str, values: Sequence[str]) -> int:
        """Deletes the rows whose field holds one of the values; returns how many they were."""
        deleted = 0
        for chunk in _chunks(list(values), ROWS_AT_ONCE):
            marks = ", ".join("?" * len(chunk))
            where = f"{self._column(model, field)} IN ({marks})"
            deleted += self.execute(f"DELETE FROM {self._table(model)} WHERE {where}", chunk)
        return deleted

    def create_tables(self) -> None:
        """Makes every table under its default name. Raises WriteRefused where one of them exists."""
        for statement in ddl(self.dialect):
            self.execute(statement)

    def existing_tables(self) -> list[str]:
        """Names of the platform's default tables that are there already."""
        raise NotImplementedError

    def now_ms(self) -> int:
        """The host's clock."""
        return time.time_ns() // 1_000_000

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Runs one statement, `?` for each parameter in both dialects; returns how many rows it touched."""
        return int(self._run(sql, parameters).rowcount)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Runs one SELECT, `?` for each parameter, and returns its rows as the driver gives them."""
        return list(self._run(sql, parameters).fetchall())

    def commit(self) -> None:
        """Keeps what was written so far and starts the next transaction; for long runs that may be resumed."""
        self._end("COMMIT")
        self._begin()

    def _column(self, model: str, field: str) -> str:
        return _quoted(self.mapping.column(model, field))

    def _table(self, model: str) -> str:
        schema = self.mapping.table_schema(model) if self.dialect == "postgresql" else None
        table = _quoted(self.mapping.table(model))
        return f"{_quoted(schema)}.{table}" if schema else table

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        raise NotImplementedError

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self, statement: str) -> None:
        self._run(statement, ())

    def _insert(self, head: str, width: int, conflict: str, rows: Iterator[Sequence[object]]) -> int:
        raise NotImplementedError

    def _stored(self, kind: str, value: object) -> object:
        raise NotImplementedError

    def _read(self, kind: str, column: str) -> str:
        raise NotImplementedError


class SQLiteWriter(Writer):
    """The transaction holds the file's write lock from its start."""

    dialect = SQLITE.name

    def __init__(self, path: str, mapping: Mapping, create: bool, patience_s: float) -> None:
        import sqlite3

        self.error = sqlite3.Error
        written = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        try:
            connection = sqlite3.connect(
                f"file:{written}?mode={'rwc' if create else 'rw'}", uri=True, isolation_level=None, timeout=patience_s
            )
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"The SQLite database {path!r} cannot be opened: {error}.") from None
        super().__init__(mapping, path, connection)
        try:
            self._begin()
        except BaseException:
            connection.close()
            raise

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except self.error as error:
            raise DatabaseUnavailable(f"The SQLite database {self.label!r} cannot be written: {error}.") from None

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        try:
            return self._connection.execute(sql, tuple(parameters))
        except self.error as error:
            raise WriteRefused(f"The SQLite database {self.label!r} refuses a statement: {error}.") from None

    def _insert(self, head: str, width: int, conflict: str, rows: Iterator[Sequence[object]]) -> int:
        before = self._connection.total_changes
        try:
            self._connection.executemany(f"{head}({', '.join('?' * width)}){conflict}", rows)
        except self.error as error:
            raise WriteRefused(f"The SQLite database {self.label!r} refuses a row: {error}.") from None
        return int(self._connection.total_changes - before)

    def existing_tables(self) -> list[str]:
        found = {row[0] for row in self.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        return [table.name for table in TABLES.values() if table.name in found]

    def _stored(self, kind: str, value: object) -> object:
        if value is None:
            return None
        if kind == "DateTime":
            return stored_text(int(value))  # type: ignore[call-overload]
        return json.dumps(value) if kind in ("Json", "String[]") else value

    def _read(self, kind: str, column: str) -> str:
        return sqlite_ms(column) if kind == "DateTime" else column


class PostgreSQLWriter(Writer):
    """An ordinary transaction of the server's default isolation."""

    dialect = POSTGRESQL.name

    def __init__(self, where: DatabaseURL, mapping: Mapping, patience_s: float) -> None:
        try:
            import psycopg2
            import psycopg2.extras
        except ImportError:
            raise DatabaseConfiguration("PostgreSQL needs the package psycopg2-binary.") from None
        self.error = psycopg2.Error
        self._schema = where.schema
        self._patience_s = patience_s
        self._execute_values = psycopg2.extras.execute_values
        keywords: dict[str, Any] = {
            "connect_timeout": str(max(2, int(patience_s))),
            **where.keywords,
            "client_encoding": "UTF8",
        }
        try:
            connection = psycopg2.connect(**keywords)
        except psycopg2.Error as error:
            from db.postgres import refusal

            raise DatabaseUnavailable(refusal(where, error)) from None
        super().__init__(mapping, where.label, connection)
        self._begin()

    def _begin(self) -> None:
        settings = f"SET LOCAL TimeZone = 'UTC'; SET LOCAL lock_timeout = {int(self._patience_s * 1000)}"
        if self._schema:
            settings += f"; SET LOCAL search_path = {_quoted(self._schema)}"
        self._run(settings, ())  # psycopg2 begins the transaction with the first statement

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        cursor = self._connection.cursor()
        try:
            if parameters:
                cursor.execute(_percent_style(sql), tuple(parameters))
            else:
                cursor.execute(sql)
        except self.error as error:
            raise self._failure(error) from None
        return cursor

    def _insert(self, head: str, width: int, conflict: str, rows: Iterator[Sequence[object]]) -> int:
        stored = 0
        cursor = self._connection.cursor()
        statement = f"{head.replace('%', '%%')}%s{conflict.replace('%', '%%')}"
        try:
            for chunk in _chunks(rows, ROWS_AT_ONCE):
                self._execute_values(cursor, statement, chunk, page_size=ROWS_AT_ONCE)
                stored += cursor.rowcount
        except self.error as error:
            raise self._failure(error) from None
        return stored

    def _failure(self, error: Any) -> DatabaseUnavailable | WriteRefused:
        said = (error.diag.message_primary if error.diag else None) or " ".join(str(error).split())
        if not error.pgcode or error.pgcode[:2] in ("08", "57"):
            return DatabaseUnavailable(f"The PostgreSQL database {self.label} broke off: {said}.")
        return WriteRefused(f"The PostgreSQL database {self.label} refuses a statement ({error.pgcode}): {said}.")

    def existing_tables(self) -> list[str]:
        names = [table.name for table in TABLES.values()]
        sql = "SELECT relname FROM pg_class WHERE pg_table_is_visible(oid) AND relname IN ({})"
        found = {row[0] for row in self.query(sql.format(", ".join("?" * len(names))), names)}
        return [name for name in names if name in found]

    def _stored(self, kind: str, value: object) -> object:
        if value is None:
            return None
        if kind == "DateTime":
            return stored_text(int(value))[:-6]  # type: ignore[call-overload]
        if kind == "String[]":
            return list(value)  # type: ignore[call-overload]
        return json.dumps(value) if kind == "Json" else value

    def _read(self, kind: str, column: str) -> str:
        if kind == "DateTime":
            return postgres_ms(column)
        return column if kind in ("Int", "Float", "Boolean", "String[]") else f"CAST({column} AS text)"


def _given(kind: str, value: object) -> object:
    if value is None:
        return None
    if kind == "DateTime":
        return instant_ms(value)
    if kind == "Boolean":
        return bool(value)
    if kind == "String[]":
        return list(texts(value))
    return decoded(value) if kind == "Json" else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _percent_style(sql: str) -> str:
    """`?` outside of quotes becomes psycopg2's %s, and a % everywhere %%."""
    marked, quote = "", ""
    for character in sql:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        marked += {"%": "%%", "?": "?" if quote else "%s"}.get(character, character)
    return marked


def _chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
