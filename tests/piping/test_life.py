"""How the worker ends, and that nothing but the protocol comes out of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db.demo import LEARNER
from tests.support.other_machines import like_windows
from tests.support.running_predict import filled_pipe
from tests.support.silent_servers import full_queue
from tests.support.worker_process import COMMAND, OURS, ROOT, WITHIN_S, Worker

pytestmark = pytest.mark.slow

OBJECTIVE = "action-potentials"
REQUEST = json.dumps({"id": 1, "user_id": LEARNER, "objective_id": OBJECTIVE}).encode() + b"\n"


def gone(pid: int) -> bool:
    """Whether a process that is not our child ends, and is no zombie afterwards."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if status.rpartition(")")[2].split()[0] == "Z":  # a container's first process may reap late, or never
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_an_idle_worker_at_once_and_stderr_says_so(number: signal.Signals, code: int) -> None:
    with Worker("--demo") as worker:
        assert worker.answered(LEARNER, OBJECTIVE)
        worker.send_signal(number)
        assert worker.wait(WITHIN_S) == code
        assert worker.said() == f"worker: stopped by {number.name}\n"


def test_sigterm_finishes_what_is_under_way_and_what_waits() -> None:
    with full_queue() as port, Worker(url=f"postgresql://app@127.0.0.1:{port}/app") as worker:
        for _ in range(3):
            worker.ask(LEARNER, OBJECTIVE, timeout=1.0)
        time.sleep(0.3)
        worker.send_signal(signal.SIGTERM)
        for _ in range(3):
            assert worker.line()["answer"]["degraded_code"] in ("deadline", "database_late", "database_unreachable")
        assert worker.wait(WITHIN_S) == 143


def test_what_sigterm_cannot_wait_for_gets_an_error_and_a_second_one_ends_at_once() -> None:
    with full_queue() as port:
        url = f"postgresql://app@127.0.0.1:{port}/app"
        with Worker("--timeout", "600", url=url) as worker, Worker("--timeout", "600", url=url) as other:
            for each in (worker, other):
                each.ask(LEARNER, OBJECTIVE)
            time.sleep(0.3)
            for each in (worker, other):
                each.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            other.send_signal(signal.SIGTERM)
            assert other.wait(4) == 143
            found = worker.line()
            assert (found["id"], found["error"]["code"], found["exit_code"]) == (1, "interrupted", 143)
            assert worker.wait(WITHIN_S) == 143


@pytest.mark.parametrize("asked", [True, False])
def test_it_ends_when_nobody_reads_its_answers(asked: bool) -> None:
    with Worker("--demo") as worker:
        assert worker.stdout is not None
        worker.stdout.close()
        if asked:
            assert worker.stdin is not None
            worker.stdin.write(REQUEST)
        assert worker.wait(WITHIN_S) == 74
        assert worker.said() == "worker: stdout cannot be written: nobody reads it.\n"


def test_a_reader_who_is_slow_gets_every_answer_whole() -> None:
    with Worker("--demo", "--threads", "3") as worker:
        assert worker.stdin is not None
        requests = [REQUEST.replace(b"1", str(number).encode(), 1) for number in range(60)]
        worker.stdin.write(b"".join(requests))
        time.sleep(0.5)
        assert sorted(worker.line()["id"] for _ in requests) == list(range(60))


def test_it_ends_when_the_other_end_of_a_socket_is_closed() -> None:
    """Node's pipes are sockets."""
    ours, theirs = socket.socketpair()
    words, environment = [*COMMAND, "--demo"], {**os.environ, **OURS}
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=theirs) as process:
        theirs.close()
        assert ours.recv(1000).startswith(b'{"protocol"')
        ours.close()
        assert process.wait(WITHIN_S) == 74


def test_a_directory_with_modules_of_our_names_is_left_alone(tmp_path: Path) -> None:
    for name in ("predict.py", "json.py", "click.py", "db.py", "ml.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [*COMMAND, "--demo"]
    ran = subprocess.run(words, cwd=tmp_path, env=environment, input=REQUEST, capture_output=True, timeout=WITHIN_S)
    assert (ran.returncode, ran.stdout.count(b"\n")) == (0, 2), ran


PARENT = """
import os, subprocess, sys
with open(sys.argv[1], "rb") as requests:
    worker = subprocess.Popen(sys.argv[2:], stdin=requests, stdout=subprocess.PIPE)
worker.stdout.readline()
print(worker.pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_its_parent_even_if_another_process_keeps_stdin_open(tmp_path: Path) -> None:
    fifo = tmp_path / "requests"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDWR)  # as a sibling that inherited the pipe
    try:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(fifo), *COMMAND, "--demo"],
            env={**os.environ, **OURS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.kill()
        assert gone(pid)
    finally:
        os.close(held)


PRINTS = """
import json, os, sys
decode = json.JSONDecoder.decode
def loudly(self, text):
    print("a library prints", flush=True)
    os.write(1, b"and writes\\n")
    os.system("echo and a child, too; cat")
    return decode(self, text)
json.JSONDecoder.decode = loudly
"""


def test_whatever_else_prints_to_stdout_comes_to_stderr(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRINTS)
    with Worker("--demo", environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"}) as worker:
        assert worker.answered(LEARNER, OBJECTIVE)
        code, said = worker.ended()
        assert code == 0
        assert said == "a library prints\nand writes\nand a child, too\n"


@pytest.mark.parametrize("url", ["", "file:/nowhere/app.sqlite3"])
def test_a_full_stderr_keeps_no_request_waiting(url: str) -> None:
    reading, writing = filled_pipe()
    environment = {**os.environ, **OURS, "DATABASE_URL": url}
    try:
        process = subprocess.Popen(
            COMMAND, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writing
        )
        said, _ = process.communicate(REQUEST * 3 + b"{\n" + REQUEST, timeout=WITHIN_S)
        assert process.returncode == 0
        assert said.count(b"\n") == 6
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(("closed", "code"), [(0, 0), (1, 74), (2, 0)])
def test_a_stream_that_is_closed_from_the_start(closed: int, code: int) -> None:
    start = f"import os, sys; os.close({closed}); os.execv(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", start, *COMMAND, "--demo"]
    ran = subprocess.run(words, env={**os.environ, **OURS}, input=REQUEST, capture_output=True, timeout=WITHIN_S)
    assert ran.returncode == code, ran
    assert ran.stdout.count(b"\n") == {0: 1, 1: 0, 2: 2}[closed]


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "says"),
    [
        (["--model", "/nowhere/model.pkl"], {}, 78, "no model file at /nowhere/model.pkl"),
        ([], {"DATABASE_URL": "mysql://x/y"}, 78, "MySQL"),
        (["--schema", "/nowhere/schema.prisma"], {}, 78, "schema.prisma"),
        (["--env-file", "/nowhere/.env"], {}, 78, "/nowhere/.env"),
        (["--demo", "--database-url", "file:x"], {}, 2, "only one"),
        (["--timeout", "nan"], {}, 2, "--timeout"),
        (["--threads", "0"], {}, 2, "--threads"),
        ([], {"STRUGGLE_CORRECT_FROM": "MAYBE"}, 78, "STRUGGLE_CORRECT_FROM"),
    ],
)
def test_what_cannot_work_ends_it_at_the_start_with_one_sentence(
    arguments: list[str], variables: dict[str, str], code: int, says: str
) -> None:
    words, environment = [*COMMAND, *arguments], {**os.environ, **OURS, **variables}
    ran = subprocess.run(words, env=environment, input="", capture_output=True, text=True, timeout=WITHIN_S)
    assert (ran.returncode, ran.stdout) == (code, ""), ran
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_it_works_without_what_windows_lacks(tmp_path: Path) -> None:
    environment = like_windows(tmp_path / "windows")
    environment["PYTHONPATH"] += f"{os.pathsep}{ROOT}"
    with Worker("--demo", environment=environment) as worker:
        assert worker.answered(LEARNER, OBJECTIVE)
        assert worker.ended() == (0, "")


def test_many_workers_that_are_killed_leave_nothing_behind() -> None:
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker("--demo")) for _ in range(3)]
        for worker in workers:
            worker.ask(LEARNER, OBJECTIVE)
            worker.kill()
            assert worker.wait(WITHIN_S) == -signal.SIGKILL
