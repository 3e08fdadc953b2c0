"""Files that are whole or absent: a reader sees the old content or the new, and a crash at any moment leaves one.

What is in the making has a name of its own and is held by a lock, which the kernel takes away with the process: what
nobody holds was left behind by a kill, and `sweep` removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNFINISHED = ".unfinished-"
WORKSHOP = ".training-"


def put(path: str, content: bytes, replace: bool = True, executable: bool = False, most: int = 0o777) -> None:
    """Put content at path by one rename, and have it last through a power cut.

    The file has the permissions of the one before it, else those that the user's umask gives a new file; a link in its
    place is replaced, not followed. Without `replace` it is made read-only, and FileExistsError is raised rather than
    touch one that is there. executable: whoever may read the file may also run it. most: the most permissions it has.
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
            os.fchmod(file.fileno(), mode)  # mkstemp's 0600 would shut out the server's user
            os.fsync(file.fileno())
            if replace:
                os.replace(unfinished, path)
            else:
                os.link(unfinished, path)
    finally:
        try:
            os.unlink(unfinished)
        except FileNotFoundError:  # renamed; or, its lock gone with the handle, swept by another process
            pass
    directory_handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(directory_handle)
    finally:
        os.close(directory_handle)


def mode_of(path: str) -> int:
    """The permissions for what is to stand at path: those of the file there, else a new file's under the umask.

    Somebody else's file there may make it more private, but not less.
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
    return held if there.st_uid == os.geteuid() else held & new


@contextmanager
def workshop(directory: str) -> Iterator[str]:
    """A directory of its own for files in the making, gone at the end."""
    handle, path = _held(lambda: _opened(tempfile.mkdtemp(prefix=WORKSHOP, dir=directory)))
    try:
        yield path
    finally:
        _remove(path)
        os.close(handle)


def sweep(directory: str) -> list[str]:
    """Remove what killed processes left in the making; returns the names. What a living process holds is left alone."""
    removed = []
    for name in _names(directory):
        path = os.path.join(directory, name)
        try:
            if not stat.S_ISREG(kind := os.lstat(path).st_mode) and not stat.S_ISDIR(kind):
                os.unlink(path)  # a link, a pipe: none of ours in the making is one
                removed.append(name)
                continue
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # whatever it has become meanwhile
        except OSError:  # finished meanwhile, or another user's
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
    """What was made, locked; made again where a sweep came between the making and the lock."""
    while True:
        handle, path = made()
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(path):
            return handle, path
        os.close(handle)


def _opened(path: str) -> tuple[int, str]:
    try:
        return os.open(path, os.O_RDONLY), path
    except FileNotFoundError:  # swept already: _held makes another
        return os.open(os.devnull, os.O_RDONLY), path


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)
