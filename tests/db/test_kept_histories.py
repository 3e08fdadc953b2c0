"""Kept histories never change an answer: whatever is edited between two readings, they read what a client reads."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

import db
from db import Opened, errors
from db.client import Client
from db.demo import LEARNER, NOW_MS, OBJECTIVES
from db.kept_histories import KeptHistories
from db.reading.marks import POSTGRESQL_GLANCE
from db.url import parse
from ml.study.history import WINDOW
from scripts.testbed.postgres import scratch_postgres
from tests.conftest import need
from tests.support.postgres_server import connected, with_demo
from tests.support.study_database import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from db import Conversation

OBJECTIVE = "action-potentials"
LEARNERS = (LEARNER, LEARNER, LEARNER, "demo-classmate-1", "nobody")
INSTANTS = {
    "learning_objectives": ["lastStudiedAt"],
    "cards": ["nextReviewAt"],
    "reviews": ["reviewedAt"],
    "study_sessions": ["startedAt", "completedAt"],
    "validation_responses": ["respondedAt"],
    "performance_metrics": ["date"],
    "behavioral_patterns": ["lastSeenAt"],
    "behavioral_events": ["timestamp"],
    "exams": ["date"],
    "missions": ["date"],
    "struggle_predictions": ["actualOutcomeRecordedAt"],
    "prediction_feedbacks": ["submittedAt"],
}
TABLES = [
    *("users", "courses", "lectures", "objective_prerequisites", "validation_prompts", "user_learning_profiles"),
    *INSTANTS,
]
SHIFTS_MS = [sign * each for sign in (-1, 1) for each in (1, 1000, HOUR_MS, DAY_MS, 7 * DAY_MS, 60 * DAY_MS)]


class Editor:
    """Edits a database as its app may, over one connection of its own."""

    def __init__(self, url: str) -> None:
        self.is_postgresql = url.startswith("postgresql")
        self.url = url
        self._stack = ExitStack()
        self._cursor: Any
        if self.is_postgresql:
            self._cursor = self._stack.enter_context(connected(url))
        else:
            path = str(parse(url, os.getcwd()).path)
            connection = sqlite3.connect(path, isolation_level=None, timeout=60)
            self._cursor = self._stack.enter_context(closing(connection)).cursor()

    def close(self) -> None:
        self._stack.close()

    def run(self, *statements: str) -> None:
        for statement in statements:
            self._cursor.execute(statement)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql)
        return list(self._cursor.fetchall())

    def columns(self, table: str) -> list[str]:
        self._cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')
        return [str(each[0]) for each in self._cursor.description]

    def ids(self, table: str) -> list[str]:
        return [f"'{row[0]}'" for row in self.ask(f'SELECT id FROM "{table}" ORDER BY id')]

    def shifted(self, column: str, by_ms: int) -> str:
        if self.is_postgresql:
            return f"\"{column}\" + interval '{by_ms} milliseconds'"
        text = f"strftime('%Y-%m-%dT%H:%M:%f+00:00', \"{column}\", '{by_ms / 1000:+.3f} seconds')"
        return f'CASE typeof("{column}") WHEN \'text\' THEN {text} ELSE "{column}" + {by_ms} END'

    def move_clock(self, by_ms: int) -> None:
        self.run(f"UPDATE demo_clock SET now = now + {by_ms}")


def edit(editor: Editor, chance: random.Random) -> None:
    """One edit of any table that is read; about a quarter are of the learner's answers."""
    table = chance.choice([*TABLES, *["reviews"] * 6])
    ids = editor.ids(table)
    if not ids:
        return
    one, other = chance.choice(ids), chance.choice(ids)
    column = chance.choice(editor.columns(table)[1:])
    both = f'(SELECT "{column}" FROM "{table}" WHERE id = '
    of_one, of_other = f"{both}{one})", f"{both}{other})"
    edits: list[Callable[[], object]] = [
        lambda: editor.run(f'UPDATE "{table}" SET "{column}" = {of_other} WHERE id = {one}'),
        lambda: editor.run(
            f'UPDATE "{table}" SET "{column}" = CASE id WHEN {one} THEN {of_other} ELSE {of_one} END'
            f" WHERE id IN ({one}, {other})"
        ),
        lambda: editor.run(f'DELETE FROM "{table}" WHERE id = {one}'),
        lambda: copy(editor, table, one, f"copy-{chance.getrandbits(40)}"),
        lambda: editor.run("BEGIN", f'DELETE FROM "{table}"', "ROLLBACK"),
        lambda: editor.run(f'UPDATE "{table}" SET "{column}" = "{column}" WHERE id = {one}'),
    ]
    for instant in INSTANTS.get(table, ()):
        moved = editor.shifted(instant, chance.choice(SHIFTS_MS))
        edits += 2 * [
            lambda: editor.run(f'UPDATE "{table}" SET "{instant}" = {moved} WHERE id = {one}')  # noqa: B023
        ]
    with suppress(sqlite3.IntegrityError, psycopg2.IntegrityError):  # a row that the app's keys refuse
        chance.choice(edits)()


def copy(editor: Editor, table: str, row_id: str, new_id: str) -> None:
    others = ", ".join(f'"{name}"' for name in editor.columns(table) if name != "id")
    editor.run(f'INSERT INTO "{table}" (id, {others}) SELECT \'{new_id}\', {others} FROM "{table}" WHERE id = {row_id}')


@pytest.fixture
def editor(demo_database: str) -> Iterator[Editor]:
    made = Editor(demo_database)
    yield made
    made.close()


@contextmanager
def clients(url: str, count: int) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        yield [stack.enter_context(db.connect(url, timeout_s=30, keeps_plans=True)) for _ in range(count)]


def told(read: Callable[[], object]) -> str:
    try:
        return repr(read())
    except (errors.UnknownLearner, errors.UnknownObjective) as error:
        return repr(error)


class Watched:
    """Counts the queries that a client's connection is asked."""

    def __init__(self, client: Client) -> None:
        self.queries = 0
        self._run = client._connection.run
        client._connection.run = self._counting  # type: ignore[method-assign, assignment]

    def _counting(self, batch: Sequence[Any]) -> Any:
        self.queries += len(batch)
        return self._run(batch)

    def during(self, read: Callable[[], object]) -> int:
        before = self.queries
        read()
        return self.queries - before

    def at_rest(self, read: Callable[[], object]) -> int:
        """The queries of a reading between which and the one before nobody wrote: PostgreSQL itself does, at times."""
        return min(self.during(read) for _ in range(10))


@pytest.mark.parametrize("seed", range(3))
def test_after_any_edit_they_read_what_a_client_reads(editor: Editor, seed: int) -> None:
    """On SQLite once with a rollback journal, once with a write-ahead log, and once with one that comes and goes."""
    chance = random.Random(seed)
    if seed and not editor.is_postgresql:
        editor.ask("PRAGMA journal_mode = WAL")
    kept = KeptHistories()
    with clients(editor.url, 3) as (plain, *keeping):
        for _ in range(60):
            if seed == 2 and not editor.is_postgresql:
                editor.close()
                editor = Editor(editor.url)
            if chance.random() < 0.5:
                edit(editor, chance)
            if chance.random() < 0.4:
                editor.move_clock(chance.choice((1, 1000, HOUR_MS, DAY_MS, 3 * DAY_MS, -HOUR_MS)))
            learner, objective = chance.choice(LEARNERS), chance.choice([*OBJECTIVES, "nothing"])
            as_of_ms = chance.choice((None, None, None, NOW_MS - DAY_MS, NOW_MS, NOW_MS + 5 * DAY_MS))
            asked = learner, objective, as_of_ms, WINDOW
            client = chance.choice(keeping)
            expected = told(lambda: plain.read(*asked))  # noqa: B023
            for _ in range(2):
                assert told(lambda: kept.read(client, *asked)) == expected  # noqa: B023
    editor.close()


def test_while_others_write_no_reading_is_older_than_the_moment_it_was_asked_for(editor: Editor) -> None:
    """Each of some threads sees at least what was written before it asked, and nothing of what was written after."""
    kept, written, ends = KeptHistories(), [len(editor.ids("missions"))], threading.Event()
    (mission, *_) = editor.ids("missions")
    failures: list[object] = []

    def ask_again_and_again(client: Client) -> None:
        try:
            while not ends.is_set():
                least = written[0]
                found = kept.read(client, LEARNER, OBJECTIVE, None, WINDOW).learner.missions
                if not least <= len(found) <= written[0] + 1:
                    failures.append((least, len(found), written[0]))
        except Exception as error:
            failures.append(error)

    with clients(editor.url, 3) as connected_clients:
        asking = [threading.Thread(target=ask_again_and_again, args=(each,)) for each in connected_clients * 2]
        for thread in asking:
            thread.start()
        for number in range(40):
            copy(editor, "missions", mission, f"another-{number}")
            written[0] += 1
            time.sleep(0.01)
        ends.set()
        for thread in asking:
            thread.join()
    assert failures == []


def test_a_second_reading_asks_for_the_mark_alone(editor: Editor) -> None:
    kept = KeptHistories()
    with clients(editor.url, 1) as (client,):
        watched = Watched(client)

        def read() -> object:
            return kept.read(client, LEARNER, OBJECTIVE, None, WINDOW)

        assert watched.during(read) > 20
        most = 5 if editor.is_postgresql else 1
        assert watched.at_rest(read) <= most
        editor.run("UPDATE users SET name = 'new' WHERE id = 'demo-classmate-1'")
        assert watched.during(read) > 20
        assert watched.at_rest(read) <= most


ELSEWHERE = (
    "UPDATE cards SET \"objectiveId\" = 'membrane-transport' WHERE \"objectiveId\" = 'anatomy-skull'",
    "UPDATE cards SET \"courseId\" = 'nowhere' WHERE \"objectiveId\" = 'membrane-transport'",
    "DELETE FROM cards WHERE \"objectiveId\" = 'anatomy-upper-limb'",
    "UPDATE learning_objectives SET \"lectureId\" = 'anatomy-limbs' WHERE id = 'physiology-cardiac-cycle'",
    "UPDATE lectures SET \"courseId\" = 'anatomy' WHERE id = 'physiology-organs'",
    "UPDATE validation_prompts SET \"objectiveId\" = 'action-potentials'",
    "UPDATE struggle_predictions SET \"learningObjectiveId\" = 'anatomy-skull'",
    "UPDATE learning_objectives SET \"masteryLevel\" = 'MASTERED' WHERE id = 'anatomy-skull'",
    "UPDATE lectures SET \"userId\" = 'demo-classmate-1' WHERE id = 'anatomy-head'",
    'UPDATE users SET "behavioralAnalysisEnabled" = false',
    'UPDATE users SET "performanceTrackingEnabled" = false',
    "DELETE FROM objective_prerequisites",
    "DELETE FROM user_learning_profiles",
    'ALTER TABLE reviews DROP COLUMN "sessionId"',
    "DROP TABLE missions",
    "ALTER TABLE behavioral_events RENAME TO behavioral_events_old",
)
"""Edits of rows that are not the learner's own, of the learner's consent, and of the tables themselves."""


def test_an_edit_of_what_the_learners_rows_refer_to_shows(editor: Editor) -> None:
    kept = KeptHistories()
    with clients(editor.url, 2) as (plain, client):

        def both() -> str:
            asked = LEARNER, OBJECTIVE, None, WINDOW
            expected = repr(plain.read(*asked))
            assert repr(kept.read(client, *asked)) == expected
            return expected

        for statement in ELSEWHERE:
            for name in ("a", "b", "c"):  # from the second reading on there is a proof in PostgreSQL
                editor.run(f"UPDATE users SET name = '{name}' WHERE id = 'demo-classmate-1'")
                before = both()
            editor.run(statement)
            assert both() != before, statement


@contextmanager
def at_the_hosts_time(*clients: Client) -> Iterator[Callable[[int], None]]:
    """Sets the time that clients of a SQLite database without a clock of its own see."""
    now = [NOW_MS]
    for client in clients:
        client._connection.clock_ms = lambda: now[0]  # type: ignore[method-assign]
    yield lambda moment_ms: now.__setitem__(0, moment_ms)


def test_what_was_in_the_future_comes_into_sight_in_its_millisecond(editor: Editor) -> None:
    """The database does not change, but time passes."""
    with clients(editor.url, 2) as (plain, client), at_the_hosts_time(plain, client) as set_hosts_time:
        moves = editor.move_clock
        if not editor.is_postgresql:
            editor.run("DROP TABLE demo_clock")
            now = [NOW_MS]

            def moves(by_ms: int) -> None:
                now[0] += by_ms
                set_hosts_time(now[0])

        later_ms = 0
        for table, (instant, *_) in INSTANTS.items():
            if table in ("learning_objectives", "cards", "exams", "missions"):
                continue
            later_ms += 10
            far = editor.ids(table)[0]
            moment = (
                f"timestamp 'epoch' + interval '{NOW_MS + later_ms} milliseconds'"
                if editor.is_postgresql
                else str(NOW_MS + later_ms)
            )
            editor.run(f'UPDATE "{table}" SET "{instant}" = {moment} WHERE id = {far}')
        kept = KeptHistories()
        seen = set()
        for _ in range(2 + later_ms):
            asked = LEARNER, OBJECTIVE, None, WINDOW
            expected = plain.read(*asked)
            assert kept.read(client, *asked) == expected, expected.as_of_ms - NOW_MS
            seen.add(repr(expected.learner))
            moves(1)
        assert len(seen) >= 8


def test_the_nearest_plans_change_with_time(editor: Editor) -> None:
    """More missions than are read: while time passes, later ones take the place of earlier ones."""
    (mission, *_) = editor.ids("missions")
    for day in range(70):
        copy(editor, "missions", mission, f"planned-{day}-a")
        moved = editor.shifted("date", (day // 2 - 20) * DAY_MS)
        editor.run(f"UPDATE missions SET date = {moved} WHERE id = 'planned-{day}-a'")
    with clients(editor.url, 2) as (plain, client), at_the_hosts_time(plain, client) as set_hosts_time:
        if not editor.is_postgresql:
            editor.run("DROP TABLE demo_clock")
        kept = KeptHistories()
        seen = set()
        for hour in range(0, 96, 2):
            if editor.is_postgresql:
                editor.move_clock(2 * HOUR_MS)
            set_hosts_time(NOW_MS + hour * HOUR_MS)
            asked = LEARNER, OBJECTIVE, None, WINDOW
            before = kept.read(client, *asked)
            expected = plain.read(*asked)
            assert before == expected
            seen.add(repr(expected.learner))
        assert len(seen) > 4


ELSEWHERE_IN_POSTGRESQL = (
    "TRUNCATE behavioral_patterns",
    "CREATE TABLE later (LIKE reviews INCLUDING ALL); INSERT INTO later SELECT * FROM reviews WHERE rating = 'AGAIN'; "
    "DELETE FROM reviews WHERE rating = 'AGAIN'",
    "ALTER TABLE later INHERIT reviews",  # its rows are in the places where those of another table lie
    "ALTER TABLE later NO INHERIT reviews",
    "ALTER TABLE reviews RENAME TO kept_reviews; CREATE VIEW reviews AS"
    " SELECT * FROM kept_reviews WHERE rating = 'GOOD'",
    "UPDATE kept_reviews SET rating = 'GOOD' WHERE rating = 'HARD'",
)
NO_EDITS = (
    "BEGIN; DELETE FROM reviews; ROLLBACK",
    "VACUUM (FREEZE) reviews",
    "VACUUM FULL reviews",
    "ANALYZE",
    "UPDATE reviews SET rating = rating",
    "REINDEX TABLE reviews",
)


def test_what_postgresql_does_to_whole_tables_shows(demo_database: str) -> None:
    if not demo_database.startswith("postgresql"):
        return
    editor, kept = Editor(demo_database), KeptHistories()
    with clients(editor.url, 2) as (plain, client):

        def both() -> str:
            asked = LEARNER, OBJECTIVE, None, WINDOW
            expected = repr(plain.read(*asked))
            assert repr(kept.read(client, *asked)) == expected
            return expected

        for statement in (*NO_EDITS, *ELSEWHERE_IN_POSTGRESQL):
            for name in ("a", "b", "c"):
                editor.run(f"UPDATE users SET name = '{name}' WHERE id = 'demo-classmate-1'")
                before = both()
            editor.run(*(statement.split("; ") if statement.startswith("BEGIN") else [statement]))
            assert (both() == before) is (statement in NO_EDITS), statement
    editor.close()


def is_kept(client: Client) -> bool:
    def told(opened: Opened) -> Conversation[bool]:
        yield from ()
        return opened.mark is not None and opened.is_kept

    return client.converse(told, marked=True)


VIEW = (
    'ALTER TABLE missions RENAME TO own_missions; CREATE VIEW missions AS SELECT id, "userId", date, status,'
    " '[' || {}() || ']' AS objectives FROM own_missions"
)
WITHOUT_PROOF = {
    "sqlite": {
        "a view": VIEW.format("random"),
        "a virtual table": "DROP TABLE missions;CREATE VIRTUAL TABLE missions USING fts4(id, userId, date, objectives)",
    },
    "postgresql": {
        "a view": VIEW.format("clock_timestamp") + "; GRANT SELECT ON missions TO reads_only",
        "a foreign table": "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far;"
        "CREATE FOREIGN TABLE elsewhere () INHERITS (missions) SERVER away",
        "a policy": "ALTER TABLE missions ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON missions"
        " USING (current_setting('application_name') <> 'x')",
        "some columns only": 'REVOKE SELECT ON missions FROM reads_only; GRANT SELECT (id, "userId", date, status,'
        " objectives) ON missions TO reads_only",
        "a pooler": "SELECT 1",
    },
}


@pytest.fixture
def reads_only(editor: Editor) -> Iterator[str]:
    """The database's URL, in PostgreSQL for a role that may only read."""
    if not editor.is_postgresql:
        yield editor.url
        return
    editor.run("CREATE ROLE reads_only LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reads_only")
    yield editor.url.replace("postgres@", "reads_only@")
    editor.run("DROP OWNED BY reads_only", "DROP ROLE reads_only")


@pytest.mark.parametrize("what", WITHOUT_PROOF["postgresql"] | WITHOUT_PROOF["sqlite"])
def test_where_there_is_no_proof_everything_is_read_afresh(editor: Editor, reads_only: str, what: str) -> None:
    statements = WITHOUT_PROOF["postgresql" if editor.is_postgresql else "sqlite"].get(what)
    if statements is None:
        return
    url = f"{reads_only}?pgbouncer=true" if what == "a pooler" else reads_only
    kept = KeptHistories()
    with clients(reads_only, 1) as (client,):
        watched = Watched(client)
        reading = partial(kept.read, client, LEARNER, OBJECTIVE, None, WINDOW)
        assert watched.during(reading) > 20 > 5 >= watched.at_rest(reading)
    for statement in statements.split(";"):
        editor.run(statement)
    with clients(url, 1) as (client,):
        if what == "a foreign table":  # its wrapper has nothing to read with
            assert not is_kept(client)
            return
        watched = Watched(client)
        reading = partial(kept.read, client, LEARNER, OBJECTIVE, None, WINDOW)
        assert all(watched.during(reading) > 20 for _ in range(3))


def test_a_crash_of_postgresql_leaves_no_kept_rows_valid() -> None:
    """Nothing tells it from a pause but that all sessions end: tables that are not logged are empty afterwards."""
    need("postgres")
    kept = KeptHistories()
    with scratch_postgres() as server:
        url = with_demo(server.new_database())
        with connected(url) as cursor:
            cursor.execute("ALTER TABLE missions SET UNLOGGED")
        with clients(url, 1) as (client,):
            before = [kept.read(client, LEARNER, OBJECTIVE, None, WINDOW) for _ in range(4)][-1]
            assert before.learner.missions
            with connected(url) as cursor, suppress(psycopg2.Error):
                cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'struggle-predictor'")
                os.kill(cursor.fetchone()[0], signal.SIGKILL)
                time.sleep(0.1)
            while True:
                with suppress(errors.DatabaseUnavailable), clients(url, 1) as (client,):
                    after = kept.read(client, LEARNER, OBJECTIVE, None, WINDOW)
                    break
            assert after.learner.missions == []


def test_the_statement_without_a_transaction_calls_only_postgresqls_own_functions(editor: Editor) -> None:
    """They would be looked up on the role's own path, where others may have put theirs before."""
    if not editor.is_postgresql:
        return
    names = set(re.findall(r"(\w+)\(", POSTGRESQL_GLANCE)) - {"CAST"}
    assert set(re.findall(r"pg_catalog\.(\w+)\(", POSTGRESQL_GLANCE)) == names
    planted = [
        f"CREATE FUNCTION {name}({arguments}) RETURNS {kind} LANGUAGE plpgsql AS $$BEGIN RAISE 'called'; END$$"
        for name, arguments, kind in (
            ("txid_current_snapshot", "", "txid_snapshot"),
            ("clock_timestamp", "", "timestamptz"),
            ("pg_is_in_recovery", "", "boolean"),
            ("date_part", "text, timestamptz", "double precision"),
        )
    ]
    editor.run("CREATE SCHEMA planted", "SET search_path = planted", *planted, "CREATE DOMAIN text AS varchar")
    editor.run("ALTER ROLE postgres SET search_path = planted, pg_catalog, public")
    try:
        kept = KeptHistories()
        with clients(editor.url, 1) as (client,):
            watched = Watched(client)
            reading = partial(kept.read, client, LEARNER, OBJECTIVE, None, WINDOW)
            assert [watched.during(reading) > 0 for _ in range(2)] == [True, True]
            assert watched.at_rest(reading) == 0
    finally:
        editor.run("ALTER ROLE postgres RESET search_path")
