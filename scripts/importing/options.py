"""The options by which a file is described, shared by every command that imports one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import click

from scripts.cli.exits import Usage
from scripts.importing.formats.known import FORMATS
from scripts.importing.mapping import Wishes, pairs, parsed
from scripts.importing.values import TIME_UNITS

Command = Callable[..., Any]


class Treatment(NamedTuple):
    """What is done with doubtful rows.

    Attributes:
        is_strict: Whether the log is refused where anything is doubtful.
        drops_equal: Whether of equal rows only the first is kept.
        drops_future: Whether rows dated in the future are left out.
    """

    is_strict: bool = False
    drops_equal: bool = False
    drops_future: bool = False


def file_options(command: Command) -> Command:
    """Declares the options; the command gets `wishes` (a Wishes) and `treatment` (a Treatment)."""
    options = [
        click.option(
            "--format",
            "format_name",
            type=click.Choice(list(FORMATS)),
            help="The format of FILE. Default: recognised from its columns.",
        ),
        click.option(
            "--map",
            "maps",
            multiple=True,
            metavar="ROLE=COLUMN,…",
            help="Which column is what, such as user_id=studentId,item_id=question,correct=score. A+B joins columns;"
            " =TEXT is the same for all rows.",
        ),
        click.option("--time-unit", type=click.Choice(TIME_UNITS), help="What the numbers in timestamp count."),
        click.option(
            "--time-zone", metavar="ZONE", help="The zone of dates without one, such as Europe/Berlin. Default: UTC."
        ),
        click.option("--time-format", metavar="FORM", help="The form of dates, such as '%d/%m/%Y %H:%M'."),
        click.option("--skill-separator", metavar="TEXT", help="What stands between several skills of one answer."),
        click.option(
            "--multi-skill",
            type=click.Choice(["primary", "each"]),
            default="primary",
            show_default=True,
            help="An answer of several skills is one answer of the first, or one of each.",
        ),
        click.option("--correct-values", metavar="A,B", help="The values of correct that are right; others are wrong."),
        click.option(
            "--only", "only", multiple=True, metavar="COLUMN=VALUE", help="Only rows with that value are answers."
        ),
        click.option("--no-header", is_flag=True, help="The first row is an answer; columns are then named 1, 2, 3."),
        click.option(
            "--encoding", metavar="NAME", help="The encoding of FILE. Default: its byte order mark's, or UTF-8."
        ),
        click.option(
            "--questions", metavar="PATH", type=click.Path(exists=True), help="EdNet's questions.csv, if elsewhere."
        ),
        click.option("--learner", metavar="ID", help="The learner of a file that names none (Anki, FSRS)."),
        click.option("--strict", is_flag=True, help="Refuse the log where anything is doubtful."),
        click.option(
            "--duplicates",
            type=click.Choice(["keep", "drop"]),
            default="keep",
            show_default=True,
            help="What to do with rows that equal an earlier one.",
        ),
        click.option("--drop-future", is_flag=True, help="Leave out rows dated in the future."),
    ]

    @wraps(command)
    def described(*arguments: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in _NAMES}
        treatment = Treatment(given["strict"], given["duplicates"] == "drop", given["drop_future"])
        return command(*arguments, wishes=_wishes(given), treatment=treatment, **options)

    for option in reversed(options):
        described = option(described)
    return described


_NAMES = (
    *("format_name", "maps", "time_unit", "time_zone", "time_format", "skill_separator", "multi_skill"),
    *("correct_values", "only", "no_header", "encoding", "questions", "learner", "strict", "duplicates", "drop_future"),
)


def _wishes(given: dict[str, Any]) -> Wishes:
    values = given["correct_values"]
    return Wishes(
        format=given["format_name"],
        columns=parsed(given["maps"]),
        time_unit=given["time_unit"],
        time_zone=_zone(given["time_zone"]),
        time_format=given["time_format"],
        skill_separator=given["skill_separator"],
        correct_values=tuple(value.strip() for value in values.split(",")) if values else (),
        only=pairs("--only", given["only"]),
        every_skill=given["multi_skill"] == "each",
        has_header=not given["no_header"],
        encoding=_encoding(given["encoding"]),
        questions=given["questions"],
        learner=given["learner"],
    )


def _encoding(name: str | None) -> str | None:
    try:
        if name is not None:
            "a".encode(name)
    except (LookupError, ValueError):
        raise Usage(f"--encoding: {name[:40]!r} is no encoding of text.") from None  # type: ignore[index]
    return name


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Usage(f"--time-zone: {name[:40]!r} is no time zone, such as Europe/Berlin.") from None
