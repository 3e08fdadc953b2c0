"""What monitoring a large store of predictions costs: `python -m scripts.benchmark monitor --rows 1000000`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import click

from db.writing.open import open_writer
from ml.features.feature import FULL_HISTORY, grows
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso
from ml.study.history import DAY_MS
from scripts.benchmarks.processes import cost_of, postgres, postgres_version
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import SQLITE_VERSION, this_run
from scripts.cli.extras import Extras

extras = Extras()
with extras:
    import numpy as np

    from ml.evaluation.metrics import logistic

WITHIN_S = 60
WITHIN_MIB = 1024
ALERT = 1
"""The exit code of a report with an alert, which is no failure."""
FEATURE_VECTORS = 2000
UNTIL_MS = 1_760_000_000_000

PREDICTION_FIELDS = (
    "id",
    "userId",
    "learningObjectiveId",
    "predictedStruggleProbability",
    "predictionConfidence",
    "featureVector",
    "predictionDate",
    "predictedAt",
    "actualOutcome",
    "interventionApplied",
)


@click.command()
@reported
@extras.required
@click.option(
    "--rows", default=1_000_000, type=click.IntRange(1000), show_default=True, help="How many predictions are stored."
)
@click.option(
    "--learners", default=20_000, type=click.IntRange(20), show_default=True, help="How many learners they are of."
)
@click.option("--postgres", "on_postgres", is_flag=True, help="On a throw-away PostgreSQL instead of a SQLite file.")
def monitor(rows: int, learners: int, on_postgres: bool) -> Report:
    """Time scripts/monitor.py on stored predictions, nine in ten of them in the period and one in ten before it."""
    with ExitStack() as stack:
        workshop = stack.enter_context(tempfile.TemporaryDirectory(prefix="monitored-"))
        if on_postgres:
            url = stack.enter_context(postgres()).new_database()
            version = postgres_version(url)
        else:
            url, version = f"file:{workshop}/predictions.sqlite3", SQLITE_VERSION
        with open_writer(url, create=True) as writer:
            writer.create_tables()
            writer.insert("StrugglePrediction", PREDICTION_FIELDS, simulated(rows, learners, UNTIL_MS))
        page = os.path.join(workshop, "page.html")
        argv = [sys.executable, "-m", "scripts.monitor", "--as-of", iso(UNTIL_MS), "--html", page]
        cost = cost_of(argv, {"DATABASE_URL": url}, fine=(0, ALERT))
        run = this_run((version,))
    name = f"{rows:,} predictions of {learners:,} learners"
    records = [
        Record(name, "seconds", cost.wall_ms / 1000),
        Record(name, "CPU seconds", cost.cpu_ms / 1000),
        Record(name, "peak MiB", cost.peak_mib),
    ]
    goals = [
        Goal("seconds", cost.wall_ms / 1000, WITHIN_S),
        Goal("peak memory, MiB", cost.peak_mib, WITHIN_MIB),
    ]
    return Report("monitor", run, records, goals)


def simulated(
    rows: int, learners: int, until_ms: int, *, days: float = 7.0, seed: int = 0
) -> Iterator[tuple[object, ...]]:
    """Rows of PREDICTION_FIELDS from a calibrated model, nine in ten within the last `days`, the others just before."""
    rng = np.random.default_rng(seed)
    ability = rng.normal(0, 0.8, learners)
    learner = rng.integers(0, learners, rows)
    probability = logistic(rng.normal(-0.8, 1.2, rows) + ability[learner])
    struggled = rng.random(rows) < probability
    known = rng.random(rows) < 0.8
    age_ms = (rng.random(rows) + (rng.random(rows) < 0.1)) * days * DAY_MS
    vectors = [
        _vector(rng, version) for version in ("rules-1", "struggle_prediction_v1.0") for _ in range(FEATURE_VECTORS)
    ]
    chosen = rng.integers(0, len(vectors), rows)
    for row in range(rows):
        at_ms = until_ms - 1 - int(age_ms[row])
        yield (
            f"prediction-{seed}-{row:08}",
            f"learner-{learner[row]}",
            f"objective-{row % 997}",
            float(probability[row]),
            0.7,
            vectors[chosen[row]],
            at_ms,
            at_ms,
            bool(struggled[row]) if known[row] else None,
            False,
        )


def _vector(rng: np.random.Generator, version: str) -> dict[str, object]:
    """Features as the route stores them."""
    known: dict[str, float | None] = dict(zip(FEATURE_NAMES, rng.beta(2, 3, len(FEATURE_NAMES)).tolist()))
    for name in rng.choice(FEATURE_NAMES, 6, replace=False).tolist():
        known[name] = None
    known["answers_of_history"] = grows(int(rng.integers(0, 400)), FULL_HISTORY)
    degraded = "the database did not answer in time" if rng.random() < 0.01 else ""
    return FeatureVector.of(known, UNTIL_MS, degraded).marked_with(version, "model").to_dict()
