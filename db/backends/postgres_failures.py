"""The messages for what PostgreSQL, libpq or a pooler refuses; this module is imported only after a failure."""

from __future__ import annotations

from db.errors import DatabaseConfiguration, DatabaseUnavailable
from db.libpq_environment import in_force

TYPE_CHECKING = False
if TYPE_CHECKING:
    import psycopg2

    from db.url import DatabaseURL

HUNG_UP = "server closed the connection unexpectedly"

_MISCONFIGURED = ("22", "42")
"""SQLSTATE classes that tell of a schema unlike the one the queries were made for."""

_NOT_ALLOWED = "permission denied"
_RIGHTS = 'The role needs the rights that "Roles" in db/README.md lists (GRANT SELECT ON ALL TABLES ...).'
_WRITERS_RIGHTS = (
    'The role needs the rights that "Roles" in db/README.md lists for a command that stores something'
    " (GRANT SELECT ON ALL TABLES ..., and GRANT INSERT, UPDATE, DELETE ...)."
)


def failure(label: str, code: str, said: str) -> DatabaseConfiguration | DatabaseUnavailable:
    """The error for a statement that failed.

    Args:
        label: The database's name for people.
        code: The SQLSTATE; "" where the connection broke.
        said: The server's message.
    """
    if code.startswith(_MISCONFIGURED):
        return DatabaseConfiguration(
            f"The PostgreSQL database {label} refuses a query ({code}): {with_rights(sentence(said))}"
        )
    return DatabaseUnavailable(f"The PostgreSQL database {label} broke off: {sentence(said)}", "database_broke_off")


def last_words(error: psycopg2.Error, connection: psycopg2.extensions.connection | None) -> str:
    """Returns the message of the server, or of a pooler, about an error.

    If the connection was closed after the message, only libpq still has it.
    """
    if error.diag and error.diag.message_primary:
        return str(error.diag.message_primary)
    told = (connection.info.error_message if connection is not None else None) or ""
    before, closed, _ = (told or str(error)).partition(HUNG_UP)
    if not (closed and before.strip()):
        before = str(error)
    return in_one_line(before)


def refusal(url: DatabaseURL, error: psycopg2.Error) -> str:
    """Returns what the server or libpq said when no connection could be made, without the password.

    It names environment variables that may be the cause.
    """
    said = in_one_line(str(error))
    secret = url.keywords.get("password")
    told = f"The PostgreSQL database {url.label} cannot be reached"
    told += "." if not said or (secret and secret in said) else f": {with_rights(sentence(said))}"
    if variables := in_force(url.keywords):
        told += f" (The environment sets {', '.join(variables)}, and the URL says nothing about it.)"
    return told


def with_rights(said: str, writes: bool = False) -> str:
    """The sentence and, if a privilege is missing, a pointer to the page that lists the privileges of the role.

    writes: whether the statement was one of a command that stores something.
    """
    return f"{said} {_WRITERS_RIGHTS if writes else _RIGHTS}" if _NOT_ALLOWED in said else said


def in_one_line(text: str) -> str:
    """Joins the lines of a message to sentences on one line.

    >>> in_one_line("Connection refused\\n\\tIs the server running on that host?\\n")
    'Connection refused. Is the server running on that host?'
    """
    lines = [" ".join(line.split()) for line in text.splitlines()]
    *first, last = [line for line in lines if line] or [""]
    return " ".join([*map(sentence, first), last])


def sentence(said: str) -> str:
    """The words with a full stop, unless they already end in punctuation."""
    return said if said.endswith((".", "?", "!", ":", ";", ",")) or not said else said + "."
