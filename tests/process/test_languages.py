"""predict.py in other words: by variables for the two ids, by options otherwise, and never in what is stored."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.cli.answer_in_words import WIDEST, in_words
from tests.support.outputs import read_output

ROOT = Path(__file__).resolve().parents[2]
ASKED = ("demo-learner", "action-potentials")
UNREACHABLE = ("--database-url", "postgresql://127.0.0.1:1/none")
GERMAN = "Hohes Risiko für Schwierigkeiten (95 %): „Describe transport across membranes“ wird nicht beherrscht (0 %)."


def run(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(
        [sys.executable, "predict.py", *argv], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def answered(*argv: str, **variables: str) -> Any:
    done = run(*argv, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    return read_output(done.stdout)


def test_variables_choose_the_words_for_two_ids() -> None:
    found = answered(*ASKED, STRUGGLE_LANGUAGE="de_DE.UTF-8")
    assert (found["language"], found["audience"], found["reasoning"]) == ("de", "teacher", GERMAN)
    assert found["factors"][0]["text"] == "„Describe transport across membranes“ wird nicht beherrscht (0 %)"
    assert found["factors"][0]["stored_text"] == '"Describe transport across membranes" is not mastered (0 %)'
    assert "is not mastered (0 %)" in str(found["indicators"]), "indicators are stored"
    found = answered(*ASKED, STRUGGLE_AUDIENCE="LEARNER")
    assert (found["language"], found["audience"]) == ("en", "learner")
    assert "your next step: " in found["reasoning"]


def test_options_win_over_variables() -> None:
    said = answered("--language", "en", "--audience", "teacher", "--demo", *ASKED, STRUGGLE_LANGUAGE="de")
    assert said["reasoning"].startswith("High risk of struggling (95 %)")
    assert "stored_text" not in said["factors"][0]
    said = answered("--language", "de-AT", "--audience", "learner", "--demo", *ASKED, STRUGGLE_LANGUAGE="nonsense")
    assert "dein nächster Schritt: " in said["reasoning"]


def test_blank_variables_are_english_for_a_teacher_to_the_byte() -> None:
    plain = run(*ASKED).stdout
    assert run(*ASKED, STRUGGLE_LANGUAGE=" ", STRUGGLE_AUDIENCE="").stdout == plain
    assert run(*ASKED, STRUGGLE_LANGUAGE="en_GB", STRUGGLE_AUDIENCE="teacher").stdout == plain


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("STRUGGLE_LANGUAGE", "STRUGGLE_LANGUAGE names no known language, so the answer is in English"),
        ("STRUGGLE_AUDIENCE", "STRUGGLE_AUDIENCE names no known reader, so the answer is for a teacher"),
    ],
)
def test_an_unknown_value_of_a_variable_is_said_and_passed_over(variable: str, sentence: str) -> None:
    done = run(*ASKED, **{variable: "klingon"})
    assert done.returncode == 0
    assert done.stdout == run(*ASKED).stdout
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    late = run("--timeout", "0.5", *UNREACHABLE, *ASKED, **{variable: "klingon"})
    assert late.stderr.count("\n") == 1
    assert sentence in late.stderr


@pytest.mark.parametrize("option", [("--language", "fr"), ("--language", ""), ("--audience", "parent")])
def test_an_unknown_value_of_an_option_is_usage(option: tuple[str, str]) -> None:
    done = run(*option, "--demo", *ASKED)
    assert done.returncode == 2
    assert read_output(done.stdout)["error"]["code"] == "usage"
    assert done.stderr.count("\n") == 1


def test_default_estimates_are_explained_in_the_language() -> None:
    found = answered("--language", "de", "--timeout", "2", *UNREACHABLE, *ASKED)
    assert found["degraded"] == "Die Datenbank ist nicht erreichbar."
    assert found["degraded_code"] == "database_unreachable"
    assert found["features"]["degraded"] == "The database cannot be reached."
    assert found["reasoning"].startswith("Wir konnten die Lerndaten nicht lesen (die Datenbank ist nicht erreichbar): ")
    found = answered("--audience", "learner", "--timeout", "2", *UNREACHABLE, *ASKED)
    assert found["reasoning"].startswith("We could not look at your answers this time; your next step: ")


def test_a_person_at_a_terminal_reads_the_same_words() -> None:
    german = in_words(answered("--language", "de", "--demo", *ASKED), WIDEST)
    assert german.startswith(
        "Person demo-learner, Lernziel action-potentials\nHOHES Risiko für Schwierigkeiten: 95 % ("
    )
    assert "Das Risiko beginnt bei 35 %." in german
    assert "  +29,6 █" in german
    assert "\nDas würde helfen:\n" in german
    assert not re.search(r"risk|struggl|factor|would|between", german)
    for code, step, found in (
        ("en", "your next step: ", "What is known:"),
        ("de", "dein nächster", "Das ist bekannt:"),
    ):
        learner = in_words(answered("--language", code, "--audience", "learner", "--demo", *ASKED), WIDEST)
        assert step in learner
        assert f"\n{found}\n" in learner
        assert not re.search(r"(?i)risk|risiko|struggl|HIGH|█|95 %", learner)


def test_english_imports_no_catalogue() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "predict.py", *ASKED], cwd=ROOT, env={}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "ml.language" in done.stderr
    assert "ml.wording" not in done.stderr
