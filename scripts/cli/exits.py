"""How a script says no: one sentence on stderr, and the exit code that predict.py gives the same cause."""

from __future__ import annotations

import click

from db.errors import DatabaseConfiguration, DatabaseError
from scripts.cli.streams import in_one_line

USAGE, UNKNOWN, UNAVAILABLE, CANNOT_WRITE, CONFIGURATION = 2, 66, 69, 74, 78


class OutputBusy(Exception):
    """Raised when another batch is writing the same file."""


class ExtraMissing(Exception):
    """Raised when a package of an extra is not installed; its text names the extra."""


class Refused(click.ClickException):
    """Raised in a command to end it with that message and exit code; shown in one line, whoever's words it repeats."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(in_one_line(message))
        self.exit_code = exit_code  # type: ignore[misc]


def of_database(error: DatabaseError) -> Refused:
    """78 where the configuration is at fault; 69 where the database cannot be reached, or does not do as asked."""
    return Refused(str(error), CONFIGURATION if isinstance(error, DatabaseConfiguration) else UNAVAILABLE)
