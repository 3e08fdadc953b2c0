"""Parses DATABASE_URL in the forms that Prisma and SQLAlchemy write, and never repeats a secret.

It is parsed by hand, because `import urllib.parse` imports ipaddress and takes 2.5 ms, a tenth of a whole prediction.
Prisma's forms: https://www.prisma.io/docs/orm/overview/databases/postgresql (and /sqlite).
"""

from __future__ import annotations

import os.path

from db.errors import UnsupportedURL

LONGEST_URL = 8192
"""Characters. A signed cloud password takes two thousand; more than this is no URL."""

_FOREIGN = {
    "cockroachdb": "CockroachDB is reached with a postgresql:// URL",
    "mariadb": "MariaDB is not supported",
    "mongodb": "MongoDB is not supported",
    "mssql": "SQL Server is not supported",
    "mysql": "MySQL is not supported",
    "prisma": "Prisma's proxy speaks to Prisma's own engines only; give the direct URL of the database",
    "sqlserver": "SQL Server is not supported",
}

CALLER, VARIABLE_ITSELF, FILE, SCHEMA, DEMO_BY_DEFAULT = "caller", "variable", "file", "schema", "default"


class Origin:
    """Where a database's URL came from.

    kind: one of the constants above. variable: the environment variable that names databases here. path: of the file,
    else "".
    """

    __slots__ = ("kind", "path", "variable")

    def __init__(self, variable: str, kind: str, path: str = "") -> None:
        self.variable = variable
        self.kind = kind
        self.path = path

    @property
    def is_demo_by_default(self) -> bool:
        """Tells whether the demo is used because nobody named a database."""
        return self.kind == DEMO_BY_DEFAULT

    def told(self, label: str) -> str:
        """What a person should be told about the database with this label; "" where the person named it explicitly."""
        if self.kind == DEMO_BY_DEFAULT:
            return f"{self.variable} is not set, so the embedded demo database was read"
        if self.kind == FILE:
            return f"database {label.replace(':5432/', '/')}, from {self.path}"
        if self.kind == SCHEMA:
            return f"database {label.replace(':5432/', '/')}, from the schema"
        return ""


GIVEN = Origin("DATABASE_URL", CALLER)


_PRISMAS = ("schema", "sslidentity")
"""Words of Prisma's own whose value may hold any character."""


class DatabaseURL:
    """Where the database is. Its repr and its label contain no secret; `keywords` does.

    kind: "sqlite" or "postgresql". path: the SQLite file, absolute; None for PostgreSQL. keywords: arguments of
    psycopg2.connect, all text; empty for SQLite. schema: the PostgreSQL schema, one unquoted identifier, None where the
    URL names none. pooled: whether the URL says pgbouncer=true, so that every transaction may be in another session.
    label: host:port/database, or the file, fit for messages. origin: where the database's URL came from.
    """

    __slots__ = ("keywords", "kind", "label", "origin", "path", "pooled", "schema")

    def __init__(
        self,
        kind: str,
        label: str,
        path: str | None = None,
        keywords: dict[str, str] | None = None,
        schema: str | None = None,
        pooled: bool = False,
        origin: Origin = GIVEN,
    ) -> None:
        self.kind = kind
        self.label = label
        self.path = path
        self.keywords = keywords or {}
        self.schema = schema
        self.pooled = pooled
        self.origin = origin

    def __repr__(self) -> str:
        return f"<DatabaseURL {self.kind} {self.label}>"


def parse(text: str, relative_to: str, schema_directory: str | None = None) -> DatabaseURL:
    """The database that `text` names.

    Relative paths of Prisma's (`file:./dev.db`, certificates) start at schema_directory, where schema.prisma lies,
    or at relative_to where no schema is known; `sqlite:///relative` starts at relative_to. Raises UnsupportedURL.
    """
    if len(text) > LONGEST_URL:
        raise _unusable(f"it is longer than {LONGEST_URL} characters")
    text = text.strip()
    # `docker run --env-file` hands over the quotes that a .env file has around its values.
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if not text:
        raise _unusable("it is empty")
    if any(character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in text):
        raise _unusable("it contains a control character, or bytes that are not text")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower().partition("+")[0] if colon else ""
    if scheme == "file":
        return _sqlite(_file(rest, schema_directory or relative_to), schema_directory or relative_to)
    if scheme == "sqlite":
        if not rest.startswith("///"):
            raise _unusable("SQLite is written sqlite:///relative.db, sqlite:////absolute.db or file:./relative.db")
        return _sqlite(rest[3:].partition("?")[0], relative_to)
    if scheme in ("postgresql", "postgres"):
        if not rest.startswith("//"):
            raise _unusable("PostgreSQL is written postgresql://user:password@host:5432/database")
        return _postgresql(rest[2:], schema_directory or relative_to)
    # An unknown scheme is not repeated: what was pasted in the URL's place may be a password.
    raise _unusable(_FOREIGN.get(scheme.removesuffix("srv"), "it must start with postgresql://, file: or sqlite:///"))


def _file(written: str, relative_to: str) -> str:
    """The path in a file: URL: as it stands where such a file exists, else as a URL is read.

    Prisma's engine and its better-sqlite3 adapter take %XX for itself; its libSQL adapter decodes it, and allows
    file://localhost/path and a fragment.
    """
    path = written.partition("?")[0]
    if path.startswith("//") and path[2:].partition("/")[0] in ("", "localhost"):
        path = "/" + path[2:].partition("/")[2]
    if ("%" in path or "#" in path) and not os.path.exists(os.path.join(relative_to, path)):
        return _decoded(path.partition("#")[0])
    return path


def _sqlite(path: str, relative_to: str) -> DatabaseURL:
    if path in ("", ":memory:"):
        raise _unusable("it names no file")
    path = os.path.normpath(os.path.join(os.path.abspath(relative_to), path))
    return DatabaseURL("sqlite", path, path=path)


def _postgresql(rest: str, relative_to: str) -> DatabaseURL:
    from db import libpq

    rest, _, query = rest.partition("?")
    authority, _, database = rest.partition("/")
    database = database.rstrip("/")  # Prisma's engine takes the path up to its next slash
    if "@" in database or not all(map(_is_parameter, query.split("&"))):
        # Taken as it stands, half of a password with a / or ? in it would pass for a host and a database.
        raise _unusable("in user, password and database, @ : / ? must be written %40 %3A %2F %3F")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    written = dict(_pairs(query))
    hosts, ports = _hosts(hosts)
    place = {
        "host": hosts,
        "port": ports,
        "dbname": _decoded(database),
        "user": _decoded(user),
        "password": _decoded(password),
    }
    keywords = libpq.keywords(place, written, relative_to)
    schema, pooled = written.get("schema") or None, written.get("pgbouncer") == "true"
    return DatabaseURL("postgresql", _label(keywords), keywords=keywords, schema=schema, pooled=pooled)


def _is_parameter(pair: str) -> bool:
    """Tells whether an @ in it belongs to a value, and not between credentials and host."""
    if "@" not in pair:
        return True
    from db import libpq

    word, _, value = pair.partition("=")
    return word in libpq.WORDS or word in _PRISMAS or ("@" not in word and "/" not in value.rpartition("@")[2])


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&"))
    return [(word, _decoded(value.replace("+", " "))) for word, _, value in pairs]


def _hosts(written: str) -> tuple[str, str]:
    """Hosts and ports as libpq lists them: comma-separated, one port each or one for all."""
    hosts, ports = [], []
    for part in written.split(","):
        if part.startswith("["):
            host, bracket, port = part[1:].partition("]")
            if not bracket or (port and port[0] != ":"):
                raise _unusable("an IPv6 host is written [::1]:5432")
            port = port[1:]
        else:
            host, _, port = part.partition(":")
        hosts.append(_decoded(host))
        ports.append(port or "5432")
    return ",".join(hosts), ",".join(ports if len(set(ports)) > 1 else ports[:1])


def _label(keywords: dict[str, str]) -> str:
    hosts = keywords.get("host") or keywords.get("hostaddr") or "default host"
    hosts = ",".join(f"[{host}]" if ":" in host else host for host in hosts.split(","))
    label = f"{hosts}:{keywords['port']}/{keywords['dbname']}"
    if any(character < " " for character in label):
        raise _unusable("host or database holds a control character")
    return label


def _decoded(text: str) -> str:
    """Text with %XX decoded; a % that starts no such pair stands for itself, as it does to Prisma."""
    if "%" not in text:
        return text
    first, *parts = text.encode().split(b"%")
    octets = bytearray(first)
    for part in parts:
        try:
            octets += bytes.fromhex(part[:2].decode("ascii")) + part[2:] if len(part) > 1 else b"%" + part
        except ValueError:
            octets += b"%" + part
    decoded = octets.decode(errors="replace")
    if "\0" in decoded or "\ufffd" in decoded:
        raise _unusable("a part of it is not UTF-8 text once %XX is decoded")
    return decoded


def _unusable(reason: str) -> UnsupportedURL:
    return UnsupportedURL(f"The database URL cannot be used: {reason}.")
