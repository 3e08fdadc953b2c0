"""Which of libpq's environment variables count where a URL names the database, and which have no effect.

Only the URL chooses the server, the database or the service, and configures the session. Variables about safety apply
where the URL says nothing. The user's name, the password and its file are taken from the environment as usual.
https://www.postgresql.org/docs/current/libpq-envars.html
"""

from __future__ import annotations

import _thread
import os

from db.libpq import NO_VERIFY, NOWHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OVERRIDDEN = {
    "PGHOST": ("host", "", 0),
    "PGHOSTADDR": ("hostaddr", "", 0),
    "PGPORT": ("port", "5432", 0),
    "PGDATABASE": ("dbname", "postgres", 0),
    "PGTARGETSESSIONATTRS": ("target_session_attrs", "any", 0),
    "PGLOADBALANCEHOSTS": ("load_balance_hosts", "disable", 160000),
    "PGOPTIONS": ("options", "", 0),
}
"""The keyword that stands above the variable, its neutral value, and the first libpq that knows both."""

_SET_ASIDE = ("PGSERVICE", "PGTZ", "PGDATESTYLE", "PGGEQO")
"""No keyword stands above these. libpq reads them until the connection is made."""

WITHOUT_EFFECT = (*_OVERRIDDEN, *_SET_ASIDE, "PGSERVICEFILE")

SAFETY = {
    "PGSSLMODE": "sslmode",
    "PGREQUIRESSL": "sslmode",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCERT": "sslcert",
    "PGSSLCERTMODE": "sslcertmode",
    "PGSSLKEY": "sslkey",
    "PGSSLCRL": "sslcrl",
    "PGSSLCRLDIR": "sslcrldir",
    "PGSSLSNI": "sslsni",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGMINPROTOCOLVERSION": "min_protocol_version",
    "PGMAXPROTOCOLVERSION": "max_protocol_version",
    "PGREQUIREAUTH": "require_auth",
    "PGREQUIREPEER": "requirepeer",
    "PGCHANNELBINDING": "channel_binding",
    "PGGSSENCMODE": "gssencmode",
    "PGGSSDELEGATION": "gssdelegation",
    "PGKRBSRVNAME": "krbsrvname",
    "PGGSSLIB": "gsslib",
}
"""The variables that say what a connection must be like, each with the keyword of a URL that outranks it."""


def overriding(keywords: Mapping[str, str]) -> dict[str, str]:
    """Adds neutral keywords that override each variable that would choose a place or a session instead of the URL."""
    words = dict(keywords)
    for variable, (word, value, since) in _OVERRIDDEN.items():
        if variable in os.environ and word not in keywords:
            from psycopg2.extensions import libpq_version

            if libpq_version() >= since:
                words[word] = value
    return words


def in_force(keywords: Mapping[str, str]) -> list[str]:
    """The variables about safety that are set, even to an empty text, and that the URL does not override."""
    outranked = set(keywords)
    if os.environ.get("PGSSLMODE") == NO_VERIFY and keywords.get("sslrootcert") == NOWHERE:
        outranked.discard("sslmode")  # db/libpq.py has written libpq's words for it
    return [variable for variable, word in SAFETY.items() if variable in os.environ and word not in outranked]


class SetAside:
    """A block in which the variables that no keyword can override are not in the process's environment.

    Several threads may be in such blocks at once: the last one to leave puts the variables back.
    """

    _lock = _thread.allocate_lock()
    _inside = 0
    _values: dict[str, str] = {}  # noqa: RUF012 - of the process, as its environment is

    def __enter__(self) -> None:
        cls = SetAside
        with cls._lock:
            cls._inside += 1
            for variable in _SET_ASIDE:
                if variable in os.environ:
                    cls._values[variable] = os.environ.pop(variable)

    def __exit__(self, *failure: object) -> None:
        cls = SetAside
        with cls._lock:
            cls._inside -= 1
            if not cls._inside:
                for variable, value in cls._values.items():
                    os.environ.setdefault(variable, value)
                cls._values.clear()
