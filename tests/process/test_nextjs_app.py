"""The web application under tests/nextjs: built, unit-tested, and used by a person in a real browser.

It reads and writes the database that predict.py reads, on SQLite and on PostgreSQL. npm's packages stay in
tests/nextjs/node_modules and the build in tests/nextjs/.next, and are made anew only when what they come from changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import db
from db.url import parse
from db.writing.open import open_writer
from scripts.testbed.node_package import PACKAGE, install_example, once, tarball
from tests.conftest import need
from tests.support.dockerfiles import DEPLOY, copy_of, only, stages, variables
from tests.support.dockerfiles import run as run_step
from tests.support.guide import snippet
from tests.support.outputs import read_output
from tests.support.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "tests" / "nextjs"
PREDICT = str(ROOT / "predict.py")
LEARNER, OBJECTIVE, DEMO_NOW = "demo-learner", "action-potentials", "2025-10-16T09:00:00Z"
SOURCES = ("src", "prisma", "tests", "package.json", "package-lock.json", "tsconfig.json", "next.config.ts")
OFFLINE = {
    "CHECKPOINT_DISABLE": "1",
    "NEXT_TELEMETRY_DISABLED": "1",
    "PRISMA_HIDE_UPDATE_MESSAGE": "1",
    # The schema engine is wanted by migrations only, and would be downloaded.
    "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/false",
}


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "NODE_ENV")}
    return {**kept, **OFFLINE, "STRUGGLE_PYTHON": sys.executable, "STRUGGLE_PREDICT": PREDICT, **more}


def run(*command: str, timeout: float = 300, **more: str) -> str:
    """stdout of a command in the app's folder; a failing one fails the test with all it said."""
    ran = subprocess.run(command, cwd=APP, env=environment(**more), capture_output=True, text=True, timeout=timeout)
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-8000:]}\n{ran.stderr[-8000:]}"
    return ran.stdout


def digest(*names: str) -> str:
    """A fingerprint of files and folders of the app."""
    hashed = hashlib.sha256()
    for name in names:
        top = APP / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                hashed.update(str(path.relative_to(APP)).encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()


@pytest.fixture(scope="module")
def app() -> Path:
    """The app, with its packages installed and built for production."""
    need("node"), need("npm")

    def build() -> None:
        run("npm", "run", "generate")
        run("npm", "run", "build", EVERYBODY_IS_SIGNED_IN="yes")

    package = install_example()
    once(APP / ".next" / "built-from", f"{digest(*SOURCES)} {package}", build)
    return APP


@pytest.fixture(params=["sqlite", "postgresql"])
def demo_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own with the demo learner, made by our DDL and by nothing else."""
    if request.param == "sqlite":
        url = f"file:{tmp_path / 'dev.db'}"
    else:
        url = request.getfixturevalue("postgres_databases").empty()
    subprocess.run(
        [sys.executable, "-m", "scripts.create_database", "--demo", "--database-url", url],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return url


@pytest.fixture
def service(demo_url: str, tmp_path: Path) -> Iterator[str]:
    """The prediction service on a free port; its address. Its learners are the demo's and the guide's own."""
    with open_writer(demo_url) as writer:
        writer.insert("User", ("id", "createdAt"), [("user_123", 0)])
        writer.insert(
            "LearningObjective", ("id", "lectureId", "objective"), [("obj_456", "physiology-cells", "Osmosis")]
        )
    with started(
        [sys.executable, "-m", "scripts.service", "--port"], ROOT, "/health", tmp_path, DATABASE_URL=demo_url
    ) as address:
        yield address


@pytest.fixture
def server(app: Path, demo_url: str, tmp_path: Path) -> Iterator[str]:
    """`next start` on a free port; its address."""
    next_start = [need("node"), "node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1", "--port"]
    with started(next_start, app, "/", tmp_path, DATABASE_URL=demo_url, DEMO_NOW=DEMO_NOW) as address:
        yield address


@contextmanager
def started(command: list[str], cwd: Path, answers: str, logs: Path, **more: str) -> Iterator[str]:
    """A server on a free port, which is appended to its command; its address, once it answers there."""
    port = free_port()
    log = logs / "server.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [*command, str(port)],
            cwd=cwd,
            env=environment(**more),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_answering(f"http://127.0.0.1:{port}{answers}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def wait_until_answering(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error.code}: {log.read_text()}")
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"next start did not answer: {log.read_text()}")


def predicted(url: str, *options: str) -> dict[str, object]:
    """What predict.py prints for the demo learner."""
    command = [sys.executable, PREDICT, *options, "--database-url", url, "--", LEARNER, OBJECTIVE]
    return read_output(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((APP / "package-lock.json").read_text())
    assert len(lock["packages"]) > 100
    resolved = {name: package["resolved"] for name, package in lock["packages"].items() if "resolved" in package}
    assert resolved == {"node_modules/struggle-predictor": f"file:{tarball().name}"}
    assert "integrity" not in lock["packages"]["node_modules/struggle-predictor"]  # it is built anew at every change


def unit_tests(*files: str, **more: str) -> None:
    """Runs these tests of the app; none may fail, and none be skipped."""
    said = run("node", "--import", "tsx", "--test", *files, **more)
    for count in ("fail", "cancelled", "skipped", "todo"):
        assert re.search(rf"^\S {count} 0$", said, re.MULTILINE), said[-4000:]


def test_the_library_with_real_child_processes(app: Path) -> None:
    files = sorted(path.name for path in (APP / "tests").glob("*.test.ts"))
    unit_tests(*(f"tests/{name}" for name in files if name not in ("routes.test.ts", "signed-out.test.ts")))


def test_nobody_is_let_in_before_the_session_check_is_filled_in(app: Path) -> None:
    unit_tests("tests/signed-out.test.ts")


def test_the_routes_against_a_real_database(app: Path, demo_url: str) -> None:
    signed_in = str(APP / "tests" / "support" / "tsconfig.json")
    unit_tests("tests/routes.test.ts", DATABASE_URL=demo_url, DEMO_NOW=DEMO_NOW, TSX_TSCONFIG_PATH=signed_in)


def test_the_guides_own_test_of_the_client_passes_against_the_service(app: Path, service: str) -> None:
    test = app / ".next" / "ml-integration.test.ts"
    test.write_text(snippet("typescript", "import { getPrediction } from '@/lib/ml-client'"))
    # Outside the sources tsconfig's "@/" is still looked up, since tsx takes it from the folder it starts in.
    jest_globals = ("--import", "./tests/support/jest-globals.mjs")
    said = run("node", "--import", "tsx", *jest_globals, "--test", str(test), ML_SERVICE_URL=service)
    assert re.search(r"^\S pass 1$", said, re.MULTILINE), said


def test_our_own_test_of_the_client_passes_against_the_service(app: Path, service: str) -> None:
    said = run("node", "--import", "tsx", "--test", "tests/ml-client.test.ts", ML_SERVICE_UNDER_TEST=service)
    assert re.search(r"^\S fail 0$", said, re.MULTILINE), said


def test_predict_py_follows_the_apps_own_schema(demo_url: str) -> None:
    by_schema = predicted(demo_url, "--schema", str(APP / "prisma" / "schema.prisma"))
    assert by_schema["degraded"] == ""
    assert by_schema["risk_level"] == "HIGH"


def test_from_a_click_on_the_page_to_a_stored_row(server: str, demo_url: str, tmp_path: Path) -> None:
    screenshots = Path(os.environ.get("STRUGGLE_SCREENSHOTS") or tmp_path)
    chromium = need("chromium")
    seen = json.loads(run("node", "e2e/click.mjs", server, LEARNER, OBJECTIVE, chromium, str(screenshots), timeout=120))
    answer, stored, shown = seen["answer"], seen["stored"], seen["shown"]

    printed = predicted(demo_url)
    same = (
        "probability",
        "confidence",
        "risk_level",
        "interval",
        "reasoning",
        "factors",
        "intercept",
        "base",
        "model_version",
    )
    assert {name: answer[name] for name in same} == {name: printed[name] for name in same}
    assert printed["risk_level"] == "HIGH"
    assert {name: seen["byPackage"]["answer"][name] for name in same} == {name: printed[name] for name in same}

    row = stored_prediction(demo_url, stored["id"])
    assert row["predictedStruggleProbability"] == printed["probability"]
    assert row["predictionConfidence"] == printed["confidence"]
    assert row["predictionStatus"] == "PENDING"
    assert stored["id"] == printed["prediction_id"]
    kept = zip(row["strugglingFactors"], printed["factors"], strict=True)
    assert [{name: factor[name] for name in told} for factor, told in kept] == printed["factors"]
    features = {name: value for name, value in row["featureVector"].items() if name not in ("extracted_at", "advice")}
    assert features == {name: value for name, value in printed["features"].items() if name != "extracted_at"}

    assert seen["nothingYet"] == 0
    assert shown["probability"] == printed["probability"] == seen["reloaded"]
    assert shown["percent"] == f"{int(100 * printed['probability'])} %"
    assert shown["level"] == "High risk"
    assert shown["reasoning"] == printed["reasoning"]
    assert (
        shown["factors"]
        == [
            factor["feature"]
            for factor in printed["factors"]
            if factor["value"] is not None and abs(factor["contribution"]) >= 0.02
        ][:4]
    )
    assert shown["points"][0] == "+30"
    assert shown["absent"] == f"{len(printed['features']['defaulted'])} features have no data"
    assert seen["order"][0] == OBJECTIVE
    assert seen["problems"] == []

    assert seen["overflow"] <= 0
    assert seen["accessible"]["language"] == "en"
    assert seen["accessible"]["headings"][0] == "H1"
    assert seen["accessible"]["headings"].count("H1") == 1
    assert seen["accessible"]["namelessButtons"] == 0
    assert seen["accessible"]["smallestButton"] >= 40
    assert seen["accessible"]["leastContrast"] >= 4.5


def test_no_other_site_may_frame_or_keep_what_is_shown(server: str) -> None:
    for path in (f"/learners/{LEARNER}", "/api/analytics/model-performance", "/"):
        with urllib.request.urlopen(f"{server}{path}", timeout=30) as answer:
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert "no-store" in answer.headers["Cache-Control"]


def test_an_odd_address_is_not_found(server: str) -> None:
    learners = ("%E0%A4%A", "%00", "nobody", "x" * 300, "somebody-else")
    for path in (*(f"/learners/{each}" for each in learners), "/api/analytics/predictions/%E0%A4%A/feedback"):
        with pytest.raises(urllib.error.HTTPError) as answered, urllib.request.urlopen(server + path, timeout=20):
            pass
        answered.value.close()
        assert answered.value.code == 404, path


def stored_prediction(url: str, row_id: str) -> dict[str, object]:
    """A row of struggle_predictions, as Python reads what Prisma wrote."""
    fields = (
        "predictedStruggleProbability",
        "predictionConfidence",
        "predictionStatus",
        "strugglingFactors",
        "featureVector",
    )
    where = parse(url, str(ROOT))
    columns = ", ".join(f'"{field}"' for field in fields)
    if where.path is not None:
        import sqlite3

        connection = sqlite3.connect(where.path)
        found = connection.execute(f"SELECT {columns} FROM struggle_predictions WHERE id = ?", (row_id,)).fetchone()
    else:
        import psycopg2

        connection = psycopg2.connect(**where.keywords)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM struggle_predictions WHERE id = %s", (row_id,))
            found = cursor.fetchone()
    connection.close()
    return {
        field: json.loads(value) if field in fields[3:] and isinstance(value, str) else value
        for field, value in zip(fields, found)
    }


@pytest.mark.asyncio
async def test_feedback_of_the_page_comes_back_for_retraining(server: str, demo_url: str) -> None:
    from datetime import datetime, timedelta

    def post(path: str, body: dict[str, object]) -> dict[str, object]:
        request = urllib.request.Request(
            server + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Origin": server},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    made = post("/api/analytics/predictions/generate", {"userId": LEARNER, "objectiveId": OBJECTIVE})
    post(f"/api/analytics/predictions/{made['stored']['id']}/feedback", {"actualStruggle": True})
    feedback = await db.get_feedback_data(datetime.now() - timedelta(days=7), url=demo_url)
    (own,) = [one for one in feedback if one.predictionId == made["stored"]["id"]]
    assert own.actualStruggle is True
    advised = own.feature_vector.pop("advice")  # stored beside the features
    assert [each["kind"] for each in advised] == [each["kind"] for each in made["answer"]["advice"]]
    assert own.feature_vector == made["answer"]["features"]
    assert (own.userId, own.learningObjectiveId) == (LEARNER, OBJECTIVE)
    with urllib.request.urlopen(f"{server}/api/analytics/model-performance", timeout=20) as response:
        assert json.load(response).keys() >= {"judged", "accuracy", "precision", "recall", "alerts"}


def test_the_image_of_the_application_and_the_predictor(app: Path, tmp_path: Path) -> None:
    """Dockerfile.web's own commands, one after the other; only the directories are this test's."""
    package, _, packages, application, final = stages(DEPLOY / "Dockerfile.web")
    assert only(package, "COPY") == "scripts/node ./"
    source_of_the_package = tmp_path / "package"
    built = shutil.ignore_patterns("node_modules", "dist", "wheel", "*.tgz")
    shutil.copytree(PACKAGE, source_of_the_package, ignore=built)
    (source_of_the_package / "node_modules").symlink_to(PACKAGE / "node_modules")
    install, _, build = only(package, "RUN").partition(" && ")
    assert install == "npm ci --ignore-scripts --no-audit --no-fund"  # as the fixture has done
    run_step(["sh", "-ec", build], source_of_the_package, dict(os.environ))
    assert (source_of_the_package / tarball().name).is_file()
    places = {
        "/opt/packages": str(tmp_path / "packages"),
        "/opt/struggle": str(tmp_path / "struggle"),
        "/models": str(tmp_path / "models"),
    }
    clean = {"PATH": f"{Path(sys.base_prefix, 'bin')}:{os.environ['PATH']}", "HOME": str(tmp_path), **OFFLINE}
    clean |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    run_step(["sh", "-ec", moved(only(packages, "RUN"), places)], copy_of(packages, tmp_path / "locks"), clean)

    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=APP, capture_output=True, check=True).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(APP / name, source / name)
    install, build = (each.rest for each in application if each.word == "RUN")
    assert install == "npm ci --ignore-scripts --no-audit --no-fund"  # as the fixture has done
    shutil.copytree(app / "node_modules", source / "node_modules", symlinks=True)
    run_step(["sh", "-ec", build], source, {**clean, **variables(application), "EVERYBODY_IS_SIGNED_IN": "yes"})

    predictor = copy_of(final, tmp_path / "struggle")
    (source / ".next" / "standalone").rename(tmp_path / "app")
    shutil.rmtree(source)
    clean["PATH"] = f"{tmp_path / 'packages' / 'bin'}:{os.environ['PATH']}"
    run_step(["sh", "-ec", moved(only(final, "RUN"), places)], predictor, clean)
    url = f"file:{tmp_path / 'dev.db'}"
    create = [sys.executable, "-m", "scripts.create_database", "--demo", "--database-url", url]
    subprocess.run(create, cwd=ROOT, check=True, capture_output=True)
    port = str(free_port())
    settings = {name: moved(value, places) for name, value in variables(final).items()}
    settings |= {"PORT": port, "HOSTNAME": "127.0.0.1", "DATABASE_URL": url, "DEMO_NOW": DEMO_NOW}

    before = files_below(tmp_path, "app", "struggle", "models")
    check = [word.replace("3000", port) for word in json.loads(only(final, "HEALTHCHECK").partition("CMD ")[2])]
    log = tmp_path / "server.log"
    with log.open("w") as said:
        command = json.loads(only(final, "CMD"))
        server = subprocess.Popen(command, cwd=tmp_path / "app", env={**clean, **settings}, stdout=said, stderr=said)
    try:
        give_up_at = time.monotonic() + 60
        while subprocess.run(check, env={**clean, **settings}, capture_output=True).returncode:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < give_up_at, log.read_text()
            time.sleep(0.1)
        address = f"http://127.0.0.1:{port}"
        asked = urllib.request.Request(
            f"{address}/api/analytics/predictions/generate",
            json.dumps({"userId": LEARNER, "objectiveId": OBJECTIVE}).encode(),
            {"Content-Type": "application/json", "Origin": address},
        )
        with urllib.request.urlopen(asked, timeout=30) as answered:
            assert answered.status == 201
            given = json.loads(answered.read())["answer"]
        asked.full_url = f"{address}/api/analytics/predictions/by-package"
        with urllib.request.urlopen(asked, timeout=30) as answered:
            by_package = json.loads(answered.read())["answer"]
    finally:
        server.terminate()
        server.wait(20)
    assert (given["degraded"], given["risk_level"]) == ("", "HIGH")
    assert by_package["probability"] == pytest.approx(given["probability"])
    assert files_below(tmp_path, "app", "struggle", "models") == before  # so the root can be read-only
    doctor = [settings["STRUGGLE_PYTHON"], settings["STRUGGLE_PREDICT"], "--doctor", "--pretty", "--demo"]
    told = read_output(subprocess.run(doctor, env={**clean, **settings}, capture_output=True, check=True).stdout)
    assert told["model"]["directory"] == places["/models"]


def moved(text: str, places: dict[str, str]) -> str:
    """What a Dockerfile says, with this test's directories in the place of the image's."""
    for there, here in places.items():
        text = text.replace(there, here)
    return text


def files_below(top: Path, *names: str) -> set[Path]:
    """Everything that lies in these directories."""
    return {path for name in names for path in (top / name).rglob("*")}
