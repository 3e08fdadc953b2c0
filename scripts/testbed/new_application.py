"""A new Next.js application that installs the package for Node and shows its first prediction in a real browser.

It is made by create-next-app, and has a Prisma schema of its own with names of its own. Every step is timed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.testbed.node_package import EXAMPLE, ROOT, run

CREATE = "create-next-app@16.4.3"
CHOICES = ("--ts", "--app", "--src-dir", "--no-tailwind", "--no-eslint", "--no-react-compiler", "--import-alias", "@/*")
QUIET = {"NEXT_TELEMETRY_DISABLED": "1", "npm_config_update_notifier": "false", "npm_config_prefer_offline": "true"}
START_INSTALLED = ("npx", "--no-install")
ROUTE = "/api/analytics/predictions/generate"
MAY_PREDICT = "src/lib/may-predict.ts"
OWN = "lms_"
"""How the application's own tables begin."""
STARTS_WITHIN_S = 120
PAGE = """'use client';
import { useState } from 'react';

export default function Home() {
  const [said, setSaid] = useState('');
  async function ask() {
    const response = await fetch('%s', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ userId: 'demo-learner', objectiveId: 'action-potentials' }),
    });
    const { answer, error } = await response.json();
    setSaid(answer ? `${answer.probability} ${answer.risk_level}` : `${response.status} ${error.code}`);
  }
  return (
    <main>
      <button onClick={ask}>Predict</button>
      <output>{said}</output>
    </main>
  );
}
"""


class NewApplication:
    """The application in a directory that does not exist yet. seconds: how long each step took."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seconds: dict[str, float] = {}
        self.url = f"file:{root / 'prisma' / 'dev.db'}"

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Times what is done within."""
        began = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - began

    def create(self) -> None:
        """create-next-app's template, with a page that asks, a Prisma schema of its own, and a database for it."""
        with self.timed("create-next-app"):
            skip = ("--use-npm", "--skip-install", "--disable-git", "--yes")
            run("npx", "--yes", CREATE, self.root.name, *CHOICES, *skip, cwd=self.root.parent, more=QUIET)
        manifest = json.loads((self.root / "package.json").read_text())
        example = json.loads((EXAMPLE / "package.json").read_text())
        known = {**example["dependencies"], **example["devDependencies"]}  # npm's cache has these versions
        for kind in ("dependencies", "devDependencies"):
            manifest[kind] = {name: known[name] for name in manifest[kind]}
        (self.root / "package.json").write_text(json.dumps(manifest, indent=2))
        (self.root / "src/app/page.tsx").write_text(PAGE % ROUTE)
        (self.root / "prisma").mkdir()
        schema = (ROOT / "db" / "schema.prisma").read_text()
        (self.root / "prisma/schema.prisma").write_text(re.sub(r'@@map\("(\w+)"\)', rf'@@map("{OWN}\1")', schema))
        run(sys.executable, "-m", "scripts.create_database", "--demo", "--database-url", self.url, cwd=ROOT)
        with sqlite3.connect(self.url.removeprefix("file:")) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f'ALTER TABLE "{name}" RENAME TO "{OWN}{name}"')
        connection.close()

    def install(self, tarball: Path) -> None:
        """The package from its file, with the template's own packages."""
        with self.timed("npm install"):
            quick = ("--ignore-scripts", "--no-audit", "--no-fund")
            run("npm", "install", *quick, f"./{os.path.relpath(tarball, self.root)}", cwd=self.root, more=QUIET)

    def init(self, python: str, *words: str) -> str:
        """What `init` says. python: the interpreter from which it makes .struggle/venv."""
        with self.timed("init, with .struggle/venv"):
            command = (*START_INSTALLED, "struggle-predictor", "init", "--yes", "--python", python)
            return run(*command, *words, cwd=self.root, more=QUIET)

    def fill_in(self) -> None:
        """What the application's developer does: say who may ask for whom."""
        path = self.root / MAY_PREDICT
        path.write_text(path.read_text().replace("return false;", "return userId === 'demo-learner';"))

    @contextmanager
    def served(self, port: int, log: Path) -> Iterator[str]:
        """`next dev`; its address, once the page is answered."""
        command = ["node", "node_modules/next/dist/bin/next", "dev", "--hostname", "127.0.0.1", "--port", str(port)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STRUGGLE_")}
        environment |= {**QUIET, "DATABASE_URL": self.url, "STRUGGLE_WORKERS": "1"}
        with self.timed("next dev, until the page is there"), log.open("w") as said:
            server = subprocess.Popen(  # noqa: S603 - our own arguments
                command, cwd=self.root, env=environment, stdout=said, stderr=said, start_new_session=True
            )
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server, log)
        try:
            yield address
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=20)

    def ask_in_chromium(self, address: str, chromium: str, step: str) -> str:
        """What the page shows after a click on its button."""
        shown = json.loads(run("node", "e2e/first-prediction.mjs", address, chromium, cwd=EXAMPLE))
        self.seconds[step] = shown["ms"] / 1000
        return str(shown["said"])


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=60):  # noqa: S310 - on this machine
                return
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{error.code}: {log.read_text()}") from None
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"next dev did not answer: {log.read_text()}")
