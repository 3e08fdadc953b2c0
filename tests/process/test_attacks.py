"""What an attacker would try through ids, names, URLs, links and packed logs; .github/SECURITY.md says what holds."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from db.backends.sqlite import SQLiteConnection
from db.connecting import DEMO
from db.demo import load_demo
from db.writing.open import open_writer
from ml.errors import ModelRefused
from ml.storage.model_file import parse
from scripts.importing.answer_log import read_log
from scripts.importing.answers import MalformedLog
from scripts.monitoring.prometheus import _labels
from tests.fuzz.seeded import sealed
from tests.support.outputs import read_output
from tests.support.trained_models import save_model

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ASKED = ("demo-learner", "action-potentials")
FORGED = "\n2026-01-01 all is well\r\x1b[2J\x7f\x9b31m"


def predict(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, os.path.join(ROOT, "predict.py"), *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=20, env=clean | environment)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        (FORGED, "o"),
        (ASKED[0], FORGED),
        (*ASKED, "--model", f"/nowhere/{FORGED}"),
        (*ASKED, "--schema", f"/nowhere/{FORGED}"),
        (*ASKED, f"--{FORGED}"),
        (*ASKED, "--as-of", FORGED),
        (*ASKED, "--database-url", "file:/nowhere/\u2028\x9b31m"),
    ],
)
def test_no_id_or_name_forges_a_line_in_a_log_or_moves_a_terminals_cursor(arguments: tuple[str, ...]) -> None:
    ran = predict(*arguments)
    assert ran.stderr.count(b"\n") == 1
    assert ran.stderr.endswith(b"\n")
    assert not set(ran.stderr[:-1]) & {*range(32), *range(127, 256)}
    assert not set(ran.stdout[:-1]) & {*range(32), *range(127, 256)}
    read_output(ran.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("monitor.py", "--demo", "--html", f"/nowhere/{FORGED}/out"),
        ("explain_model.py", "--out", os.devnull, "--model", f"/nowhere/{FORGED}"),
        ("evaluate_model.py", "--demo", "--json", f"/nowhere/{FORGED}/out"),
        ("build_zipapp.py", "--output", f"/nowhere/{FORGED}/out"),
    ],
    ids=lambda words: words[0],
)
def test_no_refusal_of_a_script_forges_a_line_either(words: tuple[str, ...]) -> None:
    script = os.path.join(ROOT, "scripts", words[0])
    ran = subprocess.run([sys.executable, script, *words[1:]], capture_output=True, check=False, timeout=60)
    assert ran.returncode in (74, 78)
    assert ran.stderr.count(b"\n") == 1
    assert not set(ran.stderr[:-1]) & {*range(32), *range(127, 256)}


@pytest.mark.slow
@pytest.mark.slow
def test_an_id_is_utf_8_whatever_the_locale_says(demo_copy: str) -> None:
    """Otherwise a learner of that name could not be forgotten."""
    path = demo_copy.removeprefix("file:")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for locale in ({}, plain):
        with sqlite3.connect(path) as database:
            database.execute("UPDATE users SET id = 'Zoë' WHERE id IN ('demo-learner', 'Zoë')")
        for words in (("forget_learner.py", "Zoë", "--json"), ("example_usage.py", "--user", "Zoë")):
            argv = [sys.executable, os.path.join(ROOT, "scripts", words[0]), *words[1:], "--database-url", demo_copy]
            ran = subprocess.run(argv, capture_output=True, check=False, timeout=60, env=os.environ | locale)
            assert ran.returncode == 0, ran.stderr
        argv[2:4] = ["--user", b"\xff"]  # type: ignore[list-item]
        ran = subprocess.run(argv, capture_output=True, check=False, timeout=60, env=os.environ | locale)
        assert (ran.returncode, ran.stderr.count(b"\n")) == (2, 1)
        assert b"is not valid UTF-8" in ran.stderr


@pytest.mark.slow
def test_worker_processes_end_with_the_command_that_is_stopped() -> None:
    """communicate waits until every process that holds the pipe has ended."""
    work = (
        "import time, click\n"
        "from scripts.cli.command import command\n"
        "from scripts.workers.backends import Workers, engine, in_order\n"
        "@command({})\n"
        "def work():\n"
        "    with engine('loky', 2, None):\n"
        "        for _ in in_order(time.sleep, [(0,), (600,), (600,)], Workers('loky', 2)):\n"
        "            click.echo('begun')\n"
        "work()\n"
    )
    argv = [sys.executable, "-c", work]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        running.terminate()
        _, said = running.communicate(timeout=30)
    assert (running.returncode, said) == (143, b"")


@pytest.mark.parametrize("linked_to", ["/dev/zero", "/dev/stdin", "pipe", ".", "current.pkl", "/etc/passwd"])
def test_a_link_in_the_models_place_is_refused_at_once(tmp_path: Path, linked_to: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "current.pkl").symlink_to(linked_to)
    ran = predict(*ASKED, "--model", str(tmp_path / "current.pkl"))
    assert ran.returncode == 78, ran.stdout
    assert b"root:" not in ran.stdout + ran.stderr


@pytest.mark.slow
def test_a_difficulty_table_is_looked_for_beside_its_model_and_nowhere_else(tmp_path: Path) -> None:
    import pickle

    with open(save_model(str(tmp_path)), "rb") as file:
        payload = pickle.loads(pickle.loads(file.read())["payload"])
    for name in ("../up.sqlite3", "/etc/passwd", "a/b", "", "x\0y"):
        payload["difficulty"] = [name, "0" * 64]
        with pytest.raises(ModelRefused):
            parse(sealed(pickle.dumps(payload, protocol=4)))
    payload["difficulty"] = ["..", "0" * 64]
    (tmp_path / "up.pkl").write_bytes(sealed(pickle.dumps(payload, protocol=4)))
    assert predict(*ASKED, "--model", str(tmp_path / "up.pkl")).returncode == 78


@pytest.mark.slow
@pytest.mark.parametrize("tail", ["?mode=rwc", "?vfs=unix-none&mode=rwc", "%3fmode=rwc", "#?mode=rwc", "?mode=memory"])
def test_no_parameter_of_a_file_url_reaches_sqlite(tmp_path: Path, tail: str) -> None:
    ran = predict(*ASKED, "--database-url", f"file:{tmp_path}/new.sqlite3{tail}", "--strict")
    assert read_output(ran.stdout)["error"]["code"] == "database_unavailable"
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_schema_of_a_url_is_one_quoted_name(postgres_url: str) -> None:
    with open_writer(postgres_url) as writer:
        writer.create_tables()
        load_demo(writer)
    for schema in ('public"; DROP TABLE users; --', "public; DROP TABLE users", 'x", "public', "%s%%"):
        written = "".join(f"%{octet:02x}" for octet in schema.encode())
        joint = "&" if "?" in postgres_url else "?"
        ran = predict(*ASKED, "--database-url", f"{postgres_url}{joint}schema={written}")
        assert ran.returncode == 78, ran.stdout
    assert predict(*ASKED, "--database-url", postgres_url).returncode == 0


@pytest.mark.slow
def test_a_packed_log_is_refused_at_its_first_endless_line_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tsv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"user_id\titem_id\ttimestamp\tcorrect\tskill_id\n")
        for _ in range(128):
            file.write(bytes(1 << 20).replace(b"\0", b"a"))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(MalformedLog, match="longer than"):
        read_log(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_label_of_prometheus_ends_where_its_value_ends() -> None:
    assert _labels(value='a"} 1\nforged{x="\\') == '{value="a\\"} 1\\nforged{x=\\"\\\\"}'


@pytest.mark.slow
def test_product_code_starts_no_shell() -> None:
    rules = "S602,S604,S605,S606,S607"
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--ignore-noqa", f"--select={rules}"]
    ran = subprocess.run([*command, "predict.py", "ml", "db", "scripts"], cwd=ROOT, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout.decode()
    planted = b"import os, subprocess\nos.system(a)\nsubprocess.run(a, shell=True)\nsubprocess.run(['sh', a])\n"
    found = subprocess.run([*command, "-"], input=planted, capture_output=True, check=False)
    assert all(rule in found.stdout for rule in (b"S605", b"S602", b"S607"))


PLANTED = (
    *("__future__", "_sqlite3", "base64", "binascii", "bisect", "click", "collections", "datetime", "db"),
    *("decimal", "enum", "functools", "hashlib", "importlib", "json", "math", "ml", "psycopg2", "re", "scripts"),
    *("select", "signal", "sqlite3", "string", "struct", "_struct", "traceback", "types", "typing", "uuid", "zlib"),
)


@pytest.mark.slow
@pytest.mark.parametrize("entries", [":", "{}/else:", ".:{}/else", "./", "x/..", "../{name}"])
@pytest.mark.parametrize("options", [(), ("--pretty",), ("--doctor",)])
def test_no_module_of_the_callers_directory_is_imported_through_an_empty_entry_of_the_path(
    tmp_path: Path, entries: str, options: tuple[str, ...]
) -> None:
    """With the interpreter itself: a virtual environment's own start-up code imports before any of ours."""
    ran = tmp_path / "ran"
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name + ' '!r})\nraise SystemExit(3)\n")
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PYTHONHOME")}
    python = os.path.realpath(sys.executable)
    # What the interpreter imports before any script, in whatever version, is out of anybody's reach.
    started = subprocess.run(
        [python, "-X", "importtime", "-c", ""], capture_output=True, text=True, cwd="/", check=True
    )
    for name in PLANTED:
        if f" {name}\n" in started.stderr:
            (tmp_path / f"{name}.py").unlink()
    done = subprocess.run(
        [python, os.path.join(ROOT, "predict.py"), *options, *ASKED],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**clean, "PYTHONPATH": entries.format(tmp_path, name=tmp_path.name)},
        check=False,
    )
    assert not ran.exists(), ran.read_text()
    assert options or (done.returncode, '"probability"' in done.stdout) == (0, True), done.stderr


@pytest.mark.slow
def test_a_directory_that_the_path_names_in_full_stays_on_it(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit(33)\n")
    command = [sys.executable, os.path.join(ROOT, "predict.py"), "--pretty", *ASKED]
    environment = {**os.environ, "PYTHONPATH": f":{tmp_path}"}
    assert subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, check=False).returncode == 33


@pytest.mark.slow
def test_a_value_of_a_gigabyte_made_out_of_nothing_is_never_made(tmp_path: Path) -> None:
    """An app's table may be a view to us; what it makes is bounded, for readers and writers alike."""
    path = tmp_path / "app.sqlite3"
    shutil.copy(DEMO, path)
    path.chmod(0o644)
    connection = sqlite3.connect(path)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(learning_objectives)")]
    chosen = ", ".join("zeroblob(999999999) AS objective" if name == "objective" else f'"{name}"' for name in columns)
    connection.executescript(
        "PRAGMA foreign_keys = OFF; ALTER TABLE learning_objectives RENAME TO kept;"
        f"CREATE VIEW learning_objectives AS SELECT {chosen} FROM kept;"
    )
    connection.close()
    limited = ["sh", "-c", 'ulimit -v 262144; exec "$@"', "limited", sys.executable, os.path.join(ROOT, "predict.py")]
    ran = subprocess.run([*limited, "--database-url", f"file:{path}", *ASKED], capture_output=True, check=False)
    assert ran.returncode == 0
    assert b"Traceback" not in ran.stderr
    reader = SQLiteConnection(str(path), time.monotonic() + 9)
    with open_writer(f"file:{path}") as writer:
        for connection in (reader._connection, writer._connection):
            with pytest.raises(sqlite3.DataError, match="too big"):
                connection.execute("SELECT length(zeroblob(100000000))")
            assert connection.execute("SELECT length(zeroblob(20000000))").fetchone() == (20_000_000,)
    reader.close()
