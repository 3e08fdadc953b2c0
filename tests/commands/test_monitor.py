"""scripts/monitor.py: what it reads, when it alarms, and what it writes; on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn import metrics as sklearn_metrics

import db
from db import stored_predictions
from db.sql.templates import Opened, Query
from db.writing.open import open_writer
from ml.evaluation.drift import FeatureCounts, feature_drift
from ml.evaluation.figures import Figure
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso
from scripts.benchmarks.monitor import PREDICTION_FIELDS, UNTIL_MS, simulated
from scripts.monitor import monitor
from scripts.monitoring.columns import GROWING
from scripts.monitoring.targets import BELOW, INSUFFICIENT, MEETS, NO_TARGET, UNDECIDED, Target, standing
from tests.conftest import need
from tests.ml.interval_coverage import false_alarms, panel
from tests.support.benchmarks import figures_of
from tests.support.outputs import read_output

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAY_MS = 86_400_000
AS_OF = ("--as-of", iso(UNTIL_MS), "--bootstrap", "200")
FEEDBACK_FIELDS = ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt")


def store(
    url: str,
    rows: Iterable[Sequence[object]],
    feedback: Iterable[Sequence[object]] = (),
    users: Iterable[Sequence[object]] = (),
) -> None:
    with open_writer(url) as writer:
        writer.insert("StrugglePrediction", PREDICTION_FIELDS, rows)
        writer.insert("PredictionFeedback", FEEDBACK_FIELDS, feedback)
        writer.insert("User", ("id", "email"), users)


def observed(url: str, *options: str, code: int | None = None) -> Any:
    done = CliRunner().invoke(monitor, ["--database-url", url, *AS_OF, "--json", *options])
    assert code is None or done.exit_code == code, done.output
    return read_output(done.stdout)


def certain_rows(
    count: int = 600, wrong: float = 0.0, degraded: str = "", learners: int = 60, at_ms: int = UNTIL_MS - DAY_MS
) -> Iterator[tuple[object, ...]]:
    """Sharp predictions, wrong as often as asked."""
    rng = np.random.default_rng(3)
    for row in range(count):
        struggled = row % 3 == 0
        said = struggled != (rng.random() < wrong)
        features = FeatureVector.of(dict.fromkeys(FEATURE_NAMES, 0.4), at_ms, degraded).marked_with("v1", "model")
        probability = 0.9 if said else 0.1
        who, what = f"learner-{row % learners}", f"objective-{row % 7}"
        yield (f"p{row}", who, what, probability, 0.8, features.to_dict(), at_ms, at_ms, struggled, False)


@pytest.mark.slow
def test_figures_equal_scikit_learns_and_feedback_outranks(database: str) -> None:
    rows = [(row[0], row[1], f"objective-{place}", *row[3:]) for place, row in enumerate(simulated(1500, 60, UNTIL_MS))]
    current = [row for row in rows if row[6] >= UNTIL_MS - 7 * DAY_MS]
    said = {row[0]: bool(place % 2) for place, row in enumerate(current[:300])}
    early = [(f"a{key}", key, "learner", "HELPFUL", not value, UNTIL_MS) for key, value in said.items()]
    late = [(f"b{key}", key, "learner", "INACCURATE", value, UNTIL_MS + 5) for key, value in said.items()]
    store(database, rows, late + early)

    report = observed(database)

    decided = [(said.get(row[0], row[8]), row[3]) for row in current]
    outcomes = [each for each in decided if each[0] is not None]
    y, p = (np.array(each, dtype=float) for each in zip(*outcomes))
    assert report["predictions"] == len(current)
    assert report["outcomes_known"] == report["visits_judged"] == len(y)
    expected = {
        "auc": sklearn_metrics.roc_auc_score(y, p),
        "brier": sklearn_metrics.brier_score_loss(y, p),
        "log_loss": sklearn_metrics.log_loss(y, p),
        "struggle_rate": y.mean(),
    }
    for name, value in expected.items():
        assert report["figures"][name]["value"] == pytest.approx(value, abs=1e-12)
    decisions = report["decisions"]["0.5"]
    assert decisions["accuracy"]["value"] == pytest.approx(sklearn_metrics.accuracy_score(y, p >= 0.5), abs=1e-12)
    assert decisions["recall"]["value"] == pytest.approx(sklearn_metrics.recall_score(y, p >= 0.5), abs=1e-12)
    assert decisions["precision"]["value"] == pytest.approx(sklearn_metrics.precision_score(y, p >= 0.5), abs=1e-12)
    levels = {each["value"]: each["n"] for each in report["slices"] if each["dimension"] == "risk level"}
    assert levels == {"LOW": (p < 0.4).sum(), "MEDIUM": ((p >= 0.4) & (p < 0.7)).sum(), "HIGH": (p >= 0.7).sum()}
    assert {each["value"] for each in report["slices"] if each["dimension"] == "model version"} == {
        "rules-1",
        "struggle_prediction_v1.0",
    }
    assert sum(week["predictions"] for week in report["weeks"]) == len(rows)
    assert len(report["drift"]) == len(FEATURE_NAMES) - len(GROWING) + 1


@pytest.mark.slow
def test_nothing_stored_is_an_answer(database: str) -> None:
    report = observed(database, code=0)
    assert (report["status"], report["predictions"], report["alerts"]) == ("no predictions", 0, [])
    done = CliRunner().invoke(monitor, ["--database-url", database, *AS_OF])
    assert done.exit_code == 0
    assert "nothing to judge" in done.stdout


@pytest.mark.slow
def test_too_little_data_is_called_so_however_bad_it_looks(database: str) -> None:
    store(database, certain_rows(60, wrong=0.9))
    report = observed(database, code=0)
    assert (report["status"], report["outcomes_known"]) == ("insufficient data", 60)
    table = CliRunner().invoke(monitor, ["--database-url", database, *AS_OF]).stdout
    assert re.search(r"^accuracy .* insufficient data$", table, re.MULTILINE)


@pytest.mark.slow
def test_a_good_model_raises_no_alert_and_a_bad_one_does(database: str) -> None:
    store(database, certain_rows(wrong=0.05))
    assert observed(database, code=0)["status"] == "ok"
    with open_writer(database) as writer:
        writer.execute(f"DELETE FROM {writer.table('StrugglePrediction')}")
    store(database, certain_rows(wrong=0.45))
    (alert,) = observed(database, code=1)["alerts"]
    assert alert["cause"] == "flatter"
    assert {"accuracy", "recall"} <= {each["figure"] for each in alert["findings"]}


@pytest.mark.slow
def test_degraded_answers_raise_an_alert(database: str) -> None:
    store(database, certain_rows(degraded="the database did not answer in time"))
    report = observed(database, code=1)
    assert report["degraded"]["value"] == 1.0
    assert [each["cause"] for each in report["alerts"]] == ["degraded"]


@pytest.mark.slow
def test_one_group_that_is_served_badly_raises_an_alert_that_the_whole_does_not(database: str) -> None:
    rows = list(certain_rows(6000, wrong=0.02, learners=200))
    rows = [(*row[:3], 1 - row[3] if row[1][-1] == "7" and row[8] else row[3], *row[4:]) for row in rows]
    store(database, rows, users=[(f"learner-{each}", f"cohort {each % 10}") for each in range(200)])
    report = observed(database, "--group-by", "users.email", code=1)
    (alert,) = report["alerts"]
    assert alert["cause"] == "group"
    assert "cohort 7" in alert["message"]
    assert {(each["figure"], each["where"]) for each in alert["findings"]} == {
        ("accuracy", "users.email: cohort 7"),
        ("recall", "users.email: cohort 7"),
        ("calibration_gap", "users.email: cohort 7"),
    }
    groups = [each for each in report["slices"] if each["dimension"] == "users.email"]
    assert [each["n"] for each in groups] == [600] * 10


@pytest.mark.slow
@pytest.mark.parametrize("column", ["users.nothing", "nothing.email", "email", 'users.email" FROM users --'])
def test_an_unknown_group_is_refused_in_a_sentence(database: str, column: str) -> None:
    store(database, certain_rows(30))
    done = CliRunner().invoke(monitor, ["--database-url", database, *AS_OF, "--group-by", column])
    assert done.exit_code == 78
    assert "There is no column" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_period_holds_its_start_and_not_its_end(database: str) -> None:
    start = UNTIL_MS - 7 * DAY_MS
    rows = list(certain_rows(5))
    instants = (start - 1, start, start + 1, UNTIL_MS - 1, UNTIL_MS)
    store(database, [(*row[:6], at, at, *row[8:]) for row, at in zip(rows, instants)])
    assert observed(database)["predictions"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("about_days", [-400, 0, 14])
def test_a_period_is_one_of_when_predictions_were_made(database: str, about_days: int) -> None:
    """Whatever the day is that they are about."""
    start = UNTIL_MS - 7 * DAY_MS
    rows = list(certain_rows(3))
    instants = (start - 1, start, UNTIL_MS - 1)
    store(database, [(*row[:6], at + about_days * DAY_MS, at, *row[8:]) for row, at in zip(rows, instants)])
    assert observed(database)["predictions"] == 2


@pytest.mark.slow
def test_learners_who_opted_out_of_analytics_are_left_out(database: str) -> None:
    store(database, certain_rows(600, learners=60))
    with open_writer(database) as writer:
        users = [(f"learner-{each}", each % 4 != 0) for each in range(60)]
        writer.insert("User", ("id", "includeInAnalytics"), users)
    report = observed(database)
    assert (report["predictions"], report["learners"]) == (450, 45)


def test_learners_are_counted_whether_or_not_their_outcomes_are_known(tmp_path: Path) -> None:
    url = f"file:{tmp_path}/undecided.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    undecided = [(*row[:8], None, *row[9:]) for row in certain_rows(60, learners=30)]
    store(url, undecided)
    report = observed(url)
    assert (report["predictions"], report["outcomes_known"], report["learners"]) == (60, 0, 30)


def test_every_stored_form_of_an_instant_is_read(tmp_path: Path) -> None:
    url = f"file:{tmp_path}/forms.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    store(url, certain_rows(6))
    at = UNTIL_MS - DAY_MS  # 2025-10-08T08:53:20Z
    inside = [at, "2025-10-08T08:53:20.000+00:00", "2025-10-08 08:53:20", "2025-10-09T03:53:20+14:00"]
    outside = [UNTIL_MS + 1, "2025-10-09T22:53:21+14:00"]
    connection = sqlite3.connect(f"{tmp_path}/forms.sqlite3")
    for place, form in enumerate(inside + outside):
        connection.execute('UPDATE struggle_predictions SET "predictedAt" = ? WHERE id = ?', (form, f"p{place}"))
    connection.commit()
    connection.close()
    assert observed(url)["predictions"] == len(inside)


def test_a_database_without_predictions_table_has_none(tmp_path: Path) -> None:
    path = f"{tmp_path}/bare.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE users (id TEXT); CREATE TABLE learning_objectives (id TEXT)")
    connection.close()
    assert observed(f"file:{path}", code=0)["status"] == "no predictions"


@pytest.mark.slow
def test_broken_rows_do_not_stop_it(database: str) -> None:
    rows = list(certain_rows(200))
    odd = [{"defaulted": "all", "ability": "high", "degraded": None}, [1, 2], "text", {"ability": None}, None]
    odd += [{"answers_of_history": 1e9, "defaulted": [["ability"], 7]}]
    rows = [(*row[:5], odd[place % 6], *row[6:]) if place < 50 else row for place, row in enumerate(rows)]
    rows += [("nan", "learner-1", "o", 7.5, 0.5, None, UNTIL_MS - 5, UNTIL_MS - 5, True, False)]
    store(database, rows)
    assert observed(database, code=0)["predictions"] == 200


@pytest.mark.slow
def test_the_alert_command_gets_the_report_and_no_shell(tmp_path: Path, database: str) -> None:
    store(database, certain_rows(wrong=0.5))
    received = tmp_path / "received.json"
    program = tmp_path / "tell.py"
    program.write_text(
        "import sys\n"
        "open(sys.argv[1], 'w').write(sys.stdin.read())\n"
        "open(sys.argv[1] + '.args', 'w').write(repr(sys.argv[2:]))\n"
    )
    command = f"{sys.executable} {program} {received} ; touch '{tmp_path}/a b'"
    report = observed(database, "--alert-command", command, code=1)
    del report["mistakes"]
    assert read_output(received.read_text()) == report
    assert (tmp_path / "received.json.args").read_text() == repr([";", "touch", f"{tmp_path}/a b"])
    assert not (tmp_path / "a b").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["/nonexistent/program", f"{sys.executable} -c 'raise SystemExit(7)'"])
def test_a_failing_alert_command_is_told_and_leaves_the_alert(database: str, command: str) -> None:
    store(database, certain_rows(wrong=0.5))
    done = CliRunner().invoke(monitor, ["--database-url", database, *AS_OF, "--alert-command", command])
    assert done.exit_code == 1
    assert "alert command" in done.stderr


@pytest.mark.slow
def test_the_prometheus_file_holds_the_reports_figures(tmp_path: Path, database: str) -> None:
    store(database, simulated(1200, 50, UNTIL_MS), users=[(f"learner-{each}", 'a "b"\\\n') for each in range(50)])
    path = tmp_path / "struggle.prom"
    report = observed(database, "--prometheus", str(path), "--group-by", "users.email")
    line = re.compile(r'([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (-?[0-9.e+-]+)\n')
    text = path.read_text()
    samples, types = {}, set()
    for each in text.splitlines(keepends=True):
        if each.startswith("#"):
            types.update(re.findall(r"^# TYPE ([a-z_]+) gauge$", each))
            continue
        name, labels, value = line.fullmatch(each).groups()
        assert name in types
        assert (name, labels) not in samples
        samples[name, labels] = float(value)
    accuracy = report["decisions"]["0.5"]["accuracy"]
    for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high"), ("_rows", "n")):
        assert samples[f"struggle_predictor_accuracy{suffix}", None] == accuracy[part]
    assert (
        samples["struggle_predictor_accuracy", '{dimension="users.email",value="a \\"b\\"\\\\\\\\n"}']
        == accuracy["value"]
    )
    assert samples["struggle_predictor_predictions", None] == report["predictions"]
    assert os.listdir(tmp_path).count("struggle.prom") == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".unfinished")]


def test_a_file_that_cannot_be_written_is_exit_74(database: str) -> None:
    done = CliRunner().invoke(monitor, ["--database-url", database, *AS_OF, "--html", "/nonexistent/page.html"])
    assert done.exit_code == 74


@pytest.mark.parametrize(("url", "code"), [("file:/nonexistent.sqlite3", 69), ("mysql://x/y", 78)])
def test_a_database_that_cannot_be_read(url: str, code: int) -> None:
    done = CliRunner().invoke(monitor, ["--database-url", url])
    assert done.exit_code == code
    assert done.stderr.startswith("Error: ")


@pytest.mark.slow
def test_a_bug_does_not_pass_for_an_alert(tmp_path: Path) -> None:
    broken = "import scripts.monitor as m; m.observe = None; m.monitor()"
    done = subprocess.run(
        [sys.executable, "-c", broken, "--demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 70
    assert re.fullmatch(r"Error: internal error \(TypeError < monitor\.py:\d+ .*\)\n", done.stderr)
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_stream_left_early_leaves_the_client_usable(database: str) -> None:
    store(database, simulated(9000, 50, UNTIL_MS))
    with db.connect(database) as client:
        batches = stored_predictions.stream_predictions(client, UNTIL_MS - 7 * DAY_MS, UNTIL_MS)
        assert next(batches)
        batches.close()
        assert sum(map(len, stored_predictions.stream_predictions(client, UNTIL_MS - 14 * DAY_MS, UNTIL_MS))) == 9000


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["scripts/monitor.py"], ["-m", "scripts.monitor"]], ids=["as a file", "as a module"]
)
def test_the_demo_database_is_monitored_where_it_is_asked_for(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command, "--demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.startswith("Predictions from ")


WHOLE = Target("accuracy", 0.75, None, True)


@pytest.mark.parametrize(
    ("figure", "target", "expected"),
    [
        (Figure(0.70, 0.66, 0.74, 400, 50), WHOLE, BELOW),
        (Figure(0.70, 0.66, 0.75, 400, 50), WHOLE, UNDECIDED),
        (Figure(0.80, 0.75, 0.85, 400, 50), WHOLE, MEETS),
        (Figure(0.10, 0.05, 0.20, 99, 50), WHOLE, INSUFFICIENT),
        (Figure(0.10, 0.05, 0.20, 400, 9), WHOLE, INSUFFICIENT),
        (Figure(0.10, 0.05, 0.20, 400, 50), None, NO_TARGET),
        (Figure(None, None, None, 400, 50, "nobody struggled"), WHOLE, NO_TARGET),
        (Figure(-0.15, -0.2, -0.11, 400, 50), Target("gap", -0.1, 0.1, True), BELOW),
        (Figure(0.05, 0.01, 0.09, 400, 50), Target("gap", -0.1, 0.1, True), MEETS),
    ],
)
def test_a_standing_needs_the_whole_interval_on_one_side(figure: Figure, target: Target | None, expected: str) -> None:
    assert standing(figure, target, 100) == expected


@pytest.mark.slow
def test_drift_finds_what_moved_and_only_that() -> None:
    found = {each.feature: each for each in feature_drift(panel(1, 200, 8), panel(2, 200, 8, shift=0.15))}
    assert [name for name, each in found.items() if each.drifted] == ["f0"]
    assert found["f0"].mean_after - found["f0"].mean_before == pytest.approx(0.15, abs=0.03)
    absent = {each.feature: each for each in feature_drift(panel(1, 200, 8), panel(2, 200, 8, missing=0.4))}
    assert [name for name, each in absent.items() if each.drifted] == ["f1"]
    small = {each.feature: each for each in feature_drift(panel(1, 900, 8), panel(2, 900, 8, shift=0.02))}
    assert small["f0"].beyond_chance
    assert not small["f0"].drifted


def test_drift_needs_two_periods() -> None:
    with pytest.raises(ValueError, match="two periods"):
        feature_drift(panel(1, 20, 2), FeatureCounts([f"f{each}" for each in range(6)]))


@pytest.mark.slow
@pytest.mark.parametrize(("learners", "rows"), [(50, 1), (40, 10), (300, 5)])
def test_without_drift_one_report_in_twenty_says_otherwise(learners: int, rows: int) -> None:
    runs = 200
    assert false_alarms(learners, rows, runs) <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


@pytest.mark.slow
def test_the_queries_use_the_indexes(database: str) -> None:
    store(database, simulated(3000, 50, UNTIL_MS, days=100))
    with db.connect(database) as client:

        def ask(opened: Opened) -> Iterator[list[Query]]:
            yield from ()
            made = []
            for template in (
                stored_predictions._PREDICTIONS["predictedAt", True],
                stored_predictions._COUNT["predictedAt"],
                stored_predictions._PREDICTIONS["predictedAt", False],
            ):
                made += stored_predictions._within(
                    client, opened, template, "StrugglePrediction", "predictedAt", UNTIL_MS - DAY_MS, UNTIL_MS
                )
            made.append(opened.renderer.query(stored_predictions._REASONS, ids='["a"]'))
            return made

        queries = client.converse(ask)
    plans = [explained(database, query) for query in queries]
    assert all("predictedAt" in plan for plan in plans[:-1]), plans
    assert re.search(r"id=\?|_pkey", plans[-1])
    assert not any(re.search(r"SCAN (g|h)\b|Seq Scan", plan) for plan in plans), plans


def explained(url: str, query: Query) -> str:
    if url.startswith("file:"):
        connection = sqlite3.connect(url.removeprefix("file:"))
        rows = connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters).fetchall()
        connection.close()
        return "\n".join(str(row[3]) for row in rows)
    import psycopg2

    connection = psycopg2.connect(url)
    cursor = connection.cursor()
    cursor.execute("SET enable_seqscan = off")  # as every read of the client does
    cursor.execute(f"EXPLAIN {query.sql}", query.parameters)
    plan = "\n".join(row[0] for row in cursor.fetchall())
    connection.close()
    return plan


HOSTILE = "<script>console.error('owned')</script><img src=x onerror=console.error(1)>"


def console(tmp_path: Path, page: str | Path) -> tuple[list[str], str]:
    """What a real browser writes to its console on opening the page, and the document it made of it."""
    done = subprocess.run(
        [
            *(need("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"),
            *(f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=2000", f"file://{page}"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return re.findall(r":CONSOLE.*", done.stderr), done.stdout


@pytest.mark.slow
def test_the_page_opens_in_a_browser_without_a_console_error(tmp_path: Path) -> None:
    url = f"file:{tmp_path}/page.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    rows = [(row[0], HOSTILE + row[1], HOSTILE, *row[3:]) for row in simulated(1500, 40, UNTIL_MS)]
    store(url, rows, users=[(HOSTILE + f"learner-{each}", HOSTILE) for each in range(40)])
    page = tmp_path / "page.html"
    observed(url, "--html", str(page), "--group-by", "users.email", "--group-by", "learning_objectives.id")
    noisy = tmp_path / "noisy.html"
    noisy.write_text("<script>console.error('heard')</script>")
    assert "heard" in console(tmp_path, noisy)[0][0]

    said, document = console(tmp_path, page)

    assert said == []
    assert "<script" not in document
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", document)
    for heading in ("Does a probability mean", "Week by week", "Drift", "For whom", "The worst mistakes"):
        assert heading in document
    assert document.count("<svg") > 20
    assert document.count('class="mistake"') == 16
    assert "NaN" not in document
    assert "None" not in document


@pytest.mark.slow
def test_a_single_week_shows_its_intervals(tmp_path: Path) -> None:
    url, page = f"file:{tmp_path}/week.sqlite3", tmp_path / "page.html"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    store(url, certain_rows(wrong=0.1))
    observed(url, "--html", str(page))
    trends = page.read_text().partition("Week by week")[2].partition("</section>")[0]
    assert trends.count('class="whisker"') == trends.count("<svg") == 6


def test_the_page_of_an_empty_store_says_so(tmp_path: Path) -> None:
    url, page = f"file:{tmp_path}/empty.sqlite3", tmp_path / "page.html"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    observed(url, "--html", str(page), code=0)
    assert "No prediction was stored" in page.read_text()


@pytest.mark.slow
def test_mistakes_come_with_the_reasons_stored_or_else_of_todays_model(tmp_path: Path) -> None:
    url = f"file:{tmp_path}/reasons.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    store(url, certain_rows(200, wrong=0.1))
    factors = [
        {"feature": "ability", "value": 0.2, "contribution": 0.9, "text": "a weak start"},
        {"feature": "workload_level", "value": 0.2, "contribution": 1.4, "text": "a heavy week"},
        {"feature": "retention_score", "value": 0.9, "contribution": -0.8, "text": "a good memory"},
    ]
    without = observed(url)["mistakes"]
    assert any(each["reasons"] for each in without)
    with open_writer(url) as writer:
        writer.execute(
            f'UPDATE {writer.table("StrugglePrediction")} SET "strugglingFactors" = ?', [json.dumps(factors)]
        )
    mistakes = observed(url)["mistakes"]
    assert {each["struggled"] for each in mistakes} == {True, False}
    for each in mistakes:
        assert each["reasons"] == (["a good memory"] if each["struggled"] else ["a heavy week", "a weak start"])
        assert (each["probability"] < 0.5) == each["struggled"]


@pytest.mark.slow
def test_memory_stays_within_bounds_as_the_store_grows(tmp_path: Path) -> None:
    peaks, sizes = [], (20_000, 120_000)
    for rows in sizes:
        out = tmp_path / f"{rows}.json"
        command = [sys.executable, "-m", "scripts.benchmark", "monitor", "--rows", str(rows), "--json", str(out)]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        (figures,) = figures_of(json.loads(out.read_text())).values()
        peaks.append(figures["peak MiB"]["value"])
    per_row = (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])
    assert peaks[1] + per_row * 880_000 < 1024


def every_format(url: str, directory: Path, *options: str) -> list[str]:
    """What the command writes of a report: JSON, text, page, metrics; and what the alert command gets."""
    got = directory / "got.json"
    files = ("--html", str(directory / "m.html"), "--prometheus", str(directory / "m.prom"))
    program = f"{sys.executable} -c \"import sys; open('{got}', 'w').write(sys.stdin.read())\""
    arguments = ["--database-url", url, *AS_OF, *options, *files, "--alert-command", program]
    said = [CliRunner().invoke(monitor, [*arguments, *more]) for more in (("--json",), ())]
    assert {done.exit_code for done in said} <= {0, 1}, said[0].output
    written = [path.read_text() for path in (directory / "m.html", directory / "m.prom", got) if path.exists()]
    return [said[0].stdout, said[1].stdout, *written]


@pytest.mark.slow
@pytest.mark.parametrize("few", [3, 9])
def test_a_slice_below_the_minimum_is_told_in_no_format(tmp_path: Path, database: str, few: int) -> None:
    users = [(f"learner-{each}", "Zanzibar" if each < few else f"cohort {each % 2}") for each in range(60)]
    store(database, certain_rows(1200, wrong=0.5), users=users)
    formats = every_format(database, tmp_path, "--group-by", "users.email")
    assert len(formats) == 5
    assert ["cohort 1" in each for each in formats[:4]] == [True] * 4
    assert ["Zanzibar" in each for each in formats] == [False] * 5
    report = read_output(formats[0])
    assert report["slices_too_small"]["users.email"] == 1
    for each in report["slices"]:
        for figure in [*each["figures"].values(), *(one for at in each["decisions"].values() for one in at.values())]:
            assert figure["value"] is None or (figure["n"] >= 100 and figure["learners"] >= 10)


@pytest.mark.slow
def test_a_period_of_a_few_learners_has_no_figures(tmp_path: Path, database: str) -> None:
    store(database, certain_rows(600, wrong=0.1, learners=4))
    formats = every_format(database, tmp_path)
    report = read_output(formats[0])
    assert report["status"] == "insufficient data"
    for each in (report, *report["weeks"]):
        assert {figure["value"] for figure in each["figures"].values()} == {None}
        assert (each["reliability"], each["struggles"]) == ([], None)
    assert report["degraded"]["value"] is None
    assert "struggle_predictor_accuracy " not in formats[3]


@pytest.mark.slow
def test_the_alert_command_learns_of_no_learner(tmp_path: Path, database: str) -> None:
    store(database, certain_rows(wrong=0.5))
    formats = every_format(database, tmp_path)
    assert "learner-" in formats[0]
    assert "learner-" not in formats[4]
    assert '"alerts"' in formats[4]


@pytest.mark.slow
@pytest.mark.parametrize("column", ["users.id", "users.email"])
def test_a_column_that_tells_learners_apart_is_no_group(database: str, column: str) -> None:
    store(database, certain_rows(), users=[(f"learner-{each}", f"{each}@example.org") for each in range(60)])
    done = CliRunner().invoke(monitor, ["--database-url", database, *AS_OF, "--group-by", column])
    assert (done.exit_code, done.stdout) == (78, "")
    assert "tells single learners apart" in done.stderr
    assert "example.org" not in done.stderr


@pytest.mark.slow
def test_no_control_character_and_no_line_of_others_comes_from_stored_text(tmp_path: Path, database: str) -> None:
    forged = 'a\x1b[2J\nALERT: forged\r\u202e\u2028b"} 1\\'
    store(database, certain_rows(1200, wrong=0.5), users=[(f"learner-{each}", forged) for each in range(60)])
    formats = every_format(database, tmp_path, "--group-by", "users.email")
    for each in formats:
        assert not [letter for letter in each if not letter.isprintable() and letter not in "\n\N{NO-BREAK SPACE}"]
        assert not [line for line in each.splitlines() if line.startswith("ALERT: forged")]
    assert all("forged" in each for each in formats[:4])
    assert 'value="a\\\\x1b[2J\\\\nALERT: forged\\\\r\\\\u202e\\\\u2028b\\"} 1\\\\"' in formats[3]
