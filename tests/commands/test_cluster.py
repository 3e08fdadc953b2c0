"""The batch and training on a Dask cluster of real processes."""

from __future__ import annotations

import contextlib
import operator
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.support.postgres_server import Databases

pytest.importorskip("distributed")

from click.testing import CliRunner
from distributed import Client

from db.writing.open import open_writer
from ml.instants import iso
from scripts.evaluate_model import evaluate_model
from scripts.predict_batch import predict_batch
from scripts.retrain_model import retrain_model
from scripts.testbed.dask import ROOT, Cluster, cluster
from scripts.testbed.synthetic_rows import Size, fill
from scripts.train_initial_model import train_initial_model
from scripts.workers.backends import Workers, engine, in_order
from scripts.workers.dask_workers import WorkersLost, check_address
from tests.commands.test_batch import NOW_MS, batch, pairs_of

LEARNERS, OBJECTIVES = 160, 20


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that the environment names, so that what else is wrong is told."""
    monkeypatch.setenv("DATABASE_URL", filled_sqlite(tmp_path))


@pytest.fixture
def platform(postgres_databases: Databases) -> str:
    return filled(postgres_databases, answers=60)


def filled(postgres_databases: Databases, answers: int) -> str:
    url = postgres_databases.with_tables()
    with open_writer(url) as writer:
        fill(writer, Size(LEARNERS, OBJECTIVES, answers, 8), NOW_MS)
    return url


@pytest.mark.slow
def test_a_worker_killed_half_way_loses_and_doubles_nothing(platform: str, tmp_path: Path) -> None:
    alone, out = tmp_path / "alone.jsonl", tmp_path / "out.jsonl"
    arguments = ["--database-url", platform, "--model", "rules", "--as-of", iso(NOW_MS), "--part", "4", "--store"]
    batch(*arguments, "--output", str(alone))
    with open_writer(platform) as writer:
        stored = set(writer.select("StrugglePrediction", ("id",)))
        writer.execute(f"DELETE FROM {writer.table('StrugglePrediction')}")
        writer.execute(f"DELETE FROM {writer.table('StruggleIndicator')}")
    with cluster(str(tmp_path), 2) as running:
        argv = [sys.executable, os.path.join(ROOT, "scripts", "predict_batch.py"), *arguments, "--output", str(out)]
        command = subprocess.Popen([*argv, "--backend", "dask", "--scheduler", running.address, "--quiet"])
        deadline = time.monotonic() + 120
        while _size(f"{out}.partial") < alone.stat().st_size // 4:
            assert command.poll() is None, "it ended before a worker could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.workers[0].kill()
        assert command.wait(120) == 0
        assert running.workers[1].poll() is None
    pairs = pairs_of(out)
    assert len(pairs) == LEARNERS * OBJECTIVES
    assert set(pairs.values()) == {1}
    assert out.read_bytes() == alone.read_bytes()
    with open_writer(platform) as writer:
        assert set(writer.select("StrugglePrediction", ("id",))) == stored


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def train(url: str, models: Path, *arguments: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, os.path.join(ROOT, "scripts", "train_initial_model.py"), "--force", "--database-url", url]
    argv += ["--models-dir", str(models), "--as-of", iso(NOW_MS), *arguments]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL)


def in_the_midst(client: Client, command: subprocess.Popen[bytes]) -> int:
    """The process id of a worker that keeps a connection and has parts to do, stopped so that it cannot finish them."""
    deadline = time.monotonic() + 120
    kept = lambda: (os.getpid(), bool(getattr(sys.modules.get("scripts.workers.kept"), "_kept", ())))  # noqa: E731
    while True:
        assert command.poll() is None, "it ended before a worker could be killed"
        assert time.monotonic() < deadline
        at_work = {worker: process for worker, (process, has_one) in client.run(kept).items() if has_one}
        for worker, process in at_work.items():
            os.kill(process, signal.SIGSTOP)
            if client.processing().get(worker):
                return process
            os.kill(process, signal.SIGCONT)


def content_of(models: Path) -> dict[str, bytes]:
    names = [name for name in os.listdir(models) if name == "current.pkl" or name.startswith("difficulty-")]
    return {name: (models / name).read_bytes() for name in names}


@pytest.mark.slow
def test_a_worker_killed_in_the_midst_of_training_leaves_the_model_as_it_would_have_been(
    postgres_databases: Databases, tmp_path: Path
) -> None:
    platform = filled(postgres_databases, answers=20)  # few, for fitting takes longer than extraction
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    command = train(platform, alone, "--jobs", "1")
    assert command.wait(120) == 0
    with cluster(str(tmp_path), 2) as running, Client(running.address, set_as_default=False) as client:
        command = train(platform, shared, "--backend", "dask", "--scheduler", running.address)
        killed = in_the_midst(client, command)
        os.kill(killed, signal.SIGKILL)
        assert command.wait(120) == 0
        (left,) = [worker for worker in running.workers if worker.pid != killed]
        assert left.poll() is None
    assert len(content_of(alone)) == 2
    assert content_of(shared) == content_of(alone)


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_exit_69(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.workers.dask_workers.CONNECT_WITHIN", "1s")
    nowhere = ("--demo", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:9")
    said = batch(*nowhere, "--output", str(tmp_path / "o"), expected=69)
    assert "tcp://127.0.0.1:9" in said
    assert not (tmp_path / "o").exists()
    for command, directory in ((train_initial_model, ("--models-dir", str(tmp_path / "models"))), (evaluate_model, ())):
        ran = CliRunner().invoke(command, [*nowhere, *directory])
        assert (ran.exit_code, "tcp://127.0.0.1:9" in ran.stderr) == (69, True), ran.output
    assert os.listdir(tmp_path / "models") == []


@pytest.mark.slow
def test_a_scheduler_that_dies_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.workers.dask_workers.CONNECT_WITHIN", "1s")

    def parts() -> Iterator[tuple[float]]:
        for number in range(100):
            if number == 20:
                running.scheduler.kill()
            yield (-number,)

    with cluster(str(tmp_path), 1) as running:
        workers = Workers("dask", 2, running.address)
        with pytest.raises(WorkersLost, match="went away"), engine(*workers):
            list(in_order(abs, parts(), workers))


@pytest.mark.slow
def test_a_single_worker_does_the_work_rather_than_the_command(tmp_path: Path) -> None:
    with cluster(str(tmp_path), 1) as running:
        workers = Workers("dask", 2, running.address)
        with engine(*workers):
            assert set(in_order(os.getpid, [()] * 3, workers)) == {running.workers[0].pid}


@pytest.mark.slow
def test_a_cluster_without_workers_is_exit_69(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.workers.dask_workers.WORKERS_WITHIN_S", 1)
    with cluster(str(tmp_path), 0) as running:
        door = ("--demo", "--backend", "dask", "--scheduler", running.address)
        assert "no worker" in batch(*door, "--output", str(tmp_path / "o"), expected=69)
        ran = CliRunner().invoke(evaluate_model, door)
        assert (ran.exit_code, "no worker" in ran.stderr) == (69, True), ran.output


@pytest.mark.slow
@pytest.mark.parametrize("command", [predict_batch, train_initial_model, evaluate_model, retrain_model])
@pytest.mark.parametrize("half", [("--backend", "dask"), ("--scheduler", "tcp://127.0.0.1:9")])
def test_a_cluster_and_its_address_belong_together(named: None, command: click.Command, half: tuple[str, str]) -> None:
    ran = CliRunner().invoke(command, half)
    assert (ran.exit_code, "belong together" in ran.stderr) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:8786", "http:// is not the address of a Dask scheduler"),
        ("inproc://somewhere", "inproc:// is not the address"),
        ("tcp://127.0.0.1", "names no port"),
        ("127.0.0.1", "names no port"),
        ("tcp://127.0.0.1:abc", "is not a number from 1 to 65535"),
        ("tcp://127.0.0.1:99999", "is not a number from 1 to 65535"),
        ("tcp://127.0.0.1:0", "is not a number from 1 to 65535"),
        ("tcp://", "names no host"),
        ("tcp://:8786", "names no host"),
        ("tcp://a b:8786", "names no host"),
        ("tls://127.0.0.1:8786", "needs Dask's TLS settings"),
    ],
)
@pytest.mark.parametrize("command", [predict_batch, train_initial_model, evaluate_model, retrain_model])
def test_an_address_that_is_plainly_wrong_is_a_sentence_at_once(
    named: None, command: click.Command, address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distributed.Client", lambda *_, **__: pytest.fail("it was asked"))
    ran = CliRunner().invoke(command, ["--backend", "dask", "--scheduler", address])
    assert (ran.exit_code, ran.stdout) == (78, "")
    assert why in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "127.0.0.1:8786", "tcp://[::1]:8786", "ws://host:1"])
def test_an_address_that_may_be_a_schedulers_is_taken(address: str) -> None:
    check_address(address)


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n", b"HTTP/1.0 4"], ids=["none", "http", "cut off"]
)
def test_what_listens_at_a_schedulers_port_and_is_none_is_a_sentence_and_69(tmp_path: Path, reply: bytes) -> None:
    """It may answer in another protocol, and then hang up, or say nothing at all for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as kept:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = kept.enter_context(listening.accept()[0])
                    connection.sendall(reply)

        kept.callback(listening.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=answer, daemon=True).start()
        code = "import scripts.workers.dask_workers as d; d.CONNECT_WITHIN = '2s'; from scripts.predict_batch import *;"
        argv = [sys.executable, "-c", code + "predict_batch()", "--backend", "dask", "--scheduler"]
        argv += [f"tcp://127.0.0.1:{listening.getsockname()[1]}", "--demo", "--output", str(tmp_path / "o")]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (69, "")
    assert "cannot be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def told(running: Cluster, url: str, out: Path, *more: str) -> list[str]:
    argv = [sys.executable, os.path.join(ROOT, "scripts", "predict_batch.py"), "--database-url", url, "--quiet"]
    argv += ["--model", "rules", "--as-of", iso(NOW_MS), "--output", str(out), *more]
    return [*argv, "--backend", "dask", "--scheduler", running.address]


@pytest.mark.slow
@pytest.mark.parametrize("whole_cluster", [True, False])
def test_a_worker_that_cannot_import_the_predictor_is_a_sentence_and_69(tmp_path: Path, whole_cluster: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "scripts.py").touch()  # which hides the package
    url = filled_sqlite(tmp_path)
    with cluster(str(tmp_path), 1, str(elsewhere) if whole_cluster else ROOT, str(elsewhere)) as running:
        done = subprocess.run(
            told(running, url, tmp_path / "out"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout) == (69, "")
    assert "cannot run the predictor" in done.stderr
    assert "scripts" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_death_of_the_last_worker_in_the_middle_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    """Killed, or gone with its machine: then nobody closes its connection, and it only falls silent."""
    monkeypatch.setattr("scripts.workers.dask_workers.WORKERS_WITHIN_S", 3)
    monkeypatch.setattr("scripts.workers.dask_workers.LOOK_EVERY_S", 0.5)
    with cluster(str(tmp_path), 1) as running:
        workers = Workers("dask", 1, running.address)

        def parts() -> Iterator[tuple[float]]:
            yield (0.0,)
            yield (300.0,)
            yield (0.0,)

        with engine(*workers):
            done = in_order(time.sleep, parts(), workers)
            assert next(done) is None
            running.workers[0].send_signal(how)
            with pytest.raises(WorkersLost, match="no worker for 3 seconds"):
                next(done)


@pytest.mark.slow
def test_a_mistake_of_ours_on_a_worker_is_no_missing_installation(tmp_path: Path) -> None:
    with cluster(str(tmp_path), 1) as running:
        workers = Workers("dask", 1, running.address)
        with pytest.raises(AttributeError), engine(*workers):
            list(in_order(operator.attrgetter("nothing"), [(1,)], workers))


def filled_sqlite(directory: Path) -> str:
    url = f"file:{directory}/platform.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(3, 2, 4, 1), NOW_MS)
    return url
