"""The file of the audit log: one JSON object per line, to which lines are only added.

A run has two lines: `started`, before the command does anything, and `ended`, with the exit code. A run without the
second was killed, or goes on. The file and the key of the hashes beside it (FILE.key) are for their owner alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import click

from ml.places import opened
from ml.storage.locks import lock
from scripts.cli.exits import InputOutput
from scripts.cli.output_file import is_database, open_beside
from scripts.exporting.pseudonyms import PRIVATE, Pseudonyms, kept_in, read_from

KEY = ".key"
"""What the name of the key's file adds to that of the log."""
STARTED, ENDED = "started", "ended"
MOST_BYTES_OF_A_LINE = 1 << 16
_NEEDED = {"at": str, "run": str, "event": str, "command": str, "operator": str}

Fact = bool | int | str
"""What a line says of a run: a count, an option's value, a version. Never a learner's id."""


class Action(NamedTuple):
    """One run of a command.

    at: the start, in ISO 8601. account: whose rights the command had, which differs from the operator under sudo.
    learner: the keyed hash of the learner's id, None where the command is about nobody in particular. exit_code: None
    where the run was killed, or goes on.
    """

    at: str
    command: str
    operator: str
    account: str
    learner: str | None
    settings: Mapping[str, Fact]
    counts: Mapping[str, Fact]
    exit_code: int | None
    run: str
    key: str


class Found(NamedTuple):
    """What a log tells. damaged: lines that cannot be read. other_keys: runs on learners under a key that is gone."""

    actions: list[Action]
    damaged: int
    other_keys: int


class AuditLog:
    """The log at a path. Opening it makes the file and its key where they are absent; the directory must exist.

    Raises InputOutput where a line could not be added, and Misconfigured where FILE.key is not a key.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        if is_database(path):
            raise InputOutput(f"{click.format_filename(path)} is a SQLite database, and is not written to.")
        handle = self._locked()  # two first runs at the same time must not make two keys
        try:
            self.pseudonyms = kept_in(path + KEY)
        finally:
            os.close(handle)

    def append(self, line: Mapping[str, object]) -> None:
        """Adds a line, whole, that outlasts a power cut. Raises InputOutput."""
        octets = json.dumps(line).encode() + b"\n"
        handle = self._locked()
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                octets = b"\n" + octets  # a crash tore the last line, which must not take this one with it
            if os.write(handle, octets) != len(octets):
                raise OSError(0, "no space is left for a whole line")
            os.fsync(handle)
        except OSError as error:
            raise self._refused(error) from None
        finally:
            os.close(handle)

    def _locked(self) -> int:
        try:
            handle = open_beside(self.path, PRIVATE)
        except OSError as error:
            raise self._refused(error) from None
        try:
            lock(handle)
        except OSError as error:
            os.close(handle)
            raise self._refused(error) from None
        return handle

    def _refused(self, error: OSError) -> InputOutput:
        return InputOutput(f"The audit log {click.format_filename(self.path)} cannot be written: {error.strerror}.")


def found_in(path: str, learner_id: str | None = None) -> Found:
    """The runs in a log by their start, the earliest first: all of them, or those about one learner.

    Raises InputOutput where the log or its key cannot be read, and Misconfigured where FILE.key is not a key.
    """
    names: Pseudonyms | None = read_from(path + KEY) if learner_id is not None else None
    actions: dict[str, Action] = {}
    damaged, other_keys = 0, 0
    try:
        with open(opened(path), "rb") as file:
            for octets in _lines(file):
                action = _action(octets)
                if action is None:
                    damaged += 1
                    continue
                if names is not None and action.learner is not None and action.key != names.key_name:
                    other_keys += action.run not in actions and action.exit_code is None
                    continue
                if names is None or action.learner == names.of(learner_id or ""):
                    first = actions.get(action.run)
                    actions[action.run] = action if first is None else action._replace(at=first.at)
    except OSError as error:
        raise InputOutput(f"The audit log {click.format_filename(path)} cannot be read: {error.strerror}.") from None
    return Found(list(actions.values()), damaged, other_keys)


def _lines(file: object) -> Iterator[bytes]:
    read = file.readline  # type: ignore[attr-defined]
    while octets := read(MOST_BYTES_OF_A_LINE):
        if octets.strip():
            yield octets


def _action(octets: bytes) -> Action | None:
    """What a line says; None where it is no line of this log."""
    try:
        line = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or any(type(line.get(name)) is not kind for name, kind in _NEEDED.items()):
        return None
    learner, code = line.get("learner"), line.get("exit_code")
    return Action(
        line["at"],
        line["command"],
        line["operator"],
        str(line.get("account", line["operator"])),
        learner if isinstance(learner, str) else None,
        _facts(line.get("settings")),
        _facts(line.get("counts")),
        code if type(code) is int else None,
        line["run"],
        str(line.get("key", "")),
    )


def _facts(found: object) -> dict[str, Fact]:
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, (bool, int, str))}
