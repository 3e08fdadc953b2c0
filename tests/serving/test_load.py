"""A few heavy callers, or many who have left, do not keep the service from the others."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from db.client import Client
from db.writing.open import open_writer
from scripts.service import application
from scripts.serving.settings import from_environment
from scripts.serving.work import Rooms
from tests.support.altered_service import BATCHES_NEVER_END, altered, predictions_wait_for
from tests.support.service_process import DEMO_URL, PAIR, serving
from tests.support.study_database import DAY_MS, MINUTE_MS, NOW_MS

pytestmark = pytest.mark.slow

ANSWERS, OBJECTIVES, CALLERS = 30_000, 500, 16
AS_OF = "2025-03-03T11:06:40Z"


def make_heavy(url: str) -> None:
    """One learner with thirty thousand answers on five hundred objectives, another with a few."""
    names = [f"o{number}" for number in range(OBJECTIVES)]
    with open_writer(url) as writer:
        writer.insert("User", ("id", "createdAt"), [("heavy", NOW_MS - 900 * DAY_MS), ("light", NOW_MS - 900 * DAY_MS)])
        writer.insert("Course", ("id", "userId", "name"), [("course", "heavy", "Everything")])
        lecture = ("lecture", "heavy", "course", "All of it", ["everything"])
        writer.insert("Lecture", ("id", "userId", "courseId", "title", "topicTags"), [lecture])
        objectives = [(name, "lecture", f"Know {name}", "BASIC", "BEGINNER") for name in names]
        fields = ("id", "lectureId", "objective", "complexity", "masteryLevel")
        writer.insert("LearningObjective", fields, objectives)
        edges = [(f"e{place}", name, names[place], 0.5) for place, name in enumerate(names[1:])]
        writer.insert("ObjectivePrerequisite", ("id", "objectiveId", "prerequisiteId", "strength"), edges)
        writer.insert("Card", ("id", "courseId", "objectiveId"), [(f"c-{name}", "course", name) for name in names])
        ratings = ("GOOD", "AGAIN", "EASY", "HARD", "GOOD")
        rows = [
            (
                f"r{n}",
                "heavy",
                f"c-{names[n * 7 % OBJECTIVES]}",
                ratings[n % 5],
                NOW_MS - (ANSWERS - n) * 20 * MINUTE_MS,
            )
            for n in range(ANSWERS)
        ]
        rows += [
            (f"l{n}", "light", f"c-{names[n % 20]}", ratings[n % 5], NOW_MS - (n + 1) * 90 * MINUTE_MS)
            for n in range(60)
        ]
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), rows)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def heavy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of such a database, only read here."""
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_databases").with_tables())
    else:
        url = f"file:{tmp_path_factory.mktemp('heavy')}/heavy.sqlite3"
        with open_writer(url, create=True) as writer:
            writer.create_tables()
    make_heavy(url)
    return url


def batch_request(port: int) -> bytes:
    pairs = [{"user_id": "heavy", "objective_id": f"o{number}"} for number in range(OBJECTIVES)]
    body = json.dumps({"pairs": pairs, "as_of": AS_OF}).encode()
    head = f"POST /predict/batch HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_abandoned_batches_leave_room_for_predictions_and_probes(heavy: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATABASE_URL=heavy, **altered(tmp_path, BATCHES_NEVER_END)) as url:
        port = int(url.rpartition(":")[2])
        callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(CALLERS)]
        for caller in callers:
            caller.sendall(batch_request(port))
        all_are_answered(url)  # while the callers wait
        for caller in callers:
            caller.close()
        all_are_answered(url)
        wait_until_gone(url, "/predict/batch", CALLERS)  # none could have ended otherwise


def all_are_answered(url: str) -> None:
    """A service that gives its batches all its threads or connections answers nobody else before they end."""
    for method, path, body in (
        ("POST", "/predict", {"user_id": "light", "objective_id": "o3"}),
        ("GET", "/ready", None),
        ("GET", "/metrics", None),
        ("GET", "/health", None),
    ):
        response = httpx.request(method, url + path, json=body, timeout=60)
        assert response.status_code == 200, (path, response.text)


def wait_until_gone(url: str, path: str, callers: int) -> None:
    """Returns once so many requests of a path have ended because their callers had gone, and none otherwise."""
    give_up_at = time.monotonic() + 60
    while statuses(url, path) != {"499": callers}:
        assert time.monotonic() < give_up_at, f"the work of callers who have gone goes on: {statuses(url, path)}"
        time.sleep(0.1)


def statuses(url: str, path: str) -> dict[str, float]:
    """How many requests of a path ended with each status."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == "struggle_requests_total"]
    return {sample.labels["status"]: sample.value for sample in samples if sample.labels["path"] == path}


def test_a_batch_reads_a_learner_once_and_answers_as_single_predictions_do(heavy: str, tmp_path: Path) -> None:
    pairs = [
        {"user_id": who, "objective_id": f"o{number}"} for number in range(0, 499, 25) for who in ("light", "heavy")
    ]
    odd = [
        ("heavy", "O3"),
        ("heavy", "nothing"),
        ("nobody", "o3"),
        ("nobody", "nothing"),
        ("light", "o\u2028"),
        ("x", "o0"),
    ]
    pairs += [{"user_id": who, "objective_id": what} for who, what in odd] + pairs[:3]
    with serving(tmp_path / "log", DATABASE_URL=heavy) as url, httpx.Client(base_url=url, timeout=60) as client:
        batch = client.post("/predict/batch", json={"pairs": pairs, "as_of": AS_OF})
        singles = [client.post("/predict", json={**pair, "as_of": AS_OF}).text.strip() for pair in pairs]
        assert batch.text == '{"predictions": [' + ", ".join(singles) + "]}\n"


def test_the_largest_batch_reads_its_learner_once(heavy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("read", "read_objectives"):
        monkeypatch.setattr(Client, name, counted(getattr(Client, name), asked))
    monkeypatch.setenv("DATABASE_URL", heavy)

    async def ask() -> int:
        app = application(from_environment({}))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                whole = [{"user_id": "heavy", "objective_id": f"o{number}"} for number in range(OBJECTIVES)]
                answered = await client.post("/predict/batch", json={"pairs": whole, "as_of": AS_OF})
                return len(answered.json()["predictions"])

    assert asyncio.run(ask()) == OBJECTIVES
    assert asked == ["read_objectives", "read"]


def counted(method: Callable[..., object], calls: list[str]) -> Callable[..., object]:
    """The method, which notes its name in calls."""

    @functools.wraps(method)
    def called(*arguments: object, **named: object) -> object:
        calls.append(method.__name__)
        return method(*arguments, **named)

    return called


def test_a_single_prediction_is_not_begun_for_a_caller_who_has_gone(heavy: str, tmp_path: Path) -> None:
    body = json.dumps({"user_id": "heavy", "objective_id": "o1", "as_of": AS_OF}).encode()
    gate, threads = tmp_path / "gate", 2  # two for one connection
    environment = {"STRUGGLE_CONNECTIONS": "1", **altered(tmp_path, predictions_wait_for(gate))}
    with serving(tmp_path / "log", DATABASE_URL=heavy, **environment) as url:
        port = int(url.rpartition(":")[2])
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        for caller in callers:
            caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        for caller in callers:
            caller.close()
        wait_until_gone(url, "/predict", len(callers) - threads)
        gate.touch()
        light = httpx.post(f"{url}/predict", json={"user_id": "light", "objective_id": "o3"}, timeout=60)
        assert light.status_code == 200


def test_a_batch_whose_time_is_up_is_busy(tmp_path: Path) -> None:
    with serving(tmp_path / "log", **altered(tmp_path, "work.BATCH_WITHIN_S = 0.0")) as url:
        busy = httpx.post(f"{url}/predict/batch", json={"pairs": [PAIR]})
        assert (busy.status_code, busy.json()["code"], busy.headers["retry-after"]) == (503, "busy", "1")
        assert httpx.post(f"{url}/predict", json=PAIR).status_code == 200


def test_health_does_not_call_a_process_healthy_whose_work_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", DEMO_URL)
    ended = threading.Event()

    async def ask() -> list[int]:
        app = application(from_environment({}))
        async with app.router.lifespan_context(app):
            monkeypatch.setattr(app.state.predictor, "predict", lambda _asked: str(ended.wait(120)))
            transport, rooms = httpx.ASGITransport(app), app.state.rooms
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                stuck = [asyncio.create_task(client.post("/predict", json=PAIR)) for _ in range(3)]
                while not rooms.predictions.is_stuck(0.0):
                    await asyncio.sleep(0.01)
                found = []
                for stuck_after_s in (3600.0, 0.0):  # the time that has passed is less, and more
                    monkeypatch.setattr(rooms, "_stuck_after_s", stuck_after_s)
                    found.append((await client.get("/health")).status_code)
                ended.set()
                await asyncio.gather(*stuck)
                return [*found, (await client.get("/health")).status_code]

    assert asyncio.run(ask()) == [200, 503, 200]


def test_work_counts_as_stuck_after_ten_seconds_or_three_of_the_databases_timeouts() -> None:
    assert Rooms(4, 0.05)._stuck_after_s == 10.0
    assert Rooms(4, 5.0)._stuck_after_s == 15.0
