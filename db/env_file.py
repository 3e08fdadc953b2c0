"""Reads the database variable from a .env file, as Prisma reads such files; nothing else is taken from it.

Values may be bare, or in single quotes, double quotes or backticks; `export` before a name and comments are allowed,
and the last of several lines with one name counts. `${NAME}` stands for another variable, of the process before that of
the file, and `\\${` for itself; a bare `$NAME` is text. This is what the `dotenv` package and Prisma's own expansion
do, with one exception: a name that is set nowhere is refused here, where Prisma replaces it by an empty text.
"""

from __future__ import annotations

import os
import re
import stat

from db.errors import DatabaseConfiguration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = ".env"
LARGEST_FILE = 1 << 16
"""Bytes."""
MOST_REFERENCES = 100
"""To other variables, in one value and in the values that it refers to."""

_ENTRY = re.compile(
    r"""^[^\S\n]* (?:export[^\S\n]+)? (?P<name>[\w.-]+) (?:[^\S\n]*=|:[^\S\n])
    [^\S\n]* (?: '(?P<single>(?:\\'|[^'])*)' | "(?P<double>(?:\\"|[^"])*)" | `(?P<backtick>(?:\\`|[^`])*)`
    | (?P<bare>[^\#\n]*) ) [^\S\n]* (?:\#[^\n]*)? $""",
    re.MULTILINE | re.VERBOSE,
)
_REFERENCE = re.compile(r"(\\?)\$\{(\w+)\}")


def read(path: str, variable: str) -> str:
    """The variable's value in a file that somebody named.

    Raises DatabaseConfiguration, also where the file does not set it.
    """
    try:
        value = _value(_text(path), variable)
    except OSError as failure:
        raise DatabaseConfiguration(f"The file {path!r} cannot be read: {failure.strerror}.") from None
    except ValueError as refusal:
        raise DatabaseConfiguration(f"The file {path!r} {refusal}.") from None
    if not value:
        raise DatabaseConfiguration(f"The file {path!r} does not set {variable}.")
    return value


def find(variable: str, schema_path: str | None, passed_over: Callable[[str], object]) -> tuple[str, str] | None:
    """(path, value) of the first .env that sets the variable, or None; it is used where nobody named a file.

    It is looked for beside the schema, then in the working directory and above it up to the first .git; without a .git
    only in the working directory. A file that cannot be used, or that another user owns or linked here, is skipped, and
    the callback gets a sentence that says why.
    """
    for path in _candidates(schema_path):
        try:
            if not _is_ours(path):
                passed_over(f"{path!r} belongs to another user and is not read; name it with --env-file to use it.")
                continue
            value = _value(_text(path), variable)
        except FileNotFoundError:
            continue
        except OSError as failure:
            passed_over(f"{path!r} cannot be read and is passed over: {failure.strerror}.")
            continue
        except ValueError as refusal:
            passed_over(f"{path!r} {refusal} and is passed over.")
            continue
        if value:
            return path, value
    return None


def _candidates(schema_path: str | None) -> Iterator[str]:
    seen = set()
    for directory in (*_beside(schema_path), *_upwards()):
        if directory not in seen:
            seen.add(directory)
            yield os.path.join(directory, NAME)


def _beside(schema_path: str | None) -> list[str]:
    if not schema_path:
        return []
    path = os.path.abspath(schema_path)
    # Of a schema in several files, either its directory or the directory that holds it may be meant.
    return [path, os.path.dirname(path)] if os.path.isdir(path) else [os.path.dirname(path)]


def _upwards() -> list[str]:
    try:
        here = os.getcwd()
    except OSError:  # the working directory has been removed
        return []
    directories = [here]
    while not os.path.lexists(os.path.join(directories[-1], ".git")):
        above = os.path.dirname(directories[-1])
        if above == directories[-1]:
            return [here]
        directories.append(above)
    return directories


def _is_ours(path: str) -> bool:
    """Tells whether this user owns the file, and the link to it where it is one. Raises FileNotFoundError."""
    owners = {os.lstat(path).st_uid, os.stat(path).st_uid}
    return not hasattr(os, "geteuid") or owners == {os.geteuid()}  # Windows tells no owner


def _text(path: str) -> str:
    """The whole file. Raises OSError, and ValueError with the predicate of a sentence."""
    # Without O_NONBLOCK a pipe would be waited for until somebody writes to it.
    handle = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("is not a regular file")
        with open(handle, "rb", closefd=False) as file:
            octets = file.read(LARGEST_FILE + 1)
    finally:
        os.close(handle)
    if len(octets) > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE} bytes")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError("is not UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _value(text: str, variable: str) -> str:
    """The variable's value with its references resolved; "" where the text does not set it. Raises ValueError."""
    values: dict[str, str] = {}
    for entry in _ENTRY.finditer(text):
        bare, double = entry["bare"], entry["double"]
        if bare is not None:
            value = bare.strip()
        elif double is not None:
            value = double.replace("\\n", "\n").replace("\\r", "\r")
        else:
            value = entry["single"] if entry["single"] is not None else entry["backtick"]
        values[entry["name"]] = value
    return _resolved(values.get(variable, ""), values).strip()


def _resolved(value: str, values: dict[str, str]) -> str:
    left = MOST_REFERENCES

    def resolved(reference: re.Match[str]) -> str:
        nonlocal left
        escaped, name = reference.groups()
        if escaped:
            return f"${{{name}}}"
        left -= 1
        found = os.environ.get(name, values.get(name))
        if found is None:
            raise ValueError(f"refers to {name}, which is set nowhere")
        if left < 0:
            raise ValueError("has variables that refer to each other without end")
        return _REFERENCE.sub(resolved, found)

    return _REFERENCE.sub(resolved, value)
