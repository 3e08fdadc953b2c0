"""Ports for the servers that tests start, which no other worker of the run and no client on the machine takes."""

from __future__ import annotations

import itertools
import os
import socket

FIRST, PER_WORKER = 20_000, 400
"""Below those that Linux gives to clients (from 32768 on), so that none is taken between here and a server's start."""

_next = itertools.count()


def free_port() -> int:
    """A port of 127.0.0.1 at which nothing listens; another one every time."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 30
    for number in _next:
        port = FIRST + worker * PER_WORKER + number % PER_WORKER
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("the count never ends")
