"""The results of monitoring for one period: figures, slices, weeks, drift, the worst mistakes, and the alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml.evaluation.drift import FeatureDrift, feature_drift
from ml.evaluation.figures import LEVEL, Evaluation, Figure, evaluate
from ml.evaluation.metrics import Integers
from ml.evaluation.slices import Slice, slices
from ml.instants import iso
from ml.study.history import DAY_MS
from ml.study.scales import PLATFORM, Levels
from scripts.cli.counted import counted
from scripts.monitoring.alerts import Alert, Shown, alerts
from scripts.monitoring.attainable import within_reach
from scripts.monitoring.columns import Codes, Predictions, counting
from scripts.monitoring.detectors import WEEK_MS, WEEKS_OF_A_YEAR, Evidence, Raised
from scripts.monitoring.findings import (
    INTERVENTION,
    RISK_LEVEL,
    CalibrationBin,
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
from scripts.monitoring.small_groups import is_large, shown_or_withheld, whole_or_withheld, with_figures_withheld
from scripts.monitoring.targets import MINIMUM_LEARNERS, Target
from scripts.monitoring.visits import Mask

DECISIONS = ("accuracy", "recall", "precision")
"""The figures that depend on a threshold and have a target."""
GROUPS_A_YEAR, DRIFT_A_YEAR = 0.02, 0.01
"""False alarms in a year, at most, of groups and of drift, which are judged anew in each look: a look may spend the
share of a year that it covers."""
_SAME_RUN = 0.02
"""An alarm of the run before, which a late run would just still see, is not shown again: as a share of the period."""
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05


class Week(NamedTuple):
    """A calendar week (Monday to Sunday, UTC), or the part of it inside the trend."""

    start_ms: int
    predictions: int
    evaluation: Evaluation


class Report(NamedTuple):
    """One period [since_ms, until_ms).

    evaluation covers the visits whose outcome is known, each by the prediction that counts for it; correct_from is the
    deployment's setting, under which record_outcomes decides them. A slice with fewer rows than the minimum, or with
    too few learners, is left out, and its value is not named either: too_small counts such slices by their dimension.
    Of a week or a whole period that is as small, only the number of predictions is kept. judged: how many predictions
    have a known outcome.
    evidence: what the looks so far have collected; evidence_note: a sentence where it is not kept, or starts anew.
    """

    since_ms: int
    until_ms: int
    minimum: int
    predictions: int
    judged: int
    learners: int
    degraded: Figure
    evaluation: Evaluation
    calibration: tuple[CalibrationBin, ...]
    slices: tuple[Slice, ...]
    too_small: Mapping[str, int]
    weeks: tuple[Week, ...]
    drift: tuple[FeatureDrift, ...]
    drift_note: str
    mistakes: tuple[Mistake, ...]
    reasons: Mapping[str, Reason]
    targets: Mapping[str, Target]
    alerts: tuple[Alert, ...]
    evidence: Evidence
    evidence_note: str
    correct_from: str
    levels: Levels

    @property
    def sufficient(self) -> bool:
        """Whether enough outcomes are known for any figure to be judged."""
        return self.evaluation.n >= self.minimum and self.evaluation.learners >= MINIMUM_LEARNERS

    @property
    def status(self) -> str:
        """alert, no predictions, insufficient data, or ok."""
        if self.alerts:
            return "alert"
        if not self.predictions:
            return "no predictions"
        return "ok" if self.sufficient else "insufficient data"

    def to_dict(self, mistakes: bool = True) -> dict[str, object]:
        """The JSON form that --json prints; an alert command receives it without the mistakes, which name learners."""
        named = [self._mistake(each) for each in self.mistakes] if mistakes else []
        return {
            "status": self.status,
            "alerts": [each.to_dict() for each in self.alerts],
            "period": {"since": iso(self.since_ms), "until": iso(self.until_ms)},
            "predictions": self.predictions,
            "outcomes_known": self.judged,
            "visits_judged": self.evaluation.n,
            "evidence": {"since": iso(self.evidence.since_ms), "note": self.evidence_note},
            "minimum": self.minimum,
            "correct_from": self.correct_from,
            "levels": self.levels.to_dict(),
            "degraded": self.degraded.to_dict(),
            **_plain(self.evaluation),
            "attainable": self.attainable,
            "learners": self.learners,  # of all predictions; the evaluation counts those with a known outcome
            "slices": [each.to_dict() for each in self.slices],
            "slices_too_small": dict(self.too_small),
            "weeks": [
                {"start": iso(week.start_ms), "predictions": week.predictions, **_plain(week.evaluation)}
                for week in self.weeks
            ],
            "drift": [each.to_dict() for each in self.drift],
            "drift_note": self.drift_note,
            **({"mistakes": named} if mistakes else {}),
        }

    @property
    def attainable(self) -> dict[str, float | None]:
        """What perfectly calibrated probabilities would give for these predictions; None where it is withheld."""
        told = self.evaluation.figures["struggle_rate"].value is not None
        return {name: self.targets[name].attainable if told else None for name in DECISIONS}

    def _mistake(self, mistake: Mistake) -> dict[str, object]:
        why = self.reasons.get(mistake.prediction_id)
        told = {"predicted_at": iso(mistake.predicted_at_ms), "reasons": list(why.texts) if why else []}
        return {**mistake._asdict(), **told}


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
    evidence: Evidence,
    evidence_note: str,
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
    usual, proof = (
        slice_findings(rows, dimensions, within, targets, minimum, threshold, level)
        for level in (LEVEL, 1.0 - GROUPS_A_YEAR * year / len(dimensions))
    )
    of_all = [
        *overall_findings(evaluation, degraded, targets, minimum),
        *calibration_findings(rows, evaluation, minimum, LEVEL),
        *(drift_finding(each, periods.current.counts.rows) for each in drift if each.drifted),
    ]
    worst = worst_mistakes(periods.current, counts[0], codes)
    shown = Shown(evaluation, degraded, targets, minimum)
    return Report(
        since_ms=since_ms,
        until_ms=until_ms,
        minimum=minimum,
        predictions=len(now.probability),
        judged=int((~np.isnan(now.outcome)).sum()),
        learners=len(np.unique(now.learner)),
        degraded=shown_or_withheld(degraded, minimum),
        evaluation=whole_or_withheld(evaluation, minimum),
        calibration=calibration if is_large(evaluation, minimum) else (),
        slices=tuple(each._replace(evaluation=with_figures_withheld(each.evaluation, minimum)) for each in large),
        too_small=Counter(each.dimension for each in within if each not in large),
        weeks=tuple(
            each._replace(evaluation=whole_or_withheld(each.evaluation, minimum))
            for each in _weeks(periods, counts, threshold, bootstrap)
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


def _within(evidence: Evidence, since_ms: int, until_ms: int) -> list[Raised]:
    """The alarms of looks that ended within the period."""
    after_ms = since_ms + _SAME_RUN * (until_ms - since_ms)
    return [each for each in evidence.raised if after_ms < each.at_ms <= until_ms]


def _plain(evaluation: Evaluation) -> dict[str, object]:
    """The figures, ready for JSON. Where the figures are left out, the number of struggles is left out too."""
    untold = {"struggles": None} if evaluation.figures["struggle_rate"].value is None else {}
    return {**evaluation.to_dict(), **untold}


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


def _weeks(periods: Periods, counts: Sequence[Mask], threshold: float, bootstrap: int) -> tuple[Week, ...]:
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
            outcome[known], probability[known], learner[known], threshold=threshold, bootstrap=bootstrap
        )
        found.append(Week(each * WEEK_MS + _MONDAY_MS, int(here.sum()), evaluation))
    return tuple(found)
