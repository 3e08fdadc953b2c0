"""What is installed: audited against advisories, and listed in a software bill of materials."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOCK = os.path.join(ROOT, "requirements-lock.txt")
PACKAGE = "click==8.1.7 --hash=sha256:" + "0" * 64 + "\nidna==3.7 --hash=sha256:" + "1" * 64 + "\n"
ADVISORY = {
    "id": "PYSEC-0000-1",
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.8"}]}],
        }
    ],
}


class Advisories(BaseHTTPRequestHandler):
    """OSV's query interface: one advisory about idna where the path says so."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.path == "/known" and asked["package"]["name"] == "idna"
        body = json.dumps({"vulns": [ADVISORY]} if known else {}).encode()
        self.send_response(503 if self.path == "/down" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def pinned(path: str) -> dict[str, list[str]]:
    """The lines of a lock file's packages, without comments and environment markers, by name and version."""
    found: dict[str, list[str]] = {}
    name = ""
    with open(os.path.join(ROOT, path), encoding="utf-8") as lines:
        for line in lines:
            for word in line.split("#")[0].replace("\\", "").split():
                if "==" in word and not word.startswith("--hash="):
                    name = word
                    found[name] = []
                elif word.startswith("--hash="):
                    found[name].append(word)
    return found


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("scripts/deploy/service-lock.txt", {"click", "fastapi", "psycopg2-binary", "uvicorn"}),
        ("scripts/deploy/predict-lock.txt", {"click", "psycopg2-binary"}),
    ],
)
def test_images_install_by_the_hashes_of_the_lock(path: str, needed: set[str]) -> None:
    locked, installed = pinned("requirements-lock.txt"), pinned(path)
    assert {name.partition("==")[0] for name in installed} >= needed
    for name, hashes in installed.items():
        assert hashes, name
        assert hashes == locked[name], name


def test_workflows_name_actions_and_images_by_digest() -> None:
    folder = os.path.join(ROOT, ".github", "workflows")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        used = re.findall(r"uses: (\S+)", text)
        assert used
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each) for each in used), used
        images = re.findall(r"image: (python\S+)", text)
        assert images
        assert all(re.search(r"@sha256:[0-9a-f]{64}$", each) for each in images), images


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "lock", "code", "said"),
    [
        ("/clean", PACKAGE, 0, "audited 2 packages, no known vulnerability"),
        ("/known", PACKAGE, 1, "idna 3.7: PYSEC-0000-1"),
        ("/down", PACKAGE, 0, "!!! NOT AUDITED: the advisory service did not answer"),
        ("/clean", "click>=8\n", 1, "cannot be audited"),
        ("/clean", "", 1, "0 of 0 packages"),
    ],
)
def test_an_audit_says_what_it_found_and_whether_it_was_answered(
    service: str, tmp_path: Path, path: str, lock: str, code: int, said: str
) -> None:
    file = tmp_path / "lock.txt"
    file.write_text(lock)
    audit = [sys.executable, os.path.join(ROOT, ".ci", "audit"), str(file), service + path]
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    ran = subprocess.run(audit, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert said in ran.stdout + ran.stderr
    assert ("audited 2" in ran.stdout) == (path == "/clean" and lock == PACKAGE)


def bill_of_materials(path: str, *options: str) -> bytes:
    """The README's command; without --no-validate it holds what it makes against CycloneDX's schema, or fails."""
    command = [os.path.join(os.path.dirname(sys.executable), "cyclonedx-py"), "requirements", "requirements-lock.txt"]
    command += ["--pyproject", "pyproject.toml", "--output-reproducible", "-o", path, *options]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    with open(path, "rb") as file:
        return file.read()


def test_the_bill_of_materials_is_valid_reproducible_and_holds_every_locked_package_with_its_hashes(
    tmp_path: Path,
) -> None:
    written = bill_of_materials(str(tmp_path / "sbom.json"))
    assert bill_of_materials(str(tmp_path / "again.json"), "--no-validate") == written
    bill = json.loads(written)
    assert "serialNumber" not in bill
    assert "timestamp" not in bill["metadata"]
    assert bill["metadata"]["component"]["name"] == "struggle-predictor"
    listed = {
        (part["name"], part["version"]): {
            digest["content"] for reference in part["externalReferences"] for digest in reference["hashes"]
        }
        for part in bill["components"]
    }
    with open(LOCK, encoding="utf-8") as file:
        pins = re.findall(r"(?m)^([a-z0-9._-]+)==(\S+)((?:.*\\\n)+.*)", file.read())
    locked = {(name, version): set(re.findall(r"sha256:([0-9a-f]{64})", rest)) for name, version, rest in pins}
    assert len(locked) > 100
    assert all(locked.values())
    assert listed == locked
