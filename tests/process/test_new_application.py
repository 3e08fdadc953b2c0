"""From nothing to the first prediction: a new Next.js application installs the package for Node and asks it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from scripts.testbed.new_application import START_INSTALLED, NewApplication
from scripts.testbed.node_package import PACKAGE, install_example, run, tarball
from tests.conftest import need
from tests.support.outputs import read_output
from tests.support.ports import free_port

pytestmark = pytest.mark.slow


def test_install_init_one_import_and_the_first_prediction_in_a_browser(tmp_path: Path) -> None:
    need("node"), need("npm")
    chromium = need("chromium")
    packed = tarball()
    install_example()  # whose Playwright drives the browser
    application = NewApplication(tmp_path / "new-app")
    application.create()
    application.install(packed)
    said = application.init(str(Path(sys.base_prefix, "bin", "python3")))
    assert "the Prisma schema prisma/schema.prisma." in said
    assert (application.root / ".struggle" / "venv").is_dir()
    again = application.init(str(Path(sys.base_prefix, "bin", "python3")))
    assert ".struggle/venv is as it should be already" in again
    command = (*START_INSTALLED, "struggle-predictor", "doctor")
    report = read_output(run(*command, cwd=application.root, more={"DATABASE_URL": application.url}))
    assert report["ok"] is True
    assert report["database"]["missing_sources"] == []

    with application.served(free_port(), tmp_path / "server.log") as address:
        assert application.ask_in_chromium(address, chromium, "refused") == "403 forbidden"
        application.fill_in()
        probability, level = application.ask_in_chromium(address, chromium, "first prediction").split()

    python = str(application.root / ".struggle/venv/bin/python")
    schema = str(application.root / "prisma/schema.prisma")
    ids = ("--", "demo-learner", "action-potentials")
    command = (python, "-I", "-m", "predict", "--schema", schema, "--database-url", application.url, *ids)
    printed = read_output(run(*command))
    assert printed["degraded"] == ""
    assert float(probability) == pytest.approx(float(str(printed["probability"])), abs=1e-6)
    assert level == printed["risk_level"]

    pages = application.root / "src" / "pages-router"
    pages.mkdir()
    shutil.copy(PACKAGE / "templates" / "may-predict.pages.ts", pages / "may-predict.ts")
    route = (PACKAGE / "templates" / "route.pages.ts").read_text()
    (pages / "route.ts").write_text(route.replace("MAY_PREDICT", "./may-predict"))
    run("node", "node_modules/typescript/bin/tsc", "--noEmit", cwd=application.root)  # both routers' files have types
    assert list(application.seconds) == [
        "create-next-app",
        "npm install",
        "init, with .struggle/venv",
        "next dev, until the page is there",
        "refused",
        "first prediction",
    ]
