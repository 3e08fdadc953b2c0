"""promotions.jsonl: which version replaced which, when and why, and how challengers compare with the champion.

It has one JSON object per line; lines are only added. Whoever looks for promotions passes over the other lines.
"""

from __future__ import annotations

import json
import os
import stat

from ml.errors import ModelRefused
from ml.places import opened
from ml.storage.contests import Contest, contest_of
from ml.storage.locks import NOTHING_BUT_A_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 4 * 1024 * 1024
"""So much of the file's end is read, which is about twenty thousand promotions."""
ROLLBACK = "rollback: "
"""How the reason of a rollback begins."""


class Promotions:
    """The file at a path, which need not exist yet."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, at: str, before: str | None, after: str | None, why: str) -> None:
        """Adds a promotion; after is None where the shipped model answers from now on. Raises ModelRefused."""
        self.add({"at": at, "from": before, "to": after, "why": why})

    def add(self, told: Mapping[str, object]) -> None:
        """Adds a line that outlasts a power cut. Raises ModelRefused where the path leads to no regular file."""
        line = json.dumps(told).encode() + b"\n"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | NOTHING_BUT_A_FILE
        try:
            handle = os.open(self.path, flags, 0o644)
        except OSError as error:
            raise self._refused(error) from None
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise self._refused(OSError(0, "it is not a regular file"))
            if found.st_size:
                os.lseek(handle, found.st_size - 1, os.SEEK_SET)
                if os.read(handle, 1) != b"\n":
                    line = b"\n" + line  # a crash tore the last line, which must not take this one with it
            os.write(handle, line)
            os.fsync(handle)
        except OSError as error:
            raise self._refused(error) from None
        finally:
            os.close(handle)

    def entries(self) -> list[Mapping[str, str | None]]:
        """All promotions, oldest first; a damaged line is skipped. Raises ModelRefused as `append` does."""
        return [entry for line in self._lines() if (entry := _entry(line)) is not None]

    def contests(self) -> list[Contest]:
        """All looks at challengers, oldest first; a damaged line is skipped. Raises ModelRefused as `append` does."""
        return [contest for line in self._lines() if (contest := contest_of(line)) is not None]

    def contest(self) -> Contest | None:
        """The last look at a challenger, if no version has been promoted since; None otherwise."""
        for line in reversed(self._lines()):
            if (contest := contest_of(line)) is not None:
                return contest
            if _entry(line) is not None:
                return None
        return None

    def _lines(self) -> list[Mapping[str, object]]:
        try:
            with open(opened(self.path), "rb") as file:
                skipped = max(0, os.fstat(file.fileno()).st_size - MOST_BYTES)
                file.seek(skipped)
                lines = file.read(MOST_BYTES).splitlines()[1 if skipped else 0 :]
        except FileNotFoundError as error:
            if os.path.islink(self.path):
                raise self._refused(error) from None
            return []
        except OSError as error:
            raise self._refused(error) from None
        return [told for line in lines if (told := _told(line)) is not None]

    def before(self, version: str) -> str | None:
        """The version that answered before `version` was last promoted (rollbacks do not count).

        None where there was none.
        """
        for entry in reversed(self.entries()):
            if entry["to"] == version != entry["from"] and not str(entry["why"]).startswith(ROLLBACK):
                return entry["from"]
        return None

    def last(self) -> str | None:
        """The version that was promoted last; None where there was none, or where the shipped model was."""
        entries = self.entries()
        return entries[-1]["to"] if entries else None

    def _refused(self, error: OSError) -> ModelRefused:
        return ModelRefused(f"{self.path} cannot be used: {error.strerror}")


def _told(line: bytes) -> Mapping[str, object] | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _entry(line: Mapping[str, object]) -> dict[str, str | None] | None:
    if not {"at", "from", "to", "why"} <= line.keys():
        return None
    texts = all(isinstance(line[name], str) for name in ("at", "why"))
    versions = all(isinstance(line[name], str | None) for name in ("from", "to"))
    if not (texts and versions):
        return None
    return {name: each for name, each in line.items() if each is None or isinstance(each, str)}
