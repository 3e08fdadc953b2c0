"""Servers that do not answer: which ones are left to try, and how long each may take.

A name may have several addresses (`localhost` has ::1 and 127.0.0.1); each counts as a server here.
"""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg2

    Place = tuple[str, str, str]


def without_the_silent(keywords: Mapping[str, str], at: psycopg2.extensions.ConnectionInfo) -> dict[str, str] | None:
    """The keywords without the server for which the connection is waiting; None where there is no other server.

    Servers that refused before stay in the list, because with target_session_attrs=prefer-standby libpq returns to
    them.
    """
    places = _places(keywords)
    silent = next(
        (place for place in places if (place[0] or place[1]) == at.host and int(place[2]) == at.port), places[0]
    )
    where = places.index(silent)
    places[where : where + 1] = _addresses(silent)[1:]  # tried in this order
    if not places:
        return None
    hosts, addresses, ports = map(",".join, zip(*places))
    listed = {"host": hosts, "hostaddr": addresses, "port": ports}
    return {**keywords, **listed, **({} if addresses.strip(",") else {"hostaddr": ""})}


def servers(keywords: Mapping[str, str]) -> int:
    """Returns how many servers libpq will try, one after the other; each address of a name counts."""
    return sum(max(1, len(_addresses(place))) for place in _places(keywords))


def _places(keywords: Mapping[str, str]) -> list[Place]:
    """(host, address or "", port) of each server that is listed."""
    hosts = keywords.get("host", "").split(",")
    addresses = keywords.get("hostaddr", "").split(",")
    most = max(len(hosts), len(addresses))
    ports = keywords["port"].split(",")
    return [
        (hosts[n] if len(hosts) == most else "", addresses[n] if len(addresses) == most else "", ports[n % len(ports)])
        for n in range(most)
    ]


def _addresses(place: Place) -> list[Place]:
    """The place once for each address that its name stands for; itself where it is an address or a socket already."""
    host, address, port = place
    if address or not host or host.startswith(("/", "@")):
        return [place]
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [place]
    return [(host, str(each[4][0]), port) for each in found]
