"""Fixtures for all tests: no test sees a real database, and every test can have fresh ones of both kinds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from db import connecting
from db.demo import load_demo
from db.libpq_environment import SAFETY, WITHOUT_EFFECT
from db.writing.open import open_writer
from scripts.testbed.postgres import postgres_programs
from tests.support.app_shapes import make_app
from tests.support.postgres_server import Databases, databases

SETTINGS = (
    *("STRUGGLE_ENV_FILE", "STRUGGLE_SCHEMA", "STRUGGLE_MODEL", "STRUGGLE_MODELS_DIR", "STRUGGLE_TOKEN"),
    *("STRUGGLE_CORRECT_FROM", "STRUGGLE_AUDIT_LOG", "STRUGGLE_LANGUAGE", "STRUGGLE_AUDIENCE"),
)
OUTSIDE = ("DATABASE_URL", *SETTINGS, "PGUSER", "PGPASSWORD", "PGPASSFILE", *WITHOUT_EFFECT, *SAFETY)


# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def need(tool: str) -> str:
    """The path of a tool that a fresh machine may lack; there the test is skipped, in CI it fails.

    tool: a program's name; "postgres" for a server, the system's or the wheel's; or STRUGGLE_DATA, STRUGGLE_GUIDE:
    the variable that says where the learner data or the integration guide lies.
    """
    if tool.startswith("STRUGGLE_"):
        found = os.environ.get(tool)
        found = found if found and os.path.exists(found) else None
    else:
        found = postgres_programs() if tool == "postgres" else shutil.which(tool)
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"CI lets nothing be skipped, and {tool} is not here")
    pytest.skip(f"{tool} is not here")


@pytest.fixture(autouse=True)
def no_real_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away every way to a database that the test did not make itself; only the demo file is left."""
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGHOST", "/nonexistent")  # libpq's default would be a server on this machine
    monkeypatch.setenv("PGSERVICEFILE", os.devnull)


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[Databases]:
    """One real PostgreSQL server for the whole run."""
    need("postgres")
    with databases() as made:
        yield made


@pytest.fixture
def postgres_url(postgres_databases: Databases) -> str:
    """The URL of a new, empty PostgreSQL database."""
    return postgres_databases.empty()


@pytest.fixture
def sqlite_url(tmp_path: os.PathLike[str]) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return f"file:{os.fspath(tmp_path)}/new.sqlite3"


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("template") / "tables.sqlite3")
    with open_writer(f"file:{path}", create=True) as writer:
        writer.create_tables()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: os.PathLike[str]) -> str:
    """The URL of a new database with the platform's tables, all empty: once on SQLite, once on PostgreSQL."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_databases").with_tables())
    path = os.path.join(tmp_path, "tables.sqlite3")
    shutil.copyfile(request.getfixturevalue("_sqlite_template"), path)
    return f"file:{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def app_database(request: pytest.FixtureRequest, tmp_path: os.PathLike[str]) -> str:
    """The URL of a new database as the app's own schema makes it, all empty: once on SQLite, once on PostgreSQL."""
    if request.param == "postgresql":
        return make_app(str(request.getfixturevalue("postgres_databases").empty()))
    return make_app(f"file:{os.path.join(tmp_path, 'app.sqlite3')}")


@pytest.fixture
def demo_database(database: str) -> str:
    """The same, filled with the demo learner."""
    with open_writer(database) as writer:
        load_demo(writer)
    return database


@pytest.fixture
def demo_copy(tmp_path: os.PathLike[str]) -> str:
    """The URL of a copy of the embedded demo database, to be written to."""
    path = os.path.join(tmp_path, "demo.sqlite3")
    shutil.copyfile(connecting.DEMO, path)
    return f"file:{path}"
