"""difficulty.current: which difficulty table is kept up to date beside the models, and the model that it is for.

It is a text of a few lines, replaced by one rename. A prediction reads it at every start, so the standard library's
JSON reader is not needed for it.
"""

from __future__ import annotations

from ml.errors import ModelRefused
from ml.places import content_if_there

_FIRST_LINE = "difficulty pointer 1"
"""What the file is, and its format. A change of its fields takes the next number; no other format is read."""
_MOST_BYTES = 4096


class DifficultyPointer:
    """What the file says.

    table: the table's file name in the same directory. sha256: that of the whole table. cutoff_ms: the table knows what
    happened strictly before. correct_from: the setting under which its answers were counted. model_version: the version
    that it fits. before: the table that the one before named, which
    is kept a little longer for processes that have read it; empty where there was none.
    """

    __slots__ = ("before", "correct_from", "cutoff_ms", "model_version", "sha256", "table")

    def __init__(
        self, table: str, sha256: str, cutoff_ms: int, correct_from: str, model_version: str, before: str = ""
    ) -> None:
        self.table = table
        self.sha256 = sha256
        self.cutoff_ms = cutoff_ms
        self.correct_from = correct_from
        self.model_version = model_version
        self.before = before

    def content(self) -> bytes:
        """The bytes of the file."""
        fields = (f"{name} {getattr(self, name)}" for name in self.__slots__)
        return "\n".join((_FIRST_LINE, *fields, "")).encode()


def read_pointer(path: str) -> DifficultyPointer | None:
    """What the file at path says; None where there is none. Raises ModelRefused where it must not be used."""
    try:
        content = content_if_there(path, _MOST_BYTES)
    except OSError as error:
        raise ModelRefused(f"{path} cannot be read: {error.strerror or error}") from None
    if content is None:
        return None
    try:
        first, *lines = content.decode().splitlines()
        fields = dict(line.split(" ", 1) for line in lines)
        found = DifficultyPointer(
            *(fields["table"], fields["sha256"], int(fields["cutoff_ms"]), fields["correct_from"]),
            *(fields["model_version"], fields["before"]),
        )
    except (ValueError, KeyError):
        raise ModelRefused(f"{path} is damaged, or names no difficulty table") from None
    if first != _FIRST_LINE or not all(_is_a_name(name) for name in (found.table, found.before or found.table)):
        raise ModelRefused(f"{path} is damaged, or names no difficulty table")
    return found


def _is_a_name(name: str) -> bool:
    """Whether it is the name of a table in the same directory, and no path to another place."""
    return name.startswith("difficulty-") and name.endswith(".sqlite3") and not {"/", "\\", "\0"} & set(name)
