"""Every way in which a command can end, and the one table from exceptions to exit codes and to names for programs.

predict.py, every script and the start of the service take their exit codes from here. A command raises an exception and
ends as the table says (scripts/cli/command.py); no other code turns a failure into a number.

    CommandFailed
    ├── Usage           the arguments are invalid (exit 2)
    ├── Unavailable     what the command needs cannot be reached (exit 69)
    │   └── OutputBusy  another batch is writing the same file
    ├── InputOutput     a file or stdout cannot be read or written (exit 74)
    ├── UnderWay        another run holds the lock (exit 75)
    ├── Misconfigured   a setting, an option or the installation cannot work (exit 78)
    │   └── ExtraMissing  a package of an extra is not installed
    └── Interrupted     stopped by the person who started it (exit 130)

The folders of scripts derive their own classes from these; the classes of ml and db are in the table themselves.
"""

from db import errors as database
from ml import errors

DONE, TO_LOOK_AT, USAGE, UNKNOWN, UNAVAILABLE, BUG = 0, 1, 2, 66, 69, 70
INPUT_OUTPUT, UNDER_WAY, CONFIGURATION, INTERRUPTED, TERMINATED = 74, 75, 78, 130, 143


class CommandFailed(Exception):
    """Base of every expected failure of a command; its text is written for people."""


class Usage(CommandFailed):
    """Raised when the arguments are invalid."""


class Unavailable(CommandFailed):
    """Raised when something that the command needs cannot be reached, or refuses what is asked of it."""


class OutputBusy(Unavailable):
    """Raised when another batch is writing the same file."""


class InputOutput(CommandFailed):
    """Raised when a file or a stream cannot be read or written."""


class UnderWay(CommandFailed):
    """Raised when another run of the same command holds the lock."""


class Misconfigured(CommandFailed):
    """Raised when a setting, an option or the installation cannot work as it is."""


class ExtraMissing(Misconfigured):
    """Raised when a package of an extra is not installed; its text names the extra."""


class Interrupted(CommandFailed):
    """Raised when the person who started the command has stopped it."""


EXIT_CODES: tuple[tuple[type[BaseException], int, str], ...] = (
    (errors.NotEnoughExamples, TO_LOOK_AT, "not_enough_examples"),
    (errors.NotProven, TO_LOOK_AT, "not_proven"),
    (Usage, USAGE, "usage"),
    (errors.InvalidFeatures, USAGE, "invalid_features"),
    (database.UnknownLearner, UNKNOWN, "unknown_learner"),
    (database.UnknownObjective, UNKNOWN, "unknown_objective"),
    (errors.UnknownTopic, UNKNOWN, "unknown_topic"),
    (database.DatabaseUnavailable, UNAVAILABLE, "database_unavailable"),
    (database.WriteRefused, UNAVAILABLE, "write_refused"),
    (Unavailable, UNAVAILABLE, "unavailable"),
    (InputOutput, INPUT_OUTPUT, "input_output"),
    (UnderWay, UNDER_WAY, "under_way"),
    (database.DatabaseConfiguration, CONFIGURATION, "configuration"),
    (errors.InvalidSetting, CONFIGURATION, "configuration"),
    (errors.ModelRefused, CONFIGURATION, "model_refused"),
    (errors.ModelNotFound, CONFIGURATION, "model_not_found"),
    (Misconfigured, CONFIGURATION, "configuration"),
    (Interrupted, INTERRUPTED, "interrupted"),
    (errors.UnsupportedClient, BUG, "bug"),
    (BaseException, BUG, "bug"),
)
"""What is raised -> exit code, name. The first row that fits counts; the last one is for what nobody expected."""

MEANINGS = {
    DONE: "the command did what it was asked to do",
    TO_LOOK_AT: "too few labelled visits to train on, or no proof that the model is better; of `monitor.py`: an alert",
    USAGE: "the arguments are invalid",
    UNKNOWN: "the learner, the objective or the topic is unknown",
    UNAVAILABLE: "the database or the workers cannot be reached, or refuse what is asked of them",
    BUG: "a bug",
    INPUT_OUTPUT: "a file or stdout cannot be read or written",
    UNDER_WAY: "another run holds the lock",
    CONFIGURATION: "the database, the model, a setting or the installation cannot be used as it is",
    INTERRUPTED: "the command was interrupted",
}
"""What each exit code means in every command; a command adds what 0 and 1 mean in its own case."""


def ending(error: BaseException) -> tuple[int, str]:
    """The exit code for an exception, and its name for programs."""
    return next((code, name) for kind, code, name in EXIT_CODES if isinstance(error, kind))


def told(meanings: "dict[int, str]") -> str:
    """The exit codes for the end of a command's help, in a form that click does not re-wrap."""
    lines = (f"  {code:<4} {meaning}" for code, meaning in sorted(meanings.items()))
    return "\b\nExit codes:\n" + "\n".join(lines)
