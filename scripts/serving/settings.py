"""The service's settings: read from the environment and checked before anything listens.

An empty variable means the default, as Compose files and CI systems write "not set". A value that cannot be used is
refused in one sentence that names the variable.
"""

from __future__ import annotations

import ipaddress
import math
import socket
from collections.abc import Mapping
from typing import NamedTuple

from db.connecting import VARIABLE, located, surroundings
from db.errors import DatabaseConfiguration, SchemaUnreadable
from scripts.cli.exits import Misconfigured

CONNECTIONS, MOST_CONNECTIONS = 8, 512
TIMEOUT_S, LONGEST_TIMEOUT_S = 4.0, 600.0


class SettingRefused(Misconfigured):
    """Raised when a variable has a value that the service cannot use.

    Its text is one sentence that names the variable.
    """


class Settings(NamedTuple):
    """The service's settings from the environment. sqlite_path: the database's file, None where it is a server.

    token: what callers must send, as the bytes of a header; None requires none. timeout_s: the limit of one database
    call. writer_url: the URL of the role that may store predictions and outcomes; None where the service only reads.
    """

    database_url: str
    sqlite_path: str | None
    schema: str | None
    model: str | None
    token: bytes | None
    connections: int
    timeout_s: float
    writer_url: str | None = None


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingRefused."""
    schema = environment.get("STRUGGLE_SCHEMA", "").strip() or None
    variable = VARIABLE
    try:
        url, origin = surroundings(schema, None)
        variable = origin.variable
        if url is None:
            raise SettingRefused(f"{variable} is not set: it names the platform's database, as Prisma's does.")
        where, _ = located(url, schema)
        if where.path is None:
            _need_driver()
    except SchemaUnreadable as error:
        raise SettingRefused(f"STRUGGLE_SCHEMA cannot be used: {error}") from None
    except DatabaseConfiguration as error:
        raise SettingRefused(f"{variable} cannot be used: {error}") from None
    return Settings(
        url,
        where.path,
        schema,
        environment.get("STRUGGLE_MODEL", "").strip() or None,
        _token(environment.get("STRUGGLE_TOKEN", "")),
        _connections(environment.get("STRUGGLE_CONNECTIONS", "").strip()),
        _timeout_s(environment.get("STRUGGLE_TIMEOUT", "").strip()),
        _writer_url(environment.get("STRUGGLE_WRITER_URL", "").strip(), schema),
    )


def _writer_url(given: str, schema: str | None) -> str | None:
    try:
        if given and located(given, schema)[0].path is None:
            _need_driver()
    except DatabaseConfiguration as error:
        raise SettingRefused(f"STRUGGLE_WRITER_URL cannot be used: {error}") from None
    return given or None


def refuse_an_open_door(host: str, token: bytes | None, no_token: bool) -> None:
    """Raises SettingRefused where other machines could ask for learners' predictions without a token."""
    if token is None and not no_token and not is_loopback(host):
        raise SettingRefused(
            f"STRUGGLE_TOKEN is not set, and --host {host!a} is open to other machines: set it, or say --no-token "
            "where something in front of the service checks who asks."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address; a name that cannot be looked up counts as reachable."""
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", 0, type=socket.SOCK_STREAM)  # noqa: S104 - what "" means
        return all(ipaddress.ip_address(str(each[4][0]).partition("%")[0]).is_loopback for each in found)
    except (OSError, ValueError):
        return False


def _need_driver() -> None:
    try:
        import psycopg2  # noqa: F401
    except ImportError:
        raise DatabaseConfiguration("PostgreSQL needs the package psycopg2-binary.") from None


def _token(given: str) -> bytes | None:
    if not given:
        return None
    token = given.strip()  # a file's last line end, or a blank that came with copying
    if not token:
        raise SettingRefused("STRUGGLE_TOKEN contains only blanks.")
    if not all("!" <= character <= "~" for character in token):
        raise SettingRefused("STRUGGLE_TOKEN may hold only visible ASCII characters: no blanks, no line ends.")
    return token.encode("ascii")


def _connections(given: str) -> int:
    # int() would also take "1_0" and the digits of every script
    plain = given.isascii() and given.isdigit() and len(given) < 9
    count = int(given) if plain else 0 if given else CONNECTIONS
    if not 1 <= count <= MOST_CONNECTIONS:
        raise SettingRefused(
            f"STRUGGLE_CONNECTIONS must be a whole number from 1 to {MOST_CONNECTIONS}, not {_shown(given)}."
        )
    return count


def _timeout_s(given: str) -> float:
    try:
        seconds = float(given or TIMEOUT_S)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_TIMEOUT_S:  # nan compares as False
        raise SettingRefused(
            f"STRUGGLE_TIMEOUT must be a number of seconds above 0 and up to {LONGEST_TIMEOUT_S:.0f}, "
            f"not {_shown(given)}."
        )
    return seconds


def _shown(given: str) -> str:
    return ascii(given if len(given) <= 40 else given[:37] + "...")
