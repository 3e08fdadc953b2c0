"""Makes the report on one period: its figures, what they show, and the alerts of the looks within it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml.evaluation.before_outcomes import estimates, resemblance
from ml.evaluation.deviations import Reference
from ml.evaluation.drift import FeatureDrift, feature_drift
from ml.evaluation.figures import LEVEL, Figure, evaluate
from ml.evaluation.metrics import Floats, Integers
from ml.evaluation.slices import slices
from ml.study.history import DAY_MS
from ml.study.scales import PLATFORM, Levels
from scripts.cli.counted import counted
from scripts.monitoring.alerts import Shown, alerts
from scripts.monitoring.attainable import within_reach
from scripts.monitoring.columns import Codes, Predictions, counting
from scripts.monitoring.detectors import WEEK_MS, WEEKS_OF_A_YEAR, DetectorState, Raised
from scripts.monitoring.findings import (
    INTERVENTION,
    RISK_LEVEL,
    KnownOutcomes,
    bins_with_intervals,
    calibration_findings,
    degraded_figure,
    drift_finding,
    overall_findings,
    slice_findings,
)
from scripts.monitoring.mistakes import Mistake, worst_mistakes
from scripts.monitoring.reasons import Reason
from scripts.monitoring.report import Report, Week
from scripts.monitoring.small_groups import is_large, shown_or_withheld, whole_or_withheld, with_figures_withheld
from scripts.monitoring.targets import MINIMUM_LEARNERS, Target
from scripts.monitoring.visits import Mask

GROUPS_A_YEAR, DRIFT_A_YEAR = 0.02, 0.01
"""False alarms in a year, at most, of groups and of drift, which are judged anew in each look: a look may spend the
share of a year that it covers."""
_SAME_RUN = 0.02
"""An alarm of the run before, which a late run would just still see, is not shown again: as a share of the period."""
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05


class Periods(NamedTuple):
    """The period itself, the one before it (for drift), and the rest of the weeks in the trend."""

    current: Predictions
    before: Predictions
    older: Predictions


def report(
    periods: Periods,
    codes: Codes,
    groups: Mapping[str, Sequence[object]],
    explain: Callable[[Sequence[Mistake]], Mapping[str, Reason]],
    *,
    since_ms: int,
    until_ms: int,
    minimum: int,
    targets: Mapping[str, Target],
    evidence: DetectorState,
    evidence_note: str,
    reference: Reference | None,
    bootstrap: int,
    correct_from: str,
    levels: Levels = PLATFORM,
) -> Report:
    """Makes the report on the periods.

    Args:
        groups: Further dimensions to slice by, with one value per prediction of the current period.
        explain: Finds the reasons of the worst mistakes.
        minimum: The fewest rows that a figure is shown for.
        evidence: What the looks up to this period's end have collected.
        reference: The calibration line on the card of the model that made most of the predictions.
        bootstrap: How many resamples an interval is made from.
        correct_from: The lowest grade that counts as a correct answer; it is reported, not used.
        levels: By which predictions are told apart, and with the threshold from which one counts as one of struggle.
    """
    now, counts = periods.current.rows, counting(*periods)
    known = counts[0] & ~np.isnan(now.outcome)
    rows = KnownOutcomes(now.outcome[known], now.probability[known], now.learner[known])
    threshold = levels.operating_threshold
    evaluation = evaluate(*rows, threshold=threshold, bootstrap=bootstrap)
    targets = within_reach(targets, rows.probabilities, evaluation.threshold, evaluation.figure("calibration_gap"))
    recorded = ~np.isnan(now.degraded)
    degraded = degraded_figure(now.degraded[recorded], now.learner[recorded], bootstrap)
    dimensions: dict[str, Sequence[object]] = {
        RISK_LEVEL: [levels.of(each) for each in rows.probabilities.tolist()],
        "answers of history": _named(now.band[known], codes.bands.names),
        "model version": _named(now.version[known], codes.versions.names),
        INTERVENTION: ["applied" if each else "none" for each in now.intervened[known].tolist()],
        **{name: [value for value, kept in zip(values, known.tolist()) if kept] for name, values in groups.items()},
    }
    within = slices(*rows, dimensions, threshold=threshold, bootstrap=bootstrap)
    large = [each for each in within if is_large(each.evaluation, minimum)]
    year = evidence.weeks / WEEKS_OF_A_YEAR
    drift, drift_note = _drift(periods, minimum, bootstrap, DRIFT_A_YEAR * year)
    calibration = bins_with_intervals(rows, evaluation, LEVEL)
    usual = slice_findings(rows, dimensions, within, targets, minimum, threshold, LEVEL)
    strict = 1.0 - GROUPS_A_YEAR * year / len(dimensions)
    concerned = {name: dimensions[name] for name in usual}  # what is not found at the usual level is not found here
    proof = slice_findings(rows, concerned, within, targets, minimum, threshold, strict)
    of_all = [
        *overall_findings(evaluation, degraded, targets, minimum),
        *calibration_findings(rows, evaluation, minimum, LEVEL),
        *(drift_finding(each, periods.current.counts.rows) for each in drift if each.drifted),
    ]
    worst = worst_mistakes(periods.current, counts[0], codes)
    estimated = _Estimated.by(periods, counts, threshold, reference, minimum)
    awaiting = counts[0] & np.isnan(now.outcome)
    shown = Shown(evaluation, degraded, targets, minimum)
    return Report(
        since_ms=since_ms,
        until_ms=until_ms,
        minimum=minimum,
        predictions=len(now.probability),
        judged=int((~np.isnan(now.outcome)).sum()),
        learners=len(np.unique(now.learner)),
        awaiting=int(awaiting.sum()),
        expected=estimated.of(now.probability[awaiting], now.learner[awaiting]),
        degraded=shown_or_withheld(degraded, minimum),
        evaluation=whole_or_withheld(evaluation, minimum),
        calibration=calibration if is_large(evaluation, minimum) else (),
        slices=tuple(each._replace(evaluation=with_figures_withheld(each.evaluation, minimum)) for each in large),
        too_small=Counter(each.dimension for each in within if each not in large),
        weeks=tuple(
            each._replace(evaluation=whole_or_withheld(each.evaluation, minimum))
            for each in _weeks(periods, counts, estimated, bootstrap)
        ),
        drift=drift,
        drift_note=drift_note,
        mistakes=worst,
        reasons=explain(worst),
        targets=targets,
        alerts=alerts(_within(evidence, since_ms, until_ms), drift, of_all, usual, proof, shown, until_ms),
        evidence=evidence,
        evidence_note=evidence_note,
        correct_from=correct_from,
        levels=levels,
    )


class _Estimated(NamedTuple):
    """How figures are estimated before outcomes are known."""

    threshold: float
    alike: float
    reference: Reference | None
    minimum: int

    @classmethod
    def by(
        cls, periods: Periods, counts: Sequence[Mask], threshold: float, reference: Reference | None, minimum: int
    ) -> _Estimated:
        """With the resemblance of a learner's outcomes in all visits that are judged."""
        outcome, probability, learner, counting_rows = (
            np.concatenate(each)
            for each in (
                *([getattr(period.rows, name) for period in periods] for name in ("outcome", "probability", "learner")),
                counts,
            )
        )
        known = counting_rows & ~np.isnan(outcome)
        return cls(threshold, resemblance(outcome[known], probability[known], learner[known]), reference, minimum)

    def of(self, probabilities: Floats, learners: Integers) -> dict[str, Figure]:
        """The estimates, each withheld where it rests on too few rows or learners."""
        found = estimates(probabilities, learners, self.threshold, self.alike, self.reference)
        return {name: shown_or_withheld(figure, self.minimum) for name, figure in found.items()}


def _within(evidence: DetectorState, since_ms: int, until_ms: int) -> list[Raised]:
    """The alarms of looks that ended within the period."""
    after_ms = since_ms + _SAME_RUN * (until_ms - since_ms)
    return [each for each in evidence.raised if after_ms < each.at_ms <= until_ms]


def _named(codes: Integers, names: Sequence[str]) -> list[str]:
    return [names[code] for code in codes.tolist()]


def _drift(periods: Periods, minimum: int, bootstrap: int, risk: float) -> tuple[tuple[FeatureDrift, ...], str]:
    """The drift since the period before with a note on what was compared, or no drift and a note on why."""
    sizes = [(each.counts.rows, len(np.unique(each.rows.learner))) for each in (periods.before, periods.current)]
    for (rows, learners), when in zip(sizes, ("the period before", "this period")):
        if rows < minimum or learners < MINIMUM_LEARNERS:
            stored = f"{counted(rows, 'prediction')} with features, of {counted(learners, 'learner')}, in {when}"
            return (), f"insufficient data: {stored}"
    found = feature_drift(periods.before.counts, periods.current.counts, risk=risk, bootstrap=bootstrap)
    if not found:
        return (), "nothing to compare: no learners have as long a history as any in the period before"
    note = f"{counted(sizes[0][0], 'prediction')} before and {sizes[1][0]:,} now are compared"
    return found, f"{note}, of learners whose histories are equally long"


def _weeks(periods: Periods, counts: Sequence[Mask], estimated: _Estimated, bootstrap: int) -> tuple[Week, ...]:
    at_ms, learner, outcome, probability = (
        np.concatenate([getattr(each.rows, name) for each in periods])
        for name in ("at_ms", "learner", "outcome", "probability")
    )
    counting_rows = np.concatenate(counts)
    week = (at_ms - _MONDAY_MS) // WEEK_MS
    found = []
    for each in np.unique(week).tolist():
        here = week == each
        known = here & counting_rows & ~np.isnan(outcome)
        evaluation = evaluate(
            outcome[known], probability[known], learner[known], threshold=estimated.threshold, bootstrap=bootstrap
        )
        expected = estimated.of(probability[here & counting_rows], learner[here & counting_rows])
        found.append(Week(each * WEEK_MS + _MONDAY_MS, int(here.sum()), evaluation, expected))
    return tuple(found)
