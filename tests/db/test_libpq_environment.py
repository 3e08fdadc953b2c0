"""libpq's variables: none of them takes a URL's reader or writer to another server, database or session."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner

import db
from db import errors, stored_predictions
from db.demo import LEARNER, NOW_MS, OBJECTIVES
from db.libpq_environment import SetAside
from db.writing.open import open_writer
from ml.study.history import DAY_MS, WINDOW
from scripts.forget_learner import forget_learner
from scripts.testbed.postgres import ScratchServer, scratch_postgres
from tests.conftest import need
from tests.support.postgres_server import Databases, admitted, connected, with_demo
from tests.support.running_predict import finished, started

OBJECTIVE = next(iter(OBJECTIVES))
SERVICE = "elsewhere"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ScratchServer]:
    """A second server, whose default database holds a platform without the learner, though with what is ours."""
    need("postgres")
    with scratch_postgres() as server:
        with open_writer(server.url()) as writer:
            writer.create_tables()
            writer.insert("User", ("id",), [("somebody",)])
            writer.insert("StruggleIndicator", _INDICATOR, [_indicator("theirs")])
        yield server


_INDICATOR = ("id", "userId", "learningObjectiveId", "indicatorType", "severity")


def _indicator(identifier: str) -> tuple[str, ...]:
    return identifier, LEARNER, OBJECTIVE, "LOW_RETENTION", "HIGH"


@pytest.fixture
def here(postgres_databases: Databases) -> str:
    return with_demo(postgres_databases.empty())


VARIABLES = {
    "PGHOST": {"PGHOST": "192.0.2.1"},
    "PGHOSTADDR": {"PGHOSTADDR": "192.0.2.1"},
    "PGPORT": {"PGPORT": "{port}"},
    "PGHOSTADDR and PGPORT": {"PGHOSTADDR": "127.0.0.1", "PGPORT": "{port}"},
    "PGDATABASE": {"PGDATABASE": "template1"},
    "PGSERVICE": {"PGSERVICE": SERVICE, "PGSERVICEFILE": "{services}"},
    "PGSERVICE, of no file": {"PGSERVICE": "unheard-of", "PGSERVICEFILE": "/nonexistent"},
    "PGSERVICEFILE": {"PGSERVICEFILE": "{services}"},
    "PGTARGETSESSIONATTRS": {"PGTARGETSESSIONATTRS": "standby"},
    "PGLOADBALANCEHOSTS": {"PGLOADBALANCEHOSTS": "nonsense"},
    "PGTZ": {"PGTZ": "Pacific/Kiritimati"},
    "PGTZ, refused": {"PGTZ": "nonsense"},
    "PGDATESTYLE": {"PGDATESTYLE": "nonsense"},
    "PGGEQO": {"PGGEQO": "nonsense"},
    "PGOPTIONS": {"PGOPTIONS": "-c search_path=nowhere -c default_transaction_read_only=on"},
    "PGOPTIONS, refused": {"PGOPTIONS": "-c nonsense=on"},
    "PGCLIENTENCODING": {"PGCLIENTENCODING": "nonsense"},
}
"""Each variable in turn, with what it takes to lead to the other server."""


def environment(name: str, elsewhere: ScratchServer, directory: Path) -> dict[str, str]:
    file = directory / "services"
    file.write_text(f"[{SERVICE}]\nhost=127.0.0.1\nport={elsewhere.port}\ndbname=postgres\nuser=postgres\n")
    named = {"port": elsewhere.port, "services": file}
    return {variable: value.format(**named) for variable, value in VARIABLES[name].items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIABLES)
def test_no_variable_leads_away_from_the_url(
    name: str, here: str, elsewhere: ScratchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_writer(here) as writer:
        writer.insert("StruggleIndicator", _INDICATOR, [_indicator("ours")])
    with db.connect(here) as client:
        expected = client.read(LEARNER, OBJECTIVE, None, WINDOW)
        feedback = asyncio.run(db.get_feedback_data(datetime(2020, 1, 1, tzinfo=timezone.utc), url=here))
        predictions = list(stored_predictions.stream_predictions(client, 0, NOW_MS + DAY_MS))
    misleading = environment(name, elsewhere, tmp_path)
    for variable, value in misleading.items():
        monkeypatch.setenv(variable, value)
    with db.connect(here, timeout_s=5) as client:
        assert client.read(LEARNER, OBJECTIVE, None, WINDOW) == expected
        assert list(stored_predictions.stream_predictions(client, 0, NOW_MS + DAY_MS)) == predictions
    assert asyncio.run(db.get_feedback_data(datetime(2020, 1, 1, tzinfo=timezone.utc), url=here)) == feedback
    done = CliRunner().invoke(forget_learner, [LEARNER, "--database-url", here])
    assert done.exit_code == 0, done.output
    for variable, value in misleading.items():
        assert os.environ[variable] == value
    for variable in misleading:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PGHOST", "/nonexistent")
    assert counted(here) == 0
    assert counted(elsewhere.url()) == 1


def counted(url: str) -> int:
    with connected(url) as cursor:
        cursor.execute("SELECT count(*) FROM struggle_indicators")
        ((count,),) = cursor.fetchall()
    return int(count)


@pytest.mark.slow
def test_the_command_is_not_led_away_either(here: str, elsewhere: ScratchServer, tmp_path: Path) -> None:
    names = ("PGHOSTADDR and PGPORT", "PGSERVICE", "PGTZ, refused")
    misleading = {key: value for name in names for key, value in environment(name, elsewhere, tmp_path).items()}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    finished(started(env={**ours, **misleading, "DATABASE_URL": here})).is_whole()


@pytest.mark.slow
def test_options_of_the_url_itself_stay(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=1MB")
    with open_writer(f"{here}?options=-c%20work_mem%3D7MB") as writer:
        assert writer.query("SHOW work_mem") == [("7MB",)]
    with open_writer(here) as writer:
        assert writer.query("SHOW work_mem") != [("1MB",)]


SAFETY = {
    "PGSSLMODE": "require",
    "PGREQUIRESSL": "1",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require",
    "PGGSSENCMODE": "require",
    "PGSSLNEGOTIATION": "direct",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"), [*SAFETY.items(), ("PGSSLMODE", "no-verify"), ("PGSSLMODE", ""), ("PGSSLMODE", "verify")]
)
def test_a_variable_about_safety_holds_and_is_named_where_it_refuses(
    variable: str, value: str, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)  # the tests' server speaks no TLS and asks for no password
    with pytest.raises(errors.DatabaseUnavailable, match=variable):
        db.connect(here, timeout_s=5)
    with pytest.raises(errors.DatabaseUnavailable, match=variable):
        open_writer(here, patience_s=2)


@pytest.mark.slow
def test_a_root_certificate_holds_where_the_connection_is_encrypted(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", "/nonexistent/root.crt")
    with pytest.raises(errors.DatabaseUnavailable, match="PGSSLROOTCERT"):
        db.connect(f"{here}?sslmode=verify-full", timeout_s=5)


@pytest.mark.slow
def test_the_url_outranks_a_variable_about_safety(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    with db.connect(f"{here}?sslmode=disable", timeout_s=5) as client:
        assert client.now()


@pytest.mark.slow
def test_password_and_password_file_of_the_environment_go_on_working(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "with_password"
    with admitted(here, role, f"host all {role} 127.0.0.1/32 scram-sha-256"):
        url = here.replace("postgres@", f"{role}@")
        with pytest.raises(errors.DatabaseUnavailable):
            db.connect(url, timeout_s=5)
        monkeypatch.setenv("PGPASSWORD", "the right one")
        db.connect(url, timeout_s=5).close()
        open_writer(url)._connection.close()
        monkeypatch.delenv("PGPASSWORD")
        file = tmp_path / "passwords"
        file.write_text(f"127.0.0.1:*:*:{role}:the right one\n")
        file.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(file))
        db.connect(url, timeout_s=5).close()
        open_writer(url)._connection.close()
        monkeypatch.setenv("PGUSER", role)  # libpq's own default where the URL names no user
        db.connect(here.replace("postgres@", ""), timeout_s=5).close()


def test_variables_are_put_back_when_the_last_thread_has_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", SERVICE)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with SetAside():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    with SetAside():
        assert "PGSERVICE" not in os.environ
    assert "PGSERVICE" not in os.environ
    leave.set()
    thread.join()
    assert os.environ["PGSERVICE"] == SERVICE


@pytest.mark.slow
def test_a_failed_connection_puts_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", SERVICE)
    with pytest.raises(errors.DatabaseUnavailable):
        db.connect("postgresql://u@127.0.0.1:1/d", timeout_s=2)
    assert os.environ["PGSERVICE"] == SERVICE
    with pytest.raises(psycopg2.OperationalError, match=SERVICE):
        psycopg2.connect(host="127.0.0.1", port=1)
