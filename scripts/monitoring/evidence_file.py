"""The file in which the evidence of monitoring's looks is kept between runs; it names no learner.

It is whole or absent, and readable for its owner alone. A lock file beside it (FILE.lock) keeps two runs from taking
one look twice. Where the file is absent or broken, the report says so and the evidence starts again from nothing, which
can delay an alarm but raises none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite

from ml.evaluation.accumulated_evidence import NOTHING
from ml.places import opened
from ml.storage import atomic_files
from ml.storage.locks import NOTHING_BUT_A_FILE, lock
from scripts.cli.exits import InputOutput
from scripts.cli.output_file import is_stream
from scripts.monitoring.detectors import SIZES, DetectorState, Raised

FORMAT = 1
"""Raise it where an older program would misread the file. A file of another format counts as broken."""

_MOST_BYTES = 1 << 20


@contextmanager
def held(path: str) -> Iterator[None]:
    """Holds the file's lock, waiting for another run to end. Raises InputOutput."""
    if is_stream(path):  # a device would be replaced, and a pipe waited for
        raise InputOutput(f"{path} cannot keep evidence: it is not a regular file.")
    flags = os.O_RDWR | os.O_CREAT | (NOTHING_BUT_A_FILE & ~getattr(os, "O_NONBLOCK", 0))
    try:
        handle = os.open(f"{path}.lock", flags, 0o600)
    except OSError as error:
        raise InputOutput(f"{path}.lock cannot be written: {error.strerror}.") from None
    try:
        lock(handle)
        yield
    finally:
        os.close(handle)


def read(path: str) -> DetectorState | str:
    """The evidence, or a sentence that says why there is none. Raises InputOutput where the file may not be read."""
    try:
        with open(opened(path), "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return "There is no evidence from earlier looks yet."
    except OSError as error:
        raise InputOutput(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return _evidence(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "The evidence from earlier looks cannot be read, so it starts again from nothing."


def write(path: str, evidence: DetectorState) -> None:
    """Puts the evidence in the file by one rename. Raises InputOutput."""
    kept = {
        "format": FORMAT,
        **evidence._asdict(),
        "logs": {cause: [None if each == NOTHING else each for each in logs] for cause, logs in evidence.logs.items()},
        "raised": [each._asdict() for each in evidence.raised],
    }
    try:
        atomic_files.put(path, (json.dumps(kept, allow_nan=False) + "\n").encode(), most=0o600)
    except OSError as error:
        raise InputOutput(f"{path} cannot be written: {error.strerror}.") from None


def _evidence(kept: Mapping[str, object]) -> DetectorState:
    """Raises ValueError, KeyError or TypeError where the file holds anything else."""
    if kept["format"] != FORMAT:
        raise ValueError
    stored, sharpness, raised = kept["logs"], kept["sharpness"], kept["raised"]
    if not isinstance(stored, dict) or not isinstance(sharpness, list) or not isinstance(raised, list):
        raise ValueError
    logs = {cause: tuple(NOTHING if each is None else _number(each) for each in stored[cause]) for cause in SIZES}
    if any(len(logs[cause]) != len(sizes) for cause, sizes in SIZES.items()):
        raise ValueError
    return DetectorState(
        str(kept["version"]),
        int(_number(kept["since_ms"])),
        int(_number(kept["judged_until_ms"])),
        int(_number(kept["predicted_until_ms"])),
        _number(kept["weeks"]),
        logs,
        tuple((_number(auc), _number(error)) for auc, error in sharpness),
        tuple(Raised(str(each["cause"]), int(_number(each["at_ms"])), _number(each["weeks"])) for each in raised),
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError
    return value
