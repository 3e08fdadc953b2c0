"""Writing to a SQLite file."""

from __future__ import annotations

import json
import sqlite3

from db.backends.sqlite import MOST_BYTES_OF_A_ROW, readable
from db.errors import DatabaseUnavailable, RowRefused, WriteRefused
from db.sql.dialects import SQLITE
from db.sql.instants import bounded, sqlite_ms, stored_text
from db.tables.ddl import TABLES
from db.writing.columns import column
from db.writing.instant_texts import InstantTexts
from db.writing.statements import quoted
from db.writing.writer import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from db.tables.models import Mapping
    from db.writing.columns import Column


CACHE_KIB = 40_000

BY_A_TRIGGER = sqlite3.SQLITE_CONSTRAINT_TRIGGER
"""It may speak of more than the row, so it is not the row that is at fault."""


_INSTANTS_OF_THE_APP = (("Review", "reviewedAt"), ("StudySession", "startedAt"), ("User", "createdAt"))
"""Fields that every row of the app's has, the table that grows fastest first."""


class SQLiteWriter(Writer):
    """The transaction holds the file's write lock from its start, unless it only reads.

    Instants are written in the form that the app uses: Prisma's own engine stores milliseconds, its driver adapters
    texts, and SQLite orders any number before any text, so that the app would not find a row in the other form.
    """

    dialect = SQLITE.name

    def __init__(self, path: str, mapping: Mapping, create: bool, patience_s: float, read_only: bool) -> None:
        written = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        try:
            connection = sqlite3.connect(
                f"file:{written}?mode={'rwc' if create else 'rw'}", uri=True, isolation_level=None, timeout=patience_s
            )
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"The SQLite database {path!r} cannot be opened: {error}.") from None
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES_OF_A_ROW)
        connection.text_factory = readable
        self._writes_numbers: bool | None = None
        self._read_only = read_only
        super().__init__(mapping, path, connection)
        try:
            self._begin()
        except BaseException:
            connection.close()
            raise

    def _begin(self) -> None:
        try:
            if self._read_only:
                self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"The SQLite database {self.label!r} cannot be written: {error}.") from None

    def _end(self) -> None:
        self._run("COMMIT", ())

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        try:
            return self._connection.execute(sql, tuple(parameters))
        except sqlite3.Error as error:
            raise self._failure(error, "statement") from None

    def expect_many_rows(self) -> None:
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # the default of 2 MiB reads each page anew

    def _insert(
        self, model: str, columns: Sequence[str], conflict: str, rows: Iterator[Sequence[object]], distinct: bool
    ) -> int:
        before = self._connection.total_changes
        listed, marks = ", ".join(columns), ", ".join("?" * len(columns))
        try:
            self._connection.executemany(
                f"INSERT INTO {self._table(model)} ({listed}) VALUES ({marks}){conflict}", rows
            )
        except sqlite3.Error as error:
            raise self._failure(error, "row") from None
        return int(self._connection.total_changes - before)

    def _failure(self, error: sqlite3.Error, what: str) -> WriteRefused:
        of_the_row = isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorcode != BY_A_TRIGGER
        kind = RowRefused if of_the_row else WriteRefused
        return kind(f"The SQLite database {self.label!r} refuses a {what}: {error}.")

    def has(self, model: str) -> bool:
        sql = "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE"
        return bool(self.query(sql, [self.mapping.table(model)]))

    def _described(self, model: str) -> dict[str, Column]:
        found = self.query(f"PRAGMA table_info({quoted(self.mapping.table(model))})")
        return {
            str(name): column(
                str(kind),
                None,
                default is not None or (bool(key) and str(kind).upper() == "INTEGER"),
                is_required=bool(required),
            )
            for _, name, kind, required, default, key in found
        }

    def existing_tables(self) -> list[str]:
        found = {row[0] for row in self.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        return [table.name for table in TABLES.values() if table.name in found]

    def _stored(self, kind: str, value: object) -> object:
        if value is None:
            return None
        if kind == "DateTime":
            if self._writes_numbers is None:
                self._writes_numbers = self._app_writes_numbers()
            return bounded(int(value)) if self._writes_numbers else stored_text(int(value))  # type: ignore[call-overload]
        return json.dumps(value) if kind in ("Json", "String[]") else value

    def _instants(self) -> Callable[[int], object]:
        if self._writes_numbers is None:
            self._writes_numbers = self._app_writes_numbers()
        return bounded if self._writes_numbers else InstantTexts()

    def _app_writes_numbers(self) -> bool:
        """Tells whether the app's newest row holds its instant as a number; without any row, instants are texts."""
        for model, field in _INSTANTS_OF_THE_APP:
            column = self._column(model, field)
            sql = f"SELECT typeof({column}) FROM {self._table(model)} WHERE {column} IS NOT NULL"
            try:
                found = self.query(f"{sql} ORDER BY rowid DESC LIMIT 1")
            except WriteRefused:  # no such table or column, or a view, which has no rowid
                continue
            if found:
                return found[0][0] == "integer"
        return False

    def _read(self, kind: str, column: str) -> str:
        return sqlite_ms(column) if kind == "DateTime" else column
