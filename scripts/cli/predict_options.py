"""predict.py's options, for people and for callers that need more than two ids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial

import click

from ml.errors import InvalidFeatures
from scripts.cli.command import CONTEXT, Command
from scripts.cli.database_options import DEMO_URL, declared, refuse_two_databases, warning_of_passwords
from scripts.cli.exits import (
    BUG,
    CONFIGURATION,
    DONE,
    INPUT_OUTPUT,
    INTERRUPTED,
    MEANINGS,
    TERMINATED,
    UNAVAILABLE,
    UNKNOWN,
    USAGE,
    InputOutput,
    Usage,
    told,
)
from scripts.cli.options import Number, as_of_option, correct_from_option, model_option, words_options
from scripts.cli.request import TIMEOUT_S, Request
from scripts.cli.what_if import read_what_if

MAX_FEATURES_BYTES = 1 << 20

ENDS = {
    DONE: "a prediction (also when `degraded` says that it rests on default features)",
    USAGE: "the arguments or the given features are invalid",
    UNKNOWN: "the learner or the objective is unknown",
    UNAVAILABLE: "with --strict: the database is unreachable, or the deadline passed",
    BUG: MEANINGS[BUG],
    INPUT_OUTPUT: "stdout cannot be written",
    CONFIGURATION: "configuration: model file refused, unsupported URL, a required table absent",
    INTERRUPTED: "stopped by SIGINT",
    TERMINATED: "stopped by SIGTERM",
}
"""What predict.py's exit codes mean."""
EPILOG = told(ENDS) + "\n\nExactly two arguments are always the two ids, whatever they look like."


def parse_request(argv: Sequence[str], version: str, called: str = "predict.py") -> Request:
    """Parses argv into a request. called: the command's name, for its help.

    Raises Usage, InvalidFeatures, InputOutput; SystemExit after --help and --version.
    """
    command = _command(version)
    try:
        # standalone_mode would print usage errors on its own and end the process with click's exit codes
        options = command.main(list(argv), prog_name=called, standalone_mode=False)
    except click.ClickException as error:
        raise Usage(error.format_message()) from None
    except OSError as error:  # of --help and --version, the only ones that print
        raise InputOutput(f"stdout cannot be written: {error.strerror}.") from None
    except click.exceptions.Exit as finished:
        raise SystemExit(finished.exit_code) from None
    if not isinstance(options, Mapping):  # --help and --version have been printed
        raise SystemExit(0)
    if not options["doctor"] and (options["user_id"] is None or options["objective_id"] is None):
        raise Usage("USER_ID and OBJECTIVE_ID are needed; see predict.py --help")
    request = Request(options["user_id"] or "", options["objective_id"] or "")
    refuse_two_databases(options["database_url"], options["env_file"], options["demo"])
    request.demo = options["demo"]
    request.database_url = DEMO_URL if options["demo"] else options["database_url"]
    request.env_file = options["env_file"]
    request.schema = options["schema"] or (None if request.demo else request.schema)
    request.model, request.correct_from = options["model"], options["correct_from"]
    request.language, request.audience = options["language"], options["audience"]
    request.warning = warning_of_passwords([options["database_url"]])
    request.as_of_ms = options["as_of_ms"]
    if options["features"] is not None:
        request.given_features = partial(_read_features, options["features"])  # read later, under the deadline
    if options["what_if"] is not None:
        if options["features"] is not None:
            raise Usage("--what-if and --features exclude each other: without records there is nothing to change")
        request.what_if = partial(read_what_if, options["what_if"])
    request.timeout_s = options["timeout"]
    request.strict, request.doctor = options["strict"], options["doctor"]
    request.pretty = options["pretty"] or request.doctor  # people read the doctor
    request.as_json = options["as_json"] or request.pretty
    return request


def _command(version: str) -> click.Command:
    @click.command(cls=Command, epilog=EPILOG, context_settings=CONTEXT)
    @click.argument("user_id", required=False)
    @click.argument("objective_id", required=False)
    @declared()
    @model_option()
    @correct_from_option(decided=False)
    @as_of_option("The moment of the prediction; nothing later is used.")
    @words_options
    @click.option("--features", metavar="FILE|-", help="Predict from a JSON object of features; open no database.")
    @click.option("--what-if", metavar="FILE|-", help="Predict as if changes in a JSON object had been made.")
    @click.option(
        "--timeout",
        type=Number(0.05, 3600),
        default=TIMEOUT_S,
        metavar="SECONDS",
        help="Answer from default features where the database takes longer.",
    )
    @click.option("--strict", is_flag=True, help="Exit with 69 rather than answer from default features.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON where struggle-predict would print words.")
    @click.option("--pretty", is_flag=True, help="Indent the JSON.")
    @click.option("--doctor", is_flag=True, help="Check database, tables and model instead of predicting.")
    @click.version_option(version)
    def predict(**options: object) -> Mapping[str, object]:
        """Predict whether a learner will struggle with an objective; print one JSON object.

        USER_ID and OBJECTIVE_ID are the platform's ids. Put -- before an id that starts with a dash, unless the two ids
        are the only arguments: exactly two arguments are never options.
        """
        return options

    return predict


def _read_features(path: str) -> Mapping[str, object]:
    """The JSON object in a file, or on stdin for "-". Raises InvalidFeatures."""
    try:
        with click.open_file(path, "rb") as source:
            text = source.read(MAX_FEATURES_BYTES + 1)
        given = json.loads(text) if len(text) <= MAX_FEATURES_BYTES else None
    except OSError as error:
        raise InvalidFeatures(f"--features: {path!r} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise InvalidFeatures(f"--features: {'stdin' if path == '-' else repr(path)} is not valid JSON") from None
    if not isinstance(given, Mapping):
        raise InvalidFeatures("--features must hold one JSON object of at most 1 MiB")
    return given
