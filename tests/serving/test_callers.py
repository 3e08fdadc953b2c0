"""Callers who are slow, leave, show a wrong token or ask oddly; and the end of the service while they do."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from scripts.service import ENDS_WITHIN_S
from scripts.serving.gate import BODY_WITHIN_S, HEAD_WITHIN_S, READ_WITHIN_S, Gate, Metrics
from tests.support.ports import free_port
from tests.support.service_process import DEMO_URL, PAIR, ROOT, serving

TOKEN = "s3cret"
WHOLE = b'{"user_id": "demo-learner", "objective_id": "action-potentials"}'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service with a token, which the client does not show by itself."""
    with (
        serving(tmp_path_factory.mktemp("guarded") / "log", STRUGGLE_TOKEN=TOKEN) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.parametrize(
    "shown",
    ["Bearer s3cret", "bearer s3cret", "BEARER s3cret", "Bearer    s3cret", "Bearer \t s3cret"],
)
def test_bearer_is_understood_in_any_case_and_spacing(guarded: httpx.Client, shown: str) -> None:
    assert guarded.post("/predict", json=PAIR, headers={"authorization": shown}).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "Bearer",
        "Bearer s3cre",
        "Bearer s3crets",
        "Bearers3cret",
        "Basic s3cret",
        "s3cret",
        "Bearer s3 cret",
    ],
)
def test_another_token_or_scheme_is_refused(guarded: httpx.Client, shown: str | None) -> None:
    refused = guarded.post("/predict", json=PAIR, headers={} if shown is None else {"authorization": shown})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.slow
def test_two_tokens_are_refused_whichever_is_right(guarded: httpx.Client) -> None:
    for given in (("Bearer s3cret", "Bearer x"), ("Bearer x", "Bearer s3cret")):
        headers = [("authorization", each) for each in given]
        assert guarded.post("/predict", json=PAIR, headers=headers).status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/predict", b"{"),
        ("POST", "/predict", b""),
        ("POST", "/predict", b"\xff"),
        ("POST", "/predict", b" " * ((1 << 20) + 1)),
        ("POST", "/predict/batch", b"[]"),
        ("POST", "/predict/", WHOLE),
        ("GET", "/predict", b""),
        ("DELETE", "/predict/batch", b""),
        ("GET", "/no/such/path", b""),
        ("GET", "//health", b""),
    ],
)
def test_without_the_token_every_wrong_request_is_401_first(
    guarded: httpx.Client, method: str, path: str, content: bytes
) -> None:
    url = str(guarded.base_url).rstrip("/") + path
    asked = {"content": content, "headers": {"content-type": "application/json"}}
    refused = guarded.request(method, url, **asked)
    assert (refused.status_code, refused.json()["code"]) == (401, "refused")
    shown = {**asked["headers"], "authorization": f"Bearer {TOKEN}"}
    assert guarded.request(method, url, content=content, headers=shown).status_code != 401


@pytest.mark.slow
def test_probes_metrics_and_schema_are_open_and_answer_head(guarded: httpx.Client) -> None:
    for path in ("/health", "/ready"):
        head, whole = guarded.head(path), guarded.get(path)
        assert (head.status_code, head.content, whole.status_code) == (200, b"", 200)
        assert head.headers["content-type"] == whole.headers["content-type"]
    for path in ("/metrics", "/docs", "/openapi.json"):
        assert guarded.get(path).status_code == 200


def test_the_page_of_the_schema_loads_nothing_from_elsewhere(guarded: httpx.Client) -> None:
    page = guarded.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for word in ("<script", "src=", "<link", "http://", "https://", "url(", "@import"):
        assert word not in page.text.replace('<link rel="icon" href="data:,">', ""), word
    for word in ("POST /predict/batch", "GET /ready", "PredictionResponse", "422"):
        assert word in page.text, word


def head_of(length: int, port: int) -> bytes:
    return (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def dripped(port: int, at_once: bytes, drip: bytes, most_s: float) -> tuple[float, bytes]:
    """How long a caller was kept who sends a byte every half second, and what it was told."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        began = time.monotonic()
        caller.sendall(at_once)
        caller.settimeout(0.5)
        heard = b""
        while time.monotonic() < began + most_s:
            try:
                caller.sendall(drip)
                received = caller.recv(4096)
                if not received:
                    break
                heard += received
            except TimeoutError:
                continue
            except OSError:
                break
        return time.monotonic() - began, heard


@pytest.mark.slow
def test_slow_callers_are_dropped_in_time(tmp_path: Path) -> None:
    with serving(tmp_path / "log") as url:
        port = int(url.rpartition(":")[2])
        whole = head_of(len(WHOLE), port) + WHOLE
        cases = {
            "silent": (b"", b""),
            "head": (b"POST /predict HTTP/1.1\r\n", b"x-y: z\r\n"),
            "second head": (whole + b"POST ", b"a"),
            "body": (head_of(1000, port), b" "),
            "body of no route": (head_of(1000, port).replace(b"/predict", b"/nothing"), b" "),
        }
        bound_s = HEAD_WITHIN_S + BODY_WITHIN_S + 30  # a hang
        with ThreadPoolExecutor(len(cases) + 1) as pool:
            reader = pool.submit(unread, port)
            found = dict(zip(cases, pool.map(lambda case: dripped(port, *case, bound_s), cases.values())))
            assert reader.result() < READ_WITHIN_S + 30
        for case, (kept_s, _) in found.items():
            assert kept_s < bound_s, case
        assert b"408" in found["body"][1]
        assert b" 200 " in found["second head"][1]
        assert httpx.post(f"{url}/predict", json=PAIR).status_code == 200


def unread(port: int) -> float:
    """How long a caller is kept who asks on one connection, and never reads what it is told."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", port))
        began = time.monotonic()
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 2000
        caller.settimeout(1)
        while time.monotonic() < began + READ_WITHIN_S + 30:
            try:
                caller.sendall(asked)
            except TimeoutError:
                continue
            except OSError:
                break
        return time.monotonic() - began


@pytest.mark.slow
def test_sigterm_ends_the_service_while_requests_are_half_sent(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(partial(ends_after_sigterm, tmp_path), ("1", "2")))


def test_the_service_gives_requests_less_time_to_end_than_a_container_gives_the_service() -> None:
    assert ENDS_WITHIN_S <= 5 < 10


def ends_after_sigterm(directory: Path, workers: str) -> None:
    """So many workers end while requests are half sent, or the test fails."""
    port = free_port()
    with open(directory / f"log{workers}", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.service", "--workers", workers, "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": DEMO_URL},
            stdout=log,
            stderr=log,
        )
    callers = []
    try:
        deadline = time.monotonic() + 120
        while not reachable(port):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for half in (b"POST /pre", head_of(1000, port), head_of(len(WHOLE), port) + WHOLE[:10], b""):
            callers.append(socket.create_connection(("127.0.0.1", port)))
            callers[-1].sendall(half)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        for caller in callers:
            caller.close()
        process.kill()
        process.wait()


def reachable(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_a_mebibyte_of_unknown_fields_is_one_short_refusal(guarded: httpx.Client) -> None:
    """Each of them would be an error of its own, and the listing of them all keeps everybody waiting."""
    shown = {"Authorization": f"Bearer {TOKEN}"}
    unknown = {f"{number:x}": 1 for number in range(80_000)}
    for path, body in (
        ("/predict", {**PAIR, **unknown}),
        ("/predict/batch", {"pairs": [PAIR], **unknown}),
        ("/predict/batch", {"pairs": [{**PAIR, **unknown}]}),
        ("/predict", {**PAIR, "x" * 900_000: 1}),
        ("/predict", {**PAIR, "another": 1}),
    ):
        answer = guarded.post(path, json=body, headers=shown)
        assert answer.status_code == 422
        assert len(answer.content) < 2000
        if len(body) > 10 or len(str(body.get("pairs", ""))) > 1000:
            assert "more fields than" in answer.json()["detail"]


def test_what_follows_an_undeclared_body_is_no_request(guarded: httpx.Client) -> None:
    """A proxy in front that goes by the one length, and a service that goes by the other, would part ways."""
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    smuggled = "0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    for lengths in ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n"):
        with socket.create_connection((guarded.base_url.host, guarded.base_url.port), timeout=20) as connection:
            connection.sendall(f"{head}{lengths}\r\n{smuggled}".encode())
            told = b""
            while piece := connection.recv(65536):
                told += piece
        assert told.count(b"HTTP/1.1 ") == 1, told
        assert told.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))


def test_an_unexpected_error_goes_to_the_log_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """Which may quote a learner's rows, or a URL."""

    async def stumbling(*_: object) -> None:
        raise ValueError("learner-7 said something private")

    async def asked() -> httpx.Response:
        gate = Gate(stumbling, Metrics(), None)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=gate), base_url="http://here") as client:
            return await client.get("/predict")

    answer = asyncio.run(asked())
    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert "private" not in caplog.text + answer.text
    assert "ValueError < test_callers.py:" in caplog.text
