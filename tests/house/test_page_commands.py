"""Every command that a page shows runs, knows its options, and leaves the checkout clean.

The `sh` blocks of a page are run one after the other in a copy of what is tracked, with the demo as the platform; only
those of NOT_RUN are not. Calls in the middle of sentences must exist and know their options.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import (
    ROOT,
    Block,
    blocks,
    help_of,
    options_in,
    our_call,
    our_calls,
    pages,
    prose,
    subcommands,
)
from tests.support.postgres_server import Databases, with_demo
from tests.support.tracked import tracked

NOT_RUN = {
    "python3 -m venv": "they are the first step of .ci/run, and the test command would run itself",
    "pip install": "it needs a package index; .ci/run and tests/house/test_deploy.py install",
    "docker compose": "it needs Docker; tests/house/test_deploy.py runs the image's own commands",
    "docker build": "it needs Docker; tests/process/test_nextjs_app.py runs the image's own commands",
    "cd tests/nextjs": "it needs npm; tests/process/test_nextjs_app.py builds and starts the application",
    "python -m scripts.service": "it serves until it is stopped; tests/serving starts it",
    "cd scripts/node": "it needs npm; tests/process/test_node_package.py builds the package",
    "npm install ./struggle-predictor": "it needs an application; tests/process/test_new_application.py makes one",
    "dask scheduler": "it needs several machines; tests/commands/test_cluster.py starts a cluster on this one",
    "curl": "it needs the service of the block before; tests/serving asks for the same",
    "python scripts/forget_learner.py": "tests/commands/test_forgetting.py takes these steps",
    "python scripts/record_outcomes.py --again": "tests/commands/test_upgrade.py takes these steps",
    "bash .ci/check": "it would run these tests again",
    "python -m tests.fuzz": "tests/fuzz runs each for some seconds",
    "python -m scripts.import_history LOG1": "it takes the research data and some minutes",
}
"""How a block's first line begins -> why the block is not run here."""
GIVEN = {
    "USER_ID": "demo-learner",
    "OBJECTIVE_ID": "action-potentials",
    "postgresql://USER:PASSWORD@localhost:5432/DATABASE?schema=public": "$PLATFORM",
    "/run/secrets/database_url": "$SCRATCH/database_url",
    "/etc/struggle.env": "$SCRATCH/struggle.env",
    "interactions.csv.gz": "$SCRATCH/interactions.csv",
    "objectives.csv": "$SCRATCH/objectives.csv",
    "history.py answers.csv": "history.py $SCRATCH/foreign.csv",
    "/tmp/": "$SCRATCH/",
    # the demo's five learners prove nothing
    "python scripts/train_initial_model.py\n": "python scripts/train_initial_model.py --force\n",
}
"""What a page writes for something of the reader's own -> what it is in the test."""
ANSWER_LOG = "user_id,item_id,timestamp,correct,skill_id\nu1,i1,1700000000,1,s1\n"
OBJECTIVES = "objective_id,name,course,prerequisites\ns1,Add two numbers,Arithmetic,\n"
EVERY_BLOCK = [block for page in pages() for block in blocks(page, "sh")]


def why_not_run(block: Block) -> str | None:
    return next((why for start, why in NOT_RUN.items() if block.body.startswith(start)), None)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is tracked, as a repository of its own."""
    made = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, made / name)
    git(made, "init", "--quiet")
    git(made, "add", "--all")
    git(made, "-c", "user.name=any", "-c", "user.email=any@example.org", "commit", "--quiet", "--message", "copy")
    return made


def git(directory: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=True)
    return ran.stdout


def run_blocks(page: str, checkout: Path, scratch: Path, platform: str) -> None:
    """Runs the page's blocks in one shell, so that what one exports holds for the next."""
    (scratch / "home").mkdir()
    (scratch / "database_url").write_text(platform)
    (scratch / "struggle.env").write_text(f"DATABASE_URL='{platform}'\n")
    (scratch / "interactions.csv").write_text(ANSWER_LOG)
    (scratch / "objectives.csv").write_text(OBJECTIVES)
    (scratch / "foreign.csv").write_text("studentId,question,when,score,topic\nann,q1,2024-05-01T10:00:00Z,0.5,t\n")
    places = {"$PLATFORM": platform, "$SCRATCH": str(scratch)}
    script = ["set -eu"]
    for block in blocks(page, "sh"):
        if why_not_run(block) is None:
            body = block.body.rstrip("\n") + "\n"
            for written, meant in GIVEN.items():
                body = body.replace(written, meant)
            for name, value in places.items():
                body = body.replace(name, value)
            script += [f"cd {shlex.quote(str(checkout))}", f"echo {shlex.quote('== ' + block.first_line)} >&2", body]
    ran = subprocess.run(
        [shutil.which("bash") or "sh", "-c", "\n".join(script)],
        cwd=checkout,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            "DATABASE_URL": platform,
            "HOME": str(scratch / "home"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages() if any(why_not_run(b) is None for b in blocks(page, "sh"))])
def test_its_commands_run_and_leave_the_checkout_clean(
    page: str, checkout: Path, tmp_path: Path, demo_copy: str
) -> None:
    run_blocks(page, checkout, tmp_path, demo_copy)
    assert git(checkout, "status", "--porcelain") == ""
    git(checkout, "clean", "-dffxq", "models")  # what one page has trained does not answer on the next one


@pytest.mark.slow
def test_the_readmes_commands_run_on_postgresql(checkout: Path, tmp_path: Path, postgres_databases: Databases) -> None:
    run_blocks("README.md", checkout, tmp_path, with_demo(postgres_databases.empty()))
    git(checkout, "clean", "-dffxq", "models")


def test_no_command_hides_in_an_indented_block() -> None:
    """Markdown also takes four blanks for code, and nothing here would look into it."""
    for page in pages():
        indented = re.findall(r"(?m)^(?: {4}|\t)(?![-*|]|\d+\.)(.*)", prose(page))
        assert [line for line in indented if our_call(line.split()) or line.startswith(("pip ", "python"))] == [], page


@pytest.mark.slow
def test_no_reason_for_not_running_a_block_is_left_over() -> None:
    used = {start for block in EVERY_BLOCK for start in NOT_RUN if block.body.startswith(start)}
    assert used == NOT_RUN.keys()


def calls() -> list[tuple[str, list[str]]]:
    """(page, call) of every command of ours that a page shows: in blocks, and in code within sentences."""
    found = [(block.page, call) for block in EVERY_BLOCK for call in our_calls(block.body)]
    for page in pages():
        for code in re.findall(r"`([^`\n]+)`", prose(page)):
            call = our_call(code.split())
            if call and (ROOT / call[0]).is_file():
                found.append((page, call))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", pages())
def test_every_call_knows_its_options(page: str) -> None:
    for _, call in [each for each in calls() if each[0] == page]:
        script, arguments = call[0], call[1:]
        options = {match[0] for argument in arguments if (match := re.match(r"--[a-z][\w-]*", argument))}
        assert (ROOT / script).is_file(), f"{page}: {script} does not exist"
        named = (
            arguments[0]
            if arguments and re.fullmatch(r"[a-z]+(-[a-z]+)*", arguments[0]) and subcommands(script)
            else ""
        )
        assert named in ["", *subcommands(script)], f"{page}: {shlex.join(call)}"
        if options:
            known = options_in(help_of(script)) | options_in(help_of(script, named)) | {"--help", "--version"}
            assert options <= known, f"{page}: {shlex.join(call)}"
