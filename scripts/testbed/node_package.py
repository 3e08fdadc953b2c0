"""The package for Node, built from this checkout where it has changed; it needs npm and git."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "scripts" / "node"
EXAMPLE = ROOT / "tests" / "nextjs"
NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
OF_THE_LOCK = ("scripts/node/package.json", "scripts/node/package-lock.json")
OF_THE_EXAMPLES_LOCK = ("tests/nextjs/package.json", "tests/nextjs/package-lock.json")
OF_THE_PACKAGE = (
    *("scripts/node/src", "scripts/node/templates", "scripts/node/*.mjs", "scripts/node/*.json", "scripts/node/*.md"),
    *("predict.py", "db", "ml", "models", "scripts/*.py", "pyproject.toml", "README.md", "LICENSE"),
)
"""What is packed, or says how."""


def run(*command: str, cwd: Path = PACKAGE, more: Mapping[str, str] | None = None, timeout_s: float = 300) -> str:
    """stdout of a command. PYTHON and STRUGGLE_PYTHON name this interpreter. Raises RuntimeError with all it said."""
    environment = {**os.environ, "PYTHON": sys.executable, "STRUGGLE_PYTHON": sys.executable, **(more or {})}
    ran = subprocess.run(  # noqa: S603 - our own arguments
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout_s
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{ran.stdout[-8000:]}\n{ran.stderr[-8000:]}")
    return ran.stdout


def digest(*patterns: str) -> str:
    """A fingerprint of tracked files."""
    hashed = hashlib.sha256()
    for name in run("git", "ls-files", "-z", "--", *patterns, cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            hashed.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return hashed.hexdigest()


def once(stamp: Path, fingerprint: str, make: Callable[[], object]) -> None:
    """make(), unless it was made from just this before."""
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return
    make()
    stamp.write_text(fingerprint)


def tarball() -> Path:
    """The package, as `npm run build` packs it."""
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    with _alone():
        once(PACKAGE / "node_modules" / ".installed-from", digest(*OF_THE_LOCK), lambda: run(*NPM_CI))
        once(PACKAGE / "wheel" / ".built-from", digest(*OF_THE_PACKAGE), lambda: run("npm", "run", "build"))
    return PACKAGE / f"struggle-predictor-{version}.tgz"


def install_example() -> str:
    """npm's packages of tests/nextjs, with the package for Node among them; the fingerprint of that one."""
    packed = tarball()
    fingerprint = hashlib.sha256(packed.read_bytes()).hexdigest()
    with _alone():
        copy = EXAMPLE / packed.name
        copy.write_bytes(packed.read_bytes())
        modules = EXAMPLE / "node_modules"
        once(modules / ".installed-from", digest(*OF_THE_EXAMPLES_LOCK), lambda: run(*NPM_CI, cwd=EXAMPLE))
        once(modules / ".package-from", fingerprint, lambda: _unpack(copy, modules / "struggle-predictor"))
    return fingerprint


def _unpack(packed: Path, into: Path) -> None:
    """What npm does with the package of that file."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    run("tar", "--extract", "--strip-components=1", f"--file={packed}", cwd=into)


@contextmanager
def _alone() -> Iterator[None]:
    """No other process builds the package meanwhile."""
    import fcntl

    with (PACKAGE / ".npmrc").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
