"""A target that no calibrated probability reaches at the threshold is called out of reach, and raises no alert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from db.writing.open import open_writer
from ml.evaluation.figures import Figure
from ml.instants import iso
from scripts.benchmarks.monitor import PREDICTION_FIELDS, UNTIL_MS, simulated
from scripts.monitor import monitor
from scripts.monitoring.attainable import attainable, within_reach
from scripts.monitoring.targets import BELOW, OUT_OF_REACH, UNDECIDED, Target, standing, targets
from tests.support.outputs import read_output


def test_what_calibrated_probabilities_give_is_what_outcomes_drawn_from_them_give() -> None:
    rng = np.random.default_rng(5)
    p = rng.beta(1.2, 2.0, 200_000)
    struggled = rng.random(len(p)) < p
    for threshold in (0.3, 0.5, 0.7):
        said, found = p >= threshold, attainable(p, threshold)
        assert found["recall"] == pytest.approx(said[struggled].mean(), abs=0.005)
        assert found["precision"] == pytest.approx(struggled[said].mean(), abs=0.005)
        assert found["accuracy"] == pytest.approx((said == struggled).mean(), abs=0.005)


def test_nothing_is_attainable_where_nothing_is_divided() -> None:
    assert attainable(np.zeros(0), 0.5) == {"accuracy": None, "recall": None, "precision": None}
    assert attainable(np.array([0.1, 0.2]), 0.5)["precision"] is None
    assert attainable(np.array([0.0]), 0.5) == {"accuracy": 1.0, "recall": None, "precision": None}


@pytest.mark.parametrize(
    ("low", "high", "reach", "expected"),
    [
        (0.50, 0.60, 0.55, OUT_OF_REACH),
        (0.40, 0.54, 0.55, BELOW),  # proven to be below what calibrated probabilities would give
        (0.50, 0.60, 0.80, BELOW),
        (0.50, 0.60, None, BELOW),
        (0.60, 0.72, 0.55, UNDECIDED),
    ],
)
def test_a_missed_target_is_out_of_reach_where_calibration_misses_it_too(
    low: float, high: float, reach: float | None, expected: str
) -> None:
    figure = Figure((low + high) / 2, low, high, 400, 50)
    assert standing(figure, Target("recall", 0.7, None, True, reach), 100) == expected


@pytest.mark.parametrize(
    ("low", "high", "excused"), [(-0.05, 0.01, True), (-0.09, -0.03, False), (0.03, 0.09, False), (0.001, 0.013, True)]
)
def test_probabilities_that_are_proven_wrong_excuse_nothing(low: float, high: float, excused: bool) -> None:
    gap = Figure((low + high) / 2, low, high, 400, 50)
    target = within_reach(targets(0.75, 0.7, 0.05), np.full(400, 0.1), 0.5, gap)["recall"]
    assert target.attainable == 0
    recall = Figure(0.0, 0.0, 0.06, 60, 50)
    assert standing(recall, target, 20) == (OUT_OF_REACH if excused else BELOW)


def test_only_figures_of_a_decision_depend_on_the_threshold() -> None:
    found = within_reach(targets(0.75, 0.7, 0.05), np.array([0.4, 0.6]), 0.5, Figure(0.0, -0.1, 0.1, 2, 2))
    assert {name for name, target in found.items() if target.attainable is not None} == {
        *("accuracy", "recall", "precision"),
    }


@pytest.mark.slow
def test_calibrated_predictions_raise_no_alert_whatever_recall_0_5_gives(database: str) -> None:
    report, code = reported(database, simulated(4000, 100, UNTIL_MS))
    recall, reach = report["decisions"]["0.5"]["recall"], report["attainable"]["recall"]
    assert recall["high"] < 0.7  # the reported fault: this was an alert every week
    assert recall["low"] <= reach <= recall["high"]
    assert (code, report["alerts"]) == (0, [])
    table = CliRunner().invoke(monitor, ["--database-url", database, "--as-of", iso(UNTIL_MS)]).output
    assert any(line.startswith("recall ") and line.endswith(OUT_OF_REACH) for line in table.splitlines())


@pytest.mark.slow
def test_struggles_that_the_probabilities_should_have_found_are_still_an_alert(database: str) -> None:
    rng = np.random.default_rng(1)
    rows = [
        (*row[:3], row[3] if not row[8] or rng.random() < 0.5 else row[3] / 4, *row[4:])
        for row in simulated(4000, 100, UNTIL_MS)
    ]
    report, code = reported(database, rows)
    assert code == 1
    (alert,) = report["alerts"]
    told = [each for each in alert["findings"] if (each["figure"], each["where"]) == ("recall", "")]
    assert "calibrated probabilities would give" in told[0]["message"]


@pytest.mark.slow
def test_the_operating_threshold_and_the_levels_come_from_levels_json(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(simulated(2000, 60, UNTIL_MS))
    by_default, _ = reported(database, rows)
    assert (by_default["threshold"], by_default["levels"]["from"]) == (0.5, "default")
    (tmp_path / "levels.json").write_text('{"high_from": 0.6, "operating_threshold": 0.3}')
    monkeypatch.setenv("STRUGGLE_MODELS_DIR", str(tmp_path))
    report, code = reported(database, ())
    assert (report["threshold"], report["levels"]["operating_threshold"], code) == (0.3, 0.3, 0)
    said = [row for row in rows if row[8] is not None and UNTIL_MS - row[6] <= 7 * 86_400_000]
    flagged = [row for row in said if row[3] >= 0.3]
    assert report["decisions"]["0.3"]["flagged"]["value"] == pytest.approx(len(flagged) / len(said))
    assert report["attainable"]["recall"] == pytest.approx(sum(row[3] for row in flagged) / sum(row[3] for row in said))
    high = next(each for each in report["slices"] if (each["dimension"], each["value"]) == ("risk level", "HIGH"))
    assert high["n"] == sum(row[3] >= 0.6 for row in said)
    table = CliRunner().invoke(monitor, ["--database-url", database, "--as-of", iso(UNTIL_MS), "--threshold", "0.4"])
    assert "counts as one of struggle from 0.4" in table.output
    assert "Of 10 at HIGH risk, about" in table.output
    (tmp_path / "levels.json").write_text("{")
    refused = CliRunner().invoke(monitor, ["--database-url", database, "--as-of", iso(UNTIL_MS)])
    assert (refused.exit_code, "levels.json is not JSON" in refused.stderr) == (78, True)


def reported(url: str, rows: Any) -> tuple[Any, int]:
    with open_writer(url) as writer:
        writer.insert("StrugglePrediction", PREDICTION_FIELDS, rows)
    done = CliRunner().invoke(monitor, ["--database-url", url, "--as-of", iso(UNTIL_MS), "--json"])
    return read_output(done.stdout), done.exit_code
