"""The alerts of scripts/monitor.py: one for each shift, with evidence that accumulates over looks."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from db.writing.open import open_writer
from ml.evaluation.drift import FeatureCounts, feature_drift
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso
from scripts.benchmarks.monitor import PREDICTION_FIELDS, UNTIL_MS
from scripts.monitor import monitor
from scripts.monitoring.alerts import CAUSES, NEXT_STEPS
from scripts.monitoring.columns import GROWING
from scripts.monitoring.detectors import RAISED_AT, SIZES, WEEKS_OF_A_YEAR
from scripts.outputs.published import BODIES
from tests.support.outputs import read_output

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
FIELDS = (*PREDICTION_FIELDS, "actualOutcomeRecordedAt")


def visits(
    week: int, shift: float = 0.0, count: int = 500, learners: int = 300, spread: float = 1.5, moved: float = 0.0
) -> Iterator[tuple[object, ...]]:
    """A week's visits, judged in it; the outcomes are off the probabilities by a shift in logits."""
    rng = np.random.default_rng([7, week + 10])
    known = {**dict.fromkeys(FEATURE_NAMES, 0.4 + moved), "answers_of_history": 0.4}
    vector = FeatureVector.of(known, UNTIL_MS).marked_with("v1", "model").to_dict()
    for row in range(count):
        logit = float(rng.normal(-0.7, spread))
        at_ms = UNTIL_MS + week * WEEK_MS - 1 - int(rng.integers(0, WEEK_MS))
        struggled = bool(rng.random() < 1 / (1 + np.exp(-logit - shift)))
        who, what = f"learner-{rng.integers(0, learners)}", f"objective-{week}-{row}"
        yield (
            f"p-{week}-{row}",
            who,
            what,
            float(1 / (1 + np.exp(-logit))),
            0.7,
            vector,
            at_ms,
            at_ms,
            struggled,
            False,
            at_ms,
        )


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"file:{tmp_path}/alerts.sqlite3"
    with open_writer(made, create=True) as writer:
        writer.create_tables()
    return made


def store(url: str, rows: Iterator[tuple[object, ...]]) -> None:
    with open_writer(url) as writer:
        writer.insert("StrugglePrediction", FIELDS, rows)


def kept_in(state: Path) -> Any:
    """The evidence in a file."""
    return json.loads(state.read_text())


def run(url: str, week: int, *options: str) -> Any:
    return CliRunner().invoke(
        monitor,
        [
            *("--database-url", url, "--as-of", iso(UNTIL_MS + week * WEEK_MS), "--bootstrap", "200", "--json"),
            *options,
        ],
    )


def report(url: str, week: int, *options: str) -> Any:
    done = run(url, week, *options)
    assert done.exit_code in (0, 1), done.output
    found = read_output(done.stdout)
    assert done.exit_code == bool(found["alerts"])
    return found


@pytest.mark.slow
def test_a_shift_too_small_for_one_week_is_found_over_weeks_and_is_one_alert(url: str, tmp_path: Path) -> None:
    state = str(tmp_path / "evidence.json")
    for week in range(6):
        store(url, visits(week, shift=0.5 if week >= 2 else 0.0))
    causes = [[each["cause"] for each in report(url, week, "--state", state)["alerts"]] for week in range(6)]
    assert causes[:2] == [[], []]
    assert ["too_low"] in causes[2:5]
    assert all(len(each) <= 1 for each in causes)
    alone = [report(url, week)["alerts"] for week in range(2, 5)]
    assert sum(map(len, alone)) <= 1  # a week alone tells little


@pytest.mark.slow
def test_a_second_run_is_no_second_look(url: str, tmp_path: Path) -> None:
    state = tmp_path / "evidence.json"
    store(url, visits(0, shift=0.35))
    first = report(url, 0, "--state", str(state))
    kept = state.read_text()
    assert report(url, 0, "--state", str(state))["alerts"] == first["alerts"]
    assert state.read_text() == kept
    again = kept_in(state)
    assert again["judged_until_ms"] == again["predicted_until_ms"] == UNTIL_MS


@pytest.mark.slow
def test_an_alert_stays_in_every_report_on_its_period(url: str, tmp_path: Path) -> None:
    state = str(tmp_path / "evidence.json")
    store(url, visits(0, shift=1.5))
    store(url, visits(1))
    metrics = tmp_path / "struggle.prom"
    (alert,) = report(url, 0, "--state", state, "--prometheus", str(metrics))["alerts"]
    assert alert["cause"] == "too_low"
    assert 'struggle_predictor_alert{cause="too_low"} 1\n' in metrics.read_text()
    assert 'struggle_predictor_alert{cause="degraded"} 0\n' in metrics.read_text()
    assert alert["once_in_years"] >= RAISED_AT / WEEKS_OF_A_YEAR
    assert alert["raised_at"] == iso(UNTIL_MS)
    assert report(url, 0, "--state", state)["alerts"] == [alert]
    assert report(url, 1, "--state", state)["alerts"] == []


@pytest.mark.slow
def test_an_alert_is_not_shown_by_figures_that_point_the_other_way(url: str, tmp_path: Path) -> None:
    state = str(tmp_path / "evidence.json")
    store(url, visits(0, shift=1.5))
    store(url, visits(1, shift=-1.8, count=1500))
    (alert,) = report(url, 0, "--state", state)["alerts"]
    assert re.fullmatch(
        r"More visits are struggles than the probabilities say: [\d.]+ % struggled where [\d.]+ % were expected",
        alert["message"],
    )
    (later,) = report(url, 1, "--state", state, "--days", "14")["alerts"]
    told = [later["message"], *(each["message"] for each in later["findings"])]
    assert any(
        re.fullmatch(
            rf"More visits are struggles than the probabilities say, as the look of {iso(UNTIL_MS)[:10]} found; over"
            r" the whole period, [\d.]+ % struggled where [\d.]+ % were expected",
            each,
        )
        for each in told
    ), told


@pytest.mark.slow
def test_outcomes_that_come_late_count_in_the_look_in_which_they_come(url: str, tmp_path: Path) -> None:
    state = tmp_path / "evidence.json"
    late = [(*row[:10], UNTIL_MS + 3 * DAY_MS) for row in visits(0, shift=1.5)]
    store(url, iter([(*row[:8], None, False, None) for row in late]))
    assert report(url, 0, "--state", str(state))["alerts"] == []
    with open_writer(url) as writer:
        for row in late:
            writer.update("StrugglePrediction", str(row[0]), actualOutcome=row[8], actualOutcomeRecordedAt=row[10])
    (alert,) = report(url, 1, "--state", str(state))["alerts"]
    assert alert["cause"] == "too_low"


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"format": 9}', '{"format": 1, "logs": {}}', "\0" * 99])
def test_a_lost_or_broken_state_is_told_and_begun_again(url: str, tmp_path: Path, content: str | None) -> None:
    state = tmp_path / "evidence.json"
    store(url, visits(0))
    if content is not None:
        state.write_text(content)
    done = run(url, 0, "--state", str(state))
    assert done.exit_code == 0
    assert "evidence from earlier looks" in done.stderr
    assert read_output(done.stdout)["evidence"]["note"] in done.stderr
    kept = kept_in(state)
    assert sorted(kept["logs"]) == sorted(SIZES)
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert "learner-" not in state.read_text()
    assert "objective-" not in state.read_text()


@pytest.mark.slow
def test_a_report_about_the_past_leaves_the_evidence_alone(url: str, tmp_path: Path) -> None:
    state = tmp_path / "evidence.json"
    store(url, visits(0))
    store(url, visits(1))
    report(url, 1, "--state", str(state))
    kept = state.read_text()
    assert "before the latest look" in report(url, 0, "--state", str(state))["evidence"]["note"]
    assert state.read_text() == kept


@pytest.mark.slow
def test_two_runs_at_once_take_one_look(url: str, tmp_path: Path) -> None:
    store(url, visits(0, shift=0.3))
    state = tmp_path / "evidence.json"
    command = [sys.executable, "-m", "scripts.monitor", "--database-url", url, "--as-of", iso(UNTIL_MS)]
    command += ["--bootstrap", "200", "--json", "--state", str(state)]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ended = [each.communicate(timeout=120) for each in runs]
    assert {each.returncode for each in runs} <= {0, 1}, ended
    assert sum(b"no evidence from earlier looks" in err for _, err in ended) == 1
    alone = tmp_path / "alone.json"
    report(url, 0, "--state", str(alone))
    assert kept_in(state) == kept_in(alone)


@pytest.mark.slow
def test_another_model_starts_its_own_evidence(url: str, tmp_path: Path) -> None:
    state = tmp_path / "evidence.json"
    store(url, visits(0, shift=0.3))
    report(url, 0, "--state", str(state))
    assert any(each is not None for each in kept_in(state)["logs"]["too_low"])
    vector = FeatureVector.of(dict.fromkeys(FEATURE_NAMES, 0.4), UNTIL_MS).marked_with("v2", "model").to_dict()
    store(url, iter([(*row[:5], vector, *row[6:]) for row in visits(1)]))
    before = kept_in(state)["logs"]["too_low"]
    report(url, 1, "--state", str(state))
    kept = kept_in(state)
    assert kept["version"] == "v2"
    assert len(kept["sharpness"]) == 1
    alone = tmp_path / "alone.json"
    report(url, 1, "--state", str(alone))
    assert kept["logs"]["too_low"] == kept_in(alone)["logs"]["too_low"] != before


@pytest.mark.slow
def test_figures_are_estimated_before_outcomes_and_stand_beside_the_realised(url: str) -> None:
    rows = list(visits(0, count=1200))
    store(url, iter([(*row[:8], None, False, None) if place % 2 else row for place, row in enumerate(rows)]))
    found = report(url, 0)
    told = found["before_outcomes"]
    assert told["awaiting"] == 600
    assert "only outcomes do" in told["note"]
    assert told["figures"]["accuracy"]["n"] == 600
    late = [row for place, row in enumerate(rows) if place % 2]
    right = float(np.mean([(row[3] >= 0.5) == row[8] for row in late]))  # type: ignore[operator]
    assert told["figures"]["accuracy"]["low"] < right < told["figures"]["accuracy"]["high"]
    weeks = [week for week in found["weeks"] if week["predictions"]]
    assert all(week["expected"]["auc"]["value"] is not None for week in weeks if week["n"] >= 100)
    text = CliRunner().invoke(monitor, ["--database-url", url, "--as-of", iso(UNTIL_MS), "--bootstrap", "200"]).stdout
    assert "600 predictions await their outcome." in text
    assert "only outcomes do." in text


@pytest.mark.slow
def test_calibrated_probabilities_that_cannot_reach_the_target_raise_nothing(url: str) -> None:
    store(url, visits(0, count=3000, spread=0.8))
    found = report(url, 0)
    assert found["alerts"] == []
    recall = found["decisions"]["0.5"]["recall"]
    assert recall["high"] < 0.70
    assert abs(found["attainable"]["recall"] - recall["value"]) < 0.1
    told = CliRunner().invoke(monitor, ["--database-url", url, "--as-of", iso(UNTIL_MS), "--bootstrap", "200"]).stdout
    assert "out of reach" in told


@pytest.mark.slow
def test_one_shift_of_many_features_is_one_alert(url: str) -> None:
    store(url, visits(-1, count=1500))
    store(url, visits(0, count=1500, shift=1.5, moved=0.3))
    (alert,) = report(url, 0)["alerts"]
    assert alert["cause"] == "inputs"
    drifted = [each for each in alert["findings"] if each["figure"] == "drift"]
    assert len(drifted) == len(FEATURE_NAMES) - len(GROWING)
    assert "too_low" in {each["figure"] for each in alert["findings"]}
    told = CliRunner().invoke(monitor, ["--database-url", url, "--as-of", iso(UNTIL_MS), "--bootstrap", "200"]).stdout
    assert told.count("ALERT:") == 1
    assert "What to do: " in told


@pytest.mark.slow
def test_longer_histories_are_no_drift(url: str) -> None:
    def grown(week: int, answers: float) -> Iterator[tuple[object, ...]]:
        for place, row in enumerate(visits(week, count=1200)):
            novice = place % 10 < (7 if week < 0 else 3)
            known = dict.fromkeys(FEATURE_NAMES, 0.2 if novice else 0.7)
            known |= dict.fromkeys(GROWING, answers)
            known["answers_of_history"] = 0.3 if novice else 0.8
            features = FeatureVector.of(known, UNTIL_MS).marked_with("v1", "model").to_dict()
            yield (*row[:5], features, *row[6:])

    store(url, grown(-1, 0.3))
    store(url, grown(0, 0.8))
    found = report(url, 0)
    assert found["alerts"] == []
    assert not [each for each in found["drift"] if each["drifted"]]
    assert not {each["feature"] for each in found["drift"]} & set(GROWING)


def test_a_feature_that_moves_among_learners_alike_has_drifted() -> None:
    def panel(seed: int, novices: float, moved: float) -> FeatureCounts:
        rng = np.random.default_rng(seed)
        strata = (rng.random(2000) >= novices).astype(np.int64)
        counts = FeatureCounts(["steady", "moved"])
        values = np.clip(rng.normal(0.3 + 0.3 * strata[:, None], 0.1, (2000, 2)) + np.array([0.0, moved]), 0, 1)
        counts.add(np.arange(2000) % 400, values, strata)
        return counts

    found = {each.feature: each for each in feature_drift(panel(1, 0.7, 0.0), panel(2, 0.2, 0.15), risk=0.0002)}
    assert not found["steady"].drifted
    assert found["moved"].proven
    assert found["moved"].mean_after is not None
    assert found["moved"].mean_before is not None
    assert found["moved"].mean_after - found["moved"].mean_before == pytest.approx(0.15, abs=0.02)


def test_nothing_in_common_is_no_drift() -> None:
    before, after = FeatureCounts(["f"]), FeatureCounts(["f"])
    before.add(np.arange(100), np.full((100, 1), 0.2), np.zeros(100, dtype=np.int64))
    after.add(np.arange(100), np.full((100, 1), 0.9), np.ones(100, dtype=np.int64))
    assert feature_drift(before, after) == ()


@pytest.mark.slow
def test_no_degraded_answer_among_many_meets_the_target(url: str) -> None:
    store(url, visits(0, count=1641, learners=12))
    told = CliRunner().invoke(monitor, ["--database-url", url, "--as-of", iso(UNTIL_MS), "--bootstrap", "200"]).stdout
    (line,) = [each for each in told.splitlines() if each.startswith("degraded")]
    assert line.endswith("meets target")


def test_every_cause_has_a_next_step_and_is_in_the_schema() -> None:
    assert set(NEXT_STEPS) == set(CAUSES)
    assert set(SIZES) < set(CAUSES)
    alerts: Any = BODIES["monitor-report"]["properties"]
    assert tuple(alerts["alerts"]["items"]["properties"]["cause"]["enum"]) == CAUSES
