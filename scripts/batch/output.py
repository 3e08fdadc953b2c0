"""Where a batch's lines go: a file that is whole or absent, and can be continued after an interruption.

While the batch runs, there are two files beside OUTPUT: OUTPUT.partial with the lines so far, and OUTPUT.progress,
which says up to which learner they reach. Both are removed when OUTPUT appears. Lines that were written after the last
note of progress are cut off again, so that nothing is in the file twice. All these files have the permissions of
OUTPUT, and no link is followed when they are written.

A pipe or a device in OUTPUT's place is written to as the lines come, and cannot be continued, like stdout.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, NamedTuple

from ml.evaluation.expected_counts import CountSums
from ml.storage.atomic_files import mode_of, put
from ml.storage.locks import NOTHING_BUT_A_FILE, lock
from scripts.batch.flagging import Flagged, copy_marked, marked, most_likely
from scripts.batch.options import PARQUET
from scripts.batch.part import Tally
from scripts.cli.exits import ExtraMissing, OutputBusy
from scripts.cli.output_file import is_stream, open_beside

ROWS_OF_A_GROUP = 50_000
LONGEST_NOTE = 1 << 20
"""Bytes of a .progress file; ours hold a few kilobytes."""


class Output:
    """The lines of one batch, which come part by part.

    With path None they go to stdout, and the batch cannot be continued. marks: what must be the same for an earlier run
    to be continued. as_of_ms: the moment of this run, or of the earlier run that it continues. capacity: how many lines
    are flagged at the end; lines for a stream are held back until then. None flags none.
    """

    def __init__(
        self,
        path: str | None,
        marks: Mapping[str, object],
        as_of_ms: int,
        youngest_ms: int,
        capacity: int | None = None,
    ) -> None:
        self.path = path
        self.flagged: Flagged | None = None
        """Which lines are flagged, once the batch is finished; None without a capacity."""
        self._capacity = capacity
        self._held: IO[bytes] | None = None
        self.as_of_ms = as_of_ms
        self.after: str | None = None
        self.tally = Tally()
        self.resumed = False
        self._marks = dict(marks)
        self._file: IO[bytes] | None = None
        self._streams = path is None or is_stream(path)
        if self._streams and capacity is not None:
            self._held = TemporaryFile()  # noqa: SIM115 - it stays open as long as the batch runs
        if path is None:
            return
        if path.endswith(PARQUET):
            _parquet()
            if self._streams:
                raise OSError(0, "a Parquet file cannot be a pipe or a device", path)
        if self._streams:
            self._file = open(path, "wb")  # noqa: SIM115 - it stays open as long as the batch runs
            return
        self._partial, self._progress = f"{path}.partial", f"{path}.progress"
        self._mode = mode_of(path)
        self._file = self._locked(self._mode)
        self._file.truncate(self._continued(youngest_ms))
        self._file.seek(0, os.SEEK_END)

    def _locked(self, mode: int) -> IO[bytes]:
        """Opens the file of the lines so far and locks it. Raises OutputBusy where another batch holds it."""
        while True:
            file = os.fdopen(open_beside(self._partial, mode), "r+b")
            try:
                lock(file.fileno(), wait=False)
            except OSError:
                file.close()
                raise OutputBusy(f"another batch is writing {self.path}") from None
            if _is_at(file, self._partial):
                return file
            file.close()  # its run finished it meanwhile, and it has another name now

    def _continued(self, youngest_ms: int) -> int:
        """Takes up an earlier run's progress, and returns how many bytes of its lines are valid."""
        noted = _noted(self._progress)
        if noted is None or noted.marks != self._marks or noted.as_of_ms < youngest_ms:
            return 0
        if not self._reaches(noted.size):
            return 0
        self.as_of_ms, self.after, self.resumed = noted.as_of_ms, noted.after, True
        self.tally.counts.update(noted.counts)
        self.tally.failures = noted.failures
        self.tally.expected = noted.expected
        self.tally.told_all = noted.told_all
        return noted.size

    def _reaches(self, size: int) -> bool:
        """Whether the lines so far are whole up to that size."""
        if self._file is None or size > os.fstat(self._file.fileno()).st_size:
            return False
        self._file.seek(max(0, size - 1))
        return size == 0 or self._file.read(1) == b"\n"

    def add(self, lines: bytes, tally: Tally, last_learner: str) -> None:
        """Writes the next part, in the order of the learners, and notes that it is done."""
        self.tally.add(tally)
        if self._held is not None:
            self._held.write(lines)
            return
        if self._file is None:
            sys.stdout.buffer.write(lines)
            return
        self._file.write(lines)
        if self._streams:
            self._file.flush()
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        noted: dict[str, Any] = {"marks": self._marks, "as_of_ms": self.as_of_ms, "after": last_learner}
        noted |= {"bytes": self._file.tell(), "counts": self.tally.counts, "failures": self.tally.failures}
        noted |= {"expected": {name: sums.to_list() for name, sums in self.tally.expected.items()}}
        put(self._progress, json.dumps(noted).encode(), most=self._mode)

    def finish(self) -> None:
        """Puts the whole file in its place."""
        if self._held is not None and self._capacity is not None:
            self.flagged = copy_marked(self._held, self._file or sys.stdout.buffer, self._capacity)
        if self._file is None or self.path is None or self._streams:
            sys.stdout.flush()
            return
        if self._capacity is not None or self.path.endswith(PARQUET):
            converted = f"{self.path}.converting"
            with os.fdopen(open_beside(converted, mode_of(self.path)), "r+b") as file:
                file.truncate(0)
                self._convert(file)
            os.replace(converted, self.path)
            os.unlink(self._partial)
        else:
            os.replace(self._partial, self.path)
        if os.path.exists(self._progress):
            os.unlink(self._progress)

    def _convert(self, target: IO[bytes]) -> None:
        """Writes the lines so far in their last form: with flags, or as Parquet, or both."""
        with open(self._partial, "rb") as lines:
            if self._capacity is None:
                to_parquet(lines, target)
                return
            if self.path is None or not self.path.endswith(PARQUET):
                self.flagged = copy_marked(lines, target, self._capacity)
                return
            self.flagged = most_likely(lines, self._capacity)
            lines.seek(0)
            to_parquet(marked(lines, self.flagged), target, flagged=True)

    def drop(self) -> None:
        """Removes the lines so far; OUTPUT stays as it was."""
        if self._file is not None and not self._streams:
            for path in (self._partial, self._progress):
                if os.path.lexists(path):
                    os.unlink(path)

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._file, self._held):
            if file is not None:
                file.close()


def is_unfinished(path: str | None, youngest_ms: int) -> bool:
    """Whether an earlier run's lines for this output, of that moment or later, wait to be continued."""
    if path is None or is_stream(path):
        return False
    noted = _noted(f"{path}.progress")
    return noted is not None and noted.as_of_ms >= youngest_ms


class Noted(NamedTuple):
    """The content of a .progress file: how far an unfinished run had come, and what it was asked for."""

    marks: Mapping[str, object]
    as_of_ms: int
    after: str | None
    size: int
    counts: Mapping[str, int]
    failures: list[str]
    expected: dict[str, CountSums]
    told_all: bool


def _noted(path: str) -> Noted | None:
    """What an earlier run noted, or None where the file is absent, damaged or not ours; the work then begins anew."""
    try:
        handle = os.open(path, os.O_RDONLY | NOTHING_BUT_A_FILE)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            text = file.read(LONGEST_NOTE + 1)
        noted: Any = json.loads(text) if len(text) <= LONGEST_NOTE else None
        sums = noted.get("expected")
        found = Noted(
            *(noted["marks"], noted["as_of_ms"], noted["after"], noted["bytes"], noted["counts"], noted["failures"]),
            {} if sums is None else {name: CountSums.from_list(each) for name, each in sums.items()},
            told_all=sums is not None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    sound = (
        isinstance(found.marks, dict)
        and type(found.as_of_ms) is type(found.size) is int
        and found.size >= 0
        and isinstance(found.after, str)
        and isinstance(found.counts, dict)
        and found.counts.keys() <= Tally().counts.keys()
        and all(type(count) is int and count >= 0 for count in found.counts.values())
        and isinstance(found.failures, list)
        and all(isinstance(failure, str) for failure in found.failures)
    )
    return found if sound else None


def _is_at(file: IO[bytes], path: str) -> bool:
    """Whether the open file is still what stands at path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except OSError:
        return False


def to_parquet(lines: Iterable[bytes], parquet_file: IO[bytes], flagged: bool = False) -> None:
    """Writes the lines as a Parquet file, a group of rows at a time; `interval` becomes two columns."""
    arrow, parquet = _parquet()
    text, number = arrow.string(), arrow.float64()
    columns = {"user_id": text, "objective_id": text, "as_of": arrow.timestamp("ms", "UTC"), "probability": number}
    columns |= {"confidence": number, "risk_level": text, "low": number, "high": number, "model_version": text}
    columns |= {"source": text, "degraded": text} | ({"flagged": arrow.bool_()} if flagged else {})
    schema, rest = arrow.schema(columns), iter(lines)
    with parquet.ParquetWriter(parquet_file, schema) as writer:
        while group := [json.loads(line) for line in islice(rest, ROWS_OF_A_GROUP)]:
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
