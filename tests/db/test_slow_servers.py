"""PostgreSQL servers far away, overrun or silent: they are waited for, or passed over, within the deadline."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import db
from db import errors
from db.writing.open import open_writer
from tests.support.outputs import read_output
from tests.support.postgres_server import Databases, with_demo
from tests.support.running_predict import LEARNER, LOADED_S, OBJECTIVE, PREDICT, ran
from tests.support.silent_servers import far_away, full_queue


@pytest.fixture(scope="module")
def app(postgres_databases: Databases) -> str:
    """The URL of a database with the demo learner; nothing here changes it."""
    return with_demo(postgres_databases.empty())


def at(app: str, *ports: int) -> str:
    """The URL with these ports of 127.0.0.1 in place of the server's own."""
    before, _, after = app.partition("127.0.0.1:")
    return f"{before}{','.join(f'127.0.0.1:{port}' for port in ports)}/{after.partition('/')[2]}"


def own(app: str) -> int:
    return int(app.rpartition(":")[2].partition("/")[0])


@pytest.mark.slow
def test_a_round_trip_of_a_quarter_of_a_second(app: str) -> None:
    with far_away(own(app), 0.25) as port:
        ran(url=at(app, port)).is_whole()


@pytest.mark.slow
def test_a_server_whose_accept_queue_is_full_for_over_a_second(app: str) -> None:
    """The kernel sends the lost SYN again after one second; until then the socket is not ready, and not polled."""
    with full_queue(own(app), opens_after_s=1.2) as port:
        ran(LEARNER, OBJECTIVE, "--timeout", "9", url=at(app, port)).is_whole()


@pytest.mark.slow
def test_the_commands_wait_for_such_a_server_too(app: str) -> None:
    with full_queue(own(app), opens_after_s=1.2) as port:
        report = ran("--doctor", "--timeout", "9", url=at(app, port))
    assert read_output(report.stdout)["database"]["reachable"], report.stdout
    with full_queue(own(app), opens_after_s=1.2) as port, open_writer(at(app, port)) as writer:
        assert writer.existing_tables()


@pytest.mark.slow
def test_a_silent_server_is_passed_over(app: str) -> None:
    with full_queue() as silent:
        result = ran(url=at(app, silent, own(app)))
        result.is_whole()
        assert 1.9 < result.seconds < 4 + LOADED_S
        ran(url=at(app, 1, silent, own(app))).is_whole()


@pytest.mark.slow
def test_a_server_that_accepts_and_says_nothing_is_passed_over(app: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        ran(url=at(app, mute.getsockname()[1], own(app))).is_whole()


@pytest.mark.slow
def test_connect_timeout_is_each_servers_own(app: str) -> None:
    with full_queue() as silent:
        began = time.monotonic()
        with db.connect(at(app, silent, own(app)) + "?connect_timeout=1", timeout_s=60) as client:
            client.now()
        assert 0.9 < time.monotonic() - began < 20


@pytest.mark.slow
def test_connect_timeout_of_the_only_server(app: str) -> None:
    with full_queue() as silent:
        began = time.monotonic()
        with pytest.raises(errors.DatabaseUnavailable, match="no answer within connect_timeout"):
            db.connect(at(app, silent) + "?connect_timeout=1", timeout_s=60)
        assert time.monotonic() - began < 20


@pytest.mark.slow
def test_all_servers_silent_end_at_the_deadline(app: str) -> None:
    with full_queue() as silent, full_queue() as other:
        began = time.monotonic()
        with pytest.raises(errors.DatabaseUnavailable, match="in time"):
            db.connect(at(app, silent, other), timeout_s=1)
        assert 0.9 < time.monotonic() - began < 20


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["prefer-standby", "read-write", "primary", "any"])
def test_the_kind_of_server_that_the_url_asks_for_is_found_past_a_silent_one(app: str, wanted: str) -> None:
    """With prefer-standby libpq goes through the list twice, and comes back to the one primary."""
    with full_queue() as silent:
        url = at(app, own(app), silent) + f"?connect_timeout=1&target_session_attrs={wanted}"
        with db.connect(url, timeout_s=60) as client:
            client.now()


@pytest.mark.slow
def test_a_server_of_the_wrong_kind_is_told_in_libpqs_words(app: str) -> None:
    assert "standby" in ran(url=f"{app}?target_session_attrs=standby").degraded()


@pytest.mark.slow
def test_a_name_whose_first_address_is_silent(app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As localhost where ::1 is filtered: the name's other addresses are tried."""
    resolve = socket.getaddrinfo

    def two_addresses(host: str, port: int, *rest: int, **how: int) -> list[object]:
        found = resolve(host, port, *rest, **how)
        return [*found, *((*each[:4], ("127.0.0.2", port)) for each in found[:1])] if host == "localhost" else found

    with full_queue() as port, far_away(own(app), 0, address=("127.0.0.2", port)):
        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        with db.connect(at(app, port).replace("127.0.0.1", "localhost"), timeout_s=4) as client:
            client.now()


@pytest.mark.slow
def test_the_writer_passes_a_silent_server_over(app: str) -> None:
    with full_queue() as silent, open_writer(at(app, silent, own(app)), patience_s=4) as writer:
        assert writer.existing_tables()


@pytest.mark.slow
def test_a_batch_passes_a_silent_server_over(app: str, tmp_path: Path) -> None:
    with full_queue() as silent:
        words = [
            "--database-url",
            at(app, silent, own(app)) + "?connect_timeout=2",
            "--output",
            str(tmp_path / "a.jsonl"),
        ]
        script = PREDICT.replace("predict.py", "scripts/predict_batch.py")
        done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
