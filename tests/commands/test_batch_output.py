"""A batch's output beside what others put there: links, pipes, databases, notes of progress, and a second run."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from db.writing.open import open_writer
from ml.instants import iso
from ml.places import HOUSE
from scripts.batch.output import Output
from scripts.batch.part import Tally
from scripts.synthetic_platform import Size, fill
from tests.commands.test_batch import NOW_MS, batch
from tests.support.outputs import read_output

MARKS = {"version": 1}


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"file:{tmp_path}/platform.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(4, 3, 6, 2), NOW_MS)
    return url


def arguments(url: str, output: object) -> list[str]:
    return ["--database-url", url, "--model", "rules", "--as-of", iso(NOW_MS), "--output", str(output)]


def part(output: Output, text: bytes = b"{}\n") -> None:
    output.add(text, Tally(), "learner")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["o.jsonl", "o.parquet"])
def test_under_umask_077_every_file_of_a_batch_is_private(url: str, tmp_path: Path, name: str) -> None:
    out = tmp_path / "private" / name
    out.parent.mkdir()
    mask = os.umask(0o077)
    try:
        with Output(str(out), MARKS, 0, 0) as output:
            part(output)
            modes = {each.name: each.stat().st_mode & 0o777 for each in out.parent.iterdir()}
        assert modes == {f"{name}.partial": 0o600, f"{name}.progress": 0o600}
        for each in out.parent.iterdir():
            each.unlink()
        batch(*arguments(url, out))
    finally:
        os.umask(mask)
    assert out.stat().st_mode & 0o777 == 0o600


def test_what_lies_beside_is_no_more_open_than_the_output(tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    out.touch(0o600)
    (tmp_path / "o.jsonl.partial").touch(0o644)
    with Output(str(out), MARKS, 0, 0) as output:
        part(output)
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
        output.finish()
    assert out.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("end", ["", ".partial", ".progress", ".converting"])
def test_a_planted_link_is_not_written_through(url: str, tmp_path: Path, end: str) -> None:
    (tmp_path / "others").write_text("precious")
    out = tmp_path / ("o.parquet" if end == ".converting" else "o.jsonl")
    Path(f"{out}{end}").symlink_to(tmp_path / "others")
    batch(*arguments(url, out), expected=74 if end in (".partial", ".converting") else 0)
    assert (tmp_path / "others").read_text() == "precious"
    if not end:
        assert not out.is_symlink()


@pytest.mark.slow
def test_pipes_and_devices_are_written_to(url: str, tmp_path: Path) -> None:
    batch(*arguments(url, tmp_path / "o.jsonl"))
    expected = (tmp_path / "o.jsonl").read_bytes()
    command = [sys.executable, os.path.join(HOUSE, "scripts", "predict_batch.py"), "--quiet"]
    done = subprocess.run([*command, *arguments(url, "/dev/stdout")], capture_output=True, check=True)
    assert done.stdout == expected
    quoted = " ".join(f"'{each}'" for each in [*command, *arguments(url, "")[:-1]])
    subprocess.run(["bash", "-c", f"{quoted} >(cat >{tmp_path}/got; : >{tmp_path}/end)"], check=True)
    while not (tmp_path / "end").exists():
        pass
    assert (tmp_path / "got").read_bytes() == expected
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    batch(*arguments(url, tmp_path / "pipe"))
    reader.join()
    assert got == [expected]
    assert not list(tmp_path.glob("pipe.*"))


def test_a_parquet_file_to_a_pipe_is_a_sentence_and_74(url: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "o.parquet")
    assert "cannot be a pipe" in batch(*arguments(url, tmp_path / "o.parquet"), expected=74)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["platform.sqlite3", "platform.sqlite3-wal", "link", "other.db"])
def test_a_database_is_not_written_over(url: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "platform.sqlite3")
    with open_writer(f"file:{tmp_path}/other.db", create=True) as writer:
        writer.create_tables()
    before = (tmp_path / "platform.sqlite3").read_bytes()
    assert "SQLite" in batch(*arguments(url, tmp_path / name), expected=74)
    assert (tmp_path / "platform.sqlite3").read_bytes() == before


def test_a_second_run_cannot_empty_what_the_first_is_finishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second opens the lines so far; before it has the lock, the first gives them their name and lets go."""
    out = tmp_path / "o.jsonl"
    first = Output(str(out), MARKS, 0, 0)
    part(first, b"whole\n")
    lock = fcntl.flock

    def late(*given: object) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        first.finish()
        first.__exit__(None, None, None)
        lock(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", late)
    with Output(str(out), MARKS, 0, 0):
        assert out.read_bytes() == b"whole\n"
        assert (tmp_path / "o.jsonl.partial").read_bytes() == b""
    assert out.read_bytes() == b"whole\n"


SOUND = {"marks": MARKS, "as_of_ms": 5, "after": "learner", "bytes": 3, "counts": {}, "failures": []}


@pytest.mark.slow
@pytest.mark.parametrize(
    "noted",
    [
        *(b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (2 << 20) + json.dumps(SOUND).encode()),
        *(
            json.dumps({**SOUND, **odd}).encode()
            for odd in (
                *({"bytes": -1}, {"bytes": 99}, {"bytes": 2}, {"bytes": True}, {"bytes": "3"}, {"after": None}),
                *({"marks": []}, {"marks": {"version": 2}}, {"counts": {"learners": -1}}, {"counts": {"odd": 1}}),
                *({"failures": [1]}, {"as_of_ms": "now"}, {"as_of_ms": -1}),
            )
        ),
    ],
)
def test_a_damaged_or_foreign_progress_begins_anew(tmp_path: Path, noted: bytes) -> None:
    (tmp_path / "o.jsonl.partial").write_bytes(b"{}\n")
    (tmp_path / "o.jsonl.progress").write_bytes(noted)
    with Output(str(tmp_path / "o.jsonl"), MARKS, 7, 0) as output:
        assert (output.resumed, output.as_of_ms, output.after) == (False, 7, None)
        part(output, b"new\n")
        output.finish()
    assert (tmp_path / "o.jsonl").read_bytes() == b"new\n"
    assert os.listdir(tmp_path) == ["o.jsonl"]


def test_a_sound_progress_is_gone_on_from(tmp_path: Path) -> None:
    (tmp_path / "o.jsonl.partial").write_bytes(b"{}\nhalf")
    (tmp_path / "o.jsonl.progress").write_text(json.dumps(SOUND))
    with Output(str(tmp_path / "o.jsonl"), MARKS, 7, 0) as output:
        assert (output.resumed, output.as_of_ms, output.after) == (True, 5, "learner")
        output.finish()
    assert (tmp_path / "o.jsonl").read_bytes() == b"{}\n"


def test_a_pipe_in_progress_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "o.jsonl.progress")
    with Output(str(tmp_path / "o.jsonl"), MARKS, 7, 0) as output:
        assert not output.resumed


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_a_list_with_a_byte_order_mark_finds_its_learners(url: str, tmp_path: Path, encoding: str) -> None:
    batch(*arguments(url, tmp_path / "all.jsonl"))
    learner = read_output((tmp_path / "all.jsonl").read_text().splitlines()[0])["user_id"]
    (tmp_path / "users").write_text(f"{learner}\r\n", encoding=encoding)
    batch(*arguments(url, tmp_path / "o.jsonl"), "--users", str(tmp_path / "users"))
    assert {read_output(line)["user_id"] for line in (tmp_path / "o.jsonl").read_text().splitlines()} == {learner}


@pytest.mark.parametrize("octets", ["a\n".encode("utf-16"), "a\n".encode("utf-16-le"), b"\xff\n", b"", b"\n \n"])
def test_a_list_that_is_none_is_refused(url: str, tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "users").write_bytes(octets)
    said = batch(*arguments(url, tmp_path / "o.jsonl"), "--users", str(tmp_path / "users"), expected=2)
    assert said.startswith("Error: Invalid value for '--users': the file ")
    assert not (tmp_path / "o.jsonl").exists()


def test_a_list_of_unknown_learners_leaves_the_output_as_it_was(url: str, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("nobody\n")
    (tmp_path / "o.jsonl").write_text("yesterday's")
    said = batch(*arguments(url, tmp_path / "o.jsonl"), "--users", str(tmp_path / "users"), expected=66)
    assert "stays as it was" in said
    assert (tmp_path / "o.jsonl").read_text() == "yesterday's"
