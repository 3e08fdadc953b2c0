"""A SQLite database with a write-ahead log is read by any account, whole, and the app's directory stays as it was."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import db
from db import connecting
from db.backends import sqlite_wal
from db.client import Client
from db.errors import DatabaseUnavailable
from db.sql.templates import Query
from ml.places import HOUSE
from ml.study.history import WINDOW
from tests.support.running_predict import LEARNER, OBJECTIVE

APP, READER = 54_321, 54_322
"""Two accounts; the kernel asks for no entry in /etc/passwd."""
MORE = "INSERT INTO courses (id, userId, name) VALUES ('more', 'demo-learner', 'More')"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that every account reaches: pytest's are closed to others whenever a run of the same user begins."""
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        yield Path(made)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The app's directory, which only the app may write, with the demo database in WAL mode, cleanly closed."""
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("only root can act as two accounts")
    home = tmp_path / "app"
    home.mkdir(mode=0o755)
    shutil.copyfile(connecting.DEMO, home / "app.db")
    os.chown(home, APP, APP)
    os.chown(home / "app.db", APP, APP)
    as_user(APP, lambda: str(written(home / "app.db", "PRAGMA journal_mode = WAL")))
    assert [each.name for each in home.iterdir()] == ["app.db"]
    return home


def as_user(user: int, act: Callable[[], str]) -> str:
    """What act returns in a process of that account. Modules are there already: theirs may be root's alone."""
    import shutil as _shutil  # noqa: F401 - both are imported on demand where a copy is made
    import tempfile as _tempfile  # noqa: F401

    from db.reading import (
        vocabulary,  # noqa: F401
    )

    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.write(mouth, act().encode())
            code = 0
        except BaseException as error:
            os.write(mouth, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(code)
    os.close(mouth)
    with open(ear, encoding="utf-8") as told:
        said = told.read()
    assert os.waitpid(child, 0)[1] == 0, said
    return said


def written(path: Path, *statements: str) -> list[object]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements]


def courses(path: Path) -> str:
    """How many courses a client of ours sees."""
    with db.connect(f"file:{path}", timeout_s=20) as client:
        client.read(LEARNER, OBJECTIVE, None, WINDOW)
        return str(counted(client))


def counted(client: Client) -> int:
    def ask(_opened: object) -> list[Query]:
        return [Query("SELECT count(*) FROM courses", {}, 1)]

    ((rows,),) = [list(batch) for batch in client.stream(ask, 10)]
    return int(str(rows[0]))


def listing(home: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Every file with its owner, mode, size, and what stands in it (but for the index, which readers write in)."""
    return {
        each.name: (
            (found := each.stat()).st_uid,
            found.st_mode,
            found.st_size,
            b"" if each.name.endswith("-shm") else each.read_bytes(),
        )
        for each in home.iterdir()
    }


@contextlib.contextmanager
def running_app(home: Path, *statements: str) -> Iterator[None]:
    """The app with the database open, after these statements, none of which is in the database's own file yet."""
    code = (
        "import json, os, sqlite3, sys; os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('PRAGMA wal_autocheckpoint = 0')\n"
        "[c.execute(each).fetchall() for each in json.loads(sys.argv[2])]\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(home / "app.db"), json.dumps(statements), str(APP)]
    app = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert app.stdin is not None
    assert app.stdout is not None
    try:
        assert app.stdout.readline() == "open\n"
        yield
    finally:
        app.stdin.close()
        app.wait(timeout=20)
        app.stdout.close()


@pytest.fixture
def crashed(home: Path) -> Path:
    """The same after a crash: a row stands in the log alone, and log and index are left."""
    with running_app(home, MORE):
        for ending in ("", "-wal", "-shm"):
            shutil.copyfile(home / f"app.db{ending}", home / f"kept{ending}")
    for ending in ("", "-wal", "-shm"):
        (home / f"kept{ending}").rename(home / f"app.db{ending}")
        os.chown(home / f"app.db{ending}", APP, APP)
    return home


@pytest.fixture(params=[0, APP, READER], ids=["root", "the app's account", "another account"])
def reader(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.slow
def test_a_database_that_nobody_has_open_is_left_as_it_was(home: Path, reader: int) -> None:
    before = listing(home)
    assert as_user(reader, lambda: courses(home / "app.db")) == "2"
    assert listing(home) == before
    as_user(APP, lambda: str(written(home / "app.db", MORE)))


@pytest.mark.slow
def test_a_writable_directory_gets_no_files_of_another_account(home: Path) -> None:
    home.chmod(0o777)
    before = listing(home)
    assert as_user(READER, lambda: courses(home / "app.db")) == "2"
    assert listing(home) == before


@pytest.mark.slow
def test_rows_that_stand_only_in_the_log_of_a_running_app_are_read(home: Path, reader: int) -> None:
    with running_app(home, MORE):
        before = listing(home)
        assert as_user(reader, lambda: courses(home / "app.db")) == "3"
        assert listing(home) == before
        as_user(APP, lambda: str(written(home / "app.db", "DELETE FROM courses WHERE id = 'more'")))


@pytest.mark.slow
def test_a_database_behind_a_link_is_read_with_its_log(home: Path, reader: int, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir(mode=0o755)
    link = tmp_path / "linked" / "current.db"
    link.symlink_to(home / "app.db")
    before = as_user(reader, lambda: courses(link))
    with running_app(home, MORE):
        assert int(as_user(reader, lambda: courses(link))) == int(before) + 1
    assert [each.name for each in link.parent.iterdir()] == [link.name]


@pytest.mark.slow
def test_what_a_crash_left_is_read_whole(crashed: Path, reader: int) -> None:
    before = {name: found[:2] for name, found in listing(crashed).items()}
    assert as_user(reader, lambda: courses(crashed / "app.db")) == "3"
    assert {name: found[:2] for name, found in listing(crashed).items()} == before
    assert as_user(APP, lambda: str(written(crashed / "app.db", MORE.replace("'more'", "'yet'"), "SELECT 1")))


@pytest.mark.slow
def test_a_log_without_an_index_is_read_and_gets_none(
    crashed: Path, reader: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (crashed / "app.db-shm").unlink()
    before = listing(crashed)
    with tempfile.TemporaryDirectory() as everybodys:
        os.chmod(everybodys, 0o1777)
        monkeypatch.setattr(tempfile, "tempdir", everybodys)
        assert as_user(reader, lambda: courses(crashed / "app.db")) == "3"
        assert os.listdir(everybodys) == []
    assert listing(crashed) == before


@pytest.mark.slow
def test_an_index_that_may_not_be_read_is_done_without(crashed: Path) -> None:
    (crashed / "app.db-shm").chmod(0o600)
    before = listing(crashed)
    assert as_user(READER, lambda: courses(crashed / "app.db")) == "3"
    assert listing(crashed) == before


@pytest.mark.slow
def test_a_log_that_may_not_be_read_is_an_error_and_no_half_answer(crashed: Path) -> None:
    (crashed / "app.db-wal").chmod(0o600)
    (crashed / "app.db-shm").chmod(0o600)

    def read() -> str:
        try:
            return courses(crashed / "app.db")
        except DatabaseUnavailable as error:
            return str(error)

    assert "cannot be read" in as_user(READER, read)


@pytest.mark.slow
def test_a_transaction_that_a_crash_broke_off_is_not_taken_for_done(home: Path) -> None:
    as_user(APP, lambda: str(written(home / "app.db", "PRAGMA journal_mode = DELETE")))
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('PRAGMA cache_spill = 1'); c.execute('BEGIN IMMEDIATE')\n"
        "c.execute('DELETE FROM courses'); c.execute('UPDATE reviews SET userId = userId || hex(randomblob(900))')\n"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(home / "app.db")], check=False, timeout=20)
    assert (home / "app.db-journal").stat().st_size > 0
    before = listing(home)
    assert as_user(READER, lambda: courses(home / "app.db")) == "2"
    assert listing(home) == before


@pytest.mark.slow
def test_predict_py_and_a_batch_leave_nothing_behind(home: Path, tmp_path: Path) -> None:
    before = listing(home)
    url = f"file:{home}/app.db"
    for command in (
        ["predict.py", "--database-url", url, LEARNER, OBJECTIVE],
        ["predict.py", "--database-url", url, "--doctor"],
        ["scripts/predict_batch.py", "--database-url", url, "--output", str(tmp_path / "batch.jsonl")],
        ["scripts/monitor.py", "--database-url", url, "--json"],
    ):
        command = [sys.executable, os.path.join(HOUSE, command[0]), *command[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stderr
        assert listing(home) == before


@pytest.mark.slow
def test_a_reader_that_stays_sees_what_the_app_writes_later(home: Path) -> None:
    with db.connect(f"file:{home}/app.db") as client:
        assert counted(client) == 2
        with running_app(home, MORE):
            assert counted(client) == 3, "the app has opened the database since"
        as_user(APP, lambda: str(written(home / "app.db", MORE.replace("'more'", "'yet'"))))
        assert counted(client) == 4
    assert {each.stat().st_uid for each in home.iterdir()} == {APP}


@pytest.mark.slow
def test_what_was_read_while_the_app_wrote_is_read_again(home: Path) -> None:
    reads: list[int] = []

    with db.connect(f"file:{home}/app.db") as client:

        def courses_of(opened: object) -> Generator[list[Query], Any, Any]:
            ((found,),) = yield [Query("SELECT count(*) FROM courses", {}, 1)]
            reads.append(int(found[0]))
            if len(reads) == 1:
                as_user(APP, lambda: str(written(home / "app.db", MORE)))
            return found[0]

        assert client.converse(courses_of) == 3
    assert reads == [2, 3]


@pytest.mark.slow
def test_a_stream_that_was_overtaken_says_so(home: Path) -> None:
    def ask(_opened: object) -> list[Query]:
        return [Query("SELECT id FROM courses", {}, 1)]

    with db.connect(f"file:{home}/app.db") as client:
        stream = client.stream(ask, 1)
        next(iter(stream))
        as_user(APP, lambda: str(written(home / "app.db", MORE)))
        with pytest.raises(DatabaseUnavailable, match="changed while it was read"):
            list(stream)
        assert counted(client) == 3


def test_one_connection_s_opening_takes_no_lock_from_another(demo_copy: str) -> None:
    """The locks of POSIX belong to a process: closing any descriptor of the file would take them all away."""
    path = demo_copy.removeprefix("file:")
    with db.connect(demo_copy) as first, db.connect(demo_copy) as second:

        def while_reading(opened: object) -> Generator[list[Query], Any, bytes]:
            yield [Query("SELECT count(*) FROM courses", {}, 1)]
            second.close()
            with db.connect(demo_copy) as third:
                third.now()
            code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN EXCLUSIVE')"
            return subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=False).stderr

        assert b"locked" in first.converse(while_reading)


def test_a_change_within_a_tick_of_the_clock_shows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"1")
    stamp = sqlite_wal.settled_stamp(str(path))
    path.write_bytes(b"2")
    assert sqlite_wal.stamp_of(str(path)) != stamp
