"""--audit-log: a command that is audited writes who ran it, when, on whose rows, and how it ended.

Without the option and its variable nothing is written. Where the log cannot be written to, the command refuses before
it does anything.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from functools import wraps
from typing import Any

import click

from ml.places import setting
from scripts.auditing.log import ENDED, KEY, STARTED, AuditLog, Fact
from scripts.cli.command import code_of
from scripts.cli.exits import Usage
from scripts.cli.output_file import OutputPath

VARIABLE = "STRUGGLE_AUDIT_LOG"
_PATH, _COUNTS, _RUN = (f"{__name__}.{name}" for name in ("path", "counts", "run"))

Command = Callable[..., Any]


def audit_log_option(command: Command) -> Command:
    """--audit-log alone: for a group, whose subcommands are audited, and for what reads the log."""
    return click.option(
        "--audit-log",
        type=OutputPath(),
        default=lambda: setting(VARIABLE),
        show_default=False,
        expose_value=False,
        callback=_remembered,
        metavar="FILE",
        help=f"Add who ran this, when, and how it ended to FILE. Default: ${VARIABLE}, else nothing is written.",
    )(command)


def audit_log_read(command: Command) -> Command:
    """--audit-log for the command that reads the log."""
    return click.option(
        "--audit-log",
        type=click.Path(exists=True, dir_okay=False),
        default=lambda: setting(VARIABLE),
        show_default=False,
        expose_value=False,
        callback=_remembered,
        metavar="FILE",
        help=f"The audit log. Default: ${VARIABLE}.",
    )(command)


def audited(learner: str | None = None, settings: Collection[str] = (), option: bool = True) -> Callable[..., Command]:
    """Makes a command write to the audit log that is named, and declares --audit-log.

    learner: the parameter that names the learner, by its first word where it has several. settings: the parameters
    whose values the log has. option: False for a subcommand, whose group declares the option.
    """

    def decorated(command: Command) -> Command:
        @wraps(command)
        def logged(*arguments: Any, **options: Any) -> Any:
            context = click.get_current_context()
            path = log_path()
            if path is None:
                return command(*arguments, **options)
            _refuse_outputs_over(path, context)
            run = _Run(
                AuditLog(path),
                _name(context),
                _id(options.get(learner)) if learner else None,
                {name: _fact(options[name]) for name in settings if options.get(name) is not None},
            )
            context.meta[_COUNTS], context.meta[_RUN] = run.counts, run.name
            return run.of(lambda: command(*arguments, **options))

        return audit_log_option(logged) if option else logged

    return decorated


def tell_audit_log(**counts: Fact) -> None:
    """Adds to the line that ends this run: how many rows, which version. Never an id of a learner."""
    click.get_current_context().meta.get(_COUNTS, {}).update(counts)


def log_path() -> str | None:
    """The log that this command was given, or None."""
    path = click.get_current_context().meta.get(_PATH)
    return None if path is None else str(path)


def this_run() -> str | None:
    """The name of this run in the log, or None where none is written."""
    return click.get_current_context().meta.get(_RUN)


class _Run:
    """One run of a command, of which the log gets two lines."""

    def __init__(self, log: AuditLog, command: str, learner_id: str | None, settings: Mapping[str, Fact]) -> None:
        self.name = secrets.token_hex(8)
        self.counts: dict[str, Fact] = {}
        self._log = log
        operator, account = _who()
        self._line = {
            "command": command,
            "operator": operator,
            "account": account,
            "learner": log.pseudonyms.of(learner_id) if learner_id else None,
            "key": log.pseudonyms.key_name,
            "settings": dict(settings),
        }

    def of(self, work: Callable[[], Any]) -> Any:
        """Does the work between the two lines. Raises InputOutput where one of them cannot be written."""
        self._add(STARTED, {})
        try:
            ended = work()
        except BaseException as error:
            self._add(ENDED, {"exit_code": code_of(error), "counts": self.counts})
            raise
        self._add(ENDED, {"exit_code": ended if isinstance(ended, int) else 0, "counts": self.counts})
        return ended

    def _add(self, event: str, more: Mapping[str, object]) -> None:
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._log.append({"at": at, "run": self.name, "event": event, **self._line, **more})


def _remembered(context: click.Context, _option: click.Parameter, path: str | None) -> None:
    if path == "":  # as with a shell's variable that is not set
        raise click.BadParameter("it is empty: name a file, or leave it out.")
    context.meta[_PATH] = path


def _name(context: click.Context) -> str:
    """`export_learner`, or `models promote`: by the file, however the command was started."""
    words = []
    while context.parent is not None:
        words.append(context.info_name or "")
        context = context.parent
    callback = context.command.callback
    words.append(getattr(callback, "__name__", "") or context.info_name or "")
    return " ".join(reversed(words))


def _id(given: object) -> str | None:
    """The learner's id: the parameter, or the first of its words."""
    first = given[0] if isinstance(given, tuple) and given else given
    return first if isinstance(first, str) else None


def _fact(value: object) -> Fact:
    return value if isinstance(value, (bool, int, str)) else str(value)


def _who() -> tuple[str, str]:
    """The operator, and the account whose rights the command has.

    Under sudo they differ. Its variable is believed only where the rights are root's: anybody else can set it.
    """
    if not hasattr(os, "geteuid"):  # Windows
        account = os.getlogin()
        return account, account
    import pwd

    def name(uid: int) -> str:
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:  # a container runs under a number without a name
            return f"uid {uid}"

    account = name(os.geteuid())
    by_sudo = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    return by_sudo or name(os.getuid()), account


def _refuse_outputs_over(path: str, context: click.Context) -> None:
    """Raises Usage where the command would write something else over the log or its key."""
    logs = {os.path.realpath(path), os.path.realpath(path + KEY)}
    for parameter in context.command.params:
        given = context.params.get(parameter.name or "")
        if isinstance(parameter.type, click.Path) and isinstance(given, str) and os.path.realpath(given) in logs:
            raise Usage(f"{parameter.opts[0]} names the audit log or its key: name another file.")
