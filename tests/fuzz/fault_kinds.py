"""The kinds of fault that tests/fuzz/inject_faults.py draws from: each is set up for one predict.py, and undone."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import shlex
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg2

from db import connecting
from db.tables.ddl import TABLES
from ml.storage import atomic_files
from scripts.testbed.postgres import ScratchServer
from tests.fuzz.seeded import SECRET
from tests.support.postgres_server import admitted, with_demo
from tests.support.running_predict import INTERRUPTED, filled_pipe
from tests.support.tcp_proxy import Accident, between
from tests.support.trained_models import save_model


class Trial(NamedTuple):
    """One predict.py and what may become of it.

    options: behind the two ids. codes: the exit codes that the page allows. shell: what sh does before it becomes
    predict.py. stdout: a file descriptor in place of a pipe that is read. meanwhile: called once it runs.
    garbled: its rows may have become nonsense on the way, so that features that cannot be extracted are no bug.
    """

    url: str
    codes: tuple[int, ...] = (0,)
    options: tuple[str, ...] = ()
    environment: dict[str, str] | None = None
    shell: str = ""
    stdout: int | None = None
    stderr: int | None = None
    meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda _: None
    timeout_s: float = 4.0
    garbled: bool = False


class Ground:
    """What faults are made of: a server with the demo learner, the demo file, two models."""

    def __init__(self, directory: str, server: ScratchServer) -> None:
        self.directory = Path(directory)
        self.server = server
        self.url = (
            f"{with_demo(server.new_database()).replace('postgres@', f'postgres:{SECRET}@')}?application_name=faulty"
        )
        self.demo = Path(connecting.DEMO).read_bytes()
        models = [save_model(tempfile.mkdtemp(dir=directory), seed) for seed in (1, 2)]
        self.models = [Path(path).read_bytes() for path in models]
        self.usual_s = 0.2
        self.number = 0

    def new(self, name: str, content: bytes | None = None) -> Path:
        """A path that no fault before has used."""
        self.number += 1
        path = self.directory / f"{self.number}-{name}"
        if content is not None:
            path.write_bytes(content)
        return path

    def demo_file(self, content: bytes | None = None) -> Path:
        return self.new("app.sqlite3", self.demo if content is None else content)

    def either(self, chance: random.Random) -> str:
        """The demo on PostgreSQL or on SQLite."""
        return chance.choice((self.url, f"file:{self.demo_file()}"))

    def with_patience(self, chance: random.Random) -> tuple[tuple[str, ...], float]:
        """The default deadline, or a shorter one: what stalls costs all of it."""
        return chance.choice((((), 4.0), (("--timeout", "1"), 1.0), (("--timeout", "0.5"), 0.5)))


Kind = Callable[[Ground, random.Random], contextlib.AbstractContextManager[Trial]]
KINDS: dict[str, Kind] = {}


def kind(make: Callable[[Ground, random.Random], Iterator[Trial]]) -> Kind:
    """Registers a kind under its name."""
    KINDS[make.__name__.replace("_", " ")] = made = contextlib.contextmanager(make)
    return made


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A few bytes overwritten, or some hundred, or the end cut off."""
    broken = bytearray(content)
    if chance.random() < 0.25:
        return bytes(broken[: chance.randrange(len(broken))])
    for _ in range(chance.choice((1, 3, 30, 300))):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)


@kind
def a_signal(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    number = chance.choice((signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGALRM, signal.SIGKILL))
    delay_s = chance.uniform(0, 1.2 * ground.usual_s)

    def strike(process: subprocess.Popen[bytes]) -> None:
        time.sleep(delay_s)
        process.send_signal(number)

    early = (-number, 1) if number == signal.SIGINT else (-number,)
    yield Trial(ground.either(chance), (0, *early, INTERRUPTED.get(number, 0)), meanwhile=strike)


@kind
def frozen_for_a_while(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    delay_s, length_s = chance.uniform(0, ground.usual_s), chance.uniform(0, 1.5)
    options, timeout_s = ground.with_patience(chance)

    def freeze(process: subprocess.Popen[bytes]) -> None:
        time.sleep(delay_s)
        process.send_signal(signal.SIGSTOP)
        time.sleep(length_s)
        process.send_signal(signal.SIGCONT)

    yield Trial(ground.either(chance), options=options, meanwhile=freeze, timeout_s=timeout_s + length_s)


def through_a_proxy(ground: Ground, chance: random.Random, accident: str, **more: object) -> Iterator[Trial]:
    at = int(100_000 ** chance.random())  # most are early, where the conversation is still being agreed upon
    happening = Accident(accident, chance.random() < 0.5, at, chance.randrange(1, 256))
    options, timeout_s = ground.with_patience(chance)
    with between(ground.server.port, happening) as port:
        url = ground.url.replace(f":{ground.server.port}/", f":{port}/")
        yield Trial(url, options=options, timeout_s=timeout_s, **more)  # type: ignore[arg-type]


for _name, _accident in (("cut", "cut"), ("reset", "reset"), ("stalled", "stall"), ("slow", "drip")):
    KINDS[f"connection {_name}"] = contextlib.contextmanager(partial(through_a_proxy, accident=_accident))


@kind
def connection_garbled(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    yield from through_a_proxy(ground, chance, "garble", codes=(0, 66, 78), garbled=True)


@kind
def stopped_while_stalled(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    number = chance.choice((signal.SIGTERM, signal.SIGINT))

    def stop(process: subprocess.Popen[bytes]) -> None:
        time.sleep(ground.usual_s + chance.random())
        process.send_signal(number)

    yield from through_a_proxy(ground, chance, "stall", meanwhile=stop, codes=(0, INTERRUPTED[number]))


@kind
def server_refuses(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    strict = chance.random() < 0.5
    reason = chance.choice(("password", "port", "database", "role", "host", "tls", "limit", "rights"))
    codes, options = ((69,), ("--strict",)) if strict else ((0,), ())
    url = ground.url
    if reason in ("password", "limit", "rights"):
        rule = "scram-sha-256" if reason == "password" else "trust"
        superuser = url.partition("?")[0]
        with admitted(superuser, "refused", f"host all refused 127.0.0.1/32 {rule}"):
            if reason == "limit":
                with contextlib.closing(psycopg2.connect(superuser)) as connection:
                    connection.cursor().execute("ALTER ROLE refused CONNECTION LIMIT 0")
                    connection.commit()
            codes = (78,) if reason == "rights" else codes
            yield Trial(url.replace("postgres:", "refused:"), codes, options)
        return
    changed = {
        "port": url.replace(f":{ground.server.port}/", ":1/"),
        "database": url.replace("/scratch_", "/no_such_"),
        "role": url.replace("postgres:", "nobody:"),
        "host": url.replace("127.0.0.1", "host.invalid"),
        "tls": f"{url}&sslmode=require",
    }
    yield Trial(changed[reason], codes, options)


@kind
def sqlite_damaged(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    options, timeout_s = ground.with_patience(chance)
    path = ground.demo_file(damaged(ground.demo, chance))
    yield Trial(f"file:{path}", (0, 66, 78), options, timeout_s=timeout_s)


@kind
def sqlite_something_else(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    path = ground.new("app.sqlite3")
    what = chance.randrange(5)
    if what == 0:
        path.mkdir()
    elif what == 1:
        os.mkfifo(path)
    elif what == 2:
        path.symlink_to(chance.choice((path, "/dev/zero", "/dev/null", "/nonexistent", "/proc/self/mem")))
    elif what == 3:
        path.write_bytes(chance.randbytes(chance.randrange(1, 20_000)))
    yield Trial(f"file:{path}")


@kind
def sqlite_locked(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    path = ground.demo_file()
    held_s = chance.uniform(0, 1.5)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(held_s, holder.execute, ["ROLLBACK"])
        release.start()
        options, timeout_s = ground.with_patience(chance)
        yield Trial(f"file:{path}", options=options, timeout_s=timeout_s)
        release.join()


def alteration(chance: random.Random) -> str:
    """A table dropped, or a column renamed."""
    table = chance.choice(list(TABLES.values()))
    if chance.random() < 0.3:
        return f'DROP TABLE "{table.name}"'
    column = chance.choice(list(table.fields))
    return f'ALTER TABLE "{table.name}" RENAME COLUMN "{column}" TO renamed'


@kind
def schema_altered_on_sqlite(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    path = ground.demo_file()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for _ in range(chance.randint(1, 3)):
            with contextlib.suppress(sqlite3.Error):  # the same one twice
                connection.execute(alteration(chance))
    yield Trial(f"file:{path}", (0, 78))


@kind
def schema_altered_on_postgresql(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    url, _, options = ground.url.partition("?")
    ground.number += 1
    name = f"altered_{ground.number}"
    with contextlib.closing(psycopg2.connect(url.rpartition("/")[0] + "/postgres")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {url.rpartition('/')[2]}")
        altered_url = f"{url.rpartition('/')[0]}/{name}"
        with contextlib.closing(psycopg2.connect(altered_url)) as altered:
            altered.cursor().execute(alteration(chance))
            altered.commit()
        yield Trial(f"{altered_url}?{options}", (0, 78))
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@kind
def model_damaged(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    content = damaged(ground.models[0], chance)
    codes = (0,) if content == ground.models[0] else (78,)
    yield Trial(ground.either(chance), codes, ("--model", str(ground.new("model.pkl", content))))


class Malicious:
    """Would make a directory when unpickled."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.marker,)


@kind
def model_something_else(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    path, marker = ground.new("model.pkl"), ground.new("marker")
    what = chance.randrange(5)
    if what == 0:
        path.mkdir()
    elif what == 1:
        os.mkfifo(path)
    elif what == 2:
        path.symlink_to(chance.choice((path, "/dev/zero", "/dev/null", "/nonexistent", "/proc/self/mem")))
    elif what == 3:
        path.write_bytes(pickle.dumps(Malicious(str(marker))))
    yield Trial(ground.either(chance), (78,), ("--model", str(path)))
    if marker.exists():
        raise AssertionError("a model file was run")


@kind
def model_switched(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    path = ground.new("model.pkl", ground.models[0])

    def switch(process: subprocess.Popen[bytes]) -> None:
        turn = 0
        while process.poll() is None:
            turn += 1
            atomic_files.put(str(path), ground.models[turn % 2], True)

    yield Trial(ground.either(chance), options=("--model", str(path)), meanwhile=switch)


@kind
def stdout_gone(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    url = ground.either(chance)
    how = chance.choice(("closed", "full", "no reader", "half way", "never read", "does not block"))
    if how in ("closed", "full"):
        yield Trial(url, (74,), shell="exec 1>&-" if how == "closed" else "exec 1>/dev/full")
        return
    reading, writing = filled_pipe()
    ends = [reading]

    def leave(_process: subprocess.Popen[bytes]) -> None:
        if how == "half way":
            time.sleep(chance.uniform(0, 2 * ground.usual_s))
            os.read(reading, chance.randrange(1, 1000))
        if how in ("no reader", "half way"):
            os.close(ends.pop())

    if how == "does not block":
        os.set_blocking(writing, False)
    yield Trial(url, (74,), stdout=writing, meanwhile=leave)
    for end in ends:
        os.close(end)
    os.close(writing)


@kind
def stderr_or_stdin_gone(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    how = chance.choice(("exec 2>&-", "exec 0<&-", "exec 0<&- 2>&-", "exec 2>/dev/full", "", ""))
    options = chance.choice(((), ("--timeout", "x")))
    codes = (2,) if options else (0,)
    url = chance.choice((ground.either(chance), "postgresql://127.0.0.1:1/x"))
    if how:
        yield Trial(url, codes, options, shell=how)
        return
    reading, writing = filled_pipe()
    if chance.random() < 0.5:
        os.close(reading)
        reading = -1
    yield Trial(url, codes, options, stderr=writing)
    os.close(writing)
    if reading >= 0:
        os.close(reading)


@kind
def odd_environment(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    odd = {
        "LC_ALL": ("C", "POSIX", "xx_XX.latin1", "\udcff"),
        "LANG": ("C", "", "no"),
        "HOME": ("/nonexistent", "", "/dev/null"),
        "TMPDIR": ("/nonexistent", "/dev/null"),
        "TZ": ("Nowhere/Never", "UTC+99", ""),
        "PATH": ("", "/nonexistent"),
        "PYTHONUTF8": ("0", "1"),
        "PYTHONIOENCODING": ("utf-16", "ascii", "latin1:strict"),
        "PYTHONHASHSEED": ("0", "77"),
        "PYTHONWARNINGS": ("error", "default"),
        "PYTHONUNBUFFERED": ("1",),
        "PYTHONOPTIMIZE": ("2",),
        "PYTHONSAFEPATH": ("1",),
        "PYTHONDONTWRITEBYTECODE": ("1",),
        "PYTHONDEVMODE": ("1",),
        "PYTHONCOERCECLOCALE": ("0", "warn"),
        "PGSSLMODE": ("prefer", "allow"),
        "PGCONNECT_TIMEOUT": ("0", "1"),
    }
    names = chance.sample(sorted(odd), chance.randrange(len(odd)))
    yield Trial(ground.either(chance), environment={name: chance.choice(odd[name]) for name in names})


@kind
def odd_surroundings(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    gone = shlex.quote(str(ground.new("gone")))
    ways = (
        "cd /",
        f"mkdir {gone} && cd {gone} && rmdir {gone}",
        "ulimit -n 12",
        "ulimit -f 0",
        "ulimit -c 0; ulimit -t 20",
        "umask 777",
        "trap '' PIPE TERM INT ALRM",
        "nice -n 19 true",
    )
    yield Trial(ground.either(chance), shell=" && ".join(chance.sample(ways, 2)))


@kind
def disk_of_the_database_full(ground: Ground, chance: random.Random) -> Iterator[Trial]:
    path = ground.demo_file()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {chance.choice(('wal', 'delete', 'truncate', 'persist'))}")
    yield Trial(f"file:{path}", shell="ulimit -f 0")


def cleared(ground: Ground) -> None:
    """Removes what the last fault left in the ground's directory; the models' own directories stay."""
    for path in ground.directory.glob("*-*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
