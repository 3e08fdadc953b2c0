"""The service's database connections: fewer than told, dead ones, and files that are exchanged under it."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg2
import pytest

from db.connecting import DEMO
from db.demo import LEARNER, load_demo
from db.errors import DatabaseUnavailable
from db.url import parse
from db.writing.open import open_writer
from ml.study.history import WINDOW
from scripts.serving.connections import Connections
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres_server import Databases
from tests.support.service_process import AS_OF, OBJECTIVE, PAIR, printed, serving

pytestmark = pytest.mark.slow

ASKED = {**PAIR, "as_of": AS_OF}


@pytest.fixture
def demo_on_postgres(postgres_databases: Databases) -> str:
    url = postgres_databases.with_tables()
    with open_writer(url) as writer:
        load_demo(writer)
    return url


def burst(url: str, requests: int = 60, asked: dict[str, str] = ASKED) -> list[httpx.Response]:
    """Many single predictions at once."""
    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(lambda _: httpx.post(f"{url}/predict", json=asked, timeout=60), range(requests)))


def answers_every_single_request(url: str, expected: bytes) -> None:
    for _ in range(12):
        answered = httpx.post(f"{url}/predict", json=ASKED, timeout=60)
        assert (answered.status_code, answered.content) == (200, expected)
    assert httpx.get(f"{url}/ready", timeout=60).status_code == 200


def test_a_role_that_may_connect_less_often_than_told_is_no_trouble_after_a_burst(
    demo_on_postgres: str, tmp_path: Path
) -> None:
    owner = psycopg2.connect(demo_on_postgres)
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 2")
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO narrow")
    try:
        narrow = demo_on_postgres.replace("postgres@", "narrow@")
        expected = printed("--as-of", AS_OF, LEARNER, OBJECTIVE, DATABASE_URL=demo_on_postgres)
        with serving(tmp_path / "log", DATABASE_URL=narrow) as url:
            found = burst(url)
            assert {200} <= {each.status_code for each in found} <= {200, 503}
            assert {each.json()["code"] for each in found if each.status_code == 503} <= {"database_unavailable"}
            answers_every_single_request(url, expected)
            assert {each.status_code for each in burst(url, 30)} == {200}  # by now it knows how many there are
    finally:
        with owner.cursor() as cursor:
            cursor.execute("DROP OWNED BY narrow; DROP ROLE narrow")
        owner.close()


def test_a_session_pool_smaller_than_told_is_no_trouble_after_a_burst(demo_on_postgres: str, tmp_path: Path) -> None:
    expected = printed("--as-of", AS_OF, LEARNER, OBJECTIVE, DATABASE_URL=demo_on_postgres)
    port = int(parse(demo_on_postgres, "/").keywords["port"])
    with (
        pgbouncer(port, "session", default_pool_size=2) as pooler,
        serving(
            tmp_path / "log",
            DATABASE_URL=demo_on_postgres.replace(f":{port}/", f":{pooler}/"),
            STRUGGLE_TIMEOUT="3",
        ) as url,
    ):
        assert {each.status_code for each in burst(url, 40)} <= {200, 503}
        answers_every_single_request(url, expected)


class Swallower:
    """A proxy before a server that from some moment on swallows what the conversations of before say."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._swallowing: list[threading.Event] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, swallowed = self._listener.accept()[0], threading.Event()
                self._swallowing.append(swallowed)
                threading.Thread(target=self._pass_on, args=(client, swallowed), daemon=True).start()

    def _pass_on(self, client: socket.socket, swallowed: threading.Event) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    octets = source.recv(65_536)
                    if not octets:
                        return
                    if not swallowed.is_set():
                        (server if source is client else client).sendall(octets)

    def swallow(self) -> int:
        """Swallows what all present conversations say from now on; how many they are."""
        for each in self._swallowing:
            each.set()
        return len(self._swallowing)

    def close(self) -> None:
        self._listener.close()


def test_sessions_that_a_network_has_swallowed_are_dropped_together(demo_on_postgres: str, tmp_path: Path) -> None:
    expected = printed("--as-of", AS_OF, LEARNER, OBJECTIVE, DATABASE_URL=demo_on_postgres)
    port = parse(demo_on_postgres, "/").keywords["port"]
    proxy = Swallower(int(port))
    through = demo_on_postgres.replace(f":{port}/", f":{proxy.port}/")
    try:
        with serving(tmp_path / "log", DATABASE_URL=through, STRUGGLE_TIMEOUT="1") as url:
            assert {each.status_code for each in burst(url)} == {200}
            assert proxy.swallow() > 2
            assert httpx.post(f"{url}/predict", json=ASKED, timeout=60).status_code == 503
            answers_every_single_request(url, expected)
    finally:
        proxy.close()


def demo_without(table: str, path: Path) -> Path:
    """A copy of the demo database, one transaction later: the copies have the same size and change counter."""
    shutil.copyfile(DEMO, path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DELETE FROM {table}")
    return path


@pytest.mark.parametrize("how", ["renamed over", "written over", "linked anew"])
def test_a_sqlite_file_that_is_replaced_is_noticed(tmp_path: Path, how: str) -> None:
    file = tmp_path / "app.sqlite3"
    if how == "linked anew":
        file.symlink_to(demo_without("performance_metrics", tmp_path / "first.sqlite3"))
    else:
        demo_without("performance_metrics", file)
    other = demo_without("reviews", tmp_path / "other.sqlite3")
    with serving(tmp_path / "log", DATABASE_URL=f"file:{file}") as url:
        before = {each.content for each in burst(url, 20, PAIR)}
        assert before == {printed(LEARNER, OBJECTIVE, DATABASE_URL=f"file:{file}")}
        expected = {printed(LEARNER, OBJECTIVE, DATABASE_URL=f"file:{other}")}
        assert expected != before
        if how == "renamed over":
            os.replace(other, file)
        elif how == "written over":
            shutil.copyfile(other, file)
        else:
            file.unlink()
            file.symlink_to(other)
        assert {each.content for each in burst(url, 20, PAIR)} == expected


def test_a_sqlite_file_that_is_gone_makes_the_service_not_ready_until_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "app.sqlite3"
    shutil.copyfile(DEMO, file)
    with serving(tmp_path / "log", DATABASE_URL=f"file:{file}") as url:
        before = httpx.post(f"{url}/predict", json=ASKED)
        assert (before.status_code, httpx.get(f"{url}/ready").status_code) == (200, 200)
        file.rename(tmp_path / "elsewhere")
        assert httpx.get(f"{url}/ready").status_code == 503
        assert httpx.post(f"{url}/predict", json=ASKED).json()["code"] == "database_unavailable"
        assert httpx.get(f"{url}/health").json()["database"] == "unreachable"
        (tmp_path / "elsewhere").rename(file)
        assert httpx.get(f"{url}/ready").status_code == 200
        assert httpx.post(f"{url}/predict", json=ASKED).content == before.content


def test_one_place_is_kept_for_probes_while_every_other_is_lent() -> None:
    connections = Connections(f"sqlite:///{DEMO}", None, 3, 4.0)
    entered, leave = threading.Barrier(3), threading.Event()

    def hold() -> None:
        connections._asked(lambda _client: (entered.wait(10), leave.wait(10)))

    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(hold) for _ in range(2)]
        entered.wait(10)
        connections.probe()
        waiting = pool.submit(connections.now)
        time.sleep(0.1)
        assert not waiting.done()
        leave.set()
        assert waiting.result(10)
        for each in held:
            each.result(10)
    connections.close()


def test_a_place_that_failed_is_not_lent_before_healthy_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(f"sqlite:///{DEMO}", None, 4, 4.0)
    assert connections.read(LEARNER, OBJECTIVE, None, WINDOW)
    opened = connections._opened
    monkeypatch.setattr(connections, "_opened", lambda: (_ for _ in ()).throw(DatabaseUnavailable("no more")))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: connections.read(LEARNER, OBJECTIVE, None, WINDOW), range(40)))
    assert len(found) == 40
    monkeypatch.setattr(connections, "_opened", opened)
    connections.close()
