"""Parquet and Arrow files, by pyarrow, a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.importing.answers import MalformedLog
from scripts.importing.reading.json_records import LIST_SEPARATOR, flat, written
from scripts.importing.reading.sheet import Row, Sheet

ROWS_AT_ONCE = 4096


def parquet_sheet(file: str, path: str) -> Sheet:
    """The sheet of a Parquet file. Raises MalformedLog, ModuleNotFoundError."""
    import pyarrow
    import pyarrow.parquet

    try:
        opened = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        columns = tuple(opened.schema_arrow.names)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _damaged(error) from None
    return Sheet(file, columns, _rows(opened.iter_batches(ROWS_AT_ONCE)), "record", {})


def arrow_sheet(file: str, path: str) -> Sheet:
    """The sheet of an Arrow (Feather) file. Raises MalformedLog, ModuleNotFoundError."""
    import pyarrow
    import pyarrow.ipc

    try:
        opened = pyarrow.ipc.open_file(path)
        columns = tuple(opened.schema.names)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _damaged(error) from None
    return Sheet(file, columns, _rows(opened.get_batch(n) for n in range(opened.num_record_batches)), "record", {})


def _rows(batches: Iterator[Any]) -> Iterator[Row]:
    import pyarrow

    number = 0
    while True:
        try:
            batch = next(batches, None)
            columns = [_values(column) for column in batch.columns] if batch is not None else []
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            raise _damaged(error) from None
        if batch is None:
            return
        for values in zip(*columns, strict=True):
            number += 1
            yield number, values


def _values(column: Any) -> list[str]:
    import pyarrow

    if pyarrow.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", column.type.tz), safe=False)
    return [_written(value) for value in column.to_pylist()]


def _written(value: object) -> str:
    if isinstance(value, list):
        return LIST_SEPARATOR.join(_written(each) for each in value)
    if isinstance(value, dict):
        return LIST_SEPARATOR.join(flat(value).values())
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return written(value)


def _damaged(error: Exception) -> MalformedLog:
    return MalformedLog(
        1, f"the file is damaged ({str(error).splitlines()[0][:120] if str(error) else error!r})", "record"
    )
