"""What a writer needs from its dialect: statements, their parameters, and what the database says about its tables."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Mapping as Dictionary
    from typing import Any

    from db.tables.models import Mapping
    from db.writing.columns import Column


class Statements(ABC):
    """One transaction of one dialect: SQLiteWriter and PostgreSQLWriter implement what is abstract here.

    `?` is a parameter in both dialects.
    """

    dialect: str

    def __init__(self, mapping: Mapping, label: str, connection: Any) -> None:
        self.mapping = mapping
        self.label = label
        self._connection = connection

    @abstractmethod
    def has(self, model: str) -> bool:
        """Tells whether the database has the model's table; an app may lack any of the optional ones."""

    def schema(self) -> str | None:
        """The PostgreSQL schema in which tables are made; None in SQLite."""
        return None

    def table(self, model: str) -> str:
        """The model's table as it is named in SQL, with its schema where the database has schemas."""
        return self._table(model)

    @abstractmethod
    def existing_tables(self) -> list[str]:
        """Names of the platform's default tables that already exist."""

    def now_ms(self) -> int:
        """The host's clock."""
        return time.time_ns() // 1_000_000

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Runs one statement, `?` for each parameter in both dialects; returns how many rows it touched."""
        return int(self._run(sql, parameters).rowcount)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Runs one SELECT, `?` for each parameter, and returns its rows as the driver gives them."""
        return list(self._run(sql, parameters).fetchall())

    @abstractmethod
    def _described(self, model: str) -> dict[str, Column]:
        """Returns what the database has of the model's table, by the names of its columns."""

    def _names(self, model: str, field: str) -> Dictionary[str, str]:
        """An enum value's name -> the text under which the app's schema stores it, where that is another."""
        return {name: stored for stored, name in self.mapping.stored_values(model, field).items()}

    def _column(self, model: str, field: str) -> str:
        return quoted(self.mapping.column(model, field))

    def _table(self, model: str) -> str:
        return quoted(self.mapping.table(model))

    def _possible(self, model: str, field: str, values: Sequence[str]) -> list[str]:
        """Returns those of the values that the field's column can hold; a server refuses to look for any other."""
        return list(values)

    @abstractmethod
    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        """Runs one statement. Returns the driver's cursor. Raises WriteRefused, DatabaseUnavailable."""

    @abstractmethod
    def _begin(self) -> None:
        """Starts a transaction, or notes that the next statement does."""

    @abstractmethod
    def _end(self) -> None:
        """Keeps what the transaction wrote. Raises WriteRefused, DatabaseUnavailable."""

    @abstractmethod
    def _insert(
        self, model: str, columns: Sequence[str], conflict: str, rows: Iterator[Sequence[object]], distinct: bool
    ) -> int:
        """Stores many rows and returns how many they were.

        Args:
            model: The model into whose table they go.
            columns: The columns of the values, quoted.
            conflict: The SQL after the rows.
            rows: The values, as the driver takes them.
            distinct: Whether no two of the rows have the same id.
        """

    @abstractmethod
    def _instants(self) -> Callable[[int], object]:
        """A function that does what _stored does for a DateTime, and does it faster for many of them."""

    @abstractmethod
    def _stored(self, kind: str, value: object) -> object:
        """The value as the driver takes it for a field of that Prisma type."""

    @abstractmethod
    def _read(self, kind: str, column: str) -> str:
        """The SQL by which a column of that Prisma type is selected."""


def quoted(name: str) -> str:
    """An identifier in quotes; a quote inside it is doubled, in both dialects."""
    return '"' + name.replace('"', '""') + '"'
