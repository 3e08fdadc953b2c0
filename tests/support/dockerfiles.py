"""Dockerfiles taken apart, so that their commands can be run where there is no container engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.pages import ROOT

DEPLOY = ROOT / "scripts" / "deploy"


class Instruction(NamedTuple):
    """One line of a Dockerfile, continuations joined: RUN and what follows it."""

    word: str
    rest: str


def stages(dockerfile: Path) -> list[list[Instruction]]:
    """The Dockerfile's stages, each from its FROM on."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[list[Instruction]] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word, rest.strip()))
    return found


def only(stage: list[Instruction], word: str) -> str:
    """The rest of the one instruction that begins with the word."""
    (rest,) = [each.rest for each in stage if each.word == word]
    return rest


def variables(stage: list[Instruction]) -> dict[str, str]:
    """What ENV sets in the stage."""
    return dict(word.split("=", 1) for each in stage if each.word == "ENV" for word in each.rest.split())


def copied(stage: list[Instruction]) -> list[str]:
    """What the stage takes from the repository."""
    rests = [each.rest.split() for each in stage if each.word == "COPY"]
    return [source for rest in rests if not rest[0].startswith("--from=") for source in rest[:-1]]


def copy_of(stage: list[Instruction], directory: Path) -> Path:
    """What COPY would have put into the stage's working directory."""
    directory.mkdir()
    for source in copied(stage):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, directory / source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / source, directory)
    return directory


def run(command: list[str], directory: Path, environment: dict[str, str]) -> None:
    """Runs a command of a Dockerfile; one that fails fails the test with all it said."""
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
