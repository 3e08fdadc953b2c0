"""Files that are whole or absent: a reader sees the old content or the new, and a crash at any moment leaves one."""

from __future__ import annotations

import os
import tempfile


def put(path: str, content: bytes, replace: bool = True) -> None:
    """Put content at path by one rename, and have it last through a power cut.

    Without `replace` the file is made read-only, and FileExistsError raised rather than touch one that is there.
    """
    directory = os.path.dirname(os.path.abspath(path))
    handle, unfinished = tempfile.mkstemp(prefix=".unfinished-", dir=directory)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644 if replace else 0o444)  # mkstemp's 0600 would shut out the server's user
            os.fsync(file.fileno())
        if replace:
            os.replace(unfinished, path)
        else:
            os.link(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
    directory_handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(directory_handle)
    finally:
        os.close(directory_handle)
