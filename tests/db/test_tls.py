"""TLS as the app's own URL asks for it, and a home directory that this process may not look into."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.libpq import keywords
from db.writing.open import open_writer
from tests.support.postgres_server import Databases, with_demo
from tests.support.running_predict import SECRET, permissions_hold, ran, without_roots_privilege
from tests.support.tcp_proxy import between, self_signed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def app(postgres_databases: Databases, certificate: tuple[str, str]) -> Iterator[str]:
    """The URL of a database with the demo learner behind a server that speaks TLS only, with its own certificate."""
    url = with_demo(postgres_databases.empty())
    port = postgres_databases.server.port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with between(port, tls=context) as behind_tls:
        yield url.replace(f"postgres@127.0.0.1:{port}", f"postgres:{SECRET}@localhost:{behind_tls}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home directory that belongs to somebody else, or that its owner has closed."""
    if not permissions_hold(tmp_path):
        pytest.skip("root keeps its rights here")
    (tmp_path / ".postgresql").mkdir()
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    tmp_path.chmod(0)
    yield tmp_path
    if os.geteuid() == 0:
        os.chown(tmp_path, 0, 0)
    tmp_path.chmod(0o700)


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "?sslmode=require", "?sslmode=no-verify", "?sslaccept=accept_invalid_certs"])
def test_a_home_that_may_not_be_looked_into(app: str, home: Path, query: str) -> None:
    """As under another user with HOME=/root left in the environment: libpq alone gives up."""
    environment = {**os.environ, "HOME": str(home)}
    ran(url=app + query, env=environment, preexec_fn=without_roots_privilege).is_whole()


@pytest.mark.slow
def test_the_server_is_still_verified_there(
    app: str, home: Path, certificate: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {**os.environ, "HOME": str(home)}
    trusted = tmp_path_factory.mktemp("trusted") / "root.pem"
    shutil.copyfile(certificate[0], trusted)
    url = f"{app}?sslmode=verify-full&sslrootcert={trusted}"
    ran(url=url, env=environment, preexec_fn=without_roots_privilege).is_whole()
    reason = ran(url=f"{app}?sslmode=verify-full", env=environment, preexec_fn=without_roots_privilege).degraded()
    assert "root certificate" in reason or "home directory" in reason


@pytest.mark.slow
def test_a_client_certificate_that_may_not_be_read_is_done_without(app: str, tmp_path: Path) -> None:
    """libpq would have taken it by default; one that the URL names must be there."""
    if not permissions_hold(tmp_path):
        pytest.skip("root keeps its rights here")
    directory = tmp_path / ".postgresql"
    directory.mkdir()
    (directory / "postgresql.crt").touch(0)
    ran(url=app, env={**os.environ, "HOME": str(tmp_path)}, preexec_fn=without_roots_privilege).is_whole()


@pytest.fixture
def stranger(tmp_path: Path) -> dict[str, str]:
    """An environment whose home directory trusts another certificate than the server's."""
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / ".postgresql").mkdir()
    shutil.copyfile(self_signed(other)[0], tmp_path / ".postgresql" / "root.crt")
    return {**os.environ, "HOME": str(tmp_path)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["sslmode=no-verify", "ssl=no-verify", "sslmode=require&sslaccept=accept_invalid_certs"]
)
def test_no_verification_is_asked_for(app: str, stranger: dict[str, str], query: str) -> None:
    ran(url=f"{app}?{query}", env=stranger).is_whole()
    assert "certificate verify failed" in ran(url=f"{app}?sslmode=require", env=stranger).degraded()


@pytest.mark.slow
def test_no_verification_is_asked_for_by_the_environment(app: str, stranger: dict[str, str]) -> None:
    ran(url=app, env={**stranger, "PGSSLMODE": "no-verify"}).is_whole()
    strict = ran(url=f"{app}?sslmode=verify-full", env={**stranger, "PGSSLMODE": "no-verify"})
    assert "certificate verify failed" in strict.degraded()


def test_without_verification_there_is_still_no_plain_connection(postgres_databases: Databases) -> None:
    url = postgres_databases.server.url()
    assert "SSL" in ran(url=f"{url}?sslmode=no-verify").degraded()


@pytest.mark.slow
def test_the_writer_does_the_same(app: str, stranger: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", stranger["HOME"])
    with open_writer(f"{app}?ssl=no-verify") as writer:
        assert writer.existing_tables()


def test_a_readable_home_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    place = {"host": "h", "port": "5432", "dbname": "d", "user": "", "password": ""}
    assert keywords(place, {}, "/") == {"host": "h", "port": "5432", "dbname": "d"}
