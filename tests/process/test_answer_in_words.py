"""On a terminal `struggle-predict USER_ID OBJECTIVE_ID` answers in words; everywhere else, and by --json, in JSON."""

from __future__ import annotations

import copy
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.cli.answer_in_words import LONGEST_BAR, MOST_FACTORS, NARROWEST, WIDEST, in_words
from tests.support.outputs import read_output
from tests.support.running_predict import LEARNER, LOADED_S, OBJECTIVE, PREDICT, ran

BY_COMMAND = [sys.executable, "-c", "from scripts.cli.console import run; run()"]
BY_PATH = [sys.executable, PREDICT]
ROOT = Path(PREDICT).parent


def on_a_terminal(*words: str, columns: int = 80, **environment: str) -> tuple[int, str, str]:
    """A command's exit code, what it shows on a terminal of so many columns, and its stderr, which is a pipe."""
    reading, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        words,
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
    )
    os.close(terminal)
    shown, give_up_at = b"", time.monotonic() + LOADED_S
    try:
        while select.select([reading], [], [], max(0.0, give_up_at - time.monotonic()))[0]:
            try:
                part = os.read(reading, 65536)
            except OSError:  # Linux says that the other end is closed by an error
                break
            if not part:
                break
            shown += part
        _, said = process.communicate(timeout=LOADED_S)
    finally:
        process.kill()
        os.close(reading)
    return process.returncode, shown.decode().replace("\r\n", "\n"), said.decode()


def words_of(*arguments: str, **how: Any) -> str:
    code, shown, said = on_a_terminal(*BY_COMMAND, *arguments, **how)
    assert (code, "Traceback" in said) == (0, False), said
    return shown


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    return ran(LEARNER, OBJECTIVE).answer()


def test_a_person_gets_words_with_bars() -> None:
    shown = words_of(LEARNER, OBJECTIVE)
    assert shown.startswith(f"Learner {LEARNER}, objective {OBJECTIVE}\nHIGH risk of struggling: 95 % (between ")
    assert re.search(r'(?m)^  \+29\.6 █{20}  "Describe transport across membranes" is not$', shown)
    assert re.search(r"(?m)^   \+3\.1 ██ +recent validation scores average only 38 %$", shown)
    assert re.search(r"(?m)^ +[+-]\d\.\d \d+ features have no data \(--json names them\)$", shown)
    assert "no record of" not in shown
    assert "{" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_it_is_the_answer_that_programs_get(answer: dict[str, Any]) -> None:
    assert words_of(LEARNER, OBJECTIVE, columns=WIDEST) == in_words(answer, WIDEST) + "\n"


@pytest.mark.parametrize(
    "arguments", [("--json", LEARNER, OBJECTIVE), ("--pretty", LEARNER, OBJECTIVE), ("--doctor", "--demo", "--json")]
)
def test_json_can_be_had_on_a_terminal_too(arguments: tuple[str, ...]) -> None:
    assert read_output(words_of(*arguments))


def test_a_pipe_gets_the_bytes_of_predict_py() -> None:
    for arguments in ((LEARNER, OBJECTIVE), ("--json", LEARNER, OBJECTIVE)):
        piped = subprocess.run([*BY_COMMAND, *arguments], cwd=ROOT, capture_output=True, check=True)
        assert piped.stdout == ran(LEARNER, OBJECTIVE).stdout
        assert read_output(piped.stdout)


def test_predict_py_prints_its_json_on_a_terminal_as_well() -> None:
    code, shown, _ = on_a_terminal(*BY_PATH, LEARNER, OBJECTIVE)
    assert (code, shown) == (0, ran(LEARNER, OBJECTIVE).stdout.decode())
    code, shown, _ = on_a_terminal(*BY_PATH, "nobody", OBJECTIVE)
    assert (code, read_output(shown)["error"]["code"]) == (66, "unknown_learner")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nobody", OBJECTIVE), 66),
        (("--json", OBJECTIVE), 66),  # two arguments are two ids, and this learner is unknown
        (("--no-such-option", LEARNER, OBJECTIVE), 2),
        (("--demo", "--model", "/nonexistent.pkl", LEARNER, OBJECTIVE), 78),
        (("--strict", "--database-url", "postgresql://127.0.0.1:1/none", LEARNER, OBJECTIVE), 69),
    ],
)
def test_a_failure_is_its_sentence_on_stderr_and_its_exit_code(arguments: tuple[str, ...], code: int) -> None:
    assert on_a_terminal(*BY_COMMAND, *arguments) == (code, "", ran(*arguments).stderr.decode())


def test_a_failure_is_json_where_json_was_asked_for() -> None:
    for arguments, code, name in (
        (("--json", "--demo", "nobody", OBJECTIVE), 66, "unknown_learner"),
        (("--json", "--no-such-option", LEARNER, OBJECTIVE), 2, "usage"),
    ):
        ended, shown, _ = on_a_terminal(*BY_COMMAND, *arguments)
        assert (ended, read_output(shown)["error"]["code"]) == (code, name)


def test_default_features_are_said_to_be_the_reason() -> None:
    shown = words_of("--database-url", "postgresql://127.0.0.1:1/none", LEARNER, OBJECTIVE)
    assert "We could not read the study records (the database cannot be reached)" in shown
    assert "confidence 20 %" in shown or "confidence 1" in shown
    assert "no data" not in shown


def test_what_is_shown_sums_to_the_probability(answer: dict[str, Any]) -> None:
    lines = in_words(answer, WIDEST).split("\n")
    assert sum("starts from 35 %." in line for line in lines) == 1
    points = [float(line[:8]) for line in lines if re.match(r" +[+-]\d", line)]
    assert len(points) == MOST_FACTORS + 2
    assert sum(points) == pytest.approx(100 * (answer["probability"] - answer["base"]), abs=0.05 * len(points))


def test_what_the_database_lacks_is_named(answer: dict[str, Any]) -> None:
    lacking = {**answer, "missing_sources": ["cards", "reviews.rating"]}
    assert "\nMissing in the database: cards, reviews.rating\n" in in_words(lacking, 80)
    complete = copy.deepcopy(answer)
    complete["features"]["defaulted"], complete["features"]["data_quality"] = [], 1.0
    assert "no data" not in in_words(complete, 80)
    complete["features"]["defaulted"] = ["ability"]
    assert "1 feature has no data" in in_words(complete, 80)


def test_no_text_of_the_database_moves_the_cursor(answer: dict[str, Any]) -> None:
    hostile = copy.deepcopy(answer)
    text = "a\x1b[2J\u202eb\nc"
    plain = {**answer, "factors": [{**answer["factors"][0], "text": "short"}, *answer["factors"][1:]]}
    hostile["user_id"] = hostile["factors"][0]["text"] = hostile["model_version"] = text
    hostile["missing_sources"] = ["\x07\x9b31m"]
    shown = in_words(hostile, 80)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert len(shown.split("\n")) == len(in_words({**plain, "missing_sources": ["x"]}, 80).split("\n"))


@pytest.mark.parametrize("width", [0, 20, NARROWEST, 80, WIDEST, 500])
def test_the_lines_fit_the_terminal(answer: dict[str, Any], width: int) -> None:
    lines = in_words(answer, width).split("\n")
    assert max(map(len, lines[2:])) <= max(NARROWEST, min(width, WIDEST))
    bars = [len(found) for line in lines for found in re.findall("█+", line)]
    assert len(bars) == MOST_FACTORS
    assert bars == sorted(bars, reverse=True)
    assert (bars[0], bars[-1] >= 1) == (LONGEST_BAR, True)


def test_a_terminal_without_such_letters_gets_others() -> None:
    shown = words_of("--demo", LEARNER, OBJECTIVE, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert re.search(r'(?m)^  \+29\.6 #{20}  "Describe', shown)
    assert shown.isascii()


def test_an_answer_with_nothing_to_show_for_it_has_no_bars(answer: dict[str, Any]) -> None:
    for factors in ([], [{**answer["factors"][0], "contribution": 0.001}]):
        features = {**answer["features"], "defaulted": []}
        shown = in_words({**answer, "factors": factors, "features": features}, 80)
        assert "█" not in shown
        assert "raises" not in shown


def test_what_would_help_stands_in_sentences_and_only_where_something_would(answer: dict[str, Any]) -> None:
    shown = in_words(answer, WIDEST).replace("\n    ", " ")
    _, *sentences = shown[shown.index("What would help:") :].split("\n\n")[0].splitlines()
    assert [line.strip() for line in sentences] == [each["text"] for each in answer["advice"]]
    assert len(sentences) == 3
    assert "What would help" not in in_words({**answer, "advice": []}, WIDEST)


def test_what_was_tried_stands_beside_what_is(tmp_path: Path) -> None:
    what_if = tmp_path / "what-if.json"
    what_if.write_text('{"changes": [{"kind": "master_prerequisite"}]}')
    shown = words_of("--demo", "--what-if", str(what_if), LEARNER, OBJECTIVE)
    assert "MEDIUM risk of struggling: 57 %" in shown
    assert "Before the changes to try: HIGH risk, 95 %" in shown
