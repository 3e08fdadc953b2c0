"""--database-url, --env-file, --schema and --demo: the same options, with the same rules, for every command.

A command's database is the one that --database-url or --env-file names, else the variable DATABASE_URL (or the variable
that the schema's datasource names), else STRUGGLE_ENV_FILE, else, for commands that people run by hand, a .env file
beside the schema or in the project. Where nothing names one, the command refuses to run: the demo is used only if it is
asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from db import connecting
from db.errors import DatabaseConfiguration
from db.url import Origin, parse
from ml.places import setting
from scripts.cli.command import note
from scripts.cli.exits import Misconfigured, Usage

DEMO_URL = f"file:{connecting.DEMO}"

Command = Callable[..., Any]
Question = Callable[[Mapping[str, Any]], bool]
"""Asked of a command's own options."""


def declared(several: bool = False, schema: bool = True, demo: bool = True) -> Callable[[Command], Command]:
    """Declares the options without choosing a database.

    several: --database-url may be repeated; its parameter is then `urls`.
    """
    options = [
        click.option(
            "--database-url",
            "urls" if several else "database_url",
            multiple=several,
            metavar="URL",
            help="The database. Default: $DATABASE_URL, which is safer for a password, because other users can see"
            " arguments.",
        ),
        click.option(
            "--env-file", metavar="FILE", help="A .env file that sets DATABASE_URL. Default: $STRUGGLE_ENV_FILE."
        ),
    ]
    if schema:
        said = "The app's schema.prisma, which names its tables and its variable. Default: $STRUGGLE_SCHEMA."
        options.append(click.option("--schema", metavar="PATH", help=said))
    if demo:
        options.append(click.option("--demo", is_flag=True, help="Use the embedded demo database."))

    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def database_options(
    *,
    several: bool = False,
    schema: bool = True,
    demo: bool = True,
    demo_by_default: bool = False,
    models: bool = False,
    writes: Question = lambda options: False,
    looks_for_env_file: Question = lambda options: True,
    needed: Question = lambda options: True,
) -> Callable[[Command], Command]:
    """Declares the options and chooses a database: the command gets `database_url` (or `urls`) and `schema`.

    several: --database-url may be repeated. schema, demo: whether these options are offered. demo_by_default: where
    nothing names a database, database_url is None. models: whether the command makes models; with --demo, --models-dir
    must then be given. writes: whether it would write to the database; the demo is then refused. looks_for_env_file:
    whether a .env file that nobody named may be read. needed: whether it would open a database at all; otherwise only
    the given options are checked. Raises Usage, Misconfigured, DatabaseError.
    """

    def decorated(command: Command) -> Command:
        @wraps(command)
        def decided(*arguments: Any, env_file: str | None, **options: Any) -> Any:
            given = options.pop("urls") if several else [options.pop("database_url")]
            given = [each for each in given if each is not None]
            wants_demo = options.pop("demo") if demo else False
            is_needed = needed(options)
            refuse_two_databases(given[0] if given else None, env_file, wants_demo)
            if schema:
                # The names of the app that the variable speaks of are not the demo's.
                options["schema"] = options["schema"] or (None if wants_demo else setting("STRUGGLE_SCHEMA"))
            if wants_demo:
                _refuse_misuse_of_the_demo(models, writes(options))
                given = [DEMO_URL]
            elif given:
                if warning := warning_of_passwords(given):
                    note(warning)
            elif is_needed:
                found, origin = _named(options.get("schema"), env_file, looks_for_env_file(options))
                if found is not None:
                    given = [found]
                elif not demo_by_default:
                    raise _nothing_named(origin, demo and not writes(options), looks_for_env_file(options))
            chosen = {"urls": tuple(given)} if several else {"database_url": given[0] if given else None}
            return command(*arguments, **chosen, **options)

        return declared(several, schema, demo)(decided)

    return decorated


def _named(schema: str | None, env_file: str | None, looks_for_env_file: bool) -> tuple[str | None, Origin]:
    """The URL that the environment or a .env file names, or None; stderr says where an inconspicuous one comes from."""
    text, origin = connecting.surroundings(schema, env_file)
    if text is None and looks_for_env_file:
        text, origin = connecting.beside(schema, note)
    if text is not None and (remark := origin.told(connecting.located(text, schema)[0].label)):
        note(remark)
    return text, origin


def _nothing_named(origin: Origin, offers_demo: bool, looked_for_env_file: bool) -> Misconfigured:
    asks = ", or ask for the demo with --demo" if offers_demo else ""
    said = f"No database is named: set {origin.variable}, or give --database-url or --env-file{asks}."
    if not looked_for_env_file:
        said += " This command reads a .env file only where it is named so."
    return Misconfigured(said)


def _refuse_misuse_of_the_demo(makes_models: bool, writes: bool) -> None:
    given = click.get_current_context().get_parameter_source
    if makes_models and given("models_dir") is not ParameterSource.COMMANDLINE:
        raise Usage("--demo needs --models-dir: a model of the demo must not answer for real learners.")
    if writes:
        raise Misconfigured(
            "The demo database is not written to: create your own with"
            " `python -m scripts.create_database --demo --database-url file:/tmp/demo.db`."
        )


def refuse_two_databases(url: str | None, env_file: str | None, demo: bool) -> None:
    """Raises Usage or Misconfigured where the options contradict each other, or --database-url is given and empty."""
    if (url is not None) + (env_file is not None) + demo > 1:
        raise Usage("Give only one of --database-url, --env-file and --demo.")
    if url is not None and not url.strip(" \t\r\n\"'"):
        raise Misconfigured("--database-url is empty: give a URL, or leave it out and set DATABASE_URL.")
    if env_file == "":
        raise Misconfigured("--env-file is empty: name a file, or leave it out and set DATABASE_URL.")


def warned(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """A callback for an option that names a benchmark's database: returns the URL, and warns of a password in it."""
    if warning := warning_of_passwords([url]):
        note(warning)
    return url


def warning_of_passwords(urls: Sequence[str | None]) -> str:
    """A warning where a URL that was given as an argument contains a password, else ""."""
    for url in urls:
        try:
            where = parse(url or "", os.curdir)
        except DatabaseConfiguration:
            continue
        if where.keywords.get("password") or where.keywords.get("sslpassword"):
            return (
                "Everybody on this machine can see the password in --database-url (ps shows it): set DATABASE_URL"
                " instead, or name a file with --env-file."
            )
    return ""
