"""The worker as a process of its own, asked through real pipes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.outputs import read_output

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 60.0
"""For a line that a busy machine keeps back; the worker's own deadline is far below."""
OURS = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
COMMAND = (sys.executable, "-W", "error", "-m", "scripts.worker")


class Worker(subprocess.Popen[bytes]):
    """One that has said hello. Every line that is read must fit its published schema."""

    def __init__(self, *arguments: str, url: str | None = None, environment: dict[str, str] | None = None) -> None:
        variables = {**os.environ, **OURS, **(environment or {})}
        if url is not None:
            variables["DATABASE_URL"] = url
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        super().__init__([*COMMAND, *arguments], env=variables, bufsize=0, **pipes)  # type: ignore[call-overload]
        self._read = b""
        self.hello = self.line()

    def raw_line(self, within_s: float = WITHIN_S) -> bytes:
        """The bytes of the next line, without its end."""
        assert self.stdout is not None
        until = time.monotonic() + within_s
        while b"\n" not in self._read:
            ready, _, _ = select.select([self.stdout], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"no line within {within_s} s; so far {self._read[-200:]!r}"
            octets = os.read(self.stdout.fileno(), 1 << 16)
            assert octets, (self.wait(WITHIN_S), self._read, self.said())
            self._read += octets
        line, _, self._read = self._read.partition(b"\n")
        return line

    def line(self, within_s: float = WITHIN_S) -> Any:
        """The next line."""
        return read_output(self.raw_line(within_s).decode("ascii"))

    def send(self, *lines: bytes) -> None:
        """Writes lines as they are."""
        assert self.stdin is not None
        self.stdin.write(b"".join(line + b"\n" for line in lines))

    def ask(self, user_id: str, objective_id: str, **more: object) -> None:
        """Sends a request."""
        self.send(json.dumps({"id": 1, "user_id": user_id, "objective_id": objective_id, **more}).encode())

    def answered(self, user_id: str, objective_id: str, **more: object) -> bytes:
        """The bytes of the answer to a request, as they stand in the line."""
        self.ask(user_id, objective_id, **more)
        line = self.raw_line()
        found = read_output(line.decode("ascii"))
        assert "answer" in found, found
        return line[len(f'{{"id": {json.dumps(found["id"])}, "answer": ') : -1]

    def ended(self, within_s: float = WITHIN_S) -> tuple[int, str]:
        """Closes stdin; returns the exit code and stderr."""
        if self.stdin is not None:
            self.stdin.close()
        return self.wait(within_s), self.said()

    def said(self) -> str:
        """All of stderr, once the process has ended."""
        assert self.stderr is not None
        return self.stderr.read().decode()

    def __exit__(self, *about: object) -> None:
        self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def printed(arguments: Sequence[str], url: str | None = None, environment: dict[str, str] | None = None) -> bytes:
    """What predict.py prints, without the line end, whatever its exit code."""
    variables = {**os.environ, **(environment or {})}
    if url is not None:
        variables["DATABASE_URL"] = url
    ran = subprocess.run([sys.executable, str(ROOT / "predict.py"), *arguments], env=variables, capture_output=True)
    return ran.stdout.removesuffix(b"\n")
