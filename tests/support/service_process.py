"""The service as a process of its own, as a deployment runs it: a real port, real uvicorn, real threads."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from db.connecting import DEMO
from db.demo import LEARNER
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import SavedModel, Scorecard, Table
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DEMO_URL = f"sqlite:///{DEMO}"
STARTS_WITHIN_S = 120.0
OBJECTIVE, MASTERED = "action-potentials", "anatomy-upper-limb"
AS_OF = "2025-03-01T12:00:00Z"
PAIR = {"user_id": LEARNER, "objective_id": OBJECTIVE}


@contextlib.contextmanager
def serving(log: Path, command: Sequence[str] = (), cwd: Path = ROOT, **environment: str) -> Iterator[str]:
    """The base URL of a service that answers, by default on the embedded demo database; it ends cleanly.

    command: one other than ours, to be given --port.
    """
    port = free_port()
    argv = [sys.executable, "-W", "error", *(command or ["-m", "scripts.service"]), "--port", str(port)]
    ours = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "DATABASE_URL": DEMO_URL}
    environment = {**os.environ, **ours, **environment}
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, cwd=cwd, env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{url}/health", timeout=10)
            return
        time.sleep(0.05)
    raise AssertionError(f"the service does not answer: {log.read_text(errors='replace')[-3000:]}")


def printed(*arguments: str, **environment: str) -> bytes:
    """What predict.py prints."""
    command = [sys.executable, str(ROOT / "predict.py"), *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=True).stdout


def a_model(version: str, intercept: float) -> SavedModel:
    """One that answers with its intercept, whatever the features."""
    flat = Table((), (0.0,), (), 0.0, False)
    card = Scorecard(intercept, [flat] * len(FEATURE_NAMES), (1.0, 0.0), [], [])
    return SavedModel(version, card, ["a test"], {}, 0.65)
