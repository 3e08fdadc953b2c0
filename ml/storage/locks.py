"""Locks between processes, and flags for opening files, where the system has them: Windows has no fcntl."""

from __future__ import annotations

import os

try:
    import fcntl
except ImportError:
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

NOTHING_BUT_A_FILE = 0
"""Flags of os.open: no link is followed, no pipe waited for, no child inherits the handle, no byte is translated."""
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    NOTHING_BUT_A_FILE |= getattr(os, _flag, 0)


def lock(handle: int, wait: bool = True) -> None:
    """Locks an open file until its handle is closed or the process ends.

    On a system without file locks it does nothing. Raises BlockingIOError where another process holds the lock and wait
    is false, OSError where it cannot be taken.
    """
    if HAS_LOCKS:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
