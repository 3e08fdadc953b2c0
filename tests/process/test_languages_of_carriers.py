"""Every way to ask has the same words: the worker, the service and the batch answer as predict.py's options do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from scripts.predict_batch import predict_batch
from tests.support.outputs import read_output
from tests.support.service_process import printed as printed_by_predict
from tests.support.service_process import serving
from tests.support.worker_process import Worker, printed

LEARNER, OBJECTIVE = "demo-learner", "action-potentials"
PAIR = {"user_id": LEARNER, "objective_id": OBJECTIVE}
GERMAN = ("--language", "de", "--audience", "learner", "--demo", LEARNER, OBJECTIVE)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(environment={"STRUGGLE_AUDIENCE": "learner", "STRUGGLE_LANGUAGE": "klingon"}) as process:
        yield process


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    where = tmp_path_factory.mktemp("service") / "log"
    with (
        serving(where, STRUGGLE_LANGUAGE="de", STRUGGLE_AUDIENCE="parent") as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client
    assert "STRUGGLE_AUDIENCE names no known reader, so the answer is for a teacher" in where.read_text()


@pytest.mark.slow
def test_the_worker_answers_each_request_in_its_words(worker: Worker) -> None:
    assert worker.answered(LEARNER, OBJECTIVE, language="de-AT", audience="LEARNER") == printed(GERMAN)
    assert worker.answered(LEARNER, OBJECTIVE, audience="teacher") == printed((LEARNER, OBJECTIVE))
    default = read_output(worker.answered(LEARNER, OBJECTIVE).decode())
    assert (default["language"], default["audience"]) == ("en", "learner")
    for asked, sentence in (
        ({"language": "fr"}, "language must be en or de."),
        ({"language": None}, "language must be en or de."),
        ({"audience": "parent"}, "audience must be teacher or learner."),
    ):
        worker.ask(LEARNER, OBJECTIVE, **asked)
        refused = worker.line()
        assert (refused["exit_code"], refused["error"]["message"]) == (2, sentence)


@pytest.mark.slow
def test_a_request_that_is_late_is_answered_in_its_words(tmp_path: Path) -> None:
    with Worker(url="postgresql://127.0.0.1:1/none") as process:
        found = read_output(process.answered(LEARNER, OBJECTIVE, language="de").decode())
    assert found["degraded"] == "Die Datenbank ist nicht erreichbar."
    assert found["features"]["degraded"] == "The database cannot be reached."


@pytest.mark.slow
def test_the_service_answers_each_request_in_its_words(service: httpx.Client) -> None:
    asked = {**PAIR, "language": "de", "audience": "learner"}
    assert service.post("/predict", json=asked).content == printed_by_predict(*GERMAN)
    assert service.post("/predict", json={**PAIR, "language": "en"}).content == printed_by_predict(LEARNER, OBJECTIVE)
    by_default = service.post("/predict", json=PAIR, headers={"Accept-Language": "en"}).json()
    assert (by_default["language"], by_default["audience"]) == ("de", "teacher")
    batch = service.post("/predict/batch", json={"pairs": [PAIR], "language": "DE", "audience": "learner"}).json()
    assert batch["predictions"] == [read_output(printed_by_predict(*GERMAN).decode())]


@pytest.mark.slow
@pytest.mark.parametrize("field", [{"language": "fr"}, {"language": 1}, {"language": "de\n"}, {"audience": "parent"}])
def test_the_service_refuses_words_that_it_does_not_know(service: httpx.Client, field: dict[str, Any]) -> None:
    refused = service.post("/predict", json={**PAIR, **field})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert service.post("/predict/batch", json={"pairs": [PAIR], **field}).status_code == 422


def stored_texts(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT strugglingFactors, featureVector FROM struggle_predictions").fetchall()
        signs = connection.execute("SELECT * FROM struggle_indicators").fetchall()
    assert rows
    return json.dumps([rows, signs], ensure_ascii=False, default=str)


def test_a_batch_writes_its_words_and_stores_english(demo_copy: str, tmp_path: Path) -> None:
    runner, output = CliRunner(), tmp_path / "german.jsonl"
    asked = ("--database-url", demo_copy, "--output", str(output), "--full", "--quiet", "--model", "rules")
    done = runner.invoke(predict_batch, [*asked, "--store", "--language", "de", "--audience", "learner"])
    assert done.exit_code == 0, done.output
    lines = [read_output(line) for line in output.read_text().splitlines()]
    assert lines
    for line in lines:
        assert (line["language"], line["audience"]) == ("de", "learner")
        assert "dein nächster Schritt: " in line["reasoning"]
    path = Path(demo_copy.removeprefix("file:"))
    stored = stored_texts(path)
    assert "Voraussetzung" not in stored
    assert "Lernziel" not in stored
    again = runner.invoke(predict_batch, [*asked, "--language", "fr"])
    assert again.exit_code == 2


def test_a_batch_takes_variables_and_says_which_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, demo_copy: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRUGGLE_LANGUAGE", "de")
    monkeypatch.setenv("STRUGGLE_AUDIENCE", "parent")
    output = tmp_path / "lines.jsonl"
    done = CliRunner().invoke(
        predict_batch, ["--database-url", demo_copy, "--output", str(output), "--full", "--quiet"]
    )
    assert done.exit_code == 0, done.output
    assert "STRUGGLE_AUDIENCE names no known reader" in done.stderr
    assert {read_output(line)["language"] for line in output.read_text().splitlines()} == {"de"}
