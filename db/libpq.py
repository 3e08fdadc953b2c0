"""Translates a PostgreSQL URL's parameters for libpq: its own are kept, Prisma's translated, pool settings dropped.

libpq: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from __future__ import annotations

import os

from db.errors import UnsupportedURL

WORDS = frozenset(
    """application_name channel_binding connect_timeout dbname fallback_application_name gssdelegation gssencmode
    gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
    load_balance_hosts options passfile password port require_auth requirepeer ssl_max_protocol_version
    ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslmode sslpassword
    sslrootcert sslsni target_session_attrs tcp_user_timeout user""".split()  # noqa: SIM905 - forty lines of one word each read worse
)
"""What libpq 16 knows, the oldest that psycopg2-binary 2.9.9 brings; Prisma's other words concern its own pool."""

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_SSL_SWITCHES = {"true": "require", "1": "require", "false": "disable", "0": "disable"}

NO_VERIFY = "no-verify"
"""node-postgres's word, and so Prisma 7's, for TLS with whatever certificate the server shows."""

NOWHERE = "/dev/null/none"
"""A certificate file that cannot exist: libpq then does without, and looks for none in the home directory."""

_FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir")

_WHOLE_NUMBERS = ("connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval")


def keywords(place: dict[str, str], query: dict[str, str], relative_to: str) -> dict[str, str]:
    """Arguments of psycopg2.connect for the URL's place (host, port, dbname, user, password) and its query.

    The query takes precedence over the place, as in libpq's own URLs. Relative certificate files start at relative_to.
    Raises UnsupportedURL.
    """
    words = {**place, **{word: value for word, value in query.items() if word in WORDS}}
    words.update(_encryption(query, relative_to))
    words = {word: value for word, value in words.items() if value}
    if not words.get("sslcert") and not _may_look_for_certificates():
        words["sslcert"] = NOWHERE
    words.setdefault("dbname", "postgres")  # Prisma's default; libpq's would be the user's name
    words.setdefault("port", "5432")
    _check(words)
    return words


def _encryption(query: dict[str, str], relative_to: str) -> dict[str, str]:
    if query.get("sslidentity"):
        raise UnsupportedURL(
            "libpq cannot read the PKCS#12 file of sslidentity; give sslcert and sslkey (PEM) instead."
        )
    words = {word: query[word] for word in _FILES if query.get(word)}
    if "sslcert" in words and "sslkey" not in words:
        # Prisma's sslcert is the server's root certificate, libpq's the client's own.
        words.setdefault("sslrootcert", words["sslcert"])
        words["sslcert"] = ""
    mode = query.get("sslmode") or _SSL_SWITCHES.get(query.get("ssl", ""), query.get("ssl", ""))
    if not mode and os.environ.get("PGSSLMODE") == NO_VERIFY:
        mode = NO_VERIFY
    if mode:
        words["sslmode"] = "require" if mode == NO_VERIFY else mode
    if query.get("sslaccept") == "strict" and mode != "disable":
        words["sslmode"] = "verify-full"
        words.setdefault("sslrootcert", "system")
    elif mode == NO_VERIFY or query.get("sslaccept") == "accept_invalid_certs":
        # libpq checks the server's certificate whenever it finds a root, also the one in the home directory.
        words["sslrootcert"] = NOWHERE
    for word in _FILES:
        if words.get(word, "system") not in ("", "system"):
            words[word] = os.path.normpath(os.path.join(os.path.abspath(relative_to), words[word]))
    return words


def _may_look_for_certificates() -> bool:
    """Tells whether libpq may look for a client certificate in the home directory; where it may not, it gives up."""
    if os.environ.get("PGSSLCERT"):
        return True
    home = os.environ.get("HOME")
    if not home:
        try:
            from pwd import getpwuid
        except ImportError:  # Windows, where libpq looks in another place
            return True
        try:
            home = getpwuid(os.geteuid()).pw_dir
        except KeyError:  # libpq then looks nowhere
            return True
    try:
        certificate = os.path.join(home, ".postgresql", "postgresql.crt")
        os.close(os.open(certificate, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return True


def _check(words: dict[str, str]) -> None:
    ports = words["port"].split(",")
    if len(ports) > 1 and len(ports) != len(words.get("host", "").split(",")):
        raise UnsupportedURL("The database URL must name one port for all hosts, or one for each.")
    for port in ports:
        if not (_is_whole_number(port) and 0 < int(port) < 65536):
            raise UnsupportedURL(
                "The port in the database URL must be a number from 1 to 65535 (and : / ? in a password %3A %2F %3F)."
            )
    if words.get("sslmode", "prefer") not in _SSL_MODES:
        raise UnsupportedURL(f"sslmode in the database URL must be one of {', '.join((*_SSL_MODES, NO_VERIFY))}.")
    for word in _WHOLE_NUMBERS:
        if not _is_whole_number(words.get(word, "0")):
            raise UnsupportedURL(f"{word} in the database URL must be a whole number.")


def _is_whole_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
