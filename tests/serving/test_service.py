"""The service answers what predict.py prints, refuses what it must, and outlives what happens around it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from db.demo import LEARNER, load_demo
from db.writing.open import open_writer
from ml.storage import model_file
from scripts.outputs.published import TITLES, schema
from scripts.serving.model import LOOK_AGAIN_S
from scripts.serving.problems import SPOKEN
from tests.conftest import need
from tests.support.guide import snippet
from tests.support.outputs import check, read_output
from tests.support.postgres_server import databases
from tests.support.service_process import AS_OF, MASTERED, OBJECTIVE, PAIR, a_model, printed, serving

REQUIRED = {"probability", "confidence", "risk_level", "reasoning", "features"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service on the embedded demo database."""
    with (
        serving(tmp_path_factory.mktemp("service") / "log") as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def is_problem(response: httpx.Response, status: int, code: str) -> bool:
    """Problem details as RFC 9457 has them, with the command's name of the failure."""
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told.keys() == {"type", "title", "status", "detail", "code"}
    return (response.status_code, told["status"], told["code"]) == (status, status, code)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [OBJECTIVE, MASTERED])
def test_the_service_answers_the_bytes_that_predict_py_prints(
    demo_database: str, tmp_path: Path, objective: str
) -> None:
    expected = printed("--as-of", AS_OF, LEARNER, objective, DATABASE_URL=demo_database)
    asked = {"user_id": LEARNER, "objective_id": objective, "as_of": AS_OF}
    with serving(tmp_path / "log", DATABASE_URL=demo_database) as url:
        assert httpx.post(f"{url}/predict", json=asked).content == expected
        batch = httpx.post(f"{url}/predict/batch", json={"pairs": [PAIR, PAIR], "as_of": AS_OF}).json()
        assert httpx.get(f"{url}/ready").json() == {
            "status": "healthy",
            "model_version": read_output(expected)["model_version"],
            "database": "reachable",
        }
    of_the_batch = read_output(printed("--as-of", AS_OF, LEARNER, OBJECTIVE, DATABASE_URL=demo_database))
    assert batch == {"predictions": [of_the_batch, of_the_batch]}


@pytest.mark.slow
def test_without_as_of_the_moment_is_the_databases_now(service: httpx.Client) -> None:
    expected = printed(LEARNER, OBJECTIVE)  # the demo database's clock stands still
    answered = service.post("/predict", json=PAIR)
    assert answered.content == expected
    assert answered.json()["risk_level"] == "HIGH"
    assert service.post("/predict/batch", json={"pairs": [PAIR]}).json()["predictions"] == [read_output(expected)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({**PAIR, "user_id": "nobody"}, "unknown_learner"),
        ({**PAIR, "objective_id": "nothing"}, "unknown_objective"),
        ({**PAIR, "user_id": "' OR 1=1 --"}, "unknown_learner"),
    ],
)
def test_whom_or_what_nobody_knows_is_a_404_problem(service: httpx.Client, asked: dict[str, str], code: str) -> None:
    assert is_problem(service.post("/predict", json=asked), 404, code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"user_id": "demo-learner"}',
        b'{"user_id": "", "objective_id": "o"}',
        b'{"user_id": "\\u0000", "objective_id": "o"}',
        b'{"user_id": "\\ud800", "objective_id": "o"}',
        b'{"user_id": 1, "objective_id": "o"}',
        b'{"user_id": "u", "objective_id": "o", "model": "/etc/passwd"}',
        b'{"user_id": "u", "objective_id": "o", "as_of": "yesterday"}',
        b'{"user_id": "u", "objective_id": "o", "as_of": 1700000000}',
        b'{"user_id": "u", "objective_id": "o", "as_of": "0001-01-01T00:00:00+14:00"}',
        b'{"user_id": "%s", "objective_id": "o"}' % (b"u" * 513),
    ],
)
def test_what_is_no_request_is_a_422_problem_that_quotes_nothing(service: httpx.Client, body: bytes) -> None:
    response = service.post("/predict", content=body, headers={"content-type": "application/json"})
    assert is_problem(response, 422, "invalid_request")
    assert "/etc/passwd" not in response.text
    assert "u" * 100 not in response.text


@pytest.mark.parametrize("header", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_declared_as_json_is_told_of_the_header(service: httpx.Client, header: str | None) -> None:
    body = json.dumps(PAIR).encode()
    response = service.post("/predict", content=body, headers={} if header is None else {"Content-Type": header})
    assert is_problem(response, 422, "invalid_request")
    assert response.json()["detail"].startswith("the header Content-Type must be application/json; ")
    malformed = service.post("/predict", content=b"{}", headers={"Content-Type": "application/json; charset=utf-8"})
    assert "Content-Type" not in malformed.json()["detail"]


def test_a_moment_that_is_none_is_told_how_one_is_written(service: httpx.Client) -> None:
    response = service.post("/predict", json={**PAIR, "as_of": "yesterday"})
    assert is_problem(response, 422, "invalid_request")
    assert "write 2026-11-16 or 2026-11-16T03:00:00Z" in response.json()["detail"]
    assert "yesterday" not in response.text


def test_bytes_that_are_no_text_are_a_400_problem(service: httpx.Client) -> None:
    response = service.post("/predict", content=b'{"user_id": "\xff"}', headers={"content-type": "application/json"})
    assert is_problem(response, 400, "refused")


def test_a_body_over_a_mebibyte_or_of_no_declared_length_is_refused_unread(service: httpx.Client) -> None:
    assert is_problem(service.post("/predict", content=b" " * ((1 << 20) + 1)), 413, "too_large")
    assert is_problem(service.post("/predict", content=iter([b"{}"])), 413, "too_large")


def test_a_batch_keeps_its_order_and_a_pairs_problem_is_its_own(service: httpx.Client) -> None:
    pairs = [
        {"user_id": LEARNER, "objective_id": MASTERED},
        {"user_id": LEARNER, "objective_id": "nothing"},
        PAIR,
        {"user_id": "nobody", "objective_id": OBJECTIVE},
    ]
    found = service.post("/predict/batch", json={"pairs": pairs, "as_of": AS_OF}).json()["predictions"]
    assert [each.get("objective_id", each.get("code")) for each in found] == [
        MASTERED,
        "unknown_objective",
        OBJECTIVE,
        "unknown_learner",
    ]
    assert {each["as_of"] for each in found if "as_of" in each} == {"2025-03-01T12:00:00.000Z"}
    assert is_problem(service.post("/predict/batch", json={"pairs": []}), 422, "invalid_request")
    assert is_problem(service.post("/predict/batch", json={"pairs": [PAIR] * 501}), 422, "invalid_request")


@pytest.mark.slow
def test_a_token_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    with serving(tmp_path / "log", STRUGGLE_TOKEN="s3cret") as url:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
            for path, body in (("/predict", PAIR), ("/predict/batch", {"pairs": [PAIR]})):
                refused = httpx.post(f"{url}{path}", json=body, headers=headers)
                assert is_problem(refused, 401, "refused")
                assert refused.headers["www-authenticate"] == "Bearer"
        assert httpx.post(f"{url}/predict", json=PAIR, headers={"authorization": "Bearer s3cret"}).status_code == 200
        assert httpx.get(f"{url}/health").status_code == 200  # a load balancer has no token


def test_metrics_are_what_prometheus_reads(service: httpx.Client) -> None:
    service.post("/predict", json=PAIR)
    service.post("/predict", json={**PAIR, "user_id": "nobody"})
    response = service.get("/metrics")
    samples = [sample for family in text_string_to_metric_families(response.text) for sample in family.samples]
    found = {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}
    assert found["struggle_requests_total", "/predict", "200"] >= 1
    assert found["struggle_requests_total", "/predict", "404"] >= 1
    assert found["struggle_request_seconds_count", "/predict"] >= 2
    assert sum(value for (name, *_), value in found.items() if name == "struggle_predictions_total") >= 1
    assert any(name == "struggle_model_info" for name, *_ in found)
    paths = {sample.labels["path"] for sample in samples if "path" in sample.labels}
    service.get("/no/such/path")
    assert paths <= {"/predict", "/predict/batch", "/health", "/ready", "/metrics", "(none)", "/openapi.json"}


def test_an_unknown_path_and_a_wrong_method_are_problems_too(service: httpx.Client) -> None:
    assert is_problem(service.get("/no/such/path"), 404, "refused")
    assert is_problem(service.get("/predict"), 405, "refused")


@pytest.mark.slow
def test_a_switched_model_answers_and_a_refused_one_leaves_the_old(tmp_path: Path) -> None:
    current = tmp_path / "current.pkl"
    model_file.write(a_model("first", -2.0), str(current))

    def version(url: str) -> str:
        return str(httpx.get(f"{url}/health").json()["model_version"])

    def becomes(url: str, expected: str) -> bool:
        deadline = time.monotonic() + 60 * LOOK_AGAIN_S
        while version(url) != expected and time.monotonic() < deadline:
            time.sleep(0.1)
        return version(url) == expected

    with serving(tmp_path / "log", STRUGGLE_MODEL=str(current)) as url:
        before = httpx.post(f"{url}/predict", json=PAIR).json()
        assert (before["model_version"], before["source"]) == ("first", "model")
        model_file.write(a_model("second", 2.0), str(current))
        assert becomes(url, "second")
        after = httpx.post(f"{url}/predict", json=PAIR).json()
        assert after["model_version"] == "second"
        assert after["probability"] > before["probability"]

        damaged = tmp_path / "damaged.pkl"
        damaged.write_bytes(current.read_bytes()[:-1])
        os.replace(damaged, current)
        time.sleep(1.5 * LOOK_AGAIN_S)
        for _ in range(3):
            assert httpx.post(f"{url}/predict", json=PAIR).json() == after
        model_file.write(a_model("third", 0.0), str(current))
        assert becomes(url, "third")
    assert "cannot be used" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_model_that_must_not_be_used_at_the_start_is_an_error_of_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"no model")
    with pytest.raises(AssertionError, match="refused"), serving(tmp_path / "log", STRUGGLE_MODEL=str(bad)):
        pass


@pytest.mark.slow
def test_a_lost_database_is_a_503_problem_and_no_word_of_its_password(tmp_path: Path) -> None:
    lost = "postgresql://learner:hunter2@127.0.0.1:1/app"
    with serving(tmp_path / "log", DATABASE_URL=lost) as url:
        response = httpx.post(f"{url}/predict", json=PAIR)
        assert is_problem(response, 503, "database_unavailable")
        assert response.headers["retry-after"] == "1"
        assert is_problem(httpx.post(f"{url}/predict/batch", json={"pairs": [PAIR]}), 503, "database_unavailable")
        assert httpx.get(f"{url}/health").json()["database"] == "unreachable"
        assert httpx.get(f"{url}/ready").status_code == 503
    assert "127.0.0.1" not in response.text
    assert "hunter2" not in response.text + (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_database_of_another_shape_is_a_500_problem_without_internals(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path / "log", DATABASE_URL=postgres_url) as url:
        response = httpx.post(f"{url}/predict", json=PAIR)
        assert is_problem(response, 500, "configuration")
        assert response.json()["detail"] == SPOKEN["configuration"]
    assert "users" in (tmp_path / "log").read_text()


class Load:
    """Threads that ask the same question again and again, and keep every answer and when it was asked for."""

    def __init__(self, url: str, body: dict[str, str], threads: int = 6) -> None:
        self.answers: list[tuple[float, int, bytes]] = []
        self._go_on = True
        self._threads = [threading.Thread(target=self._ask, args=(url, body)) for _ in range(threads)]

    def _ask(self, url: str, body: dict[str, str]) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while self._go_on:
                asked = time.monotonic()
                response = client.post("/predict", json=body)
                self.answers.append((asked, response.status_code, response.content))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._go_on = False
        for thread in self._threads:
            thread.join()

    def wait_for(self, status: int, after: float) -> float:
        """The time at which the first such answer after a moment had come."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for moment, found, _ in list(self.answers):
                if moment > after and found == status:
                    return time.monotonic()
            time.sleep(0.02)
        raise AssertionError(f"no {status} came; last: {self.answers[-3:]}")


def postmaster(url: str) -> tuple[int, list[str], os.stat_result]:
    """The server's process, its command line, and the owner of its files."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            (cluster,) = cursor.fetchone() or ("",)
    finally:
        connection.close()
    pid = int(Path(cluster, "postmaster.pid").read_text().split()[0])
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    return pid, command, os.stat(cluster)


@pytest.mark.slow
def test_a_database_restarted_under_load_is_waited_out_without_a_wrong_answer(
    postgres_databases: object, tmp_path: Path
) -> None:
    need("postgres")
    with databases() as made:  # one of its own: every other test keeps its server
        database = made.with_tables()
        with open_writer(database) as writer:
            load_demo(writer)
        expected = printed("--as-of", AS_OF, LEARNER, OBJECTIVE, DATABASE_URL=database)
        pid, command, owner = postmaster(database)
        as_user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        again: subprocess.Popen[bytes] | None = None
        try:
            with (
                serving(tmp_path / "log", DATABASE_URL=database) as url,
                Load(url, {**PAIR, "as_of": AS_OF}) as load,
            ):
                load.wait_for(200, 0)
                os.kill(pid, signal.SIGINT)  # fast shutdown: every connection is cut
                load.wait_for(503, 0)
                lock = os.path.join(command[command.index("-D") + 1], "postmaster.pid")
                while os.path.exists(lock) or not is_gone(made.server.url()):  # a second server would give way to it
                    time.sleep(0.05)
                gone = time.monotonic()
                again = subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **as_user
                )
                back = load.wait_for(200, gone)
                for _ in range(20):
                    load.wait_for(200, time.monotonic())
        finally:
            if again is not None:
                again.send_signal(signal.SIGQUIT)
                again.wait(20)
    statuses = {status for _, status, _ in load.answers}
    assert statuses == {200, 503}
    for moment, status, content in load.answers:
        if status == 200:
            assert content == expected
        else:
            assert json.loads(content)["code"] == "database_unavailable"
            assert moment < back, "once the database is back, so is the service"
    log = (tmp_path / "log").read_text()
    assert log.count("database unreachable") <= 3  # told once, not with every request
    assert "database reachable" in log


def is_gone(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError as error:
        return "refused" in str(error)
    return False


@pytest.mark.slow
def test_a_thousand_requests_at_once_are_all_answered(service: httpx.Client) -> None:
    expected = service.post("/predict", json=PAIR).content

    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=1000, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=service.base_url, timeout=120, limits=limits) as client:
            return await asyncio.gather(*(client.post("/predict", json=PAIR) for _ in range(1000)))

    answers = asyncio.run(all_at_once())
    assert [answer.status_code for answer in answers] == [200] * 1000
    assert {answer.content for answer in answers} == {expected}


@pytest.mark.slow
def test_the_openapi_document_has_the_published_schema_of_an_answer(service: httpx.Client) -> None:
    described = service.get("/openapi.json").json()["components"]["schemas"]["PredictionResponse"]
    assert {**described, "title": TITLES["answer"]} == {
        **{name: value for name, value in schema("answer").items() if name not in ("$schema", "$id")},
        "description": described["description"],
    }
    check(service.post("/predict", json=PAIR).json(), "answer")


@pytest.mark.slow
def test_the_openapi_document_holds_against_generated_requests(service: httpx.Client, tmp_path: Path) -> None:
    program = shutil.which("schemathesis", path=os.path.dirname(sys.executable))
    assert program, "schemathesis comes with the extra dev"
    command = [
        *(program, "run", f"{service.base_url}/openapi.json"),
        *("--max-examples", "25", "--seed", "1", "--checks", "all", "--phases", "examples,coverage,fuzzing"),
        *("--workers", "1", "--generation-database", "none", "--no-color"),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "No issues found" in ran.stdout  # a warning, such as "nothing but 404", would be told here


@pytest.mark.slow
def test_the_guides_main_py_runs_unchanged_and_predicts(demo_database: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(snippet("python", "app = FastAPI()", '@app.post("/predict"'))
    command = ["-W", "ignore::DeprecationWarning", "-m", "uvicorn", "main:app"]  # on_event is FastAPI's older form
    with serving(tmp_path / "log", command, tmp_path, DATABASE_URL=demo_database) as url:
        answered = httpx.post(f"{url}/predict", json=PAIR)
        health = httpx.get(f"{url}/health").json()
    expected = read_output(printed(LEARNER, OBJECTIVE, DATABASE_URL=demo_database))
    assert answered.status_code == 200, answered.text
    told = answered.json()
    assert told.keys() == REQUIRED
    assert told["risk_level"] == expected["risk_level"] == "HIGH"
    assert told["probability"] == pytest.approx(expected["probability"], abs=1e-3)  # the clock went on meanwhile
    assert health == {"status": "healthy", "model_version": expected["model_version"]}
