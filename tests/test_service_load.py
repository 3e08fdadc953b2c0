"""A few heavy callers, or many who have left, do not keep the service from the others."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from db.writing import open_writer
from tests.service_process import printed, serving
from tests.study_database import DAY_MS, MINUTE_MS, NOW_MS

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


@pytest.fixture
def heavy(database: str) -> str:
    make_heavy(database)
    return database


def batch_request(port: int) -> bytes:
    pairs = [{"user_id": "heavy", "objective_id": f"o{number}"} for number in range(OBJECTIVES)]
    body = json.dumps({"pairs": pairs, "as_of": AS_OF}).encode()
    head = f"POST /predict/batch HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_abandoned_batches_leave_room_for_predictions_and_probes(heavy: str, tmp_path: Path):
    with serving(tmp_path / "log", DATABASE_URL=heavy) as url:
        port = int(url.rpartition(":")[2])
        callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(CALLERS)]
        for caller in callers:
            caller.sendall(batch_request(port))
        time.sleep(1)
        for caller in callers:
            caller.close()
        began = time.monotonic()
        while time.monotonic() < began + 6:
            for method, path, body, bound_s in (
                ("POST", "/predict", {"user_id": "light", "objective_id": "o3"}, 5),
                ("GET", "/ready", None, 1),
                ("GET", "/metrics", None, 1),
                ("GET", "/health", None, 1),
            ):
                asked = time.monotonic()
                response = httpx.request(method, url + path, json=body, timeout=60)
                took_s = time.monotonic() - asked
                print(path, round(took_s, 3), response.status_code)
                assert response.status_code == 200, response.text
                assert took_s < bound_s, path
