"""The causes of alerts about all predictions, and the evidence for each, which accumulates over looks.

A look takes the visits that were judged, and the predictions that were made, since the look before; each counts in one
look only, so that running a report again is no new look. The evidence is an e-detector's
(ml/evaluation/accumulated_evidence.py): for each cause there is at most one false alarm in RAISED_AT weeks on average,
however often and at what intervals one looks. Evidence about a model starts again when another one answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ml.evaluation.accumulated_evidence import NOTHING, Deviation, advanced, weeks_of
from ml.evaluation.deviations import (
    AUC_ALLOWED,
    CALIBRATED,
    Reference,
    Sharpness,
    Visits,
    calibration_deviations,
    separation_deviation,
    share_deviation,
    sharpness,
)
from ml.evaluation.metrics import Floats
from ml.study.history import DAY_MS
from scripts.monitoring.attainable import attainable
from scripts.monitoring.columns import Columns
from scripts.monitoring.targets import MINIMUM_LEARNERS, Target
from scripts.monitoring.visits import UNKNOWN, Mask

WEEK_MS = 7 * DAY_MS
WEEKS_OF_A_YEAR = 365.25 / 7.0

RAISED_AT = 40.0 * WEEKS_OF_A_YEAR
"""Weeks. One false alarm in forty years for each cause, where its figure lies just within what is allowed."""

DEGRADED, LESS_SHARP, TOO_LOW, TOO_HIGH, FLATTER = "degraded", "less_sharp", "too_low", "too_high", "flatter"
ACCURACY, RECALL = "accuracy", "recall"
SIZES: Mapping[str, tuple[float, ...]] = {
    DEGRADED: (0.02, 0.05, 0.2),
    LESS_SHARP: (0.02, 0.04, 0.08),
    TOO_LOW: (0.1, 0.3, 0.6),
    TOO_HIGH: (0.1, 0.3, 0.6),
    FLATTER: (0.1, 0.2, 0.4),
    ACCURACY: (0.02, 0.05, 0.1, 0.2),
    RECALL: (0.02, 0.05, 0.1, 0.2),
}
"""Cause -> the sizes of a deviation, beyond what is allowed, that evidence is collected for: shares, AUC, logits, a
slope. The order is that of the causes: what stands first may bring about what stands below."""
OF_A_MODEL = (LESS_SHARP, TOO_LOW, TOO_HIGH, FLATTER)

_LOOKS_FOR_A_BASELINE, _LATEST_LEFT_OUT, _LOOKS_KEPT = 4, 2, 60
_ALARMS_KEPT = 100


class Raised(NamedTuple):
    """An alarm: its cause, the end of the look that raised it, and its evidence in weeks between false alarms."""

    cause: str
    at_ms: int
    weeks: float


class DetectorState(NamedTuple):
    """What is kept from look to look. Nothing in it belongs to one learner.

    Attributes:
        version: The model that most predictions of the last look came from.
        since_ms: When the first look was taken.
        judged_until_ms: What was judged before then has been looked at.
        predicted_until_ms: Likewise what was predicted before then.
        weeks: The time that the last look covered.
        logs: Cause -> the logarithms of its evidence, one for each of its sizes.
        sharpness: The AUC that the model's probabilities promised in each of its looks, with its standard error.
        raised: The latest alarms, oldest first.
    """

    version: str
    since_ms: int
    judged_until_ms: int
    predicted_until_ms: int
    weeks: float
    logs: Mapping[str, tuple[float, ...]]
    sharpness: tuple[tuple[float, float], ...]
    raised: tuple[Raised, ...]


def beginning(since_ms: int, until_ms: int) -> DetectorState:
    """Before the first look, which takes the period [since_ms, until_ms)."""
    nothing = {cause: (NOTHING,) * len(sizes) for cause, sizes in SIZES.items()}
    return DetectorState("", since_ms, since_ms, since_ms, (until_ms - since_ms) / WEEK_MS, nothing, (), ())


class Look(NamedTuple):
    """What a look may see: the predictions of all weeks, which of them count, and what is known of the model.

    reference: the calibration line of the model `version`, or None where no card states it.
    """

    rows: Columns
    counts: Mask
    until_ms: int
    version: str
    of_version: Mask
    reference: Reference | None
    targets: Mapping[str, Target]
    minimum: int
    threshold: float


def looked(before: DetectorState, look: Look) -> DetectorState:
    """The evidence after a look; the same where nothing new, or too little, has come since the look before."""
    until_ms = look.until_ms
    if before.version and before.version != look.version:
        before = _restarted(before)
    before = before._replace(version=look.version)
    rows = look.rows
    recorded = (rows.recorded_ms != UNKNOWN) & (rows.recorded_ms < until_ms)
    judged_ms = np.where(recorded, np.maximum(rows.recorded_ms, rows.at_ms), rows.at_ms)
    judged = look.counts & ~np.isnan(rows.outcome) & (judged_ms >= before.judged_until_ms) & (judged_ms < until_ms)
    made = look.counts & (rows.at_ms >= before.predicted_until_ms) & (rows.at_ms < until_ms)
    found: dict[str, tuple[Deviation, float]] = {}
    after = before
    if _enough(rows, made, look.minimum):
        weeks = (until_ms - before.predicted_until_ms) / WEEK_MS
        after = after._replace(predicted_until_ms=until_ms, weeks=weeks)
        sharp = sharpness(rows.probability[made & look.of_version], rows.learner[made & look.of_version])
        for cause, deviation in _of_predictions(look, made, sharp, before.sharpness).items():
            found[cause] = deviation, weeks
        if sharp is not None and sharp.learners >= MINIMUM_LEARNERS:
            after = after._replace(sharpness=(*after.sharpness, (sharp.auc, sharp.error))[-_LOOKS_KEPT:])
    if _enough(rows, judged, look.minimum):
        weeks = (until_ms - before.judged_until_ms) / WEEK_MS
        after = after._replace(judged_until_ms=until_ms, weeks=weeks)
        for cause, deviation in _of_outcomes(look, judged).items():
            found[cause] = deviation, weeks
    logs, raised = dict(after.logs), list(after.raised)
    for cause, (deviation, weeks) in found.items():
        logs[cause] = tuple(advanced(logs[cause], deviation, SIZES[cause], weeks))
        if weeks_of(logs[cause]) >= RAISED_AT:
            raised.append(Raised(cause, until_ms, weeks_of(logs[cause])))
            logs[cause] = (NOTHING,) * len(SIZES[cause])
    return after._replace(logs=logs, raised=tuple(raised[-_ALARMS_KEPT:]))


def _restarted(evidence: DetectorState) -> DetectorState:
    nothing = {cause: (NOTHING,) * len(SIZES[cause]) for cause in OF_A_MODEL}
    return evidence._replace(logs={**evidence.logs, **nothing}, sharpness=())


def _enough(rows: Columns, chosen: Mask, minimum: int) -> bool:
    return int(chosen.sum()) >= minimum and len(np.unique(rows.learner[chosen])) >= MINIMUM_LEARNERS


def _of_predictions(
    look: Look, made: Mask, sharp: Sharpness | None, earlier: tuple[tuple[float, float], ...]
) -> dict[str, Deviation]:
    rows, found = look.rows, {}
    stored = made & ~np.isnan(rows.degraded)
    target = look.targets.get(DEGRADED)
    if target is not None and target.at_most is not None:
        share = share_deviation(rows.degraded[stored], rows.learner[stored], target.at_most, at_most=True)
        found[DEGRADED] = share
    if sharp is not None and sharp.learners >= MINIMUM_LEARNERS and len(earlier) >= _LOOKS_FOR_A_BASELINE:
        baseline = np.array(earlier[: max(len(earlier) - _LATEST_LEFT_OUT, _LOOKS_FOR_A_BASELINE)])
        error = (sharp.error**2 + float((baseline[:, 1] ** 2).sum()) / len(baseline) ** 2) ** 0.5
        fall = float(baseline[:, 0].mean()) - AUC_ALLOWED - sharp.auc
        found[LESS_SHARP] = Deviation(fall, error, sharp.learners - 1.0)
    return {cause: deviation for cause, deviation in found.items() if deviation is not None}


def _of_outcomes(look: Look, judged: Mask) -> dict[str, Deviation]:
    rows = look.rows
    found: dict[str, Deviation | None] = {}
    own = judged & look.of_version
    if _enough(rows, own, look.minimum):
        visits = Visits(rows.outcome[own], rows.probability[own], rows.learner[own])
        reference = look.reference or CALIBRATED
        found.update(calibration_deviations(visits, reference))
        found[FLATTER] = separation_deviation(visits, reference)
    labels, probabilities, learners = rows.outcome[judged], rows.probability[judged], rows.learner[judged]
    flagged = (probabilities >= look.threshold).astype(np.float64)
    reach = attainable(probabilities, look.threshold)
    right: Floats = (flagged == labels).astype(np.float64)
    struggled = labels > 0
    for cause, hits, who in (
        (ACCURACY, right, learners),
        (RECALL, flagged[struggled], learners[struggled]),
    ):
        target = look.targets.get(cause)
        bound = None if target is None else target.at_least
        large = len(hits) >= look.minimum and len(np.unique(who)) >= MINIMUM_LEARNERS
        best = reach[cause]
        # Where calibrated probabilities would miss the target too, it is out of reach. Whether these are calibrated is
        # what the causes above are about.
        if bound is not None and best is not None and best >= bound and large:
            found[cause] = share_deviation(hits, who, bound)
    return {cause: deviation for cause, deviation in found.items() if deviation is not None}
