"""Prisma clients as the generator makes them, connected through tests/support/prisma_engine.py to a real database.

Generated once per test run into a directory outside the tree. The CLI that generates is npm's; its engines, a
download, are never fetched: /bin/false in their place (/bin/true would claim success and do nothing).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, ".prisma_cache")
SCHEMA = os.path.join(os.path.dirname(os.path.dirname(HERE)), "db", "prisma_client.prisma")


@contextlib.contextmanager
def cache() -> Iterator[str]:
    """The folder of what npm installs, for one process at a time: tests run in several, which would install at once."""
    os.makedirs(CACHE, exist_ok=True)
    folder = os.open(CACHE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield CACHE
    finally:
        os.close(folder)


def generated_client(directory: str, provider: str, interface: str, schema: str = SCHEMA) -> Any:
    """The class Prisma, generated from the schema for the provider into a package of its own below directory."""
    package = f"prisma_{provider}_{interface}_{os.path.basename(directory)}".replace("-", "_")
    with open(schema, encoding="utf-8") as stream:
        text = stream.read()
    text = text.replace('"postgresql"', f'"{provider}"').replace(
        '"asyncio"', f'"{interface}"\n  output = "./{package}"'
    )
    path = os.path.join(directory, f"{package}.prisma")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    environment = {
        **os.environ,
        "CHECKPOINT_DISABLE": "1",
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}",
        "PRISMA_HOME_DIR": CACHE,
        "PRISMA_QUERY_ENGINE_BINARY": "/bin/false",
        "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/false",
        "npm_config_ignore_scripts": "true",
    }
    command = [sys.executable, "-m", "prisma", "generate", "--schema", path]
    with cache():
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    if directory not in sys.path:
        sys.path.insert(0, directory)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an archived package on a newer pydantic
        return import_module(package).Prisma


def engine(directory: str) -> str:
    """The path of a program that the client may start as its engine."""
    path = os.path.join(directory, "query-engine")
    if not os.path.exists(path):
        with open(path, "w", encoding="utf-8") as stream:
            root = os.path.dirname(HERE)
            stream.write(
                f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m tests.support.prisma_engine "$@"\n'
            )
        os.chmod(path, 0o755)
    return path
