"""What the worker keeps never changes an answer: the model, the sessions and the names are as predict.py finds them."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

import db
from db.connecting import DEMO
from db.demo import LEARNER, NOW_MS
from db.writing.open import open_writer
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.scoring.scorecard import SavedModel
from ml.storage import model_file
from ml.storage.registry import Registry
from ml.study.history import DAY_MS
from scripts.labelling.difficulty_upkeep import keep_up_to_date
from scripts.testbed.synthetic_rows import Size, fill
from tests.support.outputs import read_output
from tests.support.postgres_server import Databases, connected, reviews_locked, with_demo
from tests.support.service_process import a_model
from tests.support.silent_servers import full_queue
from tests.support.study_database import execute
from tests.support.tcp_proxy import Accident, between
from tests.support.trained_models import save_model
from tests.support.worker_process import Worker, printed

pytestmark = pytest.mark.slow

OBJECTIVE = "action-potentials"
ASKED = (LEARNER, OBJECTIVE)


def degraded(worker: Worker) -> str:
    """Why the next answer rests on default features."""
    return str(worker.line()["answer"]["degraded_code"])


# The database


def port_of(url: str) -> int:
    return int(url.partition("?")[0].rpartition(":")[2].partition("/")[0])


def through(url: str, port: int) -> str:
    """The same database behind another port."""
    return url.replace(f":{port_of(url)}/", f":{port}/")


def test_a_restarted_database_costs_no_request(postgres_databases: Databases) -> None:
    url = with_demo(postgres_databases.empty())
    expected = printed(ASKED, url)
    with Worker(url=url) as worker:
        for _ in range(3):
            assert worker.answered(*ASKED) == expected
            with connected(url) as cursor:
                ours = "application_name = 'struggle-predictor' AND datname = current_database()"
                cursor.execute(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {ours}")
                assert cursor.fetchone() == (1,)  # one session for all requests


def test_a_request_that_times_out_spoils_none_after_it(postgres_databases: Databases) -> None:
    url = with_demo(postgres_databases.empty())
    expected = printed(ASKED, url)
    with Worker(url=url) as worker:
        assert worker.answered(*ASKED) == expected
        with reviews_locked(url):
            assert worker.answered(*ASKED) == expected  # what is kept needs no reading
            for day in (1, 2):
                began = time.monotonic()
                worker.ask(*ASKED, timeout=0.3, as_of=f"2025-10-0{day}")
                assert degraded(worker) in ("deadline", "database_late")
                assert time.monotonic() - began < 30
        for _ in range(3):
            assert worker.answered(*ASKED) == expected


def test_a_server_that_falls_silent_is_given_up_at_the_deadline(postgres_databases: Databases) -> None:
    url = with_demo(postgres_databases.empty())
    with between(port_of(url), Accident("stall", True, 200_000)) as port, Worker(url=through(url, port)) as worker:
        answers = []
        for day in range(1, 31):  # another moment each, so that rows are read each time
            worker.ask(*ASKED, timeout=2.0, as_of=f"2025-09-{day:02}")
            answers.append(worker.line()["answer"]["degraded_code"])
            if answers[-1]:
                break
        assert answers[0] == "", answers
        assert answers[-1] in ("deadline", "database_late"), answers
        assert worker.answered(*ASKED) == printed(ASKED, url)  # by a session of its own


def test_a_request_behind_a_slow_one_is_answered_at_its_own_deadline() -> None:
    with full_queue() as port, Worker(url=f"postgresql://app@127.0.0.1:{port}/app") as worker:
        worker.ask(*ASKED, id="slow", timeout=2.5)
        worker.ask(*ASKED, id="quick", timeout=0.3)
        worker.ask("x", "y", id="no database", features={}, timeout=0.4)
        found = [worker.line() for _ in range(3)]
        assert [each["id"] for each in found] == ["quick", "no database", "slow"]
        assert [each["answer"]["degraded_code"] for each in found[:2]] == ["deadline", "deadline"]


def test_several_threads_answer_while_one_waits() -> None:
    with full_queue() as port, Worker("--threads", "2", url=f"postgresql://app@127.0.0.1:{port}/app") as worker:
        worker.ask(*ASKED, id="slow", timeout=2.0)
        worker.ask("x", "y", id="no database", features={}, timeout=30)
        assert [worker.line()["id"] for _ in range(2)] == ["no database", "slow"]


def test_strict_refuses_what_would_rest_on_default_features() -> None:
    with Worker("--strict", url="file:/nowhere/app.sqlite3") as worker:
        worker.ask(*ASKED)
        found = worker.line()
        assert (found["error"]["code"], found["exit_code"]) == ("database_unavailable", 69)
        assert "/nowhere" not in found["error"]["message"]
        worker.ask("x", "y", features={})
        assert "answer" in worker.line()
        assert "/nowhere" in worker.ended()[1]


def test_a_database_that_comes_later_is_used_when_it_is_there(tmp_path: Path) -> None:
    url = f"file:{tmp_path / 'app.sqlite3'}"
    with Worker(url=url) as worker:
        worker.ask(*ASKED)
        assert degraded(worker) == "database_unreachable"
        shutil.copyfile(DEMO, tmp_path / "app.sqlite3")
        assert worker.answered(*ASKED) == printed(ASKED, url)
        (tmp_path / "app.sqlite3").unlink()
        worker.ask(*ASKED)
        assert degraded(worker) == "database_unreachable"


A_REVIEW = "SELECT id FROM reviews WHERE \"userId\" = '{0}' ORDER BY id LIMIT 1 OFFSET {1}"
OF_ROWS = (
    f"UPDATE reviews SET rating = '{{3}}' WHERE id = ({A_REVIEW})",
    f'UPDATE reviews SET "reviewedAt" = (SELECT max("reviewedAt") FROM reviews) WHERE id = ({A_REVIEW})',
    f'UPDATE reviews SET "reviewedAt" = (SELECT min("reviewedAt") FROM reviews) WHERE id = ({A_REVIEW})',
    f"UPDATE reviews SET \"userId\" = 'demo-classmate-1' WHERE id = ({A_REVIEW})",
    f"DELETE FROM reviews WHERE id = ({A_REVIEW})",
    'INSERT INTO reviews (id, "userId", "cardId", rating, "reviewedAt", "timeSpentMs")'
    ' SELECT \'new-{4}\', "userId", "cardId", \'{3}\', "reviewedAt", 1000 FROM reviews'
    f" WHERE id = ({A_REVIEW})",
    'UPDATE cards SET "lapseCount" = "lapseCount" + {4} WHERE "objectiveId" = \'{2}\'',
    "UPDATE validation_responses SET score = 0.{4} WHERE \"userId\" = '{0}'",
    'UPDATE performance_metrics SET "retentionScore" = 0.{4} WHERE "userId" = \'{0}\'',
    'UPDATE study_sessions SET "durationMs" = {1} * 60000 WHERE "userId" = \'{0}\'',
)
OF_WHOLE_TABLES = (
    "UPDATE learning_objectives SET complexity = 'BASIC' WHERE id = '{2}'",
    "UPDATE learning_objectives SET \"masteryLevel\" = 'MASTERED' WHERE id = 'membrane-transport'",
    "DELETE FROM objective_prerequisites",
    "DELETE FROM exams WHERE \"userId\" = '{0}'",
    "DELETE FROM missions WHERE \"userId\" = '{0}'",
    "DELETE FROM study_sessions WHERE \"userId\" = '{0}'",
    "DELETE FROM behavioral_patterns WHERE \"userId\" = '{0}'",
    "DELETE FROM user_learning_profiles WHERE \"userId\" = '{0}'",
    "UPDATE users SET \"performanceTrackingEnabled\" = false WHERE id = '{0}'",
    'ALTER TABLE reviews RENAME COLUMN "timeSpentMs" TO spent',
    "ALTER TABLE cards RENAME TO flash_cards",
)


def test_every_edit_between_two_requests_changes_the_answer_as_it_changes_the_commands(demo_database: str) -> None:
    """The clock of the demo stands still, so only the rows can change the answer."""
    chance, changes = random.Random(18), 0
    edits = [chance.choice(OF_ROWS) for _ in range(14)] + list(OF_WHOLE_TABLES)
    with Worker(url=demo_database) as worker:
        before = worker.answered(*ASKED)
        assert before == printed(ASKED, demo_database)
        for number, edit in enumerate(edits, 1):
            chosen = LEARNER, chance.randrange(100), OBJECTIVE, chance.choice(("AGAIN", "HARD", "GOOD", "EASY")), number
            execute(demo_database, edit.format(*chosen))
            after = worker.answered(*ASKED)
            assert after == printed(ASKED, demo_database), edit
            changes += after != before
            before = after
        assert changes > len(edits) / 3
        execute(demo_database, 'UPDATE "demo_clock" SET "now" = "now" + 86400000')
        assert worker.answered(*ASKED) == printed(ASKED, demo_database) != before


# The files


def test_the_file_that_names_the_database_may_change(tmp_path: Path, demo_copy: str) -> None:
    other = tmp_path / "other.sqlite3"
    shutil.copyfile(DEMO, other)
    execute(f"file:{other}", "DELETE FROM reviews")
    env_file = tmp_path / "settings.env"
    env_file.write_text(f'DATABASE_URL="{demo_copy}"\n')
    options = ["--env-file", str(env_file)]
    with Worker(*options) as worker:
        first = worker.answered(*ASKED)
        assert first == printed([*options, *ASKED])
        env_file.write_text(f'DATABASE_URL="file:{other}"\n')
        assert worker.answered(*ASKED) == printed([*options, *ASKED]) != first
        env_file.unlink()
        worker.ask(*ASKED)
        assert worker.line()["exit_code"] == 78
        env_file.write_text(f'DATABASE_URL="{demo_copy}"\n')
        assert worker.answered(*ASKED) == first


def test_a_new_model_answers_from_the_next_request_on(tmp_path: Path) -> None:
    variables = {"STRUGGLE_MODELS_DIR": str(tmp_path)}
    current, table = tmp_path / "current.pkl", tmp_path / "difficulty.sqlite3"

    def same() -> bytes:
        answer = worker.answered(*ASKED)
        assert answer == printed(ASKED, environment=variables)
        return answer

    def refused() -> None:
        worker.ask(*ASKED)
        found = worker.line()
        assert (found["error"]["code"], found["exit_code"]) == ("model_refused", 78)
        assert {"error": found["error"]} == read_output(printed(ASKED, environment=variables))

    with Worker(environment=variables) as worker:
        answers = [same()]
        model_file.write(a_model("made", 2.0), str(tmp_path / "pretrained.pkl"))
        answers.append(same())
        model_file.write(a_model("first", -2.0), str(current))
        answers.append(same())
        os.replace(save_model(str(tmp_path), difficulty_of=f"file:{DEMO}", as_of_ms=NOW_MS), current)
        answers.append(same())
        (tmp_path / "levels.json").write_text('{"medium_from": 0.99, "high_from": 0.999}')
        answers.append(same())
        (tmp_path / "levels.json").write_text('{"medium_from": 0.99}')
        refused()
        (tmp_path / "levels.json").unlink()
        assert same() == answers[-2]
        answers.pop()
        assert len(set(answers)) == len(answers)
        table.rename(tmp_path / "elsewhere")
        refused()
        (tmp_path / "elsewhere").rename(table)
        assert same() == answers[-1]
        os.truncate(table, 0)
        refused()
        current.write_bytes(b"torn")
        refused()
        _under_the_other_setting(str(current))
        assert "current.pkl" in read_output(same())["model_version"]
        current.unlink()
        assert same() == answers[1]
        assert worker.ended()[0] == 0


def test_a_newer_difficulty_table_answers_from_the_next_request_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = 1_760_000_000_000
    url, registry = f"file:{tmp_path / 'platform.sqlite3'}", Registry(str(tmp_path))
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(60, 6, 40, 3), now_ms)
    monkeypatch.setenv("STRUGGLE_MODELS_DIR", str(tmp_path))
    asked, as_of = ("learner-1", "objective-1-1"), iso(now_ms + DAY_MS)
    with Worker(url=url) as worker:
        answers = set()
        for until_ms in (now_ms - 20 * DAY_MS, now_ms):
            answers.add(worker.answered(*asked, as_of=as_of))
            with db.connect(url) as client, registry.locked():
                assert keep_up_to_date(client, registry, StrugglePredictionModel.load(), until_ms) is not None
            answers.add(worker.answered(*asked, as_of=as_of))
            assert printed(["--as-of", as_of, *asked], url) in answers
        assert worker.answered(*asked, as_of=as_of) == printed(["--as-of", as_of, *asked], url)
        assert len(answers) == 3


def _under_the_other_setting(path: str) -> None:
    plain = a_model("other", 1.0)
    about = plain.sources, plain.figures, plain.struggle_below
    other = SavedModel("other", plain.scorecard, *about, correct_from="HARD")
    model_file.write(other, path)
