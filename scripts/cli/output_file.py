"""Files that people name for output: refused before the work if they cannot be written, whole or absent after it.

Pipes, devices and the like (/dev/stdout, a shell's >(...)) are written to directly. A link that somebody put in an
output's place is replaced by the output, never followed. A database is never written over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from ml.storage import atomic_files
from ml.storage.locks import NOTHING_BUT_A_FILE
from scripts.cli.exits import InputOutput, Usage

_DATABASE = b"SQLite format 3\0"
_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")
_CLAIMED = f"{__name__}.claimed"
_OTHER_FORMS = (".csv", ".tsv", ".xls", ".xlsx", ".ods", ".html", ".gz", ".zip", ".feather", ".arrow")


class OutputPath(click.Path):
    """An option that names a file to write.

    It is checked first, so that minutes of work are not lost for want of a directory. forms: the endings of the forms
    that the command writes; a name with the ending of another table or document is then refused.
    """

    def __init__(self, allow_dash: bool = False, forms: tuple[str, ...] = ()) -> None:
        super().__init__(dir_okay=False, writable=True, allow_dash=allow_dash)
        self._forms = forms

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as given.

        Fails where its directory is absent or may not be written to, where the file is a database, or where another
        option names it.
        """
        path = os.fsdecode(super().convert(value, param, ctx))
        if not path:  # as with a shell's variable that is not set
            self.fail("it is empty: name a file, or leave it out.", param, ctx)
        if path == "-" or is_stream(path):
            return path
        claim(path, True, param, ctx)
        name = click.format_filename(path)
        if self._forms and path.lower().endswith(_OTHER_FORMS):
            self.fail(f"{name} would not hold what its ending says: end it in {' or '.join(self._forms)}.", param, ctx)
        directory = os.path.dirname(os.path.abspath(path))
        if not os.access(directory, os.W_OK | os.X_OK):
            raise InputOutput(f"{name} cannot be written: its directory is absent, or may not be written to.")
        if is_database(path):
            raise InputOutput(f"{name} is a SQLite database, and is not written over.")
        return path


def claim(path: str, writes: bool, param: click.Parameter | None, ctx: click.Context | None) -> None:
    """Notes which option names a file. Raises Usage where one option writes the file that another reads or writes."""
    if ctx is None or param is None:
        return
    claimed = ctx.meta.setdefault(_CLAIMED, {})
    other, is_written = claimed.setdefault(os.path.realpath(path), (param, writes))
    if other is not param and (writes or is_written):
        both = [each.opts[0] for each in ctx.command.params if each in (param, other)]
        raise Usage(f"{' and '.join(both)} name the same file.")


def write_whole(path: str, text: str | bytes, executable: bool = False, most: int = 0o777) -> None:
    """Puts the text at path by one rename; a device or a pipe is written to as it is. Raises InputOutput.

    executable: everybody who may read the file may also run it. most: the upper limit of the file's permissions.
    """
    content = text.encode() if isinstance(text, str) else text
    try:
        if is_stream(path):
            with open(path, "wb") as file:
                file.write(content)
        else:
            atomic_files.put(path, content, executable=executable, most=most)
    except OSError as error:
        raise InputOutput(f"{click.format_filename(path)} cannot be written: {error.strerror}.") from None


@contextmanager
def written_whole(path: str) -> Iterator[IO[bytes]]:
    """A file for content that does not fit into memory: at path, whole, when the block ends without an error.

    A device or a pipe is written to as the content comes. Raises InputOutput.
    """
    try:
        if is_stream(path):
            with open(path, "wb") as file:
                yield file
            return
        directory = os.path.dirname(os.path.abspath(path))
        with atomic_files.workshop(directory) as at:
            unfinished = os.path.join(at, "output")
            with open(unfinished, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(unfinished, atomic_files.mode_of(path))
            os.replace(unfinished, path)
    except OSError as error:
        raise InputOutput(f"{click.format_filename(path)} cannot be written: {error.strerror}.") from None


def is_stream(path: str) -> bool:
    """Whether path is a stream that is already open, a pipe or a device, which a rename must not replace."""
    is_device = os.path.abspath(path).startswith(("/dev/", "/proc/"))
    return os.path.exists(path) and (is_device or not os.path.isfile(path))


def is_database(path: str) -> bool:
    """Whether path, or what it links to, is a SQLite database, or one of the files that SQLite keeps beside one."""
    real = os.path.realpath(path)
    beside = next((real.removesuffix(end) for end in _BESIDE_A_DATABASE if real.endswith(end)), real)
    return any(_begins(each, _DATABASE) for each in {real, beside})


def open_beside(path: str, mode: int) -> int:
    """A handle to read and write path, which is created if it does not exist; no link is followed. Raises OSError.

    mode: the upper limit of the file's permissions, whether it is new or exists.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NOTHING_BUT_A_FILE, mode)
    there = os.fstat(handle)
    if not stat.S_ISREG(there.st_mode) or there.st_nlink != 1:
        os.close(handle)
        raise OSError(0, "not a file of its own", path)
    if (held := stat.S_IMODE(there.st_mode)) & ~mode:
        os.chmod(handle if os.chmod in os.supports_fd else path, held & mode)
    return handle


def _begins(path: str, with_what: bytes) -> bool:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(len(with_what)) == with_what
    except OSError:
        return False
