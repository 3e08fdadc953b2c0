"""The model directory: immutable versions, and current.pkl, which is always one of them, whole.

    models/struggle_prediction_v1.0_2026-11-23.pkl     a version; .2, .3 ... when a day has several
    models/struggle_prediction_v1.0_2026-11-23.json    its card
    models/difficulty-<hash>-<size>-<stamp>.sqlite3    objective difficulties that versions name by their hash
    models/current.pkl                                 a copy of the version that answers
    models/promotions.jsonl                            what replaced what, when and why; rollback reads it

A version is written once and never touched again. current.pkl is replaced by one rename, so that a prediction
started at any moment reads the old model or the new one. The line in promotions.jsonl is written before the rename:
a crash between the two leaves a line whose model never answered, which rollback passes over.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import contextmanager

from ml import model_file, whole_files
from ml.difficulty import DifficultyTable
from ml.difficulty_file import name_of
from ml.errors import ModelNotFound, ModelRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CURRENT = "current.pkl"
PREFIX = "struggle_prediction_v1.0_"
_VERSION = re.compile(re.escape(PREFIX) + r"(\d{4}-\d{2}-\d{2})(?:\.(\d+))?$")
_PROMOTIONS = "promotions.jsonl"
_LOCK = ".lock"


class Registry:
    """The versions in one directory. Reading needs no lock; whoever writes holds `locked()`."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)

    @contextmanager
    def locked(self, wait: bool = True) -> Iterator[None]:
        """The right to write, held by one process at a time and given back even by a kill.

        With wait=False raises BlockingIOError while another holds it. Not reentrant. Whoever comes in removes what
        killed processes left in the making.
        """
        os.makedirs(self.directory, exist_ok=True)
        handle = os.open(self._path(_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            whole_files.sweep(self.directory)
            yield
        finally:
            os.close(handle)

    def versions(self) -> list[str]:
        """The names of all versions, oldest first."""
        try:
            files = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        found = [(order, name[:-4]) for name in files if name.endswith(".pkl") and (order := _order(name[:-4]))]
        return [name for _, name in sorted(found)]

    def path(self, version: str) -> str:
        """Where a version lies. Raises ModelNotFound for a name that is no version's."""
        if not _order(version) or not os.path.exists(self._path(version + ".pkl")):
            raise ModelNotFound(f"there is no model version {version!r} in {self.directory}")
        return self._path(version + ".pkl")

    def read(self, version: str) -> model_file.SavedModel:
        """A version's model. Raises ModelNotFound, ModelRefused."""
        return model_file.read(self.path(version))

    def card(self, version: str) -> Mapping[str, object]:
        """A version's card; empty where it was saved without one."""
        try:
            with open(self._path(version + ".json"), encoding="utf-8") as file:
                found = json.load(file)
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def current(self) -> str | None:
        """The name of the model that answers; None where current.pkl is absent. Raises ModelRefused."""
        try:
            return model_file.read(self._path(CURRENT)).model_version
        except ModelNotFound:
            return None

    def add(self, saved: model_file.SavedModel, date: str, card: Mapping[str, object] | None = None) -> str:
        """Keep a new version, named after the date (YYYY-MM-DD) with the next free number, and return its name."""
        number = 1
        while True:
            version = PREFIX + date + (f".{number}" if number > 1 else "")
            content = model_file.dump(saved.named(version))
            try:
                self._put(version + ".pkl", content, replace=False)
                break
            except FileExistsError:
                number += 1
        if card is not None:
            self._put(
                version + ".json", json.dumps({**card, "model_version": version}, indent=1).encode(), replace=True
            )
        return version

    def add_difficulty(self, content: bytes) -> tuple[str, str]:
        """Keep a difficulty table under its hash; returns what a model names it by: (file name, sha256)."""
        digest = model_file.sha256(content)
        name = name_of(content, digest)
        self._put(name, content, replace=True)
        return name, digest

    def promote(self, version: str, at: str, why: str) -> str | None:
        """Let a version answer from now on; returns the one that answered before. Raises ModelNotFound, ModelRefused.

        at: when, ISO 8601. The version is read and checked first, with the difficulty table it names.
        """
        saved = self.read(version)
        if saved.difficulty is not None:
            self._check_difficulty(*saved.difficulty)
        before = self._current_or_damaged()
        line = json.dumps({"at": at, "from": before, "to": version, "why": why})
        handle = os.open(self._path(_PROMOTIONS), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        self._put(CURRENT, model_file.dump(saved), replace=True)
        return before

    def promotions(self) -> list[Mapping[str, str | None]]:
        """What replaced what, oldest first; a line torn by a crash is passed over."""
        try:
            with open(self._path(_PROMOTIONS), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return []
        found: list[Mapping[str, str | None]] = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and {"at", "from", "to", "why"} <= entry.keys():
                found.append(entry)
        return found

    def rollback(self, at: str, why: str) -> str | None:
        """Return to the version that answered before; with none before it, current.pkl is taken away.

        Returns the version that answers now (None: the shipped model, or the rules). Raises ModelNotFound where
        nothing was ever promoted. Two rollbacks go two versions back, not to and fro.
        """
        now = self.current()
        if now is None:
            raise ModelNotFound(f"there is no current model in {self.directory} to roll back from")
        before = self._before(now)
        if before is not None:
            self.promote(before, at, f"rollback: {why}")
            return before
        os.unlink(self._path(CURRENT))
        return None

    def _before(self, version: str) -> str | None:
        """What answered before `version` was first promoted by other than a rollback."""
        came = [entry for entry in self.promotions() if not str(entry["why"]).startswith("rollback: ")]
        before = next((entry["from"] for entry in reversed(came) if entry["to"] == version), None)
        return before if before is not None and before in self.versions() else None

    def _current_or_damaged(self) -> str | None:
        try:
            return self.current()
        except ModelRefused:  # promoting is how one mends it
            return None

    def _check_difficulty(self, name: str, sha256: str) -> None:
        table = DifficultyTable.open(self._path(name))
        try:
            table.check(sha256)
        finally:
            table.close()

    def _put(self, name: str, content: bytes, replace: bool) -> None:
        os.makedirs(self.directory, exist_ok=True)
        whole_files.put(self._path(name), content, replace)

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)


def _order(version: str) -> tuple[str, int] | None:
    """(date, number) of a version's name, None of any other name."""
    named = _VERSION.match(version)
    return (named[1], int(named[2] or 1)) if named else None
