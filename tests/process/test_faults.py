"""Faults injected while real predict.py processes run: each sees one JSON object or none, and a documented exit code.

Every process here is held to the contract of tests/support/running_predict.py. The table of faults in tests/README.md
names these tests.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import re
import resource
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from db import connecting
from db.writing.open import open_writer
from ml.storage import atomic_files
from scripts.cli.streams import WRITING_S
from scripts.testbed.postgres import ScratchServer, scratch_postgres
from tests.conftest import need
from tests.support.outputs import read_output
from tests.support.postgres_server import admitted, backend_of, connected, connections_left, reviews_locked, with_demo
from tests.support.running_predict import (
    INTERRUPTED,
    LEARNER,
    LOADED_S,
    OBJECTIVE,
    PREDICT,
    SECRET,
    Ran,
    Running,
    altered,
    filled_pipe,
    finished,
    permissions_hold,
    ran,
    started,
    without_roots_privilege,
)
from tests.support.tcp_proxy import between, self_signed
from tests.support.trained_models import save_model

IMPATIENT = (LEARNER, OBJECTIVE, "--timeout", "2")


# The database


@pytest.fixture(scope="module")
def server() -> Iterator[ScratchServer]:
    """A PostgreSQL server of this module's own: it is stopped, frozen and told to ask for passwords."""
    need("postgres")
    with scratch_postgres() as started_server:
        yield started_server


@pytest.fixture(scope="module")
def app(server: ScratchServer) -> str:
    """The URL of a database with the demo learner on that server."""
    return with_demo(server.new_database())


@pytest.mark.slow
def test_postgresql_answers_and_no_connection_is_left(app: str) -> None:
    ran(url=app).is_whole()
    assert connections_left(app) == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The files of a certificate for localhost, signed by itself, and of its key."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_the_database_is_down(strict: bool) -> None:
    url = f"postgresql://app:{SECRET}@127.0.0.1:1/app"
    if strict:
        ran(LEARNER, OBJECTIVE, "--strict", url=url).error(69, "database_unavailable")
    else:
        assert "cannot be reached" in ran(url=url).degraded()


@pytest.mark.slow
def test_a_wrong_password(server: ScratchServer, app: str) -> None:
    with admitted(app, "guarded", "host all guarded 127.0.0.1/32 scram-sha-256"):
        url = app.replace("postgres@", f"guarded:{SECRET}@")
        assert "password authentication failed" in ran(url=url).degraded()
        ran(LEARNER, OBJECTIVE, "--strict", url=url).error(69, "database_unavailable")
        report = ran("--doctor", url=url, env=os.environ)
        assert report.code == 69
        assert SECRET.encode() not in report.stdout + report.stderr


@pytest.mark.slow
def test_tls_is_asked_for_and_the_server_has_none(app: str) -> None:
    assert "SSL" in ran(url=app.replace("postgres@", f"postgres:{SECRET}@") + "?sslmode=require").degraded()


@pytest.mark.slow
def test_a_role_that_the_server_lets_in_over_tls_only(app: str) -> None:
    rules = "hostssl all over_tls 127.0.0.1/32 trust", "host all over_tls 127.0.0.1/32 reject"
    with admitted(app, "over_tls", *rules):
        url = app.replace("postgres@", f"over_tls:{SECRET}@") + "?sslmode=disable"
        assert "pg_hba.conf" in ran(url=url).degraded()
        ran(LEARNER, OBJECTIVE, "--strict", url=url).error(69, "database_unavailable")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", ""),
        ("sslmode=require", ""),
        ("sslmode=verify-full&sslrootcert={own}", ""),
        ("sslmode=verify-full&sslrootcert={other}", "certificate verify failed"),
        ("sslmode=disable", "SSL required"),
    ],
)
def test_a_server_that_requires_tls(
    server: ScratchServer,
    app: str,
    certificate: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    options: str,
    said: str,
) -> None:
    """One with a certificate of its own making, in front of ours, as PgBouncer or stunnel would be."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    written = options.format(own=certificate[0], other=self_signed(tmp_path_factory.mktemp("other"))[0])
    with between(server.port, tls=context) as port:
        result = ran(
            url=app.replace(f"postgres@127.0.0.1:{server.port}", f"postgres:{SECRET}@localhost:{port}") + f"?{written}"
        )
    if said:
        assert said in result.degraded()
    else:
        result.is_whole()
    assert connections_left(app) == 0


@pytest.mark.slow
def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://app:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/app"
        impatient, patient = started(*IMPATIENT, env={**os.environ, "DATABASE_URL": url}), ran(url=url)
        assert "in time" in patient.degraded() or "deadline" in patient.degraded()
        assert patient.seconds > 3.5
        finished(impatient).degraded()


@pytest.mark.slow
@pytest.mark.parametrize(
    "rubbish", [b"", b"N", b"S", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"E\0\0\0\5\0", b"\xff" * 999]
)
def test_a_server_that_speaks_something_else(rubbish: bytes) -> None:
    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                peer.recv(1000)
                peer.sendall(rubbish)
                peer.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        url = f"postgresql://app:{SECRET}@127.0.0.1:{listener.getsockname()[1]}/app"
        ran(*IMPATIENT, url=url).degraded()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_a_server_whose_answers_come_later_than_the_deadline(app: str) -> None:
    with reviews_locked(app):
        reason = ran(*IMPATIENT, url=app).degraded()
        assert "in time" in reason or "deadline" in reason
        ran(*IMPATIENT, "--strict", url=app).error(69, "database_unavailable")
    assert connections_left(app) == 0


@pytest.mark.slow
def test_a_server_frozen_in_the_middle_of_a_query(app: str) -> None:
    with reviews_locked(app):
        process = started(*IMPATIENT[:3], "2", env={**os.environ, "DATABASE_URL": app})
        backend = backend_of(app)
        os.kill(backend, signal.SIGSTOP)
        try:
            finished(process).degraded()
        finally:
            os.kill(backend, signal.SIGCONT)
    assert connections_left(app) == 0


@pytest.mark.slow
def test_a_connection_cut_in_the_middle_of_a_query(app: str) -> None:
    with reviews_locked(app):
        process = started(env={**os.environ, "DATABASE_URL": app})
        backend = backend_of(app)
        with connected(app) as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (backend,))
        assert "broke off" in finished(process).degraded()


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_a_query() -> None:
    need("postgres")
    with scratch_postgres() as doomed:
        url = with_demo(doomed.new_database())
        locker = psycopg2.connect(url)
        locker.cursor().execute("LOCK TABLE reviews IN ACCESS EXCLUSIVE MODE")
        process = started(env={**os.environ, "DATABASE_URL": url})
        backend_of(url)
    finished(process).degraded()
    locker.close()
    assert "cannot be reached" in ran(url=url).degraded()


@pytest.mark.slow
def test_a_server_restarted_in_the_middle_of_a_run(server: ScratchServer, app: str) -> None:
    """Whatever a prediction meets, it is told; the next one after the restart is as if nothing had been."""
    reasons: list[str] = []

    def run_on(until: Callable[[], bool]) -> None:
        while not until():
            answer = ran(url=app).answer()
            reasons.append(str(answer["degraded"]))
            if reasons[-1]:
                down_was_told.set()

    run_on(lambda: len(reasons) >= 3)
    assert reasons == ["", "", ""]
    down_was_told = threading.Event()

    def stop_and_start() -> None:
        server.stop(signal.SIGINT)
        down_was_told.wait(60)
        server.start()

    restart = threading.Thread(target=stop_and_start)
    restart.start()
    run_on(lambda: not restart.is_alive())
    told = [reason for reason in reasons if reason]
    assert told
    assert all("cannot be reached" in reason or "broke off" in reason for reason in told), told
    ran(url=app).is_whole()
    assert connections_left(app) == 0


@pytest.mark.slow
def test_a_stopped_process_is_behind_its_deadline_and_ends_at_once_when_it_goes_on(app: str) -> None:
    """As after a laptop's lid was closed, or a container frozen."""
    with reviews_locked(app):
        process = started(*IMPATIENT, env={**os.environ, "DATABASE_URL": app})
        backend_of(app)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.2)
        process.send_signal(signal.SIGCONT)
        finished(process).degraded()


@pytest.mark.slow
def test_sqlite_locked_by_another_process(demo_copy: str) -> None:
    path = demo_copy.removeprefix("file:")
    program = (
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('BEGIN EXCLUSIVE')"
    )
    words = [sys.executable, "-c", f"{program}\nprint('held', flush=True)\nsys.stdin.read()", path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        reason = ran(*IMPATIENT, url=demo_copy).degraded()
        assert "locked" in reason or "in time" in reason or "deadline" in reason
        ran(*IMPATIENT, "--strict", url=demo_copy).error(69, "database_unavailable")
        holder.communicate()
    ran(url=demo_copy).is_whole()


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 100, 4096, 40_000])
def test_sqlite_cut_off(demo_copy: str, size: int) -> None:
    os.truncate(demo_copy.removeprefix("file:"), size)
    if size:
        ran(url=demo_copy).degraded()
    else:  # to SQLite an empty file is a database without tables
        ran(url=demo_copy).error(78, "configuration")


@pytest.mark.slow
def test_sqlite_damaged_at_sampled_bytes(demo_copy: str) -> None:
    """Whatever is overwritten: an answer, a degraded answer, or a sentence; never a crash."""
    path = demo_copy.removeprefix("file:")
    whole = Path(path).read_bytes()
    chance = random.Random(6)
    codes: Counter[int] = Counter()
    for _ in range(12):
        broken = bytearray(whole)
        for _ in range(200):
            broken[chance.randrange(100, len(broken))] = chance.randrange(256)
        Path(path).write_bytes(broken)
        result = ran(*IMPATIENT, url=demo_copy)
        assert result.code in (0, 66, 78), (result.code, result.stderr)
        result.answer(result.code)
        codes[result.code] += 1
    assert sum(codes.values()) == 12


@pytest.mark.slow
def test_sqlite_whose_schema_is_no_text(demo_copy: str) -> None:
    """SQLite quotes the broken statement in its message, which is then no text either."""
    path = Path(demo_copy.removeprefix("file:"))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'CREATE TABLE "users"', b'CREATE \xff\xfe\xff\xfe\xff "users"'))
    assert path.read_bytes() != whole
    assert "cannot be extracted" not in ran(url=demo_copy).degraded()
    assert ran("--doctor", url=demo_copy).code == 69


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "directory", "pipe", "absent"])
def test_the_sqlite_file_is_something_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "app.db"
    if kind == "text":
        path.write_bytes(b"not a database\n" * 1000)
    elif kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    told = ran(url=f"file:{path}")
    told.degraded()
    assert (b"There is no SQLite database" in told.stderr) == (kind == "absent")


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """A directory whose permissions hold for processes started with without_roots_privilege."""
    if not permissions_hold(tmp_path):
        pytest.skip("root keeps its rights here")
    return tmp_path


@pytest.mark.slow
def test_a_directory_that_may_not_be_entered(guarded: Path) -> None:
    closed = guarded / "closed"
    closed.mkdir()
    path = closed / "app.db"
    shutil.copyfile(connecting.DEMO, path)
    closed.chmod(0)
    told = ran(url=f"file:{path}", preexec_fn=without_roots_privilege)
    closed.chmod(0o700)
    told.degraded()
    assert b"cannot be read: Permission denied" in told.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_read_only_directory(guarded: Path, mode: str) -> None:
    path = guarded / "app.db"
    shutil.copyfile(connecting.DEMO, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    os.chmod(path, 0o444)
    os.chmod(guarded, 0o555)
    try:
        ran(url=f"file:{path}", cwd=guarded, preexec_fn=without_roots_privilege).is_whole()
    finally:
        os.chmod(guarded, 0o755)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_disk_of_the_database_is_full(demo_copy: str, mode: str) -> None:
    """No file may grow, also not the index of a write-ahead log; not the first time, and not what that left behind."""
    with contextlib.closing(sqlite3.connect(demo_copy.removeprefix("file:"))) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    for _ in range(2):
        ran(url=demo_copy, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))).is_whole()
    altered(demo_copy, "DELETE FROM missions")
    ran(url=demo_copy).is_whole()


@pytest.mark.slow
def test_a_database_that_may_not_be_read(guarded: Path) -> None:
    path = guarded / "app.db"
    shutil.copyfile(connecting.DEMO, path)
    os.chmod(path, 0)
    ran(url=f"file:{path}", preexec_fn=without_roots_privilege).degraded()


@pytest.mark.slow
def test_an_optional_table_is_missing(demo_copy: str) -> None:
    altered(demo_copy, "DROP TABLE missions")
    answer = ran(url=demo_copy).answer()
    assert answer["degraded"] == ""
    assert answer["missing_sources"] == ["missions"]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["users", "learning_objectives"])
def test_a_required_table_is_missing(demo_copy: str, table: str) -> None:
    altered(demo_copy, f"DROP TABLE {table}")
    assert table in ran(url=demo_copy).error(78, "configuration")
    report = ran("--doctor", url=demo_copy)
    found = read_output(report.stdout)["database"]
    assert report.code == 78
    assert found["reachable"]
    assert table in found["error"]


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), [("reviews", "reviewedAt"), ("users", "id"), ("cards", "objectiveId")])
def test_a_renamed_column(demo_copy: str, table: str, column: str) -> None:
    altered(demo_copy, f'ALTER TABLE {table} RENAME COLUMN "{column}" TO renamed')
    result = ran(url=demo_copy)
    if result.code == 0:
        assert result.answer()["missing_sources"] == [f"{table}.{column}"]
    else:
        assert column in result.error(78, "configuration")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_row_of_twenty_megabytes(kind: str, demo_copy: str, request: pytest.FixtureRequest) -> None:
    url = demo_copy if kind == "sqlite" else request.getfixturevalue("app")
    with open_writer(url) as writer:
        writer.update("LearningObjective", OBJECTIVE, objective="y" * 20_000_000)
    result = ran(url=url)
    result.is_whole()
    assert len(result.stdout) < 50_000


# The model file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(save_model(str(tmp_path)))


def by_model(path: Path) -> Ran:
    return ran(LEARNER, OBJECTIVE, "--model", str(path))


@pytest.mark.slow
def test_a_model_answers_and_a_missing_one_is_said(model: Path) -> None:
    assert by_model(model).answer()["source"] == "model"
    by_model(model.with_name("none.pkl")).error(78, "model_not_found")


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["malicious", "pipe", "directory", "device", "endless", "cut off", "empty", "loop"])
def test_a_model_file_that_must_not_be_used(model: Path, kind: str) -> None:
    marker = model.with_name("marker")
    content = model.read_bytes()
    model.unlink()
    if kind in ("device", "endless"):
        model.symlink_to("/dev/null" if kind == "device" else "/dev/zero")
    elif kind == "malicious":
        model.write_bytes(pickle.dumps(Malicious(marker)))
    elif kind == "pipe":
        os.mkfifo(model)
    elif kind == "directory":
        model.mkdir()
    elif kind == "loop":
        model.symlink_to(model)
    else:
        model.write_bytes(content[: len(content) // 2] if kind == "cut off" else b"")
    by_model(model).error(78, "model_refused")
    assert not marker.exists()


@pytest.mark.slow
def test_a_model_file_damaged_at_sampled_bytes(model: Path) -> None:
    """In real processes at a few places; tests/fuzz/seeded.py does the same at thousands."""
    content = model.read_bytes()
    for at in random.Random(7).sample(range(len(content)), 12):
        model.write_bytes(content[:at] + bytes((content[at] ^ 0x55,)) + content[at + 1 :])
        by_model(model).error(78, "model_refused")


@pytest.mark.slow
def test_a_model_replaced_while_it_is_read(model: Path) -> None:
    """Each of the answers is complete and comes from one version."""
    versions = [model.read_bytes(), Path(save_model(tempfile.mkdtemp(dir=model.parent), seed=2)).read_bytes()]
    expected = set()
    for content in versions:
        model.write_bytes(content)
        expected.add(by_model(model).answer()["probability"])
    assert len(expected) == 2
    stop = threading.Event()

    def switch() -> None:
        turn = 0
        while not stop.wait(0.005):
            turn += 1
            atomic_files.put(str(model), versions[turn % 2], True)

    switching = threading.Thread(target=switch)
    switching.start()
    try:
        processes = [started(LEARNER, OBJECTIVE, "--model", str(model)) for _ in range(12)]
        assert {finished(process).answer()["probability"] for process in processes} <= expected
    finally:
        stop.set()
        switching.join()


# The streams


@pytest.mark.slow
def test_stdout_is_closed() -> None:
    process = started(preexec_fn=lambda: os.close(1), stdout=None)
    result = finished(process)
    assert (result.code, result.stdout) == (74, b"")
    assert b"Traceback" not in result.stderr


@pytest.mark.slow
def test_the_disk_is_full() -> None:
    with open("/dev/full", "wb") as full:
        result = finished(started(stdout=full))
    assert result.code == 74
    assert b"Traceback" not in result.stderr


@pytest.mark.slow
def test_the_reader_of_stdout_is_gone() -> None:
    reading, writing = os.pipe()
    process = started(stdout=writing)
    os.close(reading)
    os.close(writing)
    result = finished(process)
    assert result.code == 74
    assert b"Traceback" not in result.stderr


@pytest.mark.slow
def test_the_reader_goes_away_half_way() -> None:
    reading, writing = filled_pipe()
    process = started(stdout=writing)
    os.close(writing)
    time.sleep(0.3)
    os.read(reading, 1000)  # room for a part of the answer at most
    os.close(reading)
    assert finished(process).code == 74


@pytest.mark.slow
def test_a_reader_that_never_reads() -> None:
    reading, writing = filled_pipe()
    process = started(stdout=writing)
    assert finished(process).code == 74
    os.close(reading)
    os.close(writing)


@pytest.mark.slow
def test_a_process_that_must_wait_just_after_its_answer_was_written_still_ends_with_0() -> None:
    """The system may let it wait longer than a reader may take; what was delivered is no lost answer."""
    for _ in range(4):
        process = started()
        select.select([process.stdout], [], [])
        process.send_signal(signal.SIGSTOP)
        time.sleep(WRITING_S + 0.1)
        process.send_signal(signal.SIGCONT)
        assert finished(process).answer()["risk_level"] == "HIGH"


@pytest.mark.slow
def test_time_that_a_busy_machine_takes_from_the_imports_counts_towards_the_deadline() -> None:
    """Were it not counted, no process would end earlier than four seconds after it goes on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/silent"
        for _ in range(5):
            process = started(env={**os.environ, "DATABASE_URL": url})
            while not catches(process.pid, signal.SIGTERM):
                time.sleep(0.0002)
            process.send_signal(signal.SIGSTOP)
            time.sleep(3.9)
            process.send_signal(signal.SIGCONT)
            resumed = time.monotonic()
            assert finished(process).degraded()
            if time.monotonic() - resumed < 3.9:
                return
    pytest.fail("time before the imports is not counted")


def catches(pid: int, signum: int) -> bool:
    """Whether the process has a handler of its own for a signal."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signum - 1) & 1)


@pytest.mark.slow
@pytest.mark.parametrize("is_read", [True, False])
def test_stdout_does_not_block(is_read: bool) -> None:
    reading, writing = filled_pipe()
    os.set_blocking(writing, False)
    process = started(stdout=writing)
    os.close(writing)
    if not is_read:
        assert finished(process).code == 74
        os.close(reading)
        return
    os.read(reading, 4096)
    with open(reading, "rb") as pipe:
        stdout = pipe.read()
    result = finished(process)
    Ran(result.code, stdout, result.stderr, result.seconds).is_whole()


@pytest.mark.slow
def test_a_reader_that_never_reads_stderr() -> None:
    reading, writing = filled_pipe()
    process = started("nobody", OBJECTIVE, stderr=writing)
    finished(process).error(66, "unknown_learner")
    os.close(reading)
    os.close(writing)


@pytest.mark.slow
def test_stopped_while_stdout_is_full(app: str) -> None:
    reading, writing = filled_pipe()
    with reviews_locked(app):
        process = started(stdout=writing, env={**os.environ, "DATABASE_URL": app})
        backend_of(app)
        process.terminate()
        assert finished(process, LOADED_S).code == 143
    os.close(reading)
    os.close(writing)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [(2,), (0, 2), (0,)])
def test_streams_are_closed_and_our_words_do_not_reach_the_server(closed: tuple[int, ...]) -> None:
    """Where stderr is closed, the connection to the database would get its number."""
    heard = bytearray()

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer:
                    while octets := peer.recv(1000):
                        heard.extend(octets)

    def close() -> None:
        for number in closed:
            os.close(number)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, daemon=True).start()
        url = f"postgresql://app@127.0.0.1:{listener.getsockname()[1]}/app?sslmode=disable"
        environment = {**os.environ, "DATABASE_URL": url}
        how = {"stderr": None} if 2 in closed else {}
        finished(started(*IMPATIENT, env=environment, preexec_fn=close, **how)).degraded()
        listener.shutdown(socket.SHUT_RDWR)
    assert b"struggle-predictor" in heard
    assert b"predict.py:" not in heard


# Signals

MOMENTS = int(os.environ.get("SIGNAL_MOMENTS", "60"))
"""Random moments for each of four signals; SIGNAL_MOMENTS=250 makes a thousand."""


def struck(number: int, delay_s: float) -> Ran:
    process = started()
    time.sleep(delay_s)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
    return finished(process)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGALRM], ids=lambda n: n.name
)
def test_a_signal_at_any_moment(number: signal.Signals) -> None:
    """A complete answer with 0, or the interruption as JSON; before predict.py's first line, the system's own death."""
    process = started()
    began = time.monotonic()
    finished(process).is_whole()
    usual_s = time.monotonic() - began
    chance = random.Random(int(number))
    endings: Counter[int] = Counter()
    for _ in range(MOMENTS):
        result = struck(number, chance.uniform(0, 1.2 * usual_s))
        endings[result.code] += 1
        if result.code == 0 and b"Error processing line" in result.stderr:
            # An interruption fell to Python's own start-up (a .pth file), which shrugged and went on.
            assert number == signal.SIGINT
            assert b"predict.py" not in result.stderr.replace(PREDICT.encode(), b""), result.stderr
            assert read_output(result.stdout)["probability"]
        elif result.code == 0 and b"<function _get_module_lock" in result.stderr:
            # One fell to a callback of Python's imports, which drops it and may leave a lock held until our deadline.
            assert number == signal.SIGINT
            assert read_output(result.stdout)["probability"]
        elif result.code == 0:
            result.is_whole()
        elif result.code == INTERRUPTED.get(number):
            result.error(result.code, "interrupted")
        else:  # Python itself was still starting
            assert result.code in (-number, 1 if number == signal.SIGINT else -number), (result.code, result.stderr)
            assert result.stdout == b""
            assert b"predict.py" not in result.stderr.replace(PREDICT.encode(), b""), result.stderr
    assert endings[0] or endings[INTERRUPTED.get(number, 0)], endings


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_stopped_while_waiting_for_the_database(app: str, number: signal.Signals) -> None:
    with reviews_locked(app):
        process = started(env={**os.environ, "DATABASE_URL": app})
        backend_of(app)
        for _ in range(5):  # impatient callers repeat themselves
            process.send_signal(number)
        finished(process).error(INTERRUPTED[number], "interrupted")
    assert connections_left(app) == 0


# The surroundings

PATH = {"PATH": os.environ.get("PATH", "")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {**PATH, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {**PATH, "LC_ALL": "no_such_LOCALE", "LANG": "xx"},
        {**PATH, "PYTHONIOENCODING": "utf-16", "PYTHONUNBUFFERED": "1"},
        {**PATH, "TZ": "Nowhere/Never", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        {**PATH, "HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PYTHONWARNINGS": "error"},
        {**PATH, "PYTHONSAFEPATH": "1"},
    ],
    ids=["empty", "C", "unknown locale", "utf-16", "time zone", "no home", "safe path"],
)
def test_any_environment(environment: dict[str, object] | dict[str, str]) -> None:
    result = ran(env=environment)
    result.is_whole()
    assert result.stderr == b"predict.py: DATABASE_URL is not set, so the embedded demo database was read\n"


@pytest.mark.slow
def test_without_home_postgresql_is_reached_all_the_same(app: str) -> None:
    ran(env={"DATABASE_URL": app}).is_whole()


@pytest.mark.slow
def test_an_id_beyond_ascii_is_found_in_any_locale(demo_copy: str) -> None:
    altered(demo_copy, f"UPDATE users SET id = 'Zoë' WHERE id = '{LEARNER}'")
    for environment in ({"PYTHONUTF8": "1"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        answer = ran("Zoë", OBJECTIVE, env={**PATH, **environment}, url=demo_copy).answer()
        assert answer["user_id"] == "Zoë"


@pytest.mark.slow
@pytest.mark.parametrize("flags", [("-O",), ("-OO",), ("-I",), ("-E", "-s"), ("-X", "dev"), ("-W", "error")])
def test_any_flags_of_python(flags: tuple[str, ...]) -> None:
    ran(python=flags).is_whole()


@pytest.mark.slow
def test_another_working_directory_one_removed_and_one_read_only(guarded: Path) -> None:
    ran(cwd="/").is_whole()
    gone = guarded / "gone"
    gone.mkdir()
    words = ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", sys.executable, PREDICT, LEARNER, OBJECTIVE]
    finished(Running(words, cwd=gone)).is_whole()
    os.chmod(guarded, 0o555)
    try:
        ran(cwd=guarded, preexec_fn=without_roots_privilege).is_whole()
    finally:
        os.chmod(guarded, 0o755)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "0", "1e309", "x"])
def test_a_deadline_that_is_none(seconds: str) -> None:
    ran(LEARNER, OBJECTIVE, "--timeout", seconds).error(2, "usage")


@pytest.mark.slow
def test_hardly_any_file_descriptors_and_no_file_may_grow() -> None:
    for limit, most in ((resource.RLIMIT_NOFILE, 12), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        ran(preexec_fn=lambda limit=limit, most=most: resource.setrlimit(limit, (most, most))).is_whole()
