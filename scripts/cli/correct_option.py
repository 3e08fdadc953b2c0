"""--correct-from: which answers count as correct, the same for every command of a deployment
(ml/study/correctness.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ml.errors import InvalidSetting
from ml.study.correctness import SETTINGS, VARIABLE, correct_setting
from scripts.cli.exits import CONFIGURATION, Refused

Command = TypeVar("Command", bound=Callable[..., Any])

HELP = f"The lowest grade that is a correct answer. Default: ${VARIABLE}, else GOOD."


def correct_from_option(command: Command) -> Command:
    """The option as `correct_from`: GOOD or HARD, taken from the environment where the command line says nothing."""
    return click.option(
        "--correct-from", type=click.Choice(SETTINGS, case_sensitive=False), callback=_in_force, help=HELP
    )(command)


def _in_force(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str:
    try:
        return correct_setting(given)
    except InvalidSetting as error:
        raise Refused(str(error), CONFIGURATION) from None
