"""What the service is told is checked before it listens: one sentence, the variable's name, and a code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from scripts.serving.settings import SettingRefused, Settings, from_environment, is_loopback
from tests.support.ports import free_port
from tests.support.service_process import DEMO_URL, PAIR, ROOT, serving

REFUSED = [
    ("STRUGGLE_CONNECTIONS", "0"),
    ("STRUGGLE_CONNECTIONS", "-1"),
    ("STRUGGLE_CONNECTIONS", "1e9"),
    ("STRUGGLE_CONNECTIONS", "1000000000"),
    ("STRUGGLE_CONNECTIONS", "eight"),
    ("STRUGGLE_CONNECTIONS", "8.0"),
    ("STRUGGLE_CONNECTIONS", "1_0"),
    ("STRUGGLE_CONNECTIONS", "٨"),
    ("STRUGGLE_TIMEOUT", "0"),
    ("STRUGGLE_TIMEOUT", "-1"),
    ("STRUGGLE_TIMEOUT", "nan"),
    ("STRUGGLE_TIMEOUT", "inf"),
    ("STRUGGLE_TIMEOUT", "4s"),
    ("STRUGGLE_TIMEOUT", "1e9"),
    ("STRUGGLE_TOKEN", " "),
    ("STRUGGLE_TOKEN", "two words"),
    ("STRUGGLE_TOKEN", "two\nlines"),
    ("STRUGGLE_TOKEN", "schlüssel"),
    ("STRUGGLE_TOKEN", "\udcff"),
    ("STRUGGLE_SCHEMA", "/no/such/schema.prisma"),
    ("DATABASE_URL", ""),
    ("DATABASE_URL", " "),
    ("DATABASE_URL", "mysql://u:hunter2@h/app"),
    ("DATABASE_URL", "postgresql//u:hunter2@h/app"),
]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """The settings of an environment with the demo database and these variables."""

    def read(**environment: str) -> Settings:
        for name, value in {"DATABASE_URL": DEMO_URL, **environment}.items():
            monkeypatch.setenv(name, value)
        return from_environment(os.environ)

    return read


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_setting_that_cannot_work_is_refused_by_its_name(
    told: Callable[..., Settings], name: str, value: str
) -> None:
    with pytest.raises(SettingRefused, match=name) as refusal:
        told(**{name: value})
    assert "hunter2" not in str(refusal.value)
    assert str(refusal.value).isascii()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_setting_means_the_default(told: Callable[..., Settings], empty: str | None) -> None:
    names = ("STRUGGLE_CONNECTIONS", "STRUGGLE_TIMEOUT", "STRUGGLE_MODEL", "STRUGGLE_SCHEMA")
    settings = told(**({} if empty is None else dict.fromkeys(names, empty)))
    assert (settings.connections, settings.timeout_s, settings.model, settings.schema) == (8, 4.0, None, None)
    assert told(STRUGGLE_TOKEN="").token is None


def test_blanks_and_line_ends_around_a_token_are_cut_off(told: Callable[..., Settings]) -> None:
    assert told(STRUGGLE_TOKEN=" s3cret\r\n").token == b"s3cret"


@pytest.mark.parametrize(
    ("host", "closed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.0.2.1", False),
        ("no.such.host.invalid", False),
    ],
)
def test_only_loopback_is_closed_to_other_machines(host: str, closed: bool) -> None:
    assert is_loopback(host) is closed


def started(
    *arguments: str, module: tuple[str, ...] = ("-m", "scripts.service"), **environment: str
) -> tuple[int, str]:
    """The exit code and the words of a service that does not start."""
    ours = {"PYTHONPATH": str(ROOT), "DATABASE_URL": DEMO_URL}
    ran = subprocess.run(
        [sys.executable, "-W", "error", *module, "--port", str(free_port()), *arguments],
        cwd=ROOT,
        env={**os.environ, **ours, **environment},
        capture_output=True,
        text=True,
        timeout=50,
    )
    return ran.returncode, ran.stdout + ran.stderr


UVICORN = ("-m", "uvicorn", "--factory", "scripts.service:create_app")
STARTS: list[tuple[tuple[str, ...], tuple[str, ...] | None, dict[str, str], int, str]] = [
    ((), None, {"STRUGGLE_CONNECTIONS": "0"}, 78, "STRUGGLE_CONNECTIONS"),
    (("--workers", "2"), None, {"STRUGGLE_CONNECTIONS": "0"}, 78, "STRUGGLE_CONNECTIONS"),
    (("--workers", "2"), None, {"STRUGGLE_MODEL": "/no/such/model.pkl"}, 78, "/no/such/model.pkl"),
    ((), None, {"DATABASE_URL": ""}, 78, "DATABASE_URL"),
    (("--host", "0.0.0.0"), None, {}, 78, "STRUGGLE_TOKEN"),
    (("--host", "::", "--workers", "2"), None, {"STRUGGLE_TOKEN": ""}, 78, "STRUGGLE_TOKEN"),
    ((), UVICORN, {"STRUGGLE_TIMEOUT": "4s"}, 78, "STRUGGLE_TIMEOUT"),
]


@pytest.mark.slow
def test_a_service_that_cannot_work_ends_with_one_sentence_and_78() -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(
            pool.map(lambda case: started(*case[0], module=case[1] or ("-m", "scripts.service"), **case[2]), STARTS)
        )
    for case, (code, words) in zip(STARTS, found):
        assert (code, case[4] in words) == (case[3], True), (case, words)
        assert "Traceback" not in words
        assert len(words.strip().splitlines()) == 1, words


@pytest.mark.slow
def test_a_port_that_is_taken_ends_one_process_and_several_with_69() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for workers in ("1", "2"):
            code, words = started("--workers", workers, "--port", port)
            assert code == 69, words
            assert "Traceback" not in words
            assert "in use" in words


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_command_with_an_error(tmp_path: Path) -> None:
    # The parent checks what it can; a worker that fails all the same must not be taken for a clean end.
    code, words = started("--workers", "2", PYTHONPATH=f"{hostile(tmp_path)}:{ROOT}")
    assert code == 69, words
    assert "cannot start" in words


def hostile(directory: Path) -> Path:
    """A directory that makes every process but the first fail to import FastAPI."""
    (directory / "sitecustomize.py").write_text(
        "import multiprocessing.spawn, sys\n"
        "if '--multiprocessing-fork' in sys.argv:\n"
        "    sys.modules['prometheus_client'] = None\n"
    )
    return directory


@pytest.mark.slow
def test_an_open_port_is_served_with_a_token_or_when_told_so(tmp_path: Path) -> None:
    command = ["-m", "scripts.service", "--host", "0.0.0.0"]
    with serving(tmp_path / "a", command, STRUGGLE_TOKEN="s3cret\n") as url:
        assert httpx.post(f"{url}/predict", json=PAIR).status_code == 401
        answered = httpx.post(f"{url}/predict", json=PAIR, headers={"authorization": "Bearer s3cret"})
        assert answered.status_code == 200
    with serving(tmp_path / "b", [*command, "--no-token"]) as url:
        assert httpx.post(f"{url}/predict", json=PAIR).status_code == 200


@pytest.mark.slow
def test_several_workers_serve_and_end_with_sigterm(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "scripts.service", "--workers", "2", "--port", str(port)]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "DATABASE_URL": DEMO_URL}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                assert httpx.post(f"http://127.0.0.1:{port}/predict", json=PAIR, timeout=20).status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
    assert code == 0


@pytest.mark.slow
def test_the_callers_scripts_package_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__init__.py").write_text("raise SystemExit('the caller')")
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["struggle-service"]
    command = tmp_path / "bin" / "struggle-service"  # as pip writes it, at some distance from the caller
    command.parent.mkdir()
    command.write_text(
        f"import sys\nfrom {named.partition(':')[0]} import {named.partition(':')[2]} as run\n"
        "if __name__ == '__main__':\n    sys.exit(run())\n"
    )
    for workers in ("1", "2"):
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, command, "--workers", workers, "--port", str(port)],
            cwd=tmp_path,
            env={**os.environ, "DATABASE_URL": DEMO_URL},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 120
            while True:
                assert process.poll() is None, process.returncode
                try:
                    assert httpx.get(f"http://127.0.0.1:{port}/ready", timeout=20).status_code == 200
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        finally:
            process.terminate()
            process.wait(20)
