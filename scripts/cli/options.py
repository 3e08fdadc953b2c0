"""The options that several commands share, each declared once: the same name, the same help, the same rules.

--database-url and the options that belong to it are in scripts/cli/database_options.py, --jobs and the options that
belong to it in scripts/workers/options.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from ml.places import models_directory
from ml.storage.levels_file import MOST_CAPACITY
from ml.study.correctness import SETTINGS, VARIABLE, correct_setting
from ml.wording.choice import AUDIENCES, LANGUAGES, language_named
from scripts.cli.human_times import instant_ms
from scripts.cli.output_file import claim
from scripts.cli.request import in_utf8

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

LONGEST_LIST = 1 << 30
"""Bytes of a list of learners: ten million ids of a hundred characters."""


class Instant(click.ParamType):  # type: ignore[type-arg]  # older releases of click take none
    """An instant in ISO 8601, as milliseconds since 1970."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The instant; fails with a sentence that shows how one is written."""
        if isinstance(value, int):
            return value
        try:
            return instant_ms(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Number(click.FloatRange):
    """A number within bounds; NaN is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Fails outside the bounds."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class Id(click.ParamType):  # type: ignore[type-arg]  # as above
    """An id of the platform, whose bytes are UTF-8 whatever the locale says."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id; fails where it is not UTF-8, which no database can have stored."""
        given = in_utf8(str(value))
        try:
            given.encode()
        except UnicodeEncodeError:
            self.fail("The id is not valid UTF-8.", param, ctx)
        return given


class LearnerList(click.ParamType):  # type: ignore[type-arg]  # as above
    """A file of learners' ids, one per line in UTF-8; "-" is stdin. The result is sorted and has each id once."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The ids; fails where the file is not a list of ids."""
        try:
            with click.open_file(value, "rb") as file:
                octets = file.read(LONGEST_LIST + 1)
        except OSError as error:
            self.fail(f"{click.format_filename(value)} cannot be read: {error.strerror}.", param, ctx)
        try:
            text = octets.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:  # also UTF-16, which PowerShell writes
            self.fail("the file must be text in UTF-8, with one learner's id per line.", param, ctx)
        if len(octets) > LONGEST_LIST:
            self.fail(f"the file may have at most {LONGEST_LIST >> 20} MiB.", param, ctx)
        found = sorted({line.strip() for line in text.splitlines()} - {""})
        if not found:
            self.fail("the file names no learner.", param, ctx)
        if value != "-":
            claim(os.fsdecode(value), False, param, ctx)
        return found


def as_of_option(help_text: str) -> Decorator:
    """--as-of as `as_of_ms`: milliseconds since 1970, or None where the command should use the present."""
    written = "Written as ISO 8601, in UTC where no offset is given: 2026-11-16 or 2026-11-16T03:00:00Z."
    return click.option(
        "--as-of", "as_of_ms", type=Instant(), metavar="ISO", help=f"{help_text} {written} Default: now."
    )


def days_ahead_option(command: Command) -> Command:
    """--days-ahead: how far a batch and the reports that predict like one look for missions and exams."""
    help_text = "How many days ahead to look for missions and exams."
    return click.option("--days-ahead", type=click.IntRange(0, 3650), default=14, help=help_text)(command)


def json_option(command: Command) -> Command:
    """--json as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")(command)


def quiet_option(command: Command) -> Command:
    """--quiet. Without it, a progress bar is shown, but only on a terminal."""
    return click.option("--quiet", is_flag=True, help="Show no progress bar, not even on a terminal.")(command)


def learners_option(name: str, help_text: str, default: str = " Default: every learner.") -> Decorator:
    """--users or --learners as `learners`: the ids, or None, for which `default` says what it means."""
    said = f"{help_text} FILE has one id per line in UTF-8; - is stdin.{default}"
    return click.option(name, "learners", type=LearnerList(), metavar="FILE", help=said)


def struggle_below_option(command: Command) -> Command:
    """--struggle-below: a share, or None for the platform's own definition."""
    return click.option(
        "--struggle-below",
        type=Number(0, 1),
        metavar="SHARE",
        help="A visit is a struggle below this share of correct answers. Default: the platform's definition.",
    )(command)


def _correct_from(_context: click.Context, _option: click.Parameter, given: str | None) -> str:
    return correct_setting(given)


def correct_from_option(decided: bool = True) -> Decorator:
    """--correct-from, GOOD or HARD, the same for every command of a deployment (ml/study/correctness.py).

    decided: whether the command gets the setting in force; otherwise it gets only what was given, or None.
    """
    return click.option(
        "--correct-from",
        type=click.Choice(SETTINGS, case_sensitive=False),
        callback=_correct_from if decided else None,
        help=f"The lowest grade that is a correct answer. Default: ${VARIABLE}, else GOOD.",
    )


def _language(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    code = None if given is None else language_named(given)
    if given is not None and code is None:
        raise click.BadParameter(f"{given!r} is no known language: {' or '.join(LANGUAGES)}.")
    return code


def words_options(command: Command) -> Command:
    """--language and --audience: codes of ml.wording.choice, or None where the environment decides."""
    audience = click.option(
        "--audience",
        type=click.Choice(AUDIENCES, case_sensitive=False),
        help="Whom the sentences address. Default: $STRUGGLE_AUDIENCE, else teacher.",
    )
    language = click.option(
        "--language",
        metavar="|".join(LANGUAGES),
        callback=_language,
        help="The language of the sentences; de-AT or de_DE.UTF-8 is German too. Default: $STRUGGLE_LANGUAGE, else"
        " English.",
    )
    return language(audience(command))


def model_option(rules: bool = True) -> Decorator:
    """--model; ml.model.load reads the model that it names, and knows the default.

    rules: whether the rules may be named.
    """
    last = ", else the rules" if rules else ""
    return click.option(
        "--model",
        metavar="PATH|rules" if rules else "PATH",
        help=f"The model that predicts. Default: $STRUGGLE_MODEL, else current.pkl of the models' directory, else"
        f" pretrained.pkl{last}.",
    )


def _not_empty(_context: click.Context, _option: click.Parameter, directory: str) -> str:
    """What `--models-dir "$UNSET"` comes to would else be the working directory."""
    if not directory.strip():
        raise click.BadParameter("it is empty: name a directory, or leave it out.")
    return directory


def models_dir_option(command: Command) -> Command:
    """--models-dir, by default the directory that predict.py reads."""
    return click.option(
        "--models-dir",
        default=models_directory,
        show_default=False,
        metavar="DIR",
        callback=_not_empty,
        help="The directory where models are kept. Default: $STRUGGLE_MODELS_DIR, else models/ beside predict.py.",
    )(command)


def target_options(command: Command) -> Command:
    """--target-recall and --capacity, None where they are not given."""
    by_recall = click.option(
        "--target-recall",
        type=Number(0.01, 1),
        metavar="SHARE",
        help="Choose the operating threshold that finds this share of the struggles. Default: the target of levels.json"
        " beside the model, else 0.70.",
    )
    by_capacity = click.option(
        "--capacity",
        type=click.IntRange(1, MOST_CAPACITY),
        metavar="N",
        help="Choose the operating threshold that flags N visits a day, and let batches flag N.",
    )
    return by_recall(by_capacity(command))
