"""Where a batch's lines go: a file that is whole or absent, and can be continued after an interruption.

Beside OUTPUT, while the batch runs: OUTPUT.partial with the lines so far, and OUTPUT.progress, which says up to which
learner they reach. Both go when OUTPUT appears. A line that got into the file after the last note of progress is cut
off again, so that nothing is in it twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any

from ml.whole_files import put
from scripts.batch_part import Tally

PARQUET = ".parquet"
ROWS_OF_A_GROUP = 50_000


class OutputBusy(Exception):
    """Raised when another batch is writing the same file."""


class ExtraMissing(Exception):
    """Raised when a package of an extra is not installed; its text names the extra."""


class Output:
    """The lines of one batch, part by part. path None: stdout, which cannot be continued.

    marks: what must be the same for an earlier run's part of the work to count. as_of_ms: this run's, unless an earlier
    one is continued, whose it takes.
    """

    def __init__(self, path: str | None, marks: Mapping[str, object], as_of_ms: int, youngest_ms: int) -> None:
        self.path = path
        self.as_of_ms = as_of_ms
        self.after: str | None = None
        self.tally = Tally()
        self.resumed = False
        self._marks = dict(marks)
        self._file: IO[bytes] | None = None
        if path is None:
            return
        if path.endswith(PARQUET):
            _parquet()
        self._partial, self._progress = f"{path}.partial", f"{path}.progress"
        self._file = open(self._partial, "ab")  # noqa: SIM115 - it stays open as long as the batch runs
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise OutputBusy(f"another batch is writing {path}") from None
        size = self._continued(youngest_ms)
        self._file.truncate(size)

    def _continued(self, youngest_ms: int) -> int:
        """Takes up an earlier run's progress; returns how many of the bytes there are valid."""
        try:
            with open(self._progress, encoding="utf-8") as file:
                noted = json.load(file)
            size, as_of_ms = int(noted["bytes"]), int(noted["as_of_ms"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        if noted["marks"] != self._marks or as_of_ms < youngest_ms or size > os.path.getsize(self._partial):
            return 0
        self.as_of_ms, self.after, self.resumed = as_of_ms, noted["after"], True
        self.tally.counts.update(noted["counts"])
        self.tally.failures = noted["failures"]
        return size

    def add(self, lines: bytes, tally: Tally, last_learner: str) -> None:
        """Takes the next part, in the order of the learners, and notes that it is done."""
        self.tally.add(tally)
        if self._file is None:
            sys.stdout.buffer.write(lines)
            return
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())
        noted: dict[str, Any] = {"marks": self._marks, "as_of_ms": self.as_of_ms, "after": last_learner}
        noted |= {"bytes": self._file.tell(), "counts": self.tally.counts, "failures": self.tally.failures}
        put(self._progress, json.dumps(noted).encode())

    def finish(self) -> None:
        """Puts the whole file in its place."""
        if self._file is None or self.path is None:
            sys.stdout.flush()
            return
        if self.path.endswith(PARQUET):
            converted = f"{self.path}.converting"
            to_parquet(self._partial, converted)
            os.replace(converted, self.path)
            os.unlink(self._partial)
        else:
            os.replace(self._partial, self.path)
        if os.path.exists(self._progress):
            os.unlink(self._progress)

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def to_parquet(lines_path: str, parquet_path: str) -> None:
    """The same rows as a Parquet file, `interval` as two columns; memory is bounded by a group of rows."""
    arrow, parquet = _parquet()
    text, number = arrow.string(), arrow.float64()
    columns = {"user_id": text, "objective_id": text, "as_of": arrow.timestamp("ms", "UTC"), "probability": number}
    columns |= {"confidence": number, "risk_level": text, "low": number, "high": number, "model_version": text}
    schema = arrow.schema(columns | {"source": text, "degraded": text})
    with open(lines_path, "rb") as lines, parquet.ParquetWriter(parquet_path, schema) as writer:
        while group := [json.loads(line) for _, line in zip(range(ROWS_OF_A_GROUP), lines)]:
            for row in group:
                row["low"], row["high"] = row.pop("interval")
                row["as_of"] = _milliseconds(row["as_of"])
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


def _milliseconds(as_of: str) -> int:
    from ml.instants import parse_iso

    return parse_iso(as_of)


def _parquet() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ExtraMissing("a .parquet file needs pyarrow: pip install '.[parquet]'") from None
    return pyarrow, pyarrow.parquet
