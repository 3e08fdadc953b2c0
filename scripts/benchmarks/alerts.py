"""How often monitoring alerts in simulated years: `python -m scripts.benchmark alerts`.

Each week has 500 judged visits of learners who return. In a stationary year nothing changes; otherwise something does
after 26 weeks, and it counts whether an alert comes within three. The looks are those of the command
(scripts/monitoring/detectors.py), with a card measured on a hold-out of the same world; in part of the years the whole
report is made each week, with its slices, bins and drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import Run, this_run
from scripts.cli.extras import Extras
from scripts.cli.options import Number

extras = Extras()
with extras:
    import numpy as np
    from tqdm import tqdm

    from ml.evaluation.deviations import Reference, reference_of
    from ml.evaluation.drift import FeatureCounts
    from ml.evaluation.figures import evaluate
    from ml.evaluation.metrics import Floats, Integers, logistic, roc_auc
    from ml.evaluation.slices import history_band
    from scripts.monitoring.columns import Codes, Columns, Predictions
    from scripts.monitoring.detectors import WEEK_MS, DetectorState, Look, beginning, looked
    from scripts.monitoring.period import Periods, report
    from scripts.monitoring.targets import targets
    from scripts.monitoring.visits import UNKNOWN, Mask

VISITS, LEARNERS, HOLD_OUT = 500, 300, 2000
QUIET_WEEKS, WITHIN_WEEKS = 26, 3
WEEKS_A_YEAR = 52
FEATURES = 12
BOOTSTRAP = 200

MOST_FALSE, LEAST_FOUND = 1.0, 0.80
"""The goals: the most false alerts in ten years, and the smallest share of shifts found."""

SHIFTED, NOISY, BLUNT = "outcomes +0.5 logit", "AUC -0.05 by noise", "AUC -0.05, still calibrated"
_NOISE, _LOST = 1.08, 0.69
"""SD in logits of the noise that lowers the AUC by 0.05, and the share of the spread that is left when a part of what
the model knew is lost and it knows that."""


class World(NamedTuple):
    """Learners who return each week.

    unlikeness: SD in logits of what the model does not know of a learner. offset: by how much its probabilities are too
    high, in logits: 0.05 makes the calibration gap of +0.007.
    """

    unlikeness: float
    known: Floats
    unknown: Floats
    offset: float = 0.05
    mean: float = -1.1
    spread: float = 1.75

    @classmethod
    def of(cls, random: np.random.Generator, unlikeness: float) -> World:
        """A world with its learners."""
        return cls(unlikeness, random.normal(0.0, 0.9, LEARNERS), random.normal(0.0, unlikeness, LEARNERS))


class Week(NamedTuple):
    """The visits of one week."""

    labels: Floats
    probabilities: Floats
    learners: Integers


def week_of(random: np.random.Generator, world: World, n: int, change: str = "") -> Week:
    """Simulates n visits."""
    who = random.integers(0, LEARNERS, n)
    general = world.known[who]
    lost = random.normal(0.0, 1.0, n)
    own = random.normal(0.0, 1.0, n)
    share = _LOST if change == BLUNT else 1.0
    seen = world.mean + general + world.spread * np.sqrt(share) * own
    truth = seen + world.spread * np.sqrt(1.0 - share) * lost + world.unknown[who] + 0.5 * (change == SHIFTED)
    labels = (random.random(n) < logistic(truth)).astype(np.float64)
    # What is not known flattens what can be said (the logistic-normal approximation).
    hidden = world.unlikeness**2 + world.spread**2 * (1.0 - share)
    said = seen / np.sqrt(1.0 + 0.346 * hidden) + world.offset
    if change == NOISY:
        said = said + random.normal(0.0, _NOISE, n)
    return Week(labels, logistic(said), who)


def card(random: np.random.Generator, world: World) -> Reference | None:
    """The calibration line as a card states it, from a hold-out of this world."""
    held_out = week_of(random, world, HOLD_OUT)
    return reference_of({"evaluation": evaluate(*held_out, bootstrap=BOOTSTRAP).to_dict()})


def alerts_of(seed: int, weeks: int, change: str = "", *, unlikeness: float, whole: bool) -> Iterator[tuple[int, str]]:
    """The alerts of this many weeks of looks: (week, cause).

    change: what changes after QUIET_WEEKS. whole: whether the whole report is made each week.
    """
    random = np.random.default_rng([seed, weeks, int(unlikeness * 10)])
    world = World.of(random, unlikeness)
    reference = card(random, world)
    usual = random.normal(0.0, 0.7, (LEARNERS, FEATURES))
    evidence = beginning(0, WEEK_MS)
    before: Predictions | None = None
    for week in range(weeks):
        drawn = week_of(random, world, VISITS, change if week >= QUIET_WEEKS else "")
        until_ms = (week + 1) * WEEK_MS
        rows = _rows(random, drawn, until_ms)
        look = Look(
            rows=rows,
            counts=_every(rows),
            until_ms=until_ms,
            version="v",
            of_version=_every(rows),
            reference=reference,
            targets=targets(0.75, 0.70, 0.05),
            minimum=100,
            threshold=0.5,
        )
        evidence = looked(evidence, look)
        if not whole:
            yield from ((week, each.cause) for each in evidence.raised if each.at_ms == until_ms)
            continue
        counts = FeatureCounts([f"feature {each}" for each in range(FEATURES)])
        values = logistic(usual[drawn.learners] + random.normal(0.0, 0.7, (VISITS, FEATURES)))
        counts.add(drawn.learners, values, rows.band)
        now = Predictions(rows, counts, {place: str(place) for place in range(VISITS)})
        yield from ((week, cause) for cause in _reported(now, before or now, look, evidence))
        before = now


def _reported(now: Predictions, before: Predictions, look: Look, evidence: DetectorState) -> list[str]:
    codes = Codes.new()
    for place in range(LEARNERS):
        codes.learners[str(place)]
    for place in range(VISITS):
        codes.objectives[str(place)]
    codes.versions["v"]
    for answers in (0, 19, 99, 100):
        codes.bands[history_band(answers)]
    nothing = Predictions(now.rows.where(~look.counts), FeatureCounts(now.counts.features), {})
    found = report(
        Periods(now, before if before is not now else nothing, nothing),
        codes,
        {},
        lambda mistakes: {},
        since_ms=look.until_ms - WEEK_MS,
        until_ms=look.until_ms,
        minimum=look.minimum,
        targets=look.targets,
        evidence=evidence,
        evidence_note="",
        reference=look.reference,
        bootstrap=BOOTSTRAP,
        correct_from="GOOD",
    )
    return [each.cause for each in found.alerts]


def _rows(random: np.random.Generator, drawn: Week, until_ms: int) -> Columns:
    n = len(drawn.labels)
    zeros, unknown = np.zeros(n, dtype=np.int64), np.full(n, UNKNOWN, dtype=np.int64)
    return Columns(
        probability=drawn.probabilities,
        outcome=drawn.labels,
        at_ms=np.full(n, until_ms - 1, dtype=np.int64),
        learner=drawn.learners,
        objective=np.arange(n, dtype=np.int64),
        version=zeros,
        band=drawn.learners % 4,
        degraded=(random.random(n) < 0.02).astype(np.float64),
        intervened=np.zeros(n),
        recorded_ms=unknown,
        visit_ms=unknown,
    )


def _every(rows: Columns) -> Mask:
    return np.ones(len(rows.outcome), dtype=np.bool_)


class Found(NamedTuple):
    """What the simulations showed.

    quiet: simulated stationary years, of looks alone and of whole reports. false: the false alerts in them. shifts:
    change -> whether each run found it in time.
    """

    quiet: tuple[float, float]
    false: tuple[int, int]
    shifts: dict[str, list[bool]]
    fall: dict[str, float]


def simulate(years: float, seeds: int, runs: int, reports: int) -> Found:
    """Runs the simulations: half of them with learners who differ in ways that the model does not know."""
    weeks = round(years * WEEKS_A_YEAR)
    false = [0, 0]
    for seed in tqdm(range(seeds), desc="looks", disable=None):
        false[0] += len(list(alerts_of(seed, weeks, unlikeness=0.5 * (seed % 2), whole=False)))
    for seed in tqdm(range(reports), desc="reports", disable=None):
        false[1] += len(list(alerts_of(seed, WEEKS_A_YEAR, unlikeness=0.5 * (seed % 2), whole=True)))
    shifts: dict[str, list[bool]] = {}
    for change in (SHIFTED, NOISY, BLUNT):
        shifts[change] = [_is_found(1000 + run, change, 0.5 * (run % 2)) for run in tqdm(range(runs), disable=None)]
    fall = {change: _auc_of("") - _auc_of(change) for change in (NOISY, BLUNT)}
    return Found((weeks * seeds / WEEKS_A_YEAR, float(reports)), (false[0], false[1]), shifts, fall)


def _is_found(seed: int, change: str, unlikeness: float) -> bool:
    weeks = QUIET_WEEKS + WITHIN_WEEKS
    found = alerts_of(seed, weeks, change, unlikeness=unlikeness, whole=False)
    return any(week >= QUIET_WEEKS for week, _ in found)


def _auc_of(change: str) -> float:
    random = np.random.default_rng(1)
    drawn = week_of(random, World.of(random, 0.5), 200_000, change)
    return roc_auc(drawn.labels, drawn.probabilities) or 0.0


@click.command()
@reported
@extras.required
@click.option("--years", default=10.0, type=Number(0.5, 1000), show_default=True, help="Stationary years per seed.")
@click.option("--seeds", default=20, type=click.IntRange(1), show_default=True, help="How many stationary worlds.")
@click.option("--runs", default=100, type=click.IntRange(2), show_default=True, help="Simulations of each shift.")
@click.option("--reports", default=10, type=click.IntRange(0), show_default=True, help="Years of whole weekly reports.")
def alerts(years: float, seeds: int, runs: int, reports: int) -> Report:
    """Count false alerts in stationary years of weekly looks, and how many planted shifts are found in three weeks."""
    return report_of(simulate(years, seeds, runs, reports), this_run())


def report_of(found: Found, measured_by: Run) -> Report:
    """The table and the goals."""
    records, goals = [], []
    for name, years, false in zip(("stationary, looks", "stationary, whole reports"), found.quiet, found.false):
        if not years:
            continue
        in_ten = 10.0 * false / years
        records += [
            Record(name, "simulated years", years),
            Record(name, "false alerts", false),
            Record(name, "in ten years", in_ten, *_in_ten_years(false, years)),
        ]
        goals.append(Goal(f"{name}: false alerts in ten years", in_ten, MOST_FALSE))
    for change, hits in found.shifts.items():
        share, n = float(np.mean(hits)), len(hits)
        records.append(Record(change, "found within three weeks", share, *_share(sum(hits), n)))
        records.append(Record(change, "simulations", n))
        if change in found.fall:
            records.append(Record(change, "fall of the AUC", found.fall[change]))
        goals.append(Goal(f"{change}: found within three weeks", share, LEAST_FOUND, at_most=False))
    return Report("alerts", measured_by, records, goals, spread="the 95 % interval over the simulations")


def _share(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval."""
    p, z = hits / n, 1.96
    centre, half = (p + z * z / (2 * n)), z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))


def _in_ten_years(false: int, years: float) -> Sequence[float]:
    """The exact interval of a Poisson rate, per ten years."""
    from scipy.stats import chi2

    low = float(chi2.ppf(0.025, 2 * false)) / 2 if false else 0.0
    return 10.0 * low / years, 10.0 * float(chi2.ppf(0.975, 2 * false + 2)) / 2 / years
