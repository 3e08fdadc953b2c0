"""The package for Node: what is packed, and its own tests, by Node's runner against the real Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from predict import __version__
from scripts.testbed.node_package import PACKAGE, ROOT, run, tarball
from tests.conftest import need
from tests.support.tracked import tracked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def packed() -> Path:
    need("node"), need("npm")
    return tarball()


def test_its_own_tests(packed: Path) -> None:
    files = sorted(str(path.relative_to(PACKAGE)) for path in (PACKAGE / "tests").glob("*.test.mjs"))
    said = run("node", "--test", "--test-reporter=spec", "--test-concurrency=3", *files)
    assert re.search(r"^\S tests [89]\d$", said, re.MULTILINE), said[-6000:]
    for count in ("fail", "cancelled", "skipped", "todo"):
        assert re.search(rf"^\S {count} 0$", said, re.MULTILINE), said[-6000:]


def test_its_types_are_those_of_the_schemas(packed: Path) -> None:
    generated = run("node", "generate-types.mjs", "--print")
    assert generated == (PACKAGE / "src" / "answer.ts").read_text(), "`npm run types` in scripts/node writes them anew"


def test_it_has_the_version_of_the_command_and_nothing_to_install_or_to_publish(packed: Path) -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text())
    assert (manifest["name"], manifest["version"]) == ("struggle-predictor", __version__)
    assert manifest["private"] is True
    assert not {"dependencies", "peerDependencies", "optionalDependencies"} & manifest.keys()
    assert not {"install", "preinstall", "postinstall", "prepare"} & manifest["scripts"].keys()
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_the_tarball_holds_both_kinds_of_modules_the_templates_and_the_wheel(packed: Path, tmp_path: Path) -> None:
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
        (wheel,) = [name for name in names if name.endswith(".whl")]
        archive.extract(f"package/{wheel}", tmp_path, filter="data")
    for kind in ("esm", "cjs"):
        assert {f"dist/{kind}/index.js", f"dist/{kind}/index.d.ts"} <= names
    assert {path.removeprefix("scripts/node/") for path in tracked("scripts/node/templates/*")} <= names
    assert {"LICENSE", "README.md", "package.json"} <= names
    assert not [name for name in names if name.startswith(("src", "tests", "node_modules"))]
    assert wheel == f"wheel/struggle_predictor-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / "package" / wheel) as archive:
        inside = set(archive.namelist())
    assert {"predict.py", "scripts/worker.py", "db/demo.sqlite3", "models/pretrained.pkl"} <= inside
    assert not [name for name in inside if name.startswith(("scripts/node", "tests"))]


def test_equal_sources_give_an_equal_tarball(packed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another directory"
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    subprocess.run(["git", "add", "--all"], cwd=copy, check=True)
    (copy / "scripts" / "node" / "node_modules").symlink_to(PACKAGE / "node_modules")
    run("node", "build.mjs", str(tmp_path), cwd=copy / "scripts" / "node")
    assert (tmp_path / packed.name).read_bytes() == packed.read_bytes()
