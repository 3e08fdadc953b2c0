"""Who ran what, and when: two lines per run, learners as keyed hashes, and nothing written that nobody asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from db.writing.open import open_writer
from scripts.audit_log import audit_log
from scripts.auditing.log import AuditLog, found_in
from scripts.cli.exits import InputOutput
from scripts.export_history import export_history
from scripts.export_learner import export_learner
from scripts.forget_learner import forget_learner
from scripts.models import models
from scripts.retention import retention
from tests.support.outputs import read_output

ROOT = Path(__file__).parents[2]
LEARNER = "learner-of-the-audit"


@pytest.fixture
def platform(database: str) -> str:
    with open_writer(database) as writer:
        writer.insert("LearningObjective", ("id", "lectureId", "objective"), [("o", "l", "Draw a nephron")])
        writer.insert(
            "StrugglePrediction",
            (
                *("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence"),
                *("featureVector", "strugglingFactors", "predictedAt"),
            ),
            [("p", LEARNER, "o", 0.8, 0.5, {}, [], 1_760_000_000_000)],
        )
    return database


def ran(command: Any, *arguments: str, log: Path | None = None) -> Result:
    environment = {"STRUGGLE_AUDIT_LOG": None if log is None else str(log)}
    return CliRunner().invoke(command, arguments, env=environment)


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_run_has_a_line_before_and_a_line_after_with_the_learner_as_a_keyed_hash(
    platform: str, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    assert ran(export_learner, LEARNER, "--database-url", platform, log=log).exit_code == 0
    removed = ran(forget_learner, LEARNER, "--database-url", platform, "--models-dir", "/nonexistent", log=log)
    assert removed.exit_code == 0, removed.output
    lines = lines_of(log)
    assert [(line["event"], line["command"], line.get("exit_code")) for line in lines] == [
        ("started", "export_learner", None),
        ("ended", "export_learner", 0),
        ("started", "forget_learner", None),
        ("ended", "forget_learner", 0),
    ]
    assert lines[3]["counts"]["struggle_predictions"] == 1
    assert len({line["learner"] for line in lines}) == 1
    assert len({line["run"] for line in lines}) == 2
    assert all(line["operator"] and line["at"].endswith("Z") for line in lines)
    assert LEARNER not in log.read_text()
    assert [oct(path.stat().st_mode & 0o777) for path in (log, tmp_path / "audit.jsonl.key")] == ["0o600", "0o600"]


def test_without_a_log_nothing_is_written(platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(os.listdir(tmp_path))
    found = ran(export_learner, LEARNER, "--database-url", platform)
    assert found.exit_code == 0
    assert read_output(found.stdout)["actions"] is None
    assert set(os.listdir(tmp_path)) == before


def test_every_command_that_is_audited_says_how_it_ended(platform: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    (tmp_path / "models").mkdir()
    directory = str(tmp_path / "models")
    assert ran(retention, "--older-than", "9", "--database-url", platform, log=log).exit_code == 0
    assert ran(models, "--models-dir", directory, "promote", "struggle_prediction_v1.0_2026-01-01", log=log).exit_code
    assert ran(models, "--models-dir", directory, "--audit-log", str(log), "rollback").exit_code == 78
    assert ran(models, "--models-dir", directory, "prune", "--keep", "1", log=log).exit_code == 0
    assert ran(models, "--models-dir", directory, "list", log=log).exit_code == 0
    output = str(tmp_path / "answers.csv")
    assert ran(export_history, "--output", output, "--pseudonymise", "--database-url", platform, log=log).exit_code == 0
    actions = found_in(str(log)).actions
    assert [(each.command, each.exit_code) for each in actions] == [
        ("retention", 0),
        ("models promote", 78),
        ("models rollback", 78),
        ("models prune", 0),
        ("export_history", 0),
    ]
    assert actions[0].settings == {"days": 9, "delete": False}
    assert actions[0].counts["struggle_predictions"] == 1
    assert actions[1].settings == {"version": "struggle_prediction_v1.0_2026-01-01"}
    assert actions[4].settings == {"pseudonymise": True}
    assert all(each.learner is None for each in actions)


def test_a_log_that_cannot_be_written_stops_the_command_before_it_does_anything(platform: str, tmp_path: Path) -> None:
    arguments = (LEARNER, "--database-url", platform, "--models-dir", "/nonexistent", "--audit-log")
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "badly").write_text("")
    (tmp_path / "badly.key").write_text("no key")
    for name, code in (("absent/log", 74), ("link", 74), ("badly", 78), ("there", 2)):
        done = ran(forget_learner, *arguments, str(tmp_path / name))
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert ran(forget_learner, *arguments, "/dev/full").exit_code == 74
    assert ran(forget_learner, *arguments, "").exit_code == 2
    if platform.startswith("file:"):
        assert ran(forget_learner, *arguments, platform.removeprefix("file:")).exit_code == 74
    assert not (tmp_path / "elsewhere").exists()
    kept = read_output(ran(export_learner, LEARNER, "--database-url", platform).stdout)
    assert kept["rows"]["struggle_predictions"] == 1


def test_an_output_never_takes_the_place_of_the_log_or_its_key(platform: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    refusals = {str(log): "--audit-log and --output name the same file", f"{log}.key": "names the audit log or its key"}
    for name, refusal in refusals.items():
        done = ran(export_history, "--output", name, "--database-url", platform, log=log)
        assert (done.exit_code, done.stdout) == (2, "")
        assert refusal in done.stderr
    assert not log.exists()


def test_a_learner_reads_what_was_done_and_an_operator_reads_by_whom(platform: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    ran(export_learner, "somebody else", "--database-url", platform, log=log)
    ran(export_learner, LEARNER, "--database-url", platform, log=log)
    AuditLog(str(log))  # opening it again keeps the key
    page = tmp_path / "page.html"
    found = read_output(ran(export_learner, LEARNER, "--database-url", platform, "--html", str(page), log=log).stdout)
    assert [(each["command"], each["exit_code"]) for each in found["actions"]] == [("export_learner", 0)]
    assert "operator" not in found["actions"][0]
    assert "What was done with it" in page.read_text()

    told = ran(audit_log, "--audit-log", str(log), "--learner", LEARNER, "--json")
    actions = json.loads(told.stdout)["actions"]
    assert [each["command"] for each in actions] == ["export_learner", "export_learner"]
    assert all(each["operator"] for each in actions)
    assert len(ran(audit_log, log=log).stdout.splitlines()) == 3
    assert ran(audit_log).exit_code == 78


def test_a_torn_line_takes_no_other_with_it_and_a_new_key_is_said(platform: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    ran(export_learner, LEARNER, "--database-url", platform, log=log)
    with open(log, "a") as file:
        file.write('{"at": "torn')
    (tmp_path / "audit.jsonl.key").unlink()
    done = ran(export_learner, LEARNER, "--database-url", platform, log=log)
    assert (done.exit_code, read_output(done.stdout)["actions"]) == (0, [])
    assert "1 line of the audit log cannot be read." in done.stderr
    assert "The audit log has 1 run on learners under another key" in done.stderr
    assert [each.exit_code for each in found_in(str(log)).actions] == [0, 0]


def test_many_first_runs_at_once_have_one_key_and_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    work = f"from scripts.auditing.log import AuditLog\nlog = AuditLog({str(log)!r})\n"
    work += "for n in range(50): log.append({'at': 'x' * 500, 'key': log.pseudonyms.key_name})"
    running = [subprocess.Popen([sys.executable, "-c", work], cwd=ROOT) for _ in range(4)]
    assert [each.wait() for each in running] == [0] * 4
    lines = lines_of(log)
    assert len(lines) == 200
    assert len({line["key"] for line in lines}) == 1


def test_a_killed_run_is_seen_by_its_missing_end(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    work = "import os, signal, scripts.retention as r\n"
    work += "r.open_writer = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\nr.retention()"
    argv = [sys.executable, "-c", work, "--older-than", "1", "--database-url", "file:/x.db", "--audit-log", str(log)]
    assert subprocess.run(argv, cwd=ROOT, check=False).returncode == -9
    assert [each.exit_code for each in found_in(str(log)).actions] == [None]
    assert "did not end" in ran(audit_log, log=log).stdout


def test_the_operator_under_sudo_is_believed_only_of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.auditing import audited

    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert audited._who() == ("ada", "root")
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert audited._who()[0] != "ada"


def test_the_page_names_every_command_that_is_audited() -> None:
    page = (ROOT / "scripts" / "README.md").read_text(encoding="utf-8")
    told = page.partition("These commands are audited:")[2].partition("Where the variable")[0]
    having = set()
    for path in (ROOT / "scripts").glob("*.py"):
        if re.search(r"^@audit(?:ed\(|_log_option)", path.read_text(encoding="utf-8"), re.MULTILINE):
            having.add(path.name)
    assert having == set(re.findall(r"`(\w+\.py)`", told))
    for subcommand in ("promote", "rollback", "remove", "prune"):
        assert f"`{subcommand}`" in told


def test_a_log_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputOutput):
        found_in(str(tmp_path / "absent"))
