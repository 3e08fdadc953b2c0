"""The two roles of db/README.md, made by its own SQL on a real server: what they may do, and what the server denies."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from db.demo import NOW_MS
from db.tables.ddl import TABLES
from db.writing.open import open_writer
from ml.study.history import DAY_MS
from tests.support.postgres_server import Databases, connected, with_demo
from tests.support.running_predict import LEARNER, OBJECTIVE, PREDICT, ran

pytestmark = pytest.mark.slow

ROOT = Path(PREDICT).parent
ROLES = ("struggle_reader", "struggle_writer")
OURS = ("struggle_predictions", "struggle_indicators", "prediction_feedbacks")
PAGE = (ROOT / "db" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sql\n(CREATE ROLE .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def app(postgres_databases: Databases) -> Iterator[str]:
    """The demo's platform, with the page's two roles, and a table that was made after them."""
    url = with_demo(postgres_databases.empty())
    assert len(BLOCKS) == 2
    with connected(url) as cursor:
        for block in BLOCKS:
            cursor.execute(block.replace("'...'", "'any'"))
        cursor.execute("CREATE TABLE made_later (id text)")
    yield url
    with connected(url) as cursor:
        for role in reversed(ROLES):
            cursor.execute(f"DROP OWNED BY {role}")
            cursor.execute(f"DROP ROLE {role}")


def as_role(url: str, role: str) -> str:
    return url.replace("postgres@", f"{role}:any@")


def denied(url: str, role: str, statement: str) -> bool:
    """Whether the server refuses the statement for want of a right (42501), as the role and outside READ ONLY."""
    with contextlib.closing(psycopg2.connect(as_role(url, role))) as connection:
        try:
            connection.cursor().execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            return True
        finally:
            connection.rollback()
    return False


def changes(table: str) -> list[str]:
    """Every kind of statement that changes a table, of no row: rights are looked at first."""
    return [
        f"INSERT INTO {table} SELECT * FROM {table} WHERE false",
        f"UPDATE {table} SET id = id WHERE false",
        f"DELETE FROM {table} WHERE false",
        f"TRUNCATE {table}",
        f"ALTER TABLE {table} ADD COLUMN more text",
        f"DROP TABLE {table}",
    ]


def test_the_reader_suffices_for_a_prediction(app: str) -> None:
    ran(url=as_role(app, "struggle_reader")).is_whole()
    answer = ran(url=as_role(app, "struggle_reader")).answer()
    assert answer["missing_sources"] == []
    with connected(as_role(app, "struggle_reader")) as cursor:
        cursor.execute("SELECT count(*) FROM made_later")


@pytest.mark.parametrize("absent", ["prediction_feedbacks", "struggle_indicators", "struggle_predictions"])
def test_the_grants_run_where_the_app_lacks_a_table(postgres_databases: Databases, absent: str) -> None:
    url = with_demo(postgres_databases.empty())
    with connected(url) as cursor:
        cursor.execute(f"DROP TABLE {absent}")
        try:
            for block in BLOCKS:
                cursor.execute(block.replace("'...'", "'any'"))
            for table in OURS:
                if table != absent:
                    assert not any(denied(url, "struggle_writer", each) for each in changes(table)[:3])
        finally:
            for role in reversed(ROLES):
                cursor.execute(f"DROP OWNED BY {role}")
                cursor.execute(f"DROP ROLE {role}")


def test_the_reader_can_change_nothing(app: str) -> None:
    tables = [table.name for table in TABLES.values()]
    assert [s for table in tables for s in changes(table) if not denied(app, "struggle_reader", s)] == []
    for statement in (
        "CREATE TABLE more (id text)",
        "CREATE SCHEMA more",
        "CREATE ROLE more",
        "SELECT pg_reload_conf()",
    ):
        assert denied(app, "struggle_reader", statement), statement


def test_the_writer_can_change_the_three_tables_only_and_only_their_rows(app: str) -> None:
    for table in TABLES.values():
        allowed = [s.partition(" ")[0] for s in changes(table.name) if not denied(app, "struggle_writer", s)]
        assert allowed == (["INSERT", "UPDATE", "DELETE"] if table.name in OURS else []), table.name
    for statement in ("CREATE TABLE more (id text)", "CREATE SCHEMA more", "CREATE ROLE more"):
        assert denied(app, "struggle_writer", statement), statement


def script(url: str, *words: str) -> str:
    """What a script printed on stderr and stdout, run as the writer."""
    environment = {**os.environ, "DATABASE_URL": as_role(url, "struggle_writer")}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout + done.stderr


def counted(url: str, where: str) -> int:
    with connected(url) as cursor:
        cursor.execute(f"SELECT count(*) FROM {where}")
        ((count,),) = cursor.fetchall()
    return int(count)


def test_the_writer_suffices_for_the_scripts_that_write(app: str, tmp_path: Path) -> None:
    before = counted(app, "struggle_predictions")
    output = tmp_path / "a.jsonl"
    store = ("scripts/predict_batch.py", "--store", "--output", str(output), "--as-of", "2025-10-10T09:00:00Z")
    script(app, *store)
    stored = counted(app, "struggle_predictions")
    assert stored > before
    output.unlink()
    script(app, *store)  # again: rows are updated
    assert counted(app, "struggle_predictions") == stored
    with open_writer(app) as writer:
        rows = [(f"r{n}", LEARNER, f"card-{OBJECTIVE}-0", "AGAIN", NOW_MS - DAY_MS + n * 1000) for n in range(5)]
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), rows)
    script(app, "scripts/record_outcomes.py")
    decided = f'struggle_predictions WHERE "learningObjectiveId" = \'{OBJECTIVE}\' AND "actualOutcome" IS NOT NULL'
    assert counted(app, decided) > 0
    script(app, "scripts/forget_learner.py", LEARNER)
    for table in ("struggle_predictions", "struggle_indicators"):
        assert counted(app, f"{table} WHERE \"userId\" = '{LEARNER}'") == 0
