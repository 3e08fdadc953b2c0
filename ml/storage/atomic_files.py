"""Files that are whole or absent: a reader sees the old content or the new one, whenever a crash occurs.

An unfinished file or directory has a name of its own and is locked by the process that makes it. The kernel releases
the lock when the process ends, so an unfinished file without a lock was left behind by a killed process; `sweep`
removes it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager

from ml.storage.locks import HAS_LOCKS, NOTHING_BUT_A_FILE, lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNFINISHED = ".unfinished-"
WORKSHOP = ".training-"


def put(path: str, content: bytes, replace: bool = True, executable: bool = False, most: int = 0o777) -> None:
    """Puts content at path by one rename, so that it outlasts a power cut.

    Args:
        path: where the file is written; a link in its place is replaced, not followed.
        content: the bytes of the file.
        replace: without it, the file is made read-only, and an existing one is left alone.
        executable: everybody who may read the file may also run it.
        most: the upper limit of the file's permissions. It gets those of the file that it replaces, else those that the
            umask gives a new file.

    Raises:
        FileExistsError: there is a file at path, and `replace` is false.
        OSError: the file cannot be written.
    """
    mode = mode_of(path) & most if replace else mode_of(path) & most & ~0o222
    if executable:
        mode |= (mode & 0o444) >> 2
    directory = os.path.dirname(os.path.abspath(path))
    handle, unfinished = _held(lambda: tempfile.mkstemp(prefix=UNFINISHED, dir=directory))
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            # mkstemp's 0600 would shut out the server's user
            os.chmod(file.fileno() if os.chmod in os.supports_fd else unfinished, mode)
            os.fsync(file.fileno())
            if not HAS_LOCKS:  # Windows, which renames no open file
                file.close()
            if replace:
                os.replace(unfinished, path)
            else:
                os.link(unfinished, path)
    finally:
        try:
            os.unlink(unfinished)
        except FileNotFoundError:  # renamed; or, its lock gone with the handle, swept by another process
            pass
    if hasattr(os, "O_DIRECTORY"):  # Windows opens no directory
        directory_handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory_handle)
        finally:
            os.close(directory_handle)


def mode_of(path: str) -> int:
    """The permissions for a file to be written to path: those of the file there, else a new file's under the umask.

    A file that belongs to somebody else may make the new one more private, but not less.
    """
    mask = os.umask(0o077)
    os.umask(mask)
    new = 0o666 & ~mask
    try:
        there = os.lstat(path)
    except OSError:
        return new
    if not stat.S_ISREG(there.st_mode):
        return new
    held = there.st_mode & 0o777  # no setuid: the new file is ours
    return held if not hasattr(os, "geteuid") or there.st_uid == os.geteuid() else held & new


@contextmanager
def workshop(directory: str) -> Iterator[str]:
    """A new directory for unfinished files, which is removed at the end of the block."""
    handle, path = _held(lambda: _opened(tempfile.mkdtemp(prefix=WORKSHOP, dir=directory)))
    try:
        yield path
    finally:
        _remove(path)
        os.close(handle)


def sweep(directory: str) -> list[str]:
    """Removes what killed processes left unfinished, and returns the names; files of running processes stay."""
    removed: list[str] = []
    if not HAS_LOCKS:  # nobody can tell which process holds what
        return removed
    for name in _names(directory):
        path = os.path.join(directory, name)
        try:
            if not stat.S_ISREG(kind := os.lstat(path).st_mode) and not stat.S_ISDIR(kind):
                os.unlink(path)  # a link or a pipe: none of our unfinished files is one
                removed.append(name)
                continue
            handle = os.open(path, os.O_RDONLY | NOTHING_BUT_A_FILE)  # whatever it has become meanwhile
        except OSError:  # finished meanwhile, or another user's
            continue
        try:
            lock(handle, wait=False)
            _remove(path)
            removed.append(name)
        except OSError:
            continue
        finally:
            os.close(handle)
    return removed


def _names(directory: str) -> Iterator[str]:
    return (name for name in sorted(os.listdir(directory)) if name.startswith((UNFINISHED, WORKSHOP)))


def _held(made: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    """Makes a file or directory and locks it; where a sweep came between the two, it is made again."""
    while True:
        handle, path = made()
        lock(handle)
        if os.path.exists(path):
            return handle, path
        os.close(handle)


def _opened(path: str) -> tuple[int, str]:
    if not hasattr(os, "O_DIRECTORY"):
        return os.open(os.devnull, os.O_RDONLY), path
    try:
        return os.open(path, os.O_RDONLY), path
    except FileNotFoundError:  # swept already: _held makes another
        return os.open(os.devnull, os.O_RDONLY), path


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)
