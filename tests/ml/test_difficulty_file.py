"""What may lie in a difficulty table's place: whoever opens it refuses it as a model, at once and in little memory."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from db.connecting import DEMO
from ml.errors import ModelRefused
from ml.model import StrugglePredictionModel, load_whole
from ml.places import HOUSE
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files, model_file
from ml.storage.difficulty_file import LONGEST_ID
from ml.storage.difficulty_table import DifficultyTable
from ml.storage.registry import Registry
from tests.ml.test_difficulty import learner, table_of
from tests.support.history_builder import AS_OF_MS, OBJECTIVE, answers
from tests.support.outputs import read_output
from tests.support.trained_models import scorecard

ASKED = ("demo-learner", "action-potentials")
WHEN, DATE = "2026-11-23T00:00:00+00:00", "2026-11-23"


def sound(path: Path, text: str = "AAGGG") -> bytes:
    """A table of twenty learners."""
    path.mkdir(exist_ok=True)
    table_of(path, [learner(f"other-{n}", answers(text, 3)) for n in range(20)]).close()
    return (path / "table.sqlite3").read_bytes()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """With one version, which answers and names a table."""
    registry = Registry(str(tmp_path / "models"))
    difficulty = registry.add_difficulty(sound(tmp_path / "made"))
    saved = SavedModel("unnamed", scorecard(1), ["a test"], {}, 0.65, AS_OF_MS, difficulty)
    registry.promote(registry.add(saved, DATE), WHEN, "start")
    return registry


def table_path(registry: Registry) -> Path:
    difficulty = registry.read(registry.versions()[0]).difficulty
    assert difficulty is not None
    return Path(registry.directory, difficulty[0])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose table has a name that says nothing of its content: everything else must tell."""
    content = sound(tmp_path / "models")
    named = ("table.sqlite3", model_file.sha256(content))
    path = tmp_path / "models" / "current.pkl"
    model_file.write(SavedModel("current", scorecard(1), ["a test"], {}, 0.65, AS_OF_MS, named), str(path))
    return path


def view(path: Path, body: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE objectives")
    connection.execute(f"CREATE VIEW objectives AS {body}")
    connection.commit()
    connection.close()


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, i AS counts, 0 AS checksum FROM n"
)
GIGABYTE = "SELECT 'action-potentials' AS id, zeroblob(999999999) AS counts, 0 AS checksum"


def run_sql(path: Path, statement: str, *parameters: object) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement, parameters)
    connection.commit()
    connection.close()


def put_in_place(kind: str, path: Path) -> None:
    """Something else in the table's place."""
    content = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind in ("zero", "terminal", "memory"):
        path.symlink_to({"zero": "/dev/zero", "terminal": "/dev/tty", "memory": "/proc/self/mem"}[kind])
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to("/nowhere")
    elif kind == "endless":
        path.write_bytes(content)
        os.truncate(path, 1 << 40)
    elif kind == "longer":
        path.write_bytes(content + bytes(4096))
    elif kind == "shorter":
        path.write_bytes(content[:-4096])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "another":
        path.write_bytes(sound(path.parent.parent / "other", "GGAGG"))
    elif kind != "absent":
        path.write_bytes(content)
        if kind == "view":
            view(path, ENDLESS)
        elif kind == "view of a gigabyte":
            view(path, GIGABYTE)
        elif kind == "blob":
            run_sql(path, "UPDATE totals SET counts = zeroblob(150000000)")
        elif kind == "format blob":
            run_sql(path, "UPDATE about SET value = zeroblob(150000000) WHERE name = 'format'")
        elif kind == "trigger":
            run_sql(path, "CREATE TRIGGER t AFTER INSERT ON cards BEGIN SELECT 1; END")
        elif kind == "virtual":
            run_sql(path, "DROP TABLE cards")
            run_sql(path, "CREATE VIRTUAL TABLE cards USING fts5(id, counts, checksum)")
        elif kind == "many tables":
            connection = sqlite3.connect(path)
            connection.executescript("BEGIN;" + "".join(f"CREATE TABLE t{n} (a);" for n in range(3_000)) + "COMMIT;")
            connection.close()
        elif kind == "column":
            run_sql(path, "ALTER TABLE cards ADD COLUMN more")
        else:
            raise AssertionError(kind)


KINDS = [
    *("pipe", "directory", "zero", "terminal", "memory", "loop", "dangling", "absent", "endless", "longer"),
    *("shorter", "empty", "another", "view", "view of a gigabyte", "blob", "format blob", "trigger", "virtual"),
    *("many tables", "column"),
]
HUGE = ("view of a gigabyte", "blob", "format blob", "endless", "many tables", "pipe", "view")


def limited(*command: str) -> tuple[int, str]:
    """(exit code, stdout) of a real process that may have a quarter of a gigabyte of addresses, all told."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    limit = ("sh", "-c", 'ulimit -v 262144; exec "$@"', "limited", sys.executable)
    ran = subprocess.run([*limit, *command], capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("another", "blob")])
def test_what_is_no_table_is_refused_when_it_is_opened(model: Path, kind: str) -> None:
    put_in_place(kind, model.with_name("table.sqlite3"))
    with pytest.raises(ModelRefused, match="difficulty table"):
        _ = StrugglePredictionModel.load(str(model)).difficulty


@pytest.mark.slow
@pytest.mark.parametrize("kind", HUGE)
def test_the_command_refuses_it_at_once_and_in_little_memory(model: Path, kind: str) -> None:
    put_in_place(kind, model.with_name("table.sqlite3"))
    code, output = limited(os.path.join(HOUSE, "predict.py"), *ASKED, "--model", str(model))
    assert (code, read_output(output)["error"]["code"]) == (78, "model_refused")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another", "longer", "shorter"])
def test_a_table_that_is_not_the_one_named_is_told_by_its_size_and_first_page(registry: Registry, kind: str) -> None:
    put_in_place(kind, table_path(registry))
    path = os.path.join(registry.directory, "current.pkl")
    assert limited(os.path.join(HOUSE, "predict.py"), *ASKED, "--model", path)[0] == 78


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pipe", "endless", "another"])
def test_the_doctor_and_promote_refuse_it_too(registry: Registry, kind: str) -> None:
    put_in_place(kind, table_path(registry))
    doctor = ("predict.py", "--doctor", "--model", os.path.join(registry.directory, "current.pkl"))
    promote = ("scripts/models.py", "--models-dir", registry.directory, "promote", registry.versions()[0])
    for command in (doctor, promote):
        assert limited(os.path.join(HOUSE, command[0]), *command[1:])[0] == 78


@pytest.mark.slow
def test_a_changed_byte_that_only_the_hash_can_tell_is_refused_where_the_model_is_kept(registry: Registry) -> None:
    path = table_path(registry)
    content = bytearray(path.read_bytes())
    content[4096 * 2 - 1500] ^= 1  # somewhere within a page
    path.write_bytes(content)
    current = os.path.join(registry.directory, "current.pkl")
    StrugglePredictionModel.load(current)
    with pytest.raises(ModelRefused, match="checksum"):
        load_whole(current)
    with pytest.raises(ModelRefused, match="checksum"):
        registry.promote(registry.versions()[0], WHEN, "again")
    batch = [sys.executable, os.path.join(HOUSE, "scripts", "predict_batch.py"), "--database-url", f"file:{DEMO}"]
    assert subprocess.run([*batch, "--model", current], capture_output=True, check=False).returncode == 78


def test_a_whole_model_is_judged_by_one_call_and_again_when_its_table_arrives(registry: Registry) -> None:
    current, path = os.path.join(registry.directory, "current.pkl"), table_path(registry)
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(ModelRefused):
        load_whole(current)
    path.write_bytes(content)
    model = load_whole(current)
    assert model.difficulty is not None
    assert model.difficulty_path == str(path)
    assert load_whole("rules").difficulty_path is None


def test_tables_of_one_size_have_first_pages_of_their_own(tmp_path: Path) -> None:
    first, second = sound(tmp_path / "a", "AAGGG"), sound(tmp_path / "b", "GGAGG")
    assert len(first) == len(second)
    assert first[:100] != second[:100]
    for content in (first, second):
        registry = Registry(str(tmp_path / "models"))
        name, digest = registry.add_difficulty(content)
        assert digest == model_file.sha256(content)
        DifficultyTable.open(os.path.join(registry.directory, name)).close()


def test_ids_too_long_for_a_row_are_in_no_table_and_asked_for_in_vain(tmp_path: Path) -> None:
    long = "x" * (LONGEST_ID + 1)
    table = table_of(tmp_path, [learner("other", answers("AAG", 3) + answers("AAG", 2, long))])
    found = table.facing("me", [OBJECTIVE, long, "y" * 2_000_000], [long], [long, "y" * 2_000_000])
    assert found.objectives.keys() == {OBJECTIVE}
    table.close()


def test_what_else_lies_unfinished_is_swept_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".unfinished-pipe")
    os.mkfifo(tmp_path / ".training-pipe")
    (tmp_path / ".unfinished-link").symlink_to("/nowhere")
    (tmp_path / ".training-link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("kept")
    atomic_files.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == ["kept"]
    assert (tmp_path / "kept" / "file").read_text() == "kept"
