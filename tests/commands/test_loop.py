"""The whole loop on real answers, through the real commands: import, train, predict, judge, monitor, retrain, back."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.places import HOUSE
from tests.conftest import need
from tests.support.outputs import read_output

pytestmark = pytest.mark.slow

LEARNERS = 250
FIRST_ANSWERS = 40
START_MS = 946_684_800_000
STEP_MS = 600_000
"""Order-only answers lie ten minutes apart from 2000-01-01 on (scripts/importing/answer_log.py)."""
THEN = "2000-01-01T06:50:00Z"  # after forty answers and before the forty-first
LATER = "2000-03-01T00:00:00Z"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(each learner's first answers, all of them) of some real learners, as answer logs."""
    source = os.path.join(need("STRUGGLE_DATA"), "assistments09", "interactions.csv.gz")
    with gzip.open(source, "rt", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    chosen = sorted({row[0] for row in rows[1:]})[:LEARNERS]
    directory = tmp_path_factory.mktemp("logs")
    seen: dict[str, int] = {}
    first, every = directory / "first.tsv", directory / "every.tsv"
    with first.open("w") as early, every.open("w") as late:
        for file in (early, late):
            file.write("\t".join(rows[0]) + "\n")
        for row in rows[1:]:
            if row[0] in chosen:
                seen[row[0]] = seen.get(row[0], 0) + 1
                late.write("\t".join(row) + "\n")
                if seen[row[0]] <= FIRST_ANSWERS:
                    early.write("\t".join(row) + "\n")
    return str(first), str(every)


def run(script: str, *arguments: str, code: int = 0) -> dict[str, object]:
    command = [sys.executable, os.path.join(HOUSE, "scripts", script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == code, f"{script} ended with {done.returncode}: {done.stderr[-2000:]}"
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_loop_closes(database: str, logs: tuple[str, str], tmp_path: Path) -> None:
    first, every = logs
    models = str(tmp_path / "models")
    at = ("--database-url", database)
    run("import_history.py", first, *at, "--json")

    trained = run("train_initial_model.py", *at, "--models-dir", models, "--as-of", THEN, "--json")
    champion = os.path.basename(str(trained["model"])).removesuffix(".pkl")
    current = os.path.join(models, "current.pkl")

    stored = run(
        "predict_batch.py", *at, "--as-of", THEN, "--objectives", "all", "--model", current, "--store", "--json"
    )
    assert int(str(stored["predictions"])) > 500

    run("import_history.py", every, *at, "--json")
    outcomes = run("record_outcomes.py", *at, "--as-of", LATER, "--json")
    decided = sum(int(str(outcomes[status])) for status in ("confirmed", "false_positive", "missed", "resolved"))
    assert decided > 100
    assert outcomes["by_answers"] == decided

    page = tmp_path / "monitor.html"
    report = subprocess.run(
        [
            sys.executable,
            os.path.join(HOUSE, "scripts", "monitor.py"),
            *at,
            *("--days", "90", "--as-of", LATER, "--json", "--html", str(page)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.returncode in (0, 1), report.stderr
    assert read_output(report.stdout)
    assert "<svg" in page.read_text()

    retrained = run("retrain_model.py", *at, "--since", THEN, "--as-of", LATER, "--models-dir", models, "--json")
    assert int(str(retrained["trained_on"])) > 500
    assert int(str(retrained["judged_on"])) > 500
    challenger = str(retrained["version"])
    shown = run("models.py", "--models-dir", models, "--json", "show", challenger)
    assert "interventionApplied" in shown["card"]["examples"]  # type: ignore[index]
    listed = run("models.py", "--models-dir", models, "--json", "list")
    assert listed["current"] == (challenger if retrained["promoted"] else champion)
    rows = {version["version"]: version for version in listed["versions"]}  # type: ignore[attr-defined]
    assert set(rows) == {champion, challenger}
    for version, kind, visits in (
        (champion, "cross-fitted", None),
        (challenger, "hold-out", int(str(retrained["judged_on"]))),
    ):
        row = rows[version]
        assert (row["kind"], row["n"]) == (kind, visits or row["n"])
        assert row["n"] > 100
        assert row["trained_on"] > 100
        for figure in ("auc", "log_loss"):
            low, high = row["intervals"][figure]
            assert low < row[figure] < high
        assert 0 <= row["ece"] < 0.3
    compared = run("models.py", "--models-dir", models, "--json", "compare", champion, challenger)
    assert compared["first"]["kind"] == "cross-fitted"  # type: ignore[index]
    assert f"than {champion}" in str(compared["remark"])
    assert compared["shapes"]

    if not retrained["promoted"]:
        run("models.py", "--models-dir", models, "--json", "promote", challenger)
    assert run("models.py", "--models-dir", models, "--json", "rollback")["current"] == champion
    answer = subprocess.run(
        [sys.executable, os.path.join(HOUSE, "predict.py"), *at, "--as-of", LATER, "--model", current, "0", "143"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert read_output(answer.stdout)["model_version"] == champion
