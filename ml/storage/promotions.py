"""promotions.jsonl: which version replaced which, when and why.

It has one JSON object per line; lines are only added.
"""

from __future__ import annotations

import json
import os
import stat

from ml.errors import ModelRefused
from ml.places import opened
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

    def append(self, at: str, before: str | None, after: str, why: str) -> None:
        """Adds a promotion. Raises ModelRefused."""
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
        return [entry for line in lines if (entry := _entry(line)) is not None]

    def before(self, version: str) -> str | None:
        """The version that answered before `version` was last promoted (rollbacks do not count).

        None where there was none.
        """
        for entry in reversed(self.entries()):
            if entry["to"] == version != entry["from"] and not str(entry["why"]).startswith(ROLLBACK):
                return entry["from"]
        return None

    def last(self) -> str | None:
        """The version that was promoted last, or None."""
        entries = self.entries()
        return entries[-1]["to"] if entries else None

    def _refused(self, error: OSError) -> ModelRefused:
        return ModelRefused(f"{self.path} cannot be used: {error.strerror}")


def _entry(line: bytes) -> dict[str, str | None] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not {"at", "from", "to", "why"} <= entry.keys():
        return None
    texts = all(isinstance(entry[name], str) for name in ("at", "to", "why"))
    return entry if texts and isinstance(entry["from"], str | None) else None
