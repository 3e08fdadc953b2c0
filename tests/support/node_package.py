"""The package for Node under scripts/node, built where it has changed: one build serves all tests of a machine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import need
from tests.support.tracked import ROOT, tracked

PACKAGE = ROOT / "scripts" / "node"
OF_THE_PACKAGE = "scripts/node/*"
OF_THE_WHEEL = ("predict.py", "db", "ml", "models", "scripts", "pyproject.toml", "README.md", "LICENSE")
NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")


def digest(*patterns: str) -> str:
    """A fingerprint of tracked files."""
    hashed = hashlib.sha256()
    for name in tracked(*patterns):
        hashed.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return hashed.hexdigest()


def once(stamp: Path, fingerprint: str, make: Callable[[], None]) -> None:
    """make(), unless it was made from just this before."""
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return
    make()
    stamp.write_text(fingerprint)


@contextmanager
def alone() -> Iterator[None]:
    """No other process builds the package meanwhile."""
    with (PACKAGE / ".npmrc").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: str, cwd: Path = PACKAGE, timeout: float = 300) -> str:
    """stdout of a command; a failing one fails the test with all it said."""
    environment = {**os.environ, "PYTHON": sys.executable, "STRUGGLE_PYTHON": sys.executable}
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-8000:]}\n{ran.stderr[-8000:]}"
    return ran.stdout


def tarball() -> Path:
    """The package as `npm run build` packs it."""
    need("node"), need("npm")
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    packed = PACKAGE / f"struggle-predictor-{version}.tgz"
    with alone():
        locked = digest("scripts/node/package.json", "scripts/node/package-lock.json")
        once(PACKAGE / "node_modules" / ".installed-from", locked, lambda: void(run(*NPM_CI)))
        once(
            PACKAGE / "dist" / ".built-from",
            digest(OF_THE_PACKAGE, *OF_THE_WHEEL),
            lambda: void(run("npm", "run", "build")),
        )
    return packed


def void(_said: str) -> None:
    """Nothing of what a command said is wanted."""
