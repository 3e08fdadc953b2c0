"""The worker's protocol, held by real processes: the bytes of predict.py, and exactly one line for every line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import predict
from db.demo import LEARNER, OBJECTIVES
from scripts.outputs.worker_lines import MOST_LINE_BYTES
from tests.support.outputs import read_output
from tests.support.worker_process import Worker, printed

OBJECTIVE = "action-potentials"
AS_OF = "2025-10-10T09:00:00Z"
FEATURES = {"review_lapse_rate": 0.5}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One for many requests, on the demo."""
    with Worker() as process:
        yield process


def test_the_first_line_says_who_answers(worker: Worker) -> None:
    assert worker.hello == {"protocol": 1, "version": predict.__version__, "model_version": "pretrained-1"}


@pytest.mark.parametrize("objective", [*OBJECTIVES, OBJECTIVE])
def test_an_answer_is_predict_pys_to_the_byte(worker: Worker, objective: str) -> None:
    assert worker.answered(LEARNER, objective) == printed([LEARNER, objective])
    assert worker.answered(LEARNER, objective, as_of=AS_OF) == printed(["--as-of", AS_OF, LEARNER, objective])


def test_given_features_are_used_as_the_option_uses_them(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "features.json"
    path.write_text(json.dumps(FEATURES))
    expected = printed(["--as-of", AS_OF, "--features", str(path), "x", "y"])
    assert worker.answered("x", "y", as_of=AS_OF, features=FEATURES) == expected


@pytest.mark.parametrize(
    ("ids", "code"),
    [(("nobody", OBJECTIVE), 66), ((LEARNER, "nothing"), 66), (("", ""), 66), (("a\0b", OBJECTIVE), 66)],
)
def test_an_error_is_predict_pys_with_its_code(worker: Worker, ids: tuple[str, str], code: int) -> None:
    worker.ask(*ids)
    found = worker.line()
    assert found["exit_code"] == code
    if "\0" not in ids[0]:
        assert {"error": found["error"]} == read_output(printed(ids))


GOOD = {"id": 7, "user_id": LEARNER, "objective_id": OBJECTIVE}


def changed(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


REFUSED: dict[str, tuple[bytes, object]] = {
    "an empty line": (b"", None),
    "no JSON": (b"{", None),
    "no UTF-8": (b'{"id": "\xff"}', None),
    "a byte order mark": (b"\xef\xbb\xbf" + changed(), None),
    "UTF-16": (changed().decode().encode("utf-16"), None),
    "two objects": (changed() + changed(), None),
    "a list": (b"[]", None),
    "a number": (b"7", None),
    "null": (b"null", None),
    "nested without end": (b"[" * 100_000, None),
    "NaN": (changed().replace(b"7", b"NaN"), None),
    "infinity": (b'{"id": 7, "timeout": Infinity}', None),
    "a number of five thousand digits": (b'{"id": ' + b"9" * 5000 + b"}", None),
    "an id twice": (b'{"id": 1, "id": 2, "user_id": "a", "objective_id": "b"}', None),
    "a user twice": (b'{"id": "c", "user_id": "a", "user_id": "a", "objective_id": "b"}', "c"),
    "a feature twice": (
        b'{"id": "c", "user_id": "a", "objective_id": "b", "features": {"ability": 1, "ability": 0}}',
        "c",
    ),
    "a name twice among sixty thousand": (
        b'{"id": "c", ' + b", ".join(b'"%d": 0' % (number % 60_000) for number in range(60_001)) + b"}",
        "c",
    ),
    "no id": (b'{"user_id": "a", "objective_id": "b"}', None),
    "an id that is null": (changed(id=None), None),
    "an id that is true": (changed(id=True), None),
    "an id that is a fraction": (changed(id=1.0), None),
    "an id beyond JavaScript's whole numbers": (changed(id=1 << 53), None),
    "no user": (b'{"id": 7, "objective_id": "b"}', 7),
    "a user who is a number": (changed(user_id=5), 7),
    "an objective that is null": (changed(objective_id=None), 7),
    "an unknown field": (changed(user="x"), 7),
    "a moment that is none": (changed(as_of="yesterday"), 7),
    "a moment as a number": (changed(as_of=1), 7),
    "a moment after the years": (changed(as_of="9999-12-31T23:59:59-23:59"), 7),
    "no time at all": (changed(timeout=0), 7),
    "a timeout as a text": (changed(timeout="4"), 7),
    "a timeout that is true": (changed(timeout=True), 7),
    "a timeout beyond the largest number": (changed(timeout=4).replace(b"4}", b"1e999}"), 7),
    "features that are a list": (changed(features=[]), 7),
    "an unknown feature": (changed(features={"mood": 1}), 7),
    "a feature of four hundred digits": (changed(features={"ability": 10**400}), 7),
    "a line that is a byte too long": (changed() + b" " * (MOST_LINE_BYTES + 1 - len(changed())), None),
    "a line of three mebibytes": (b"x" * 3 * MOST_LINE_BYTES, None),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_line_that_is_no_request_gets_one_error_and_the_next_one_its_answer(worker: Worker, kind: str) -> None:
    line, id = REFUSED[kind]
    worker.send(line, changed())
    error = worker.line()
    assert (error["id"], error["exit_code"]) == (id, 2), error
    assert worker.line()["answer"]["user_id"] == LEARNER


def test_a_line_of_a_mebibyte_and_one_in_pieces_are_read(worker: Worker) -> None:
    worker.send(changed() + b" " * (MOST_LINE_BYTES - len(changed())))
    assert "answer" in worker.line()
    assert worker.stdin is not None
    for octet in changed(id="\u00fc\ud800") + b"\r\n":
        worker.stdin.write(bytes([octet]))
    assert worker.line()["id"] == "\u00fc\ud800"


def test_what_was_asked_before_stdin_closes_is_answered_also_an_unfinished_last_line() -> None:
    with Worker() as worker:
        assert worker.stdin is not None
        worker.stdin.write(changed(id="a") + b"\n" + changed(id="b"))
        worker.stdin.close()
        assert [worker.line()["id"], worker.line()["id"]] == ["a", "b"]
        code, said = worker.ended()
        assert code == 0
        assert said == "worker: DATABASE_URL is not set, so the embedded demo database was read\n"
