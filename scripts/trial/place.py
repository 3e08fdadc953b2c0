"""The directory of a trial: what is in it, and when it may be written to."""

from __future__ import annotations

import json
import os
import re
import shutil

import click

from scripts.cli.exits import InputOutput, Usage
from scripts.cli.output_file import write_whole

MARK = "trial.json"
"""It is written first, so that a later trial knows the directory of one that was interrupted."""
_BESIDE = ("", "-wal", "-shm", "-journal")


class Place:
    """A trial's directory, which stays as it is until `begin`. Raises Usage where it holds anything but a trial."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)
        self.database = os.path.join(self.directory, "platform.sqlite3")
        self.models = os.path.join(self.directory, "models")
        self.page = os.path.join(self.directory, "trial.html")
        self.report = os.path.join(self.directory, MARK)
        self._shown = click.format_filename(directory)
        try:
            if os.path.lexists(self.directory) and (
                not os.path.isdir(self.directory) or (os.listdir(self.directory) and not os.path.isfile(self.report))
            ):
                raise Usage(
                    f"{self._shown} holds something other than an earlier trial: name another directory with --output."
                )
        except OSError as error:
            raise InputOutput(f"{self._shown} cannot be read: {error.strerror}.") from None

    def begin(self, file: str) -> None:
        """Makes the directory, or removes the earlier trial from it. Raises InputOutput."""
        try:
            os.makedirs(self.directory, exist_ok=True)
            write_whole(self.report, json.dumps({"file": os.path.basename(file)}) + "\n")
            for end in _BESIDE:
                if os.path.lexists(self.database + end):
                    os.unlink(self.database + end)
            if os.path.lexists(self.page):
                os.unlink(self.page)
            if os.path.isdir(self.models) and not os.path.islink(self.models):
                shutil.rmtree(self.models)
        except OSError as error:
            raise InputOutput(f"{self._shown} cannot be written: {error.strerror}.") from None

    @property
    def url(self) -> str:
        """The database's URL."""
        return f"file:{self.database}"


def default_directory(file: str) -> str:
    """NAME-trial in the working directory, where NAME is how the file's name begins.

    >>> default_directory("/data/our answers.csv.gz")
    'our-answers-trial'
    """
    name = os.path.basename(os.path.abspath(file)).partition(".")[0]
    return (re.sub(r"[^\w-]+", "-", name).strip("-") or "log") + "-trial"
