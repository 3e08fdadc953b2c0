"""Small runs of the simulations that the benchmarks `alerts` and `estimates` make at length."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.alerts import BLUNT, NOISY, QUIET_WEEKS, SHIFTED, WITHIN_WEEKS, Found, alerts_of, report_of
from scripts.benchmarks.estimates import replay
from scripts.benchmarks.run import Run

SOME_RUN = Run("python -m scripts.benchmark alerts", "0000000", "2026-01-01T00:00:00Z", "Linux", 2, "3.11", ())


@pytest.mark.slow
@pytest.mark.parametrize("unlikeness", [0.0, 0.5])
def test_three_stationary_years_of_weekly_looks_raise_nothing(unlikeness: float) -> None:
    assert list(alerts_of(11, 156, unlikeness=unlikeness, whole=False)) == []


@pytest.mark.slow
def test_stationary_weeks_of_whole_reports_raises_nothing() -> None:
    assert list(alerts_of(3, 5, unlikeness=0.5, whole=True)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "causes"), [(SHIFTED, {"too_low"}), (NOISY, {"flatter"}), (BLUNT, {"less_sharp", "accuracy", "recall"})]
)
def test_most_shifts_are_found_within_three_weeks_and_by_their_cause(change: str, causes: set[str]) -> None:
    found = [
        [cause for week, cause in alerts_of(seed, QUIET_WEEKS + WITHIN_WEEKS, change, unlikeness=0.5, whole=False)]
        for seed in range(10)
    ]
    assert sum(map(bool, found)) >= 7
    assert {cause for each in found for cause in each} <= causes


@pytest.mark.slow
def test_intervals_made_beforehand_hold_what_comes_and_cannot_see_concept_drift() -> None:
    found = replay(0.5, 60)
    assert all(held >= 52 for held in found.held.values()), found.held
    assert found.drift["recall"] < 40


@pytest.mark.parametrize(("name", "option"), [("alerts", "--reports"), ("estimates", "--replays")])
def test_both_are_benchmarks(name: str, option: str) -> None:
    done = CliRunner().invoke(benchmark, [name, "--help"])
    assert done.exit_code == 0
    assert option in done.output


def test_the_report_states_runs_and_their_error() -> None:
    found = Found((200.0, 0.0), (3, 0), {SHIFTED: [True] * 9 + [False]}, {})
    report = report_of(found, SOME_RUN)
    told = {(each.of, each.figure): each for each in report.records}
    rate = told["stationary, looks", "in ten years"]
    assert (rate.value, rate.low, rate.high) == (
        pytest.approx(0.15),
        pytest.approx(0.031, abs=0.001),
        pytest.approx(0.438, abs=0.001),
    )
    assert told[SHIFTED, "found within three weeks"].value == 0.9
    assert [goal.met for goal in report.goals] == [True, True]
