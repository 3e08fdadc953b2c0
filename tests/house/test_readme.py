"""The README holds what it says: its code is the tested code, its commands exist, its samples are real output.

How a block is checked:
- `sh`: every call of predict.py or of one of our scripts must exist, and know the options that are given. A block
  behind the line `<!-- runs -->` is run whole, on a database of its own, and must end with 0.
- `json`: its keys, at every depth, are those of the output of `predict.py demo-learner action-potentials`; behind
  `<!-- prints: predict.py nobody x -->`, of that command's. An object with the key "..." shows only some.
- `ts`, `tsx`: byte for byte a file of tests/nextjs.
- anywhere: a file, script or module that is named exists.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import predict

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n+)?^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
ASKED = ["predict.py", "demo-learner", "action-potentials"]


def blocks(*languages: str) -> list[tuple[str, str]]:
    """(mark, body) of the README's fenced blocks in these languages; mark is "" where none stands before the block."""
    return [(match["mark"] or "", match["body"]) for match in _BLOCK.finditer(README) if match["language"] in languages]


def our_calls(body: str) -> list[list[str]]:
    """Every call of predict.py or of a script of ours in a shell block, as [script, argument...]."""
    calls = []
    for line in re.sub(r"\\\n", " ", body).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not re.fullmatch(r"[&|;<>()]+", word):
                words.append(word)
                continue
            call = our_call(words)
            if call:
                calls.append(call)
            words = []
    return calls


def our_call(words: list[str]) -> list[str] | None:
    for place, word in enumerate(words):
        if word == "-m" and words[place + 1].startswith("scripts."):
            return [words[place + 1].replace(".", "/") + ".py", *words[place + 2 :]]
        if re.fullmatch(r"(\S*/)?(predict|scripts/\w+)\.py", word):
            return [re.search(r"(predict|scripts/\w+)\.py$", word)[0], *words[place + 1 :]]
    return None


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def help_of(script: str, arguments: list[str]) -> str:
    """The help text of a script, and of the subcommand that the arguments name."""
    asked = run(script, "--help")
    assert asked.returncode == 0, asked.stderr
    subcommand = arguments[0] if arguments and re.match(r"[a-z]", arguments[0]) else None
    if subcommand and "Commands:" in asked.stdout and subcommand in asked.stdout.partition("Commands:")[2].split():
        return asked.stdout + run(script, subcommand, "--help").stdout
    return asked.stdout


COMMANDS = [(body, call) for _, body in blocks("sh", "bash", "console") for call in our_calls(body)]


@pytest.mark.parametrize(("body", "call"), COMMANDS, ids=[" ".join(call)[:60] for _, call in COMMANDS])
def test_every_command_exists_and_knows_its_options(body: str, call: list[str]) -> None:
    script, arguments = call[0], call[1:]
    assert (ROOT / script).is_file(), f"{script} does not exist; the README runs it in:\n{body}"
    known = help_of(script, arguments)
    for argument in arguments:
        option = re.match(r"--[a-z][\w-]*", argument)
        if option:
            assert re.search(rf"{option[0]}(?![\w-])", known), f"{script} has no {option[0]}"


def test_the_first_two_blocks_are_the_two_commands() -> None:
    """What .ci/run and a newcomer take from the README: one line that predicts, one line that tests."""
    first, second = (body for _, body in blocks("sh")[:2])
    for block in (first, second):
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv ")
    assert our_calls(first)[0][0] == "predict.py"
    assert second.rstrip().endswith("pytest")


RUN_WHOLE = [body for mark, body in blocks("sh") if mark == "runs"]


@pytest.mark.parametrize("body", RUN_WHOLE, ids=[body[:50] for body in RUN_WHOLE])
def test_blocks_marked_as_running_run(body: str, demo_copy: str, tmp_path: Path) -> None:
    for name in ("predict.py", "ml", "db", "models", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "bin").mkdir()
    for name in ("python", "python3"):
        (tmp_path / "bin" / name).symlink_to(sys.executable)
    ran = subprocess.run(
        [shutil.which("bash") or "sh", "-eu", "-c", body],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": demo_copy, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def agrees(sample: object, real: object) -> bool:
    """Whether both have the same keys at every depth; an object with the key "..." shows only some of them.

    Of a list, every element of the sample must look like the first of the real one.
    """
    if isinstance(sample, dict) and isinstance(real, dict):
        shown = sample.keys() - {"..."}
        complete = shown == real.keys() or ("..." in sample and shown < real.keys())
        return complete and all(agrees(sample[key], real[key]) for key in shown)
    if isinstance(sample, list) and isinstance(real, list):
        return all(agrees(element, real[0]) for element in sample) if real else not sample
    return isinstance(sample, (dict, list)) == isinstance(real, (dict, list))


JSON_SAMPLES = blocks("json")


@pytest.mark.parametrize(("mark", "body"), JSON_SAMPLES, ids=[mark or "prediction" for mark, _ in JSON_SAMPLES])
def test_every_json_sample_has_the_keys_of_the_real_output(mark: str, body: str) -> None:
    named = re.fullmatch(r"prints: (.*)", mark)
    call = our_call(shlex.split(named[1])) if named else ASKED
    assert call is not None, f"the README says that {mark!r}, which is no command of ours"
    printed = run(*call).stdout
    assert agrees(json.loads(body), json.loads(printed)), printed


def test_the_typescript_is_the_tested_code() -> None:
    tested = {source.read_text(encoding="utf-8") for source in (ROOT / "tests" / "nextjs" / "src").rglob("*.ts*")}
    for _, body in blocks("ts", "tsx", "typescript"):
        assert body in tested, body[:200]


def test_the_readme_holds_the_route_and_what_it_calls() -> None:
    held = [body for _, body in blocks("ts")]
    for source in ("lib/struggle-predictor.ts", "app/api/analytics/predictions/generate/route.ts"):
        assert (ROOT / "tests" / "nextjs" / "src" / source).read_text(encoding="utf-8") in held, source


def test_every_file_it_names_exists() -> None:
    prose = _BLOCK.sub("", README)
    named = set(re.findall(r"`((?:scripts|ml|db|tests|models)/[\w./-]+\.\w+)`", prose))
    named |= {f"{module.replace('.', '/')}.py" for module in re.findall(r"-m ((?:scripts|tests)(?:\.\w+)+)", README)}
    named |= set(re.findall(r"\]\(([^)#:]+)\)", prose))
    made_later = {"models/current.pkl"}
    absent = sorted(name for name in named - made_later if not (ROOT / name).exists())
    assert absent == []


def test_every_test_it_names_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = set(re.findall(r"`(test_\w+)`", README))
    assert len(named) > 40
    assert sorted(name for name in named if f"def {name}(" not in sources) == []


def test_every_field_of_the_answer_is_explained() -> None:
    printed = json.loads(run(*ASKED).stdout)
    explained = set(re.findall(r"`(\w+)`", README))
    assert printed.keys() <= explained


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE)
    told = {int(code) for row in rows for code in row.split(",")}
    meant = {code for _, code, _ in predict.EXIT_CODES} | {0, predict.STDOUT_GONE, 130, 143}
    assert meant <= told
