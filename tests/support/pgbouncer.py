"""A real PgBouncer before the tests' PostgreSQL, in whichever pool mode a test asks for."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from scripts.testbed.postgres import UNPRIVILEGED_USERS
from tests.conftest import need
from tests.support.ports import free_port

START_WITHIN_S = 20.0


@contextlib.contextmanager
def pgbouncer(server_port: int, pool_mode: str, **settings: object) -> Iterator[int]:
    """The port of a PgBouncer that lends the connections of the server at server_port; settings as in its own file."""
    program = need("pgbouncer")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as directory:
        os.chmod(directory, 0o755)
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": pool_mode,
            "ignore_startup_parameters": "extra_float_digits",
            **settings,
        }
        path = os.path.join(directory, "pgbouncer.ini")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"[databases]\n* = host=127.0.0.1 port={server_port} user=postgres\n[pgbouncer]\n")
            file.writelines(f"{word} = {value}\n" for word, value in own.items())
        as_user = ["-u", UNPRIVILEGED_USERS[-1]] if os.geteuid() == 0 else []  # it refuses to run as root
        with subprocess.Popen(
            [program, "-q", *as_user, path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            try:
                _wait_for(port, process)
                yield port
            finally:
                process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"PgBouncer did not start: {process.stderr and process.stderr.read()!r}")
