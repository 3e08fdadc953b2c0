"""Evidence that accumulates over looks: its bound on false alarms, and what the deviations measure."""

from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.accumulated_evidence import NOTHING, Deviation, advanced, log_e_value, weeks_of
from ml.evaluation.deviations import (
    CALIBRATED,
    Reference,
    Visits,
    calibration_deviations,
    reference_of,
    separation_deviation,
    share_deviation,
    sharpness,
)
from ml.evaluation.metrics import logistic, roc_auc

SIZES = (0.1, 0.3, 0.6)


def test_an_e_value_is_at_most_one_on_average_at_the_edge_of_what_is_allowed() -> None:
    rng = np.random.default_rng(1)
    for size, degrees in ((0.1, 300.0), (0.6, 300.0), (0.3, 12.0)):
        draws = rng.standard_t(degrees, 40_000) * 0.2
        mean = np.mean([np.exp(log_e_value(Deviation(float(each), 0.2, degrees), size)) for each in draws])
        assert mean < 1.1


@pytest.mark.slow
@pytest.mark.parametrize("looks_a_week", [1, 7])
def test_the_mean_evidence_is_at_most_the_weeks_that_passed_however_often_one_looks(looks_a_week: int) -> None:
    rng = np.random.default_rng(2)
    weeks, ends = 6, []
    for _ in range(1500):
        evidence = [NOTHING] * len(SIZES)
        for _ in range(weeks * looks_a_week):
            deviation = Deviation(float(rng.normal(0, 0.4)), 0.4, 1e9)
            evidence = advanced(evidence, deviation, SIZES, 1 / looks_a_week)
        ends.append(weeks_of(evidence))
    assert np.mean(ends) < weeks * 1.25


def test_evidence_is_as_quick_after_a_long_time_as_at_once() -> None:
    def weeks_until_found(quiet: int) -> int:
        evidence = [NOTHING] * len(SIZES)
        for _ in range(quiet):
            evidence = advanced(evidence, Deviation(-0.1, 0.12, 250.0), SIZES, 1.0)
        for week in range(1, 20):
            evidence = advanced(evidence, Deviation(0.35, 0.12, 250.0), SIZES, 1.0)
            if weeks_of(evidence) > 2000:
                return week
        return 20

    assert weeks_until_found(500) <= weeks_until_found(0) <= 3


def drawn(shift: float = 0.0, slope: float = 1.0, each: int = 1, n: int = 4000) -> Visits:
    rng = np.random.default_rng(8)
    x = rng.normal(-0.7, 1.5, n)
    labels = (rng.random(n) < logistic(-0.7 + slope * (x + 0.7) + shift)).astype(np.float64)
    return Visits(np.repeat(labels, each), logistic(np.repeat(x, each)), np.repeat(np.arange(n), each))


def test_deviations_are_what_was_planted_less_what_is_allowed() -> None:
    quiet = calibration_deviations(drawn(), CALIBRATED)
    assert quiet["too_low"].beyond < 0
    assert quiet["too_high"].beyond < 0
    shifted = calibration_deviations(drawn(shift=0.5), CALIBRATED)
    assert shifted["too_low"].beyond == pytest.approx(0.4, abs=0.08)
    assert shifted["too_high"].beyond == pytest.approx(-0.6, abs=0.08)
    flat = separation_deviation(drawn(slope=0.7), CALIBRATED)
    assert flat is not None
    assert flat.beyond == pytest.approx(0.25, abs=0.06)
    moved = separation_deviation(drawn(shift=0.5), CALIBRATED)
    assert moved is not None
    assert moved.beyond < 0.03  # a shift is no lack of distinction


def test_what_a_card_states_is_no_deviation() -> None:
    reference = Reference(0.5, 1.0, 0.05, 0.05)
    assert calibration_deviations(drawn(shift=0.5), reference)["too_low"].beyond < 0
    assert calibration_deviations(drawn(), reference)["too_high"].beyond > 0.3


def test_rows_of_one_learner_are_no_more_evidence_than_one() -> None:
    alone, fivefold = (calibration_deviations(drawn(shift=0.5, each=each), CALIBRATED)["too_low"] for each in (1, 5))
    assert fivefold.error == pytest.approx(alone.error, rel=0.05)
    hits = np.repeat((np.arange(200) % 2).astype(np.float64), 5)
    shares = [share_deviation(hits[::step], np.arange(1000)[::step] // 5, 0.7) for step in (5, 1)]
    assert shares[0] is not None
    assert shares[1] is not None
    assert shares[1].error == pytest.approx(shares[0].error, rel=0.05)


def test_sharpness_is_the_auc_that_calibrated_probabilities_have() -> None:
    visits = drawn(n=20_000)
    promised = sharpness(visits.probabilities, visits.learners)
    assert promised is not None
    assert promised.auc == pytest.approx(roc_auc(visits.labels, visits.probabilities), abs=0.01)


def test_a_card_without_a_line_states_nothing() -> None:
    figure = {"value": 0.9, "low": 0.8, "high": 1.0}
    line = {"calibration_slope": figure, "calibration_intercept": {"value": 0.1, "low": 0.0, "high": 0.2}}
    found = reference_of({"evaluation": {"figures": line}})
    assert found is not None
    assert found == pytest.approx((0.1, 0.9, 0.1, 0.1))
    wrong: list[dict[str, object]] = [{}, {"evaluation": None}, {"evaluation": {"figures": {"calibration_slope": 1}}}]
    wrong += [{"evaluation": {"figures": {**line, "calibration_slope": {**figure, "low": None}}}}]
    assert [reference_of(each) for each in wrong] == [None] * 4
