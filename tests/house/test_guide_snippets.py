"""The guide's own code, taken out of the guide at test time and run unchanged against ml, db and tests.fixtures."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import db
from db.demo import LEARNER
from ml import FeatureVector, StruggleFeatureExtractor, StrugglePredictionModel
from tests.support.guide import blocks, snippet
from tests.support.outputs import read_output
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
OBJECTIVE, MASTERED = "action-potentials", "anatomy-upper-limb"


def run(*command: str, cwd: Path, root: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that finds our packages as an installed application would, and nothing of ours in its own folder."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "level"), [(OBJECTIVE, "HIGH"), (MASTERED, "LOW")])
def test_the_guides_predict_py_prints_the_json_its_route_stores(
    demo_database: str, tmp_path: Path, objective: str, level: str
) -> None:
    script = tmp_path / "predict.py"
    script.write_text(snippet("python", "sys.argv[1]", "await get_prisma_client()", "print(json.dumps({"))
    ran = run(sys.executable, str(script), LEARNER, objective, cwd=tmp_path, DATABASE_URL=demo_database)
    assert (ran.returncode, ran.stderr) == (0, "")
    printed = json.loads(ran.stdout)
    assert printed.keys() == {"probability", "confidence", "risk_level", "reasoning", "features"}
    assert printed["risk_level"] == level

    ours = run(sys.executable, str(ROOT / "predict.py"), LEARNER, objective, cwd=tmp_path, DATABASE_URL=demo_database)
    expected = read_output(ours.stdout)
    for field in ("probability", "confidence", "risk_level", "reasoning"):
        assert printed[field] == expected[field]
    judged = {
        "model_version",
        "source",
        "levels",
    }  # its script prints the features before any judgement
    assert {name: value for name, value in printed["features"].items() if name not in judged} == {
        name: value for name, value in expected["features"].items() if name not in judged
    }


@pytest.mark.slow
def test_the_guides_integration_test_passes(tmp_path: Path) -> None:
    test = tmp_path / "test_integration.py"
    test.write_text(snippet("python", "from tests.fixtures import create_test_db"))
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n")
    ran = run(sys.executable, "-m", "pytest", "-q", "-W", "error", "-c", str(settings), str(test), cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_the_guides_check_for_a_model_falls_back_to_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no models/current.pkl
    names: dict[str, object] = {"StrugglePredictionModel": StrugglePredictionModel}
    exec(compile(snippet("python", 'if not os.path.exists("models/current.pkl")'), "guide", "exec"), names)
    model = names["model"]
    assert isinstance(model, StrugglePredictionModel)
    assert model.source == "rules"
    assert 0 <= model.predict(FeatureVector.of({}, 0)).probability <= 1


@pytest.mark.asyncio
async def test_the_guides_graceful_degradation_gives_default_features(
    demo_copy: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await db.get_prisma_client(demo_copy)
    client.close()  # from now on no feature can be extracted
    names: dict[str, object] = {
        "extractor": StruggleFeatureExtractor(client),
        "logger": logging.getLogger("guide"),
        "user_id": LEARNER,
        "obj_id": OBJECTIVE,
    }
    source = snippet("python", "features = extractor._create_default_feature_vector()")
    code = compile(source, "guide", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)
    if inspect.isawaitable(running):
        await running
    features = names["features"]
    assert isinstance(features, FeatureVector)
    assert features.data_quality == 0
    assert features.degraded
    assert "Feature extraction failed" in caplog.text
    assert StrugglePredictionModel().predict(features).confidence <= 0.2


def test_every_python_block_of_the_guide_is_accounted_for() -> None:
    """A block that the guide gains is noticed here: it wants a test above, or a line in the table of that page."""
    run_here = [
        "print(json.dumps({",
        "from tests.fixtures import create_test_db",
        'if not os.path.exists("models/current.pkl")',
        "features = extractor._create_default_feature_vector()",
        "# scripts/retrain_model.py",
        "app = FastAPI()",
    ]
    told_in_readme = ["from prisma import Prisma", "from sqlalchemy import create_engine"]
    for block in blocks("python"):
        assert sum(mark in block for mark in run_here + told_in_readme) == 1, block


@pytest.mark.slow
@pytest.mark.parametrize("way", [("scripts/example_usage.py",), ("-m", "scripts.example_usage")])
def test_the_example_shows_every_objective_of_the_topic(way: tuple[str, ...]) -> None:
    assert "python example_usage.py" in snippet("bash", "pip install -r requirements.txt")
    ran = run(sys.executable, *way, cwd=ROOT, PYTHONIOENCODING="utf-8")
    assert ran.returncode == 0
    assert ran.stderr == "DATABASE_URL is not set, so the embedded demo database was read.\n"
    assert ran.stdout.index(OBJECTIVE) < ran.stdout.index("physiology as a whole")
    assert "prerequisites" in ran.stdout


@pytest.mark.slow
def test_the_example_says_what_is_wrong_in_one_sentence(tmp_path: Path) -> None:
    example = str(ROOT / "scripts" / "example_usage.py")
    cases = {66: ("--user", "nobody"), 69: ("--database-url", "file:absent.db"), 78: ("--database-url", "mysql://x")}
    for code, arguments in cases.items():
        ran = run(sys.executable, example, *arguments, cwd=tmp_path)
        assert ran.returncode == code
        assert ran.stderr.startswith("Error: ")
        assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_guides_service_answers_as_the_command_does(demo_database: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(snippet("python", "app = FastAPI()", "class PredictionRequest(BaseModel)"))
    assert "uvicorn main:app" in snippet("bash", "uvicorn main:app")
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": demo_database}
    log = tmp_path / "uvicorn.log"
    with log.open("w") as said:
        uvicorn = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--log-level", "warning"],
            cwd=tmp_path,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        health = reply(uvicorn, log, f"http://127.0.0.1:{port}/health")
        answer = reply(uvicorn, log, f"http://127.0.0.1:{port}/predict", user_id=LEARNER, objective_id=OBJECTIVE)
    finally:
        uvicorn.terminate()
        uvicorn.wait(timeout=20)
    ran = run(sys.executable, str(ROOT / "predict.py"), LEARNER, OBJECTIVE, cwd=tmp_path, DATABASE_URL=demo_database)
    expected = read_output(ran.stdout)
    assert health == {"status": "healthy", "model_version": expected["model_version"]}
    assert answer.keys() == {"probability", "confidence", "risk_level", "reasoning", "features"}
    assert {name: answer[name] for name in answer if name != "features"} == {
        name: expected[name] for name in answer if name != "features"
    }


def reply(server: subprocess.Popen[bytes], log: Path, address: str, **body: str) -> dict[str, object]:
    """The JSON at an address, once the server answers; a body makes it a POST."""
    request = urllib.request.Request(address, headers={"Content-Type": "application/json"})
    if body:
        request.data = json.dumps(body).encode()
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error.code}: {log.read_text()}")
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the service does not answer: {log.read_text()}")
