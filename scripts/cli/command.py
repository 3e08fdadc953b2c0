"""What every command has: -h beside --help, one line for an error, and an exit code from the one table.

@command({0: "the tables exist"}) @click.option(...) def create_database(...) -> None: ...

A command ends with 0, with the number that it returns, or with the code that scripts/cli/exits.py gives to what it
raises. Nothing that it raises is shown as a traceback: an unexpected error is reported with the places of the calls.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, NoReturn, TypeVar

import click

from scripts.cli.exits import (
    BUG,
    DONE,
    MEANINGS,
    TO_LOOK_AT,
    UNDER_WAY,
    UNKNOWN,
    InputOutput,
    Interrupted,
    Usage,
    ending,
    told,
)
from scripts.cli.streams import in_one_line, keep_stderr_free

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}
SPECIAL = (TO_LOOK_AT, UNKNOWN, UNDER_WAY)
"""Exit codes that a command has only where it says so."""
_OF_A_FULL_DISK = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EROFS)

Record = TypeVar("Record")
Result = TypeVar("Result")


class Command(click.Command):
    """A command that ends as the table of exit codes says."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the command and ends the process; with standalone_mode off, returns and raises as click does."""
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        return _end(run) if standalone_mode else run()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the arguments, and prints the help or the version where they ask for it."""
        return _with_a_reader(lambda: super(Command, self).parse_args(ctx, args))

    def invoke(self, ctx: click.Context) -> Any:
        """Does the work."""
        return _with_a_reader(lambda: super(Command, self).invoke(ctx))


class Group(Command, click.Group):
    """A command with subcommands, which end in the same way. Without one of them it has nothing to do."""

    command_class = Command

    def __init__(self, **attributes: Any) -> None:
        attributes.setdefault("no_args_is_help", False)
        super().__init__(**attributes)


def command(ends: Mapping[int, str]) -> Callable[[Callable[..., Any]], Command]:
    """Makes a function a command.

    Args:
        ends: What exit codes mean in this command, where that differs from MEANINGS or where not every command has the
            code; an empty text means the text of MEANINGS.
    """

    def made(function: Callable[..., Any]) -> Command:
        meanings = {code: meaning for code, meaning in MEANINGS.items() if code not in SPECIAL} | dict(ends)
        meanings = {code: meaning or MEANINGS[code] for code, meaning in meanings.items()}
        return click.command(cls=Command, context_settings=CONTEXT, epilog=told(meanings))(function)

    return made


def group(function: Callable[..., Any]) -> Group:
    """Makes a function a command that has subcommands."""
    return click.group(cls=Group, context_settings=CONTEXT)(function)


def as_record(record: Callable[..., Record]) -> Callable[[Callable[[Record], Any]], Callable[..., Any]]:
    """Passes a command its options as one record, whose fields have the options' names."""

    def made(function: Callable[[Record], Any]) -> Callable[..., Any]:
        @wraps(function)
        def called(**options: Any) -> Any:
            return function(record(**options))

        return called

    return made


def note(sentence: str) -> None:
    """Tells people something, in one line on stderr; without a stderr that takes it, the work goes on."""
    try:
        click.echo(in_one_line(sentence), err=True)
    except OSError:
        _fall_silent_where_nobody_reads()


def _with_a_reader(step: Callable[[], Result]) -> Result:
    """What a step returns. click would end the process with 1 where nobody reads what it prints."""
    try:
        return step()
    except BrokenPipeError:
        raise InputOutput("stdout cannot be written: nobody reads it.") from None


def _end(run: Callable[[], Any]) -> NoReturn:
    """Runs a command and ends the process, with one line on stderr where it failed."""
    keep_stderr_free()
    try:
        if sys.stdout is None:  # its number would go to the first file or connection that the command opens
            raise InputOutput("stdout cannot be written: it is closed.")
        ended = run()
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:
        failure = _failure(error)
        code = code_of(error)
        _fall_silent_where_nobody_reads()
        note(f"Error: {_sentence(failure, code)}")
        sys.exit(code)
    sys.exit(ended if isinstance(ended, int) else 0)


def code_of(error: BaseException) -> int:
    """The exit code with which a command ends that raises this error."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DONE if error.code is None else TO_LOOK_AT
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    return ending(_failure(error))[0]


def _failure(error: BaseException) -> BaseException:
    """What was raised, in a class of ours where click or the system raised it."""
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        said = error.format_message().replace("\n\t", " ")
        return Usage(f"{said} See {context.command_path} --help." if context is not None else said)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return Interrupted("The command was interrupted.")
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _OF_A_FULL_DISK):
        name = "stdout" if error.filename is None else click.format_filename(error.filename)
        return InputOutput(
            f"{name} cannot be {'written' if error.filename is None else 'read or written'}: {error.strerror}."
        )
    return error


def _sentence(error: BaseException, code: int) -> str:
    """What people read. The text of a bug may quote a learner's rows: its class and its place do not."""
    return f"internal error ({places_of(error)})" if code == BUG else str(error)


def places_of(error: BaseException) -> str:
    """The class of an unexpected error, and file:line of each call that led to it, the innermost first."""
    calls = reversed(traceback.extract_tb(error.__traceback__))
    return " < ".join([type(error).__name__, *(f"{os.path.basename(call.filename)}:{call.lineno}" for call in calls)])


def _fall_silent_where_nobody_reads() -> None:
    """Python flushes both streams once more at the end, and would tell of one that fails: in lines of its own, by 120.

    What such a stream still holds is dropped.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            except (OSError, ValueError):
                pass
