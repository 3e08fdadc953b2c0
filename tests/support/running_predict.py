"""Real predict.py processes for tests: started, waited for, and held to the contract that every one keeps.

`Ran.answer` is that contract: it ends before a route gives up, prints exactly one ASCII JSON object on stdout, which
fits its published schema, no traceback anywhere, and no credential.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ml.study.degraded import SENTENCES
from tests.support.outputs import read_output

PREDICT = str(Path(__file__).resolve().parents[2] / "predict.py")
LEARNER, OBJECTIVE = "demo-learner", "action-potentials"
SECRET = "pa55-w0rd"
LOADED_S = 30.0
"""What a busy machine may add to a process's start and end; the deadline within is the process's own."""

INTERRUPTED = {signal.SIGTERM: 143, signal.SIGINT: 130}


class Ran:
    """A finished predict.py: its exit code, both streams, and how long it took."""

    def __init__(self, code: int, stdout: bytes, stderr: bytes, seconds: float) -> None:
        self.code, self.stdout, self.stderr, self.seconds = code, stdout, stderr, seconds

    def answer(self, code: int = 0) -> dict[str, object]:
        """The one JSON object, once everything that holds for all faults has been checked."""
        told = (self.code, self.stdout[-300:], self.stderr[-600:], self.seconds)
        assert self.code == code, told
        assert b"Traceback" not in self.stderr, told
        assert SECRET.encode() not in self.stdout + self.stderr, told
        assert self.stdout.endswith(b"\n"), told
        assert self.stdout.count(b"\n") == 1, told
        printed = read_output(self.stdout.decode("ascii"))
        assert isinstance(printed, dict)
        return printed

    def degraded(self) -> str:
        """What the operator reads of an answer that rests on default features: its sentence, and stderr's detail.

        What others read, the JSON, names no host, port, database, role or path.
        """
        answer = self.answer()
        assert answer["degraded"] == SENTENCES[str(answer["degraded_code"])]
        assert answer["confidence"] <= 0.2
        for private in (b"127.0.0.1", b"localhost", b"postgres", b"/tmp", b".py"):
            assert private not in self.stdout, self.stdout
        return f"{answer['degraded']} {self.stderr.decode()}"

    def error(self, code: int, name: str) -> str:
        """The message of a failure of this name; stderr says it too, in one line."""
        error = self.answer(code)["error"]
        assert isinstance(error, dict)
        assert error["code"] == name, error
        assert self.stderr.count(b"\n") <= 1
        return str(error["message"])

    def is_whole(self) -> None:
        """A prediction from the learner's own rows."""
        assert self.answer()["degraded"] == ""


class Running(subprocess.Popen[bytes]):
    """A process that knows when it was started; stdout and stderr are pipes where nothing else is said."""

    def __init__(self, words: Sequence[str], **how: object) -> None:
        self.began = time.monotonic()
        super().__init__(words, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how})  # type: ignore[call-overload]


def started(*arguments: str, python: tuple[str, ...] = (), script: str = PREDICT, **how: object) -> Running:
    """predict.py, running."""
    return Running([sys.executable, *python, script, *(arguments or (LEARNER, OBJECTIVE))], **how)


def finished(process: Running, timeout_s: float = 4.0 + LOADED_S) -> Ran:
    """What became of it; one that does not end is killed and fails the test."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"predict.py went on for more than {timeout_s} s")
    return Ran(process.returncode, stdout or b"", stderr or b"", time.monotonic() - process.began)


def ran(*arguments: str, url: str | None = None, env: Mapping[str, str] | None = None, **how: object) -> Ran:
    """predict.py, run to its end, against the database at url (the demo database where there is none)."""
    environment = dict(os.environ if env is None else env)
    if url is not None:
        environment["DATABASE_URL"] = url
    return finished(started(*arguments, env=environment, **how))


def altered(url: str, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(url.removeprefix("file:"))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def filled_pipe() -> tuple[int, int]:
    """A pipe without room for a byte more."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 4096)
    return reading, writing


def without_roots_privilege() -> None:
    """Between fork and exec: file permissions hold for this process, even where the tests run as root."""
    import ctypes

    drop_from_bounding_set = 24  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH are 1 and 2
    if os.geteuid() == 0:
        for capability in (1, 2):
            ctypes.CDLL(None, use_errno=True).prctl(drop_from_bounding_set, capability, 0, 0, 0)


def permissions_hold(directory: Path) -> bool:
    """Whether that worked: a container's root may lack the right to give up rights."""
    probe = directory / "probe"
    probe.touch(0o000)
    words = [sys.executable, "-c", "import sys; open(sys.argv[1])", str(probe)]
    held = subprocess.run(words, preexec_fn=without_roots_privilege, capture_output=True).returncode != 0
    probe.unlink()
    return held
