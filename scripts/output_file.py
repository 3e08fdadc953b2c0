"""Files that people name for output: refused before the work where they cannot be written, whole or absent after it."""

from __future__ import annotations

import os
import stat
from typing import Any

import click

from ml import whole_files
from scripts.refusal import CANNOT_WRITE, Refused


class OutputPath(click.Path):
    """An option that names a file to write; minutes of work are not to end in a directory that is not there."""

    def __init__(self, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, writable=True, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as given. Fails where its directory is absent or may not be written to."""
        path = super().convert(value, param, ctx)
        directory = os.path.dirname(os.path.abspath(os.fspath(path)))
        if path != "-" and not _is_special(path) and not os.access(directory, os.W_OK | os.X_OK):
            name = click.format_filename(path)
            raise Refused(f"{name} cannot be written: no such directory, or none to write in", CANNOT_WRITE)
        return path


def write_whole(path: str, text: str) -> None:
    """Puts the text at path by one rename; a device or a pipe is written to as it is. Raises Refused."""
    try:
        if _is_special(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            whole_files.put(path, text.encode(), mode=_mode(path))
    except OSError as error:
        raise Refused(f"{click.format_filename(path)} cannot be written: {error.strerror}", CANNOT_WRITE) from None


def _mode(path: str) -> int:
    """The old file's permissions, else those of any new file: what names learners may be meant for one user alone."""
    if os.path.exists(path):
        return stat.S_IMODE(os.stat(path).st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _is_special(path: str) -> bool:
    """Also a link like /dev/stdout, whatever file it leads to: the rename would replace the link."""
    is_device = os.path.abspath(path).startswith(("/dev/", "/proc/"))
    return os.path.exists(path) and (is_device or not os.path.isfile(path))
