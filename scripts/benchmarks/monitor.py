"""What monitoring a large store of predictions costs: `python -m scripts.benchmark monitor --rows 1000000`."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from math import log1p

import click

from db.writing.open import open_writer
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso
from scripts.cli.extras import Extras
from scripts.testbed.postgres import scratch_postgres

extras = Extras()
with extras:
    import numpy as np

WITHIN_S = 60
WITHIN_MIB = 1024
FEATURE_VECTORS = 2000
DAY_MS = 86_400_000
UNTIL_MS = 1_760_000_000_000
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

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
@extras.required
@click.option("--rows", default=1_000_000, type=click.IntRange(1000), show_default=True)
@click.option("--learners", default=20_000, type=click.IntRange(20), show_default=True)
@click.option("--postgres", is_flag=True, help="On a throw-away PostgreSQL instead of a SQLite file.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def monitor(rows: int, learners: int, postgres: bool, as_json: bool) -> None:
    """Time scripts/monitor.py on so many stored predictions, nine in ten of them in the period and one before it."""
    with tempfile.TemporaryDirectory(prefix="monitored-") as directory:
        if postgres:
            with scratch_postgres() as server:
                measured = _measured(server.new_database(), rows, learners, directory)
        else:
            measured = _measured(f"file:{directory}/predictions.sqlite3", rows, learners, directory)
    if as_json:
        click.echo(json.dumps(measured))
    else:
        click.echo(", ".join(f"{name} {value}" for name, value in measured.items()))
    if measured["seconds"] > WITHIN_S or measured["mib"] > WITHIN_MIB:
        raise SystemExit(1)


def _measured(url: str, rows: int, learners: int, directory: str) -> dict[str, float]:
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        writer.insert("StrugglePrediction", PREDICTION_FIELDS, simulated(rows, learners, UNTIL_MS))
    begun = time.perf_counter()
    page = os.path.join(directory, "page.html")
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "scripts.monitor", "--database-url", url, "--as-of", iso(UNTIL_MS), "--html", page],
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode not in (0, 1):
        raise click.ClickException(f"monitoring ended with {done.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    mib = used.ru_maxrss / (1024 if platform.system() == "Linux" else 1 << 20)  # Linux counts KiB, macOS bytes
    cpu_s = used.ru_utime + used.ru_stime
    return {"rows": rows, "seconds": round(seconds, 1), "cpu_seconds": round(cpu_s, 1), "mib": round(mib)}


def simulated(
    rows: int, learners: int, until_ms: int, *, days: float = 7.0, seed: int = 0
) -> Iterator[tuple[object, ...]]:
    """Rows of PREDICTION_FIELDS by a calibrated model, nine in ten in the last `days`, one in as many days before."""
    rng = np.random.default_rng(seed)
    ability = rng.normal(0, 0.8, learners)
    learner = rng.integers(0, learners, rows)
    logit = rng.normal(-0.8, 1.2, rows) + ability[learner]
    probability = 1 / (1 + np.exp(-logit))
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
    known["answers_of_history"] = log1p(int(rng.integers(0, 400))) / log1p(2000)
    degraded = "the database did not answer in time" if rng.random() < 0.01 else ""
    return FeatureVector.of(known, UNTIL_MS, degraded).judged_by(version, "model").to_dict()
