"""Output files: refused before the work, whole or absent after it, and devices left what they are."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ml.storage import atomic_files
from scripts.build_zipapp import build_zipapp
from scripts.cli.exits import InputOutput
from scripts.cli.output_file import write_whole
from scripts.cohort_report import cohort_report
from scripts.evaluate_model import evaluate_model
from scripts.explain_model import explain_model
from scripts.forget_learner import forget_learner
from scripts.monitor import monitor
from scripts.monitoring import evidence_file
from scripts.predict_batch import predict_batch


@pytest.mark.parametrize(
    ("command", "option"),
    [(evaluate_model, "--json"), (evaluate_model, "--predictions"), (explain_model, "--out")],
)
def test_a_directory_that_is_not_there_is_refused_before_the_work(
    command: click.Command, option: str, tmp_path: Path
) -> None:
    done = CliRunner().invoke(command, [option, str(tmp_path / "absent" / "out")])
    assert done.exit_code == 74
    assert done.stderr.startswith("Error: ")
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("name", ["tonight.csv", "tonight.XLSX", "tonight.jsonl.gz"])
def test_a_batch_names_no_file_by_a_form_that_it_does_not_write(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(predict_batch, ["--output", str(tmp_path / name), "--database-url", f"file:{tmp_path}/x"])
    assert done.exit_code == 2
    assert ".jsonl or .parquet" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "first", "second"),
    [
        (cohort_report, "--users", "--csv"),
        (cohort_report, "--html", "--csv"),
        (predict_batch, "--users", "--output"),
        (monitor, "--html", "--state"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_no_output_takes_the_place_of_another_file_of_the_command(
    command: click.Command, first: str, second: str, turned: bool, tmp_path: Path
) -> None:
    given = tmp_path / "given.jsonl"
    given.write_text("demo-learner\n")
    (tmp_path / "link.jsonl").symlink_to(given)
    named = [(first, str(given)), (second, str(tmp_path / "link.jsonl"))]
    done = CliRunner().invoke(command, [word for option in (named[::-1] if turned else named) for word in option])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.endswith(" name the same file.\n")
    assert first in done.stderr
    assert second in done.stderr
    assert given.read_text() == "demo-learner\n"


@pytest.mark.parametrize(
    ("command", "option"), [(cohort_report, "--html"), (predict_batch, "--output"), (explain_model, "--out")]
)
def test_an_empty_name_of_an_output_is_refused(command: click.Command, option: str) -> None:
    done = CliRunner().invoke(command, [option, ""])
    assert (done.exit_code, "it is empty" in done.stderr) == (2, True)


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_evidence_is_kept_in_no_device_and_no_pipe(kind: str, demo_copy: str, tmp_path: Path) -> None:
    path = "/dev/zero"
    if kind == "pipe":
        path = str(tmp_path / "pipe")
        os.mkfifo(path)
    with pytest.raises(InputOutput, match="not a regular file"), evidence_file.held(path):
        pass
    assert not os.path.exists(f"{path}.lock")
    if kind == "pipe":  # never with a device: root's mistake would replace it
        done = CliRunner().invoke(monitor, ["--state", path, "--database-url", demo_copy])
        assert done.exit_code == 74
        assert done.stderr == f"Error: {path} cannot keep evidence: it is not a regular file.\n"


def test_the_page_of_a_prediction_shows_an_objectives_name_without_what_is_not_seen(
    demo_copy: str, tmp_path: Path
) -> None:
    file = demo_copy.removeprefix("file:")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE learning_objectives SET objective = ?", ("Explain \u202e\x1b[2Jpotentials <b>",))
    page = tmp_path / "page.html"
    options = ["--out", str(page), "--learner", "demo-learner", "--objective", "action-potentials"]
    done = CliRunner().invoke(explain_model, [*options, "--database-url", demo_copy])
    assert done.exit_code == 0, done.stderr
    assert "<h1>Explain potentials &lt;b&gt;</h1>" in page.read_text(encoding="utf-8")


def test_nobody_is_forgotten_under_an_empty_id(demo_copy: str) -> None:
    done = CliRunner().invoke(forget_learner, ["", "--database-url", demo_copy])
    assert (done.exit_code, done.stderr) == (2, "Error: USER_ID is empty. See forget-learner --help.\n")


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    write_whole("/dev/null", "text")
    assert not os.path.isfile("/dev/null")


def test_a_link_to_an_open_stream_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    with open(tmp_path / "redirected", "w+", encoding="utf-8") as stream:
        write_whole(f"/dev/fd/{stream.fileno()}", "text")
        assert stream.read() == "text"


def test_permissions_are_the_old_files_else_those_that_the_user_gives_new_ones(tmp_path: Path) -> None:
    private = tmp_path / "private.csv"
    private.touch(0o600)
    mask = os.umask(0o027)
    try:
        for name in ("private.csv", "new.csv"):
            write_whole(str(tmp_path / name), "learner_id")
    finally:
        os.umask(mask)
    assert [os.stat(tmp_path / name).st_mode & 0o777 for name in ("private.csv", "new.csv")] == [0o600, 0o640]


def test_a_file_is_replaced_by_one_rename_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    old = os.stat(path).st_ino
    write_whole(str(path), "né\n")
    assert path.read_text(encoding="utf-8") == "né\n"
    assert os.stat(path).st_ino != old
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_write_that_fails_keeps_the_old_file_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")

    def no_space(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "replace", no_space)
    with pytest.raises(InputOutput, match="No space left on device"):
        write_whole(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.json"]


@pytest.mark.slow
def test_a_packed_predictor_is_as_private_as_other_files_and_replaces_no_database(tmp_path: Path) -> None:
    """It holds the difficulty table, which counts learners."""
    output, kept = tmp_path / "predict.pyz", tmp_path / "kept"
    kept.write_text("another's")
    output.symlink_to(kept)
    before = os.umask(0o077)
    try:
        assert CliRunner().invoke(build_zipapp, ["--output", str(output)]).exit_code == 0
    finally:
        os.umask(before)
    assert output.stat().st_mode & 0o7777 == 0o700
    assert kept.read_text() == "another's"
    output.chmod(0o640)
    assert CliRunner().invoke(build_zipapp, ["--output", str(output)]).exit_code == 0
    assert output.stat().st_mode & 0o7777 == 0o750
    (tmp_path / "app.db").write_bytes(b"SQLite format 3\0")
    assert CliRunner().invoke(build_zipapp, ["--output", str(tmp_path / "app.db")]).exit_code == 74
    assert os.listdir(tmp_path).count("app.db") == 1


def test_the_file_before_makes_no_new_one_run_as_us_or_more_open_than_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "out")
    write_whole(path, "text")
    os.chmod(path, 0o4755)
    write_whole(path, "text")
    assert os.stat(path).st_mode & 0o7777 == 0o755
    os.chmod(path, 0o666)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)  # the one that lies there is another's
    before = os.umask(0o027)
    try:
        write_whole(path, "text")
    finally:
        os.umask(before)
    assert os.stat(path).st_mode & 0o7777 == 0o640
