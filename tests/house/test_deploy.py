"""The container's files: held to rules, for there is no engine here, and their commands run in a clean environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.support.dockerfiles import DEPLOY, copied, copy_of, only, run, stages
from tests.support.ports import free_port
from tests.support.service_process import AS_OF, PAIR, ROOT, printed

pytestmark = pytest.mark.slow

DOCKERFILE = DEPLOY / "Dockerfile.ml-service"
BOTH = pytest.mark.parametrize("dockerfile", [DOCKERFILE, DEPLOY / "Dockerfile.web"], ids=lambda path: path.name)
IMAGE = r"(python:3\.\d+-slim-bookworm|node:\d+-bookworm-slim)@sha256:[0-9a-f]{64}( AS \w+)?"
COMPOSE = DEPLOY / "docker-compose.yml"
STRICT = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"


@BOTH
def test_images_are_slim_and_pinned_and_the_last_runs_as_nobody(dockerfile: Path) -> None:
    for stage in stages(dockerfile):
        assert re.fullmatch(IMAGE, stage[0].rest) or stage[0].rest == "scratch AS web"
        assert {each.word for each in stage} <= {
            *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "CMD"),
        }
    last = stages(dockerfile)[-1]
    user, group = map(int, only(last, "USER").split(":"))
    assert user > 0
    assert group > 0
    words = [each.word for each in last]
    assert words.index("USER") > max(place for place, word in enumerate(words) if word in ("RUN", "COPY"))
    assert words.index("USER") < words.index("CMD")


@BOTH
def test_a_build_takes_only_tracked_files_and_no_secret(dockerfile: Path) -> None:
    for stage in stages(dockerfile):
        sources = copied(stage)
        assert "." not in sources
        for source in sources:
            assert (ROOT / source).exists(), source
        for each in stage:
            assert not re.search(r"(?i)(token|password|secret|database_url)\s*=", each.rest)
            if "pip install" in each.rest:
                assert "--no-cache-dir" in each.rest
                assert "--require-hashes" in each.rest
            assert "npm install" not in each.rest
    ignored = (DEPLOY / f"{dockerfile.name}.dockerignore").read_text().split("\n")
    assert ignored[1] == "*"
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert taken == {source for stage in stages(dockerfile) for source in copied(stage)}


def test_the_port_is_one_and_the_health_check_asks_it() -> None:
    last = stages(DOCKERFILE)[-1]
    port = only(last, "EXPOSE")
    command = json.loads(only(last, "CMD"))
    assert command[command.index("--port") + 1] == port
    assert command[command.index("--host") + 1] == "0.0.0.0"
    options, _, check = only(last, "HEALTHCHECK").partition("CMD ")
    assert {option.partition("=")[0] for option in options.split()} == {
        *("--interval", "--timeout", "--start-period", "--retries"),
    }
    assert f"127.0.0.1:{port}/health" in json.loads(check)[-1]


def test_the_compose_file_is_clean_yaml_and_joins_the_web_to_the_service() -> None:
    text = COMPOSE.read_text()
    assert [str(problem) for problem in linter.run(text, YamlLintConfig(STRICT))] == []
    services = yaml.safe_load(text)["services"]
    web, service = services["web"], services["ml-service"]
    assert "ML_SERVICE_URL=http://ml-service:8000" in web["environment"]
    assert web["depends_on"]["ml-service"]["condition"] == "service_healthy"
    context = (DEPLOY / service["build"]["context"]).resolve()
    assert context == ROOT
    assert context / service["build"]["dockerfile"] == DOCKERFILE
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    for name in ("DATABASE_URL", "STRUGGLE_TOKEN"):
        assert any(entry.startswith(f"{name}=${{{name}:?") for entry in service["environment"]), name
    assert "models:/app/models" in service["volumes"]


def test_the_dockerfiles_commands_make_a_service_that_is_healthy_and_predicts(tmp_path: Path) -> None:
    packages, final = stages(DOCKERFILE)
    venv = tmp_path / "packages"
    clean = {"PATH": f"{Path(sys.base_prefix, 'bin')}:/usr/bin:/bin", "HOME": str(tmp_path)}
    clean |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    build = only(packages, "RUN").replace("/opt/packages", str(venv))
    run(["sh", "-ec", build], copy_of(packages, tmp_path / "source"), clean)

    app = copy_of(final, tmp_path / "app")
    clean["PATH"] = f"{venv / 'bin'}:/usr/bin:/bin"
    clean |= {"DATABASE_URL": f"sqlite:///{app}/db/demo.sqlite3", "STRUGGLE_TOKEN": "s3cret"}
    run(["sh", "-ec", only(final, "RUN")], app, clean)
    port = str(free_port())
    command = [port if word == "8000" else word for word in json.loads(only(final, "CMD"))]
    check = [word.replace("8000", port) for word in json.loads(only(final, "HEALTHCHECK").partition("CMD ")[2])]
    log = tmp_path / "log"
    with open(log, "wb") as out:
        program = shutil.which(command[0], path=clean["PATH"])
        assert program
        service = subprocess.Popen([program, *command[1:]], cwd=app, env=clean, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([program, *check[1:]], cwd=app, env=clean, capture_output=True).returncode:
            assert service.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        url, shown = f"http://127.0.0.1:{port}/predict", {"authorization": "Bearer s3cret"}
        answered = httpx.post(url, json={**PAIR, "as_of": AS_OF}, headers=shown, timeout=60)
    finally:
        service.terminate()
        service.wait(20)
    assert answered.content == printed("--as-of", AS_OF, *PAIR.values())
