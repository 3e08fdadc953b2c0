"""Many rows into PostgreSQL by COPY: into a temporary table first, and from there with the rule for conflicts.

COPY itself has no ON CONFLICT. Sending the rows so takes the client a fifth of the time that statements take.
"""

from __future__ import annotations

from io import BytesIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

BYTES_AT_ONCE = 4 << 20
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class CopiedRows:
    """The temporary tables of one transaction, which drops them at its end."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, ...], str] = {}

    def insert(
        self,
        cursor_of: Callable[[], Any],
        table: str,
        columns: Sequence[str],
        conflict: str,
        rows: Iterator[Sequence[object]],
    ) -> int:
        """Stores the rows, whose values are texts, numbers, booleans or None; returns how many were stored.

        Args:
            cursor_of: Makes a psycopg2 cursor inside the transaction.
            table: The table, as it is named in SQL.
            columns: The columns, quoted.
            conflict: The SQL after the rows.
            rows: No two of them have the same id.
        """
        listed = ", ".join(columns)
        key = (table, *columns)
        if key not in self._made:
            name = self._made[key] = f"pg_temp.struggle_rows_{len(self._made)}"
            cursor_of().execute(
                f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {listed} FROM {table} WITH NO DATA"
            )
        name = self._made[key]
        stored = 0
        while content := _content(rows):
            cursor = cursor_of()
            cursor.copy_expert(f"COPY {name} FROM STDIN", BytesIO(content))
            cursor.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {name}{conflict}")
            stored += cursor.rowcount
            cursor.execute(f"TRUNCATE {name}")
        return stored


def _content(rows: Iterator[Sequence[object]]) -> bytes:
    """The next rows in COPY's text format, until they are some MiB; empty where there are no more."""
    lines: list[str] = []
    size = 0
    for row in rows:
        line = "\t".join([_text(value) for value in row])
        lines.append(line)
        size += len(line)
        if size >= BYTES_AT_ONCE:
            break
    return "\n".join([*lines, ""]).encode() if lines else b""


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.translate(_ESCAPED) if not value.isalnum() else value
    return "\\N" if value is None else str(value)
