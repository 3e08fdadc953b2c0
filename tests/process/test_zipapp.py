"""predict.pyz: one file, bare Python, the very answer of predict.py; and the serverless functions around it."""

from __future__ import annotations

import base64
import http.client
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from db.demo import LEARNER, NOW_MS
from ml.storage import model_file
from scripts.build_zipapp import build_zipapp
from tests.support.outputs import read_output
from tests.support.service_process import AS_OF, MASTERED, OBJECTIVE, PAIR, ROOT, a_model, printed
from tests.support.trained_models import save_model

BARE = (sys.executable, "-I", "-S")
"""Isolated and without site-packages: nothing but the standard library is there."""


def build(output: Path, *arguments: str) -> Path:
    result = CliRunner().invoke(build_zipapp, ["--output", str(output), *arguments])
    assert result.exit_code == 0, result.output
    return output


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("zipapp") / "predict.pyz")


def run(*command: str | Path, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **environment}
    return subprocess.run([*map(str, command)], input=given, capture_output=True, cwd="/", env=environment, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [OBJECTIVE, MASTERED])
def test_bare_python_prints_what_predict_py_prints(archive: Path, objective: str) -> None:
    ran = run(*BARE, archive, LEARNER, objective)
    assert ran.returncode == 0
    assert ran.stderr == b"predict.py: DATABASE_URL is not set, so the embedded demo database was read\n"
    assert ran.stdout == printed(LEARNER, objective)


@pytest.mark.slow
def test_it_reads_an_apps_sqlite_file_and_takes_features(archive: Path, demo_copy: str) -> None:
    elsewhere = {"DATABASE_URL": demo_copy}
    assert run(*BARE, archive, LEARNER, OBJECTIVE, **elsewhere).stdout == printed(LEARNER, OBJECTIVE, **elsewhere)
    as_of = ("--as-of", AS_OF)
    assert run(*BARE, archive, *as_of, LEARNER, OBJECTIVE).stdout == printed(*as_of, LEARNER, OBJECTIVE)
    features = ("--features", "-", *as_of, LEARNER, OBJECTIVE)
    given = json.dumps(read_output(printed(LEARNER, OBJECTIVE))["features"]).encode()
    told = run(*BARE, archive, *features, given=given)
    assert (told.returncode, told.stderr) == (0, b"")
    assert told.stdout == run(sys.executable, ROOT / "predict.py", *features, given=given).stdout


@pytest.mark.slow
def test_it_reads_postgresql_where_psycopg2_is_installed(archive: Path, demo_database: str) -> None:
    asked = ("--as-of", AS_OF, LEARNER, OBJECTIVE)
    ran = run(sys.executable, "-I", archive, *asked, DATABASE_URL=demo_database)
    assert ran.stdout == printed(*asked, DATABASE_URL=demo_database)


@pytest.mark.slow
def test_failures_and_help_are_those_of_predict_py(archive: Path, tmp_path: Path) -> None:
    unknown = run(*BARE, archive, "nobody", OBJECTIVE)
    assert (unknown.returncode, read_output(unknown.stdout)["error"]["code"]) == (66, "unknown_learner")
    absent = run(*BARE, archive, LEARNER, OBJECTIVE, DATABASE_URL=f"file:{tmp_path}/absent.db")
    assert read_output(absent.stdout)["degraded_code"] == "database_unreachable"
    assert b"There is no SQLite database" in absent.stderr
    assert b"--as-of" in run(*BARE, archive, "--help").stdout
    no_model = run(*BARE, archive, "--model", "models/none.pkl", LEARNER, OBJECTIVE)
    assert (no_model.returncode, read_output(no_model.stdout)["error"]["code"]) == (78, "model_not_found")


@pytest.mark.slow
def test_the_model_named_goes_in_and_answers(tmp_path: Path) -> None:
    model = tmp_path / "mine.pkl"
    model_file.write(a_model("mine", 1.0), str(model))
    (tmp_path / "levels.json").write_text('{"high_from": 0.99}')
    archive = build(tmp_path / "predict.pyz", "--model", str(model))
    for packed in (model, tmp_path / "levels.json"):
        packed.unlink()
    answer = read_output(run(*BARE, archive, LEARNER, OBJECTIVE).stdout)
    assert (answer["source"], answer["model_version"]) == ("model", "mine")
    assert (answer["levels"]["high_from"], answer["levels"]["from"]) == (0.99, "levels.json")
    doctor = run(*BARE, archive, "--doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert read_output(doctor.stdout)["model"]["version"] == "mine"


@pytest.mark.slow
def test_a_models_difficulty_table_goes_in_with_it(tmp_path: Path, demo_copy: str) -> None:
    model = save_model(str(tmp_path), difficulty_of=demo_copy, as_of_ms=NOW_MS)
    expected = printed("--model", model, LEARNER, OBJECTIVE)
    archive = build(tmp_path / "predict.pyz", "--model", model)
    for packed in ("trained.pkl", "difficulty.sqlite3"):
        (tmp_path / packed).unlink()
    assert run(*BARE, archive, LEARNER, OBJECTIVE).stdout == expected
    doctor = read_output(run(*BARE, archive, "--doctor").stdout)
    assert (doctor["ok"], doctor["model"]["difficulty_file"]) == (True, "difficulty.sqlite3")


def test_a_model_that_must_not_be_used_is_not_packed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"no model")
    result = CliRunner().invoke(build_zipapp, ["--output", str(tmp_path / "predict.pyz"), "--model", str(bad)])
    assert result.exit_code == 78
    assert "refused" in result.stderr
    assert not (tmp_path / "predict.pyz").exists()


@pytest.mark.slow
def test_equal_sources_give_equal_bytes(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    command = [sys.executable, "-m", "scripts.build_zipapp", "--output", str(again), "--json"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert again.read_bytes() == archive.read_bytes()
    assert told["bytes"] == again.stat().st_size
    assert os.access(again, os.X_OK)


def test_it_holds_the_inference_path_alone(archive: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
    assert {name.partition("/")[0] for name in names} <= {
        "__main__.py",
        "__main__.pyc",
        "click",
        "db",
        "ml",
        "models",
        "scripts",
    }
    assert not [name for name in names if "training" in name or "tests/" in name]
    assert all(f"{name}c" in names for name in names if name.endswith(".py"))


@pytest.mark.slow
def test_another_python_takes_the_source(archive: Path, tmp_path: Path) -> None:
    """Bytecode of another version, here a spoiled magic number, is passed over."""
    foreign = tmp_path / "foreign.pyz"
    with zipfile.ZipFile(archive) as packed, zipfile.ZipFile(foreign, "w") as copy:
        for name in packed.namelist():
            content = packed.read(name)
            copy.writestr(name, b"\0\0\r\n" + content[4:] if name.endswith(".pyc") else content)
    assert run(*BARE, foreign, LEARNER, OBJECTIVE).stdout == printed(LEARNER, OBJECTIVE)


@pytest.fixture
def functions(archive: Path, tmp_path: Path) -> ModuleType:
    """scripts/deploy/serverless.py where a function has it: alone beside predict.pyz."""
    shutil.copy(archive, tmp_path)
    source = shutil.copy(ROOT / "scripts" / "deploy" / "serverless.py", tmp_path)
    spec = importlib.util.spec_from_file_location("serverless", source)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_lambda_function_answers_the_same_json(functions: ModuleType) -> None:
    expected = printed(LEARNER, OBJECTIVE).decode()
    body = json.dumps(PAIR)
    plain = functions.lambda_handler({"body": body}, None)
    assert plain == {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": expected}
    encoded = {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}
    assert functions.lambda_handler(encoded, None) == plain
    unknown = functions.lambda_handler({"body": json.dumps({**PAIR, "user_id": "nobody"})}, None)
    assert unknown["statusCode"] == 404
    ids = ('{"user_id": 1, "objective_id": "o"}', '{"user_id": "\\u0000", "objective_id": "o"}')
    bad_bodies = [None, "", "[]", "{", *ids, '{"user_id": "\\ud800", "objective_id": "o"}', "[" * 60_000]
    for body in bad_bodies:
        assert functions.lambda_handler({"body": body}, None)["statusCode"] == 422, body


@pytest.fixture
def vercel(functions: ModuleType) -> Iterator[http.client.HTTPConnection]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functions.handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    yield connection
    connection.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_vercel_function_answers_the_same_json(vercel: http.client.HTTPConnection) -> None:
    vercel.request("POST", "/api/predict", json.dumps(PAIR))
    response = vercel.getresponse()
    assert (response.status, response.read()) == (200, printed(LEARNER, OBJECTIVE))
    vercel.request("POST", "/api/predict", "{}")
    assert vercel.getresponse().status == 422
