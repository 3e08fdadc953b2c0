"""The serverless function when something is wrong: a status, JSON, and never an exception."""

from __future__ import annotations

import base64
import http.client
import importlib.util
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from db.demo import LEARNER
from scripts.build_zipapp import build_zipapp
from tests.support.outputs import read_output
from tests.support.service_process import OBJECTIVE, PAIR, ROOT, printed

BODY = json.dumps(PAIR)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("zipapp") / "predict.pyz"
    assert CliRunner().invoke(build_zipapp, ["--output", str(output)]).exit_code == 0
    return output


@pytest.fixture
def functions(tmp_path: Path) -> ModuleType:
    """scripts/deploy/serverless.py alone in a directory; what lies beside it is the test's."""
    source = shutil.copy(ROOT / "scripts" / "deploy" / "serverless.py", tmp_path)
    spec = importlib.util.spec_from_file_location("serverless", source)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(functions: ModuleType, event: object) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an answer that a platform can send on."""
    answer = functions.lambda_handler(event, None)
    json.dumps(answer)
    assert answer["body"].isascii()
    headers = answer.get("headers") or {name: value for name, (value,) in answer["multiValueHeaders"].items()}
    assert headers == {"Content-Type": "application/json"}
    read = read_output if answer["statusCode"] == 200 else json.loads  # the function has failures of its own
    return answer["statusCode"], read(answer["body"])


SCRIPTS = {
    "absent": (None, 500, "not_installed"),
    "empty": ("", 500, "no_answer"),
    "of another make": ("print('hello')", 500, "no_answer"),
    "half an answer": ("print('{')", 500, "no_answer"),
    "a list": ("print('[]')", 500, "no_answer"),
    "usage without words": ("raise SystemExit(2)", 500, "no_answer"),
    "killed": ("import os; os.kill(os.getpid(), 9)", 503, "no_answer"),
    "late": ("import time; time.sleep(30)", 503, "timeout"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCRIPTS)
def test_without_an_answer_of_predict_pyz_the_function_says_so(
    functions: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, status, code = SCRIPTS[kind]
    monkeypatch.setattr(functions, "ANSWER_WITHIN_S", 1.0 if kind == "late" else 20.0)
    if source is not None:
        (tmp_path / "predict.pyz").write_text(source)
    found, answer = told(functions, {"body": BODY})
    assert (found, answer["error"]["code"]) == (status, code)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_predict_pyz_is_500(functions: ModuleType, tmp_path: Path, archive: Path, share: float) -> None:
    whole = archive.read_bytes()
    (tmp_path / "predict.pyz").write_bytes(whole[: int(len(whole) * share)])
    found, answer = told(functions, {"body": BODY})
    assert (found, answer["error"]["code"]) == (500, "no_answer")


def test_a_machine_that_starts_no_process_is_503(
    functions: ModuleType, tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(archive, tmp_path)
    monkeypatch.setenv("LONG", "x" * 200_000)  # one variable beyond what the kernel passes on
    found, answer = told(functions, {"body": BODY})
    assert (found, answer["error"]["code"]) == (503, "not_started")


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "POST",
        {},
        {"body": PAIR},
        {"body": [BODY]},
        {"body": 7},
        {"body": "{"},
        {"body": "\ud800"},
        {"body": '{"user_id": "\ud800", "objective_id": "o"}'},
        {"body": '{"user_id": "\\ud800", "objective_id": "o"}'},
        {"body": "é" * 3, "isBase64Encoded": True},
        {"body": "a", "isBase64Encoded": True},
        {"body": "%%%%", "isBase64Encoded": True},
        {"body": base64.b64encode(b"\xff\xfe").decode(), "isBase64Encoded": True},
        {"body": "[" * 60_000},
        {"body": BODY + " " * (1 << 16)},
        {"body": BODY, "requestContext": [], "httpMethod": 7, "isBase64Encoded": {}} | {"body": "null"},
        {"Records": [{"body": BODY}]},
    ],
    ids=repr,
)
def test_an_event_that_holds_no_request_is_422_with_json(functions: ModuleType, event: object) -> None:
    found, answer = told(functions, event)
    assert (found, answer["error"]["code"]) == (422, "usage")


SHAPES: dict[str, dict[str, Any]] = {
    "function URL": {"version": "2.0", "requestContext": {"http": {"method": "POST", "path": "/"}}, "headers": {}},
    "API Gateway 2.0": {"version": "2.0", "routeKey": "POST /", "requestContext": {"http": {"method": "POST"}}},
    "API Gateway 1.0": {"version": "1.0", "httpMethod": "POST", "path": "/", "requestContext": {"stage": "prod"}},
    "load balancer": {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "POST", "headers": {}},
    "load balancer, many values": {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": "POST",
        "multiValueHeaders": {"content-type": ["application/json"]},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_event_is_answered(functions: ModuleType, tmp_path: Path, archive: Path, shape: str) -> None:
    shutil.copy(archive, tmp_path)
    for body in (
        {"body": BODY, "isBase64Encoded": False},
        {"body": base64.b64encode(BODY.encode()).decode(), "isBase64Encoded": True},
    ):
        event = {**SHAPES[shape], **body}
        found, _ = told(functions, event)
        answer = functions.lambda_handler(event, None)
        assert (found, answer["body"].encode()) == (200, printed(LEARNER, OBJECTIVE))
        assert answer.get("isBase64Encoded") is (False if shape.startswith("load") else None)
        assert ("multiValueHeaders" in answer) is shape.endswith("values")
    get = json.loads(json.dumps(SHAPES[shape]).replace('"POST"', '"GET"'))
    assert told(functions, get)[0] == 405


@pytest.fixture
def vercel(functions: ModuleType) -> Iterator[int]:
    """The port of Vercel's handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functions.handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_vercels_handler_answers_json_to_whatever_is_wrong(
    functions: ModuleType, tmp_path: Path, vercel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions.handler, "timeout", 0.5)
    cases: list[tuple[str, bytes, dict[str, str], int]] = [
        ("POST", BODY.encode(), {}, 500),  # predict.pyz is absent
        ("POST", b"\xff", {}, 422),
        ("POST", b"{}", {}, 422),
        ("POST", b"", {"Content-Length": "-1"}, 422),
        ("POST", b"", {"Content-Length": "²"}, 422),
        ("POST", b"", {"Content-Length": "99999999999"}, 422),
        ("POST", b"{", {"Content-Length": "50"}, 422),  # the rest never comes
        ("GET", b"", {}, 405),
        ("DELETE", b"", {}, 405),
        ("PATCH", b"", {}, 405),
        ("OPTIONS", b"", {}, 405),
        ("GET", b"", {f"X-{number}": "many" for number in range(200)}, 431),
    ]
    for method, body, headers, status in cases:
        connection = http.client.HTTPConnection("127.0.0.1", vercel, timeout=20)
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        connection.request(method, "/api/predict", body, encoded)
        response = connection.getresponse()
        assert (response.status, response.headers["content-type"]) == (status, "application/json"), (method, headers)
        assert json.loads(response.read())["error"]["code"]
        connection.close()
    (tmp_path / "predict.pyz").write_text("import os; os.kill(os.getpid(), 9)")
    with socket.create_connection(("127.0.0.1", vercel)) as gone:
        gone.sendall(f"POST / HTTP/1.1\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode())
    assert os.path.exists(tmp_path / "predict.pyz")


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("STRUGGLE_MODEL", "/srv/secret/place.pkl", "model_not_found"),
        ("STRUGGLE_SCHEMA", "/srv/secret/schema.prisma", "configuration"),
        ("DATABASE_URL", "file:/srv/secret/app.db?schema=a&mode=/secret", None),
    ],
)
def test_what_is_set_up_wrong_is_told_to_the_log_and_not_to_the_caller(
    functions: ModuleType,
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    code: str | None,
) -> None:
    shutil.copy(archive, tmp_path / "predict.pyz")
    monkeypatch.setenv(variable, value)
    status, answer = told(functions, {"body": BODY})
    assert "secret" not in json.dumps(answer)
    assert "secret" in capsys.readouterr().err
    if code is not None:
        assert (status, answer["error"]["code"]) == (500, code)


@pytest.mark.slow
def test_the_body_chooses_the_words_of_the_answer(functions: ModuleType, tmp_path: Path, archive: Path) -> None:
    shutil.copy(archive, tmp_path / "predict.pyz")
    status, found = told(functions, {"body": json.dumps({**PAIR, "language": "de", "audience": "learner"})})
    assert (status, found["language"], found["audience"]) == (200, "de", "learner")
    assert "; dein nächster Schritt: " in found["reasoning"]
    assert told(functions, {"body": json.dumps({**PAIR, "language": None})})[1]["language"] == "en"
    assert told(functions, {"body": json.dumps({**PAIR, "user_id": "--demo", "language": "de"})})[0] == 404
    for unknown in ("fr", "", 7, "de\0"):
        status, refused = told(functions, {"body": json.dumps({**PAIR, "language": unknown})})
        assert (status, refused["error"]["code"]) == (422, "usage")
