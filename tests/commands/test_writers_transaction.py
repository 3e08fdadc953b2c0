"""Every command that writes to PostgreSQL: in its own schema, whole or not at all, with patience, and never idling."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner, Result

from db.demo import LEARNER, NOW_MS, OBJECTIVES, load_demo
from db.tables.ddl import TABLES
from db.writing.open import open_writer
from db.writing.writer import Writer
from ml.study.history import DAY_MS
from scripts.create_database import create_database
from scripts.forget_learner import forget_learner
from scripts.import_history import import_history
from scripts.predict_batch import predict_batch
from scripts.record_outcomes import record_outcomes
from tests.support.postgres_server import Databases, connected

PENDING = 5
PATIENCE_S = 0.5
COMMANDS = ("create", "import", "store", "outcomes", "forget")


@pytest.fixture
def platform(postgres_databases: Databases) -> str:
    """The URL of a database with two whole platforms, in public and in app; what is told to write names app."""
    url = str(postgres_databases.empty())
    with connected(url) as cursor:
        cursor.execute("CREATE SCHEMA app")
        cursor.execute(
            f"ALTER ROLE CURRENT_USER IN DATABASE {_name(url)} SET idle_in_transaction_session_timeout = 1000"
        )
    for schema in ("public", "app"):
        with open_writer(f"{url}?schema={schema}") as writer:
            writer.create_tables()
            load_demo(writer)
            _pending(writer)
    return url


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _pending(writer: Writer) -> None:
    """Predictions of yesterday that the learner's answers since can decide, each on an objective of its own."""
    fields = ("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence")
    fields += ("predictionDate", "predictedAt")
    at_ms = NOW_MS - DAY_MS
    names = list(OBJECTIVES)[:PENDING]
    rows = [(f"pending-{n}", LEARNER, name, 0.8, 0.5, at_ms, at_ms) for n, name in enumerate(names)]
    writer.insert("StrugglePrediction", fields, rows)
    cards = {str(objective): card for card, objective in writer.select("Card", ("id", "objectiveId"))}
    answers = [
        (f"late-{n}-{k}", LEARNER, cards[name], "AGAIN", at_ms + 1000 * (1 + n * 10 + k))
        for n, name in enumerate(names)
        for k in range(4)
    ]
    writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), answers)


def ran(command: str, url: str, tmp_path: Path) -> Result:
    """The command, in this process."""
    log = tmp_path / "log.tsv"
    header = "user_id\titem_id\ttimestamp\tcorrect\tskill_id\tkind\n"
    rows = "".join(f"new\titem{n}\t{1447727791 + n}\t1\tskill\tpractice\n" for n in range(4))
    log.write_text(header + rows, encoding="utf-8")
    commands = {
        "create": (create_database, ["--if-not-exists"]),
        "import": (import_history, [str(log)]),
        "store": (
            predict_batch,
            ["--store", "--output", str(tmp_path / "out.jsonl"), "--as-of", "2025-10-10T09:00:00Z"],
        ),
        "outcomes": (record_outcomes, []),
        "forget": (forget_learner, [LEARNER]),
    }
    program, words = commands[command]
    return CliRunner().invoke(program, [*words, "--database-url", url])


def contents(url: str, schema: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the platform in the schema."""
    found = {}
    with connected(url) as cursor:
        for table in TABLES.values():
            cursor.execute(f'SELECT * FROM "{schema}"."{table.name}" ORDER BY "id"')
            found[table.name] = cursor.fetchall()
    return found


def refusing(table: str, event: str, nth: int) -> str:
    """A trigger in app that refuses the nth row of a kind that is changed."""
    return f"""
        CREATE SEQUENCE app.seen;
        CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('app.seen') >= {nth} THEN RAISE EXCEPTION 'row {nth} is refused'; END IF;
            RETURN coalesce(NEW, OLD);
        END $$;
        CREATE TRIGGER refuse BEFORE {event} ON app.{table} FOR EACH ROW EXECUTE FUNCTION app.refuse()"""


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS[1:])
def test_a_command_writes_to_the_schema_of_its_url_alone(command: str, platform: str, tmp_path: Path) -> None:
    public, app = contents(platform, "public"), contents(platform, "app")
    done = ran(command, f"{platform}?schema=app", tmp_path)
    assert done.exit_code == 0, done.output
    assert contents(platform, "public") == public
    assert contents(platform, "app") != app


def test_tables_are_created_in_the_schema_of_the_url_alone(postgres_databases: Databases, tmp_path: Path) -> None:
    url = str(postgres_databases.with_tables())
    with connected(url) as cursor:
        cursor.execute("CREATE SCHEMA app")
    done = ran("create", f"{url}?schema=app", tmp_path)
    assert done.exit_code == 0, done.output
    assert "tables created" in done.stdout
    with connected(url) as cursor:
        cursor.execute("SELECT count(*) FROM pg_type WHERE typtype = 'e' AND typnamespace = 'app'::regnamespace")
        assert cursor.fetchone()[0] > 0
    assert set(contents(url, "app")) == {table.name for table in TABLES.values()}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS[1:])
def test_a_command_writes_where_only_the_schema_of_its_url_holds_the_tables(
    command: str, platform: str, tmp_path: Path
) -> None:
    with connected(platform) as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
    done = ran(command, f"{platform}?schema=app", tmp_path)
    assert done.exit_code == 0, done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "table", "event", "nth"),
    [
        ("import", "reviews", "INSERT", 3),
        ("store", "struggle_predictions", "INSERT", 3),
        ("store", "struggle_indicators", "INSERT", 2),
        ("outcomes", "struggle_predictions", "UPDATE", 3),
        ("forget", "struggle_predictions", "DELETE", 3),
    ],
)
def test_a_refused_row_leaves_nothing_written(
    command: str, table: str, event: str, nth: int, platform: str, tmp_path: Path
) -> None:
    with connected(platform) as cursor:
        cursor.execute(refusing(table, event, nth))
    before = contents(platform, "app")
    done = ran(command, f"{platform}?schema=app", tmp_path)
    assert done.exit_code == 69, done.output
    assert f"row {nth} is refused" in done.output
    assert contents(platform, "app") == before


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS[1:])
def test_a_locked_table_is_waited_for_with_patience_and_no_longer(
    command: str, platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(open_writer.__kwdefaults__, "patience_s", PATIENCE_S)
    held = "study_sessions" if command == "import" else "struggle_predictions"
    patient = "-c idle_in_transaction_session_timeout=0"
    with contextlib.closing(psycopg2.connect(platform, options=patient)) as other:
        other.cursor().execute(f"LOCK TABLE app.{held} IN EXCLUSIVE MODE")  # it can be read
        began = time.monotonic()
        done = ran(command, f"{platform}?schema=app", tmp_path)
        waited_s = time.monotonic() - began
    assert done.exit_code == 69, done.output
    assert "lock timeout" in done.output
    assert waited_s < 29  # half a second, and what a busy machine adds; without the setting it is thirty


@pytest.mark.slow
def test_every_transaction_of_a_writer_has_the_same_settings(platform: str) -> None:
    asked = "SELECT current_setting('lock_timeout'), current_setting('TimeZone'), current_setting('search_path')"
    with open_writer(f"{platform}?schema=app", patience_s=0.25) as writer:
        first = writer.query(asked)
        writer.commit()
        assert writer.query(asked) == first
        assert first[0][:2] == ("250ms", "UTC")


@pytest.mark.slow
@pytest.mark.parametrize("between", [lambda writer: None, lambda writer: writer.commit()])
def test_a_writer_that_waits_for_its_caller_is_in_no_transaction(between: Callable[..., None], platform: str) -> None:
    """The role's idle_in_transaction_session_timeout of a second would end its session otherwise."""
    with open_writer(f"{platform}?schema=app") as writer:
        between(writer)
        time.sleep(1.5)
        writer.insert("User", ("id",), [("x",)])
        writer.commit()
        time.sleep(1.5)
        assert writer.select("User", ("id",), "id", ["x"]) == [("x",)]


@pytest.mark.slow
def test_outcomes_take_long_to_read_and_the_writer_is_in_no_transaction_meanwhile(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import db.client

    reading = db.client.Client.stream_learners

    def slowly(*words: object, **named: object) -> object:
        time.sleep(1.5)
        return reading(*words, **named)

    monkeypatch.setattr(db.client.Client, "stream_learners", slowly)
    done = ran("outcomes", f"{platform}?schema=app", tmp_path)
    assert done.exit_code == 0, done.output
    assert re.search(r"[1-9]\d*  CONFIRMED", done.stdout), done.stdout
