"""predict.py called as other programs call it: from Node with exec and execFile, and with hostile ids.

The route of the integration guide builds a shell command from the ids. What that costs is shown here once, with a
harmless marker file; everything else calls predict.py the way tests/nextjs/README.md says, without a shell.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db.connecting import DEMO
from tests.conftest import need
from tests.support.outputs import read_output

ROOT = Path(__file__).resolve().parents[2]
PREDICT = str(ROOT / "predict.py")
LEARNER, OBJECTIVE = "demo-learner", "action-potentials"
ROUTES_TIMEOUT_MS = 5000

HOSTILE_IDS = [
    "-h",
    "--help",
    "--version",
    "--",
    "-",
    "",
    " ",
    "a b",
    'a"b',
    "a'b",
    "`id`",
    "$(id)",
    "'; drop table users; --",
    "' or '1'='1",
    "%",
    "_",
    "*",
    "\\",
    "a\nb",
    "\r\n\t\x01\x1b[31m",
    "../../etc/passwd",
    "😀",
    "é",
    "e\u0301",
    "\u202e",
    "x" * 10_000,
    "😀" * 2_500,
]

RUN_IN_NODE = """
const { exec, execFile } = require('node:child_process');
const calls = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const run = ({ file, args, command, timeout }) => new Promise((resolve) => {
  const begun = process.hrtime.bigint();
  const done = (error, stdout, stderr) => resolve({
    code: error ? error.code ?? null : 0, killed: Boolean(error?.killed), stdout, stderr,
    ms: Number(process.hrtime.bigint() - begun) / 1e6,
  });
  try {
    if (command) exec(command, { timeout }, done);
    else execFile(file, args, { timeout }, done);
  } catch (error) {
    resolve({ thrown: error.code });
  }
});
(async () => {
  const results = [];
  for (const call of calls) results.push(await run(call));
  console.log(JSON.stringify(results));
})();
"""


def through_node(*calls: dict[str, object], database_url: str | None = None) -> list[dict[str, object]]:
    """What Node's child_process gives back for each call, in order."""
    calls = tuple({"timeout": ROUTES_TIMEOUT_MS, **call} for call in calls)
    environment = dict(os.environ) if database_url is None else {**os.environ, "DATABASE_URL": database_url}
    node = subprocess.run(
        [need("node"), "-e", RUN_IN_NODE],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=environment,
    )
    return json.loads(node.stdout)


def predicting(user_id: str, objective_id: str) -> dict[str, object]:
    """The call as the example's route makes it."""
    return {"file": sys.executable, "args": [PREDICT, user_id, objective_id]}


def guides_command(user_id: str, objective_id: str) -> dict[str, object]:
    """The call as the guide's route makes it: a template string, run by a shell."""
    return {"command": f"{shlex.quote(sys.executable)} {shlex.quote(PREDICT)} {user_id} {objective_id}"}


def only_object(stdout: str) -> dict[str, object]:
    """The one JSON object on stdout, which is one ASCII line and nothing else."""
    assert stdout.endswith("\n")
    assert stdout.count("\n") == 1
    assert stdout.isascii()
    printed = read_output(stdout)
    assert isinstance(printed, dict)
    return printed


@pytest.mark.slow
def test_exec_and_execfile_give_the_route_its_answer_within_its_timeout() -> None:
    calls = guides_command(LEARNER, OBJECTIVE), predicting(LEARNER, OBJECTIVE)
    by_shell, by_file = through_node(*calls, database_url=f"file:{DEMO}")
    for result in (by_shell, by_file):
        assert (result["code"], result["killed"], result["stderr"]) == (0, False, "")
        assert result["ms"] < ROUTES_TIMEOUT_MS
        printed = only_object(result["stdout"])
        assert printed.keys() >= {"probability", "confidence", "risk_level", "reasoning", "features"}
        assert printed["risk_level"] == "HIGH"
        assert printed["degraded"] == ""


@pytest.mark.slow
def test_a_template_string_lets_an_id_run_a_command_and_execfile_does_not(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    hostile = f"nobody; touch {marker} #"
    through_node(guides_command(LEARNER, hostile))
    assert marker.exists(), "the guide's form should have run the id's command; that is what the page warns of"
    marker.unlink()

    for user_id, objective_id in (
        (LEARNER, hostile),
        (hostile, OBJECTIVE),
        (f"$(touch {marker})", f"`touch {marker}`"),
    ):
        (result,) = through_node(predicting(user_id, objective_id))
        assert result["code"] == 66
        assert only_object(result["stdout"])["error"]["code"] in ("unknown_learner", "unknown_objective")
    assert not marker.exists()


@pytest.mark.slow
def test_hostile_ids_through_execfile_are_unknown_and_nothing_worse() -> None:
    calls = [predicting(hostile, OBJECTIVE) for hostile in HOSTILE_IDS]
    calls += [predicting(LEARNER, hostile) for hostile in HOSTILE_IDS]
    for call, result in zip(calls, through_node(*calls)):
        asked = call["args"][1:]
        assert result["code"] == 66, (asked, result)
        expected = "unknown_learner" if asked[0] != LEARNER else "unknown_objective"
        assert only_object(result["stdout"])["error"]["code"] == expected
        assert "Traceback" not in result["stderr"]
        assert result["stderr"].count("\n") == 1


@pytest.mark.slow
def test_execfile_itself_refuses_a_nul() -> None:
    assert through_node(predicting("a\0b", OBJECTIVE), predicting(LEARNER, "\0")) == [
        {"thrown": "ERR_INVALID_ARG_VALUE"},
        {"thrown": "ERR_INVALID_ARG_VALUE"},
    ]


@pytest.mark.slow
def test_a_database_that_never_answers_is_a_degraded_answer_before_the_route_gives_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        url = f"postgresql://nobody:secret@127.0.0.1:{silent.getsockname()[1]}/silent"
        (result,) = through_node(predicting(LEARNER, OBJECTIVE), database_url=url)
    assert (result["code"], result["killed"]) == (0, False)
    printed = only_object(result["stdout"])
    assert printed["degraded"]
    assert printed["confidence"] <= 0.2
    assert "secret" not in result["stdout"] + result["stderr"]


@pytest.mark.slow
def test_a_child_that_exec_gave_up_on_ends_by_itself() -> None:
    """exec's timeout kills the shell only; predict.py's own deadline ends what was left running."""
    own_id = f"left-behind-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody:secret@127.0.0.1:{silent.getsockname()[1]}/silent"
        call = {**guides_command(own_id, OBJECTIVE), "timeout": 1000}
        call["command"] += "; true"  # a shell that has more to do stays in between, as most do
        (result,) = through_node(call, database_url=url)
        assert result["killed"]
        gone_by = time.monotonic() + 60
        while running(own_id) and time.monotonic() < gone_by:
            time.sleep(0.1)
        assert not running(own_id)


def running(word: str) -> list[str]:
    """Processes with this word among their arguments."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if word in line]


ids = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60).map(str.encode)
any_bytes = st.binary(max_size=60).filter(lambda octets: b"\0" not in octets)
hostile_starts = st.tuples(st.sampled_from([b"-", b"--", b"--as-of=", b"'", b"$(", b"@"]), any_bytes).map(b"".join)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.one_of(ids, any_bytes, hostile_starts), st.booleans())
@example(b"\xff\xfe", True)
@example(b"\xed\xa0\x80", False)
@example(b"\xc0\x80", False)
def test_any_bytes_as_an_id_are_one_object_and_exit_code_66(octets: bytes, as_learner: bool) -> None:
    asked = (octets, OBJECTIVE.encode()) if as_learner else (LEARNER.encode(), octets)
    ran = subprocess.run([sys.executable.encode(), PREDICT.encode(), *asked], capture_output=True, timeout=30)
    assert ran.returncode == 66, ran
    error = only_object(ran.stdout.decode("ascii"))["error"]
    assert error["code"] == ("unknown_learner" if as_learner else "unknown_objective")
    assert b"Traceback" not in ran.stderr
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_no_locale_and_no_encoding_changes_what_is_printed(locale: str, encoding: str) -> None:
    environment = {**os.environ, "LC_ALL": locale, "PYTHONIOENCODING": encoding}
    ran = subprocess.run([sys.executable, PREDICT, "é😀", OBJECTIVE], capture_output=True, timeout=30, env=environment)
    assert ran.returncode == 66
    assert only_object(ran.stdout.decode("ascii"))["error"]["code"] == "unknown_learner"
