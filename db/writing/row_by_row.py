"""Stores many rows of which the database may refuse some: the refused ones are reported, the others are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db.errors import RowRefused
from db.writing.writer import Writer


def insert_what_fits(
    writer: Writer, model: str, fields: Sequence[str], rows: Sequence[Sequence[object]], **how: Any
) -> tuple[int, dict[int, str]]:
    """Inserts the rows; returns how many were stored, and the database's message by the position of each refused row.

    A refused batch is halved until the rows at fault are alone, so each of them costs about a dozen more statements.
    Raises WriteRefused where the fault is not in a row.
    """
    refused: dict[int, str] = {}
    stored = 0
    waiting = [(0, len(rows))] if rows else []
    while waiting:
        first, last = waiting.pop()
        try:
            with writer.savepoint():
                stored += writer.insert(model, fields, rows[first:last], **how)
        except RowRefused as error:
            if last - first == 1:
                refused[first] = str(error)
            else:
                middle = (first + last) // 2
                waiting += [(middle, last), (first, middle)]
    return stored, refused
