"""One replay of a log, week by week: what monitoring alerts about, and which challengers are promoted.

A seed draws seven in ten of the learners. Monitoring looks at each week's predictions and outcomes by the functions
that monitor.py calls once it has read them, and keeps its evidence from week to week. Challengers are compared by the
functions that retrain_model.py calls once it has the models' probabilities; every check is made as soon as the evidence
is a proof, since before that nothing is promoted.
"""

from __future__ import annotations

from typing import NamedTuple

from ml.study.correctness import GOOD
from scripts.benchmarks.year_log import WEEK_MS, Replayed
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    import numpy as np
    from scipy.optimize import brentq

    from ml.evaluation.challengers import error_share, given_up
    from ml.evaluation.drift import FeatureCounts
    from ml.evaluation.evidence import of_differences
    from ml.evaluation.metrics import Floats, Integers, log_losses, logistic, logit
    from ml.evaluation.slices import history_band
    from ml.features.vector import FEATURE_NAMES
    from ml.training.model_card import answers_of
    from scripts.monitoring.columns import MONITORED, Codes, Columns, Predictions, how_far_off
    from scripts.monitoring.detectors import DetectorState
    from scripts.monitoring.looks import after_look
    from scripts.monitoring.period import Periods, report
    from scripts.monitoring.targets import targets
    from scripts.monitoring.visits import UNKNOWN
    from scripts.training.hold_out import HoldOut

DRAWN = 0.7
"""The share of the learners that a seed draws."""
SHIFT = 0.5
"""The planted shift, in logits: from the middle week on, more visits are struggles than the probabilities say."""
GAIN = 0.01
"""The log-loss by which a planted challenger is better or worse."""
MINIMUM, BOOTSTRAP, TREND_WEEKS = 100, 200, 8
_PLACES = [FEATURE_NAMES.index(name) for name in MONITORED[1:]]


class Watched(NamedTuple):
    """What monitoring did in one replay: the weeks that raised an alert, and the causes of these alerts."""

    weeks: tuple[int, ...]
    causes: tuple[str, ...]


def drawn(log: Replayed, seed: int) -> Integers:
    """The rows of the learners that a seed draws, in the order of time."""
    many = int(log.learner.max()) + 1
    chosen = np.random.default_rng([seed, 1]).random(many) < DRAWN
    return np.flatnonzero(chosen[log.learner])


def outcomes(log: Replayed, rows: Integers) -> Floats:
    """The outcomes as they are in the log."""
    return log.examples.y[rows].astype(np.float64)


def shifted(log: Replayed, rows: Integers, seed: int) -> Floats:
    """The outcomes, with as many more struggles from the middle week on as SHIFT implies."""
    y, said = outcomes(log, rows), log.champion[rows]
    raised = logistic(logit(said) + SHIFT)
    turned = np.random.default_rng([seed, 2]).random(len(rows)) < (raised - said) / (1.0 - said)
    return np.where((log.week[rows] >= log.weeks // 2) & turned, 1.0, y)


def watched(log: Replayed, rows: Integers, struggled: Floats) -> Watched:
    """Monitors week after week; an alert that is still shown from the week before counts once."""
    codes = Codes.new()
    of_weeks = [log.week[rows] == week for week in range(log.weeks)]
    weeks = [_period(log, rows[of_week], struggled[of_week], codes) for of_week in of_weeks]
    start_ms = int(log.examples.as_of_ms[0]) - int(log.week[0]) * WEEK_MS
    nothing = _period(log, rows[:0], struggled[:0], codes)
    kept: DetectorState | str = "This is the first look."
    alerted: list[int] = []
    causes: list[str] = []
    for week in range(log.weeks):
        older = weeks[max(0, week - TREND_WEEKS + 1) : max(0, week - 1)]
        joined = Columns(*(np.concatenate(each) for each in zip(*(each.rows for each in (nothing, *older)))))
        periods = Periods(weeks[week], weeks[week - 1] if week else nothing, nothing._replace(rows=joined))
        since_ms, until_ms = start_ms + week * WEEK_MS, start_ms + (week + 1) * WEEK_MS
        aims = targets(0.75, 0.70, 0.05)
        seen = after_look(
            *(kept, periods, codes, log.models_dir),
            since_ms=since_ms,
            until_ms=until_ms,
            targets=aims,
            minimum=MINIMUM,
            threshold=log.levels.operating_threshold,
        )
        kept = seen.evidence
        found = report(
            *(periods, codes, {}, lambda mistakes: {}),
            since_ms=since_ms,
            until_ms=until_ms,
            minimum=MINIMUM,
            targets=aims,
            evidence=seen.evidence,
            evidence_note=seen.note,
            reference=seen.reference,
            bootstrap=BOOTSTRAP,
            correct_from=GOOD,
            levels=log.levels,
        )
        if found.alerts:
            alerted.append(week)
            causes += [alert.cause for alert in found.alerts]
    return Watched(tuple(alerted), tuple(causes))


def _period(log: Replayed, rows: Integers, struggled: Floats, codes: Codes) -> Predictions:
    """The predictions of these visits, as they would have been stored when each visit began."""
    examples, n = log.examples.select(rows), len(rows)
    bands = np.array([codes.bands[history_band(answers)] for answers in answers_of(examples.X)], np.int64)
    learner = np.array([codes.learners[each] for each in examples.learner.tolist()], np.int64)
    columns = Columns(
        probability=log.champion[rows],
        outcome=struggled,
        at_ms=examples.as_of_ms,
        learner=learner,
        objective=np.array([codes.objectives[each] for each in examples.objective.tolist()], np.int64),
        version=np.full(n, codes.versions[log.version], np.int64),
        band=bands,
        degraded=np.zeros(n),
        intervened=np.zeros(n),
        recorded_ms=np.full(n, UNKNOWN, np.int64),
        visit_ms=examples.as_of_ms,
    )
    counts = FeatureCounts(MONITORED)
    counts.add(learner, np.column_stack([log.champion[rows], examples.X[:, _PLACES]]), bands)
    far_off = np.flatnonzero(how_far_off(columns) > 0.5)
    return Predictions(columns, counts, {row: str(rows[row]) for row in far_off.tolist()})


def spoiled(log: Replayed, rows: Integers, random: np.random.Generator) -> Floats:
    """The model's probabilities with an error in their logits, half of it a learner's own, that costs GAIN."""
    y, said = outcomes(log, rows), logit(log.champion[rows])
    own = random.normal(0.0, 1.0, int(log.learner.max()) + 1)[log.learner[rows]]
    noise = np.sqrt(0.5) * own + np.sqrt(0.5) * random.normal(0.0, 1.0, len(rows))
    plain = float(log_losses(y, logistic(said)).mean())

    def excess(error: float) -> float:
        return float(log_losses(y, logistic(said + error * noise)).mean()) - plain - GAIN

    return logistic(said + float(brentq(excess, 0.0, 5.0, xtol=1e-3)) * noise)


def promoted(log: Replayed, rows: Integers, seed: int, *, better: bool) -> int | None:
    """The first week in which a challenger is promoted; each is better, or each is worse, than the champion by GAIN.

    None where none is promoted.
    """
    random = np.random.default_rng([seed, 3])
    examples, y, said = log.examples.select(rows), outcomes(log, rows), log.champion[rows]
    champion = spoiled(log, rows, random) if better else said
    spent: list[tuple[int, float]] = []
    share, began, challenger = 0.0, -1, said
    for week in range(log.weeks):
        if began < 0:
            share, began = error_share(spent, week * WEEK_MS), week
            challenger = said if better else spoiled(log, rows, random)
        seen = (log.week[rows] <= week) & (log.week[rows] >= began)
        change = log_losses(y[seen], challenger[seen]) - log_losses(y[seen], champion[seen])
        found = of_differences(change, examples.learner[seen], share)
        if found.better:
            rules = np.full(len(change), 0.5)
            hold_out = HoldOut(examples.select(seen), champion[seen], challenger[seen], rules, log.levels)
            if hold_out.judged(share).promote:
                return week
        if given_up((week - began) * WEEK_MS, found):
            spent.append((week * WEEK_MS, share))
            began = -1
    return None
