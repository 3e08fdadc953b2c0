"""Stored predictions, streamed from the database into the columns from which monitoring computes its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from operator import itemgetter
from typing import NamedTuple
from zlib import crc32

import numpy as np

from db.client import Client
from db.stored_predictions import StoredPrediction, count_predictions, stream_predictions
from ml.evaluation.drift import FeatureCounts
from ml.evaluation.metrics import Floats, Integers
from ml.evaluation.slices import answers_told, history_band
from ml.features.vector import FEATURE_NAMES
from scripts.cli.streams import printable
from scripts.monitoring.glance import UNKNOWN, Glance, glance, glance_of, parsed
from scripts.monitoring.visits import Mask, Spoken, counted

LONGEST_NAME = 80
"""Characters shown of a text from the database that names a slice."""

PROBABILITY = "probability"
GROWING = ("answers_of_history", "objective_answers", "objective_visits", "objective_support")
"""Counters that grow as long as learners study: that they have grown is no drift."""
MONITORED = (PROBABILITY, *(name for name in FEATURE_NAMES if name not in GROWING))
"""Drift is measured on the model's own answer and on every feature but the counters that only grow."""

DRIFT_ROWS = 100_000
"""The drift of a larger period is measured on a sample of about this many rows, drawn by the predictions' ids."""


class Numbers(dict[str, int]):
    """Names -> 0, 1, 2, ... in the order of their first appearance; shared by all periods of a report."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    @property
    def names(self) -> list[str]:
        """The names in the order of their numbers."""
        return list(self)


class Codes(NamedTuple):
    """The numbering of learners, objectives, model versions and history bands."""

    learners: Numbers
    objectives: Numbers
    versions: Numbers
    bands: Numbers

    @classmethod
    def new(cls) -> Codes:
        """An empty numbering."""
        return cls(Numbers(), Numbers(), Numbers(), Numbers())


class Columns(NamedTuple):
    """Stored predictions, one row each.

    outcome: 1 struggled, 0 did not, NaN not known yet. learner, objective, version and band are numbers of Codes.
    degraded: 1, 0, or NaN where no features were stored. recorded_ms, visit_ms: as in scripts/monitoring/visits.py.
    """

    probability: Floats
    outcome: Floats
    at_ms: Integers
    learner: Integers
    objective: Integers
    version: Integers
    band: Integers
    degraded: Floats
    intervened: Floats
    recorded_ms: Integers
    visit_ms: Integers

    def where(self, rows: Mask) -> Columns:
        """The rows that a mask selects."""
        return Columns(**{name: each[rows] for name, each in self._asdict().items()})

    @property
    def spoken(self) -> Spoken:
        """What the predictions are about."""
        return Spoken(self.learner, self.objective, self.at_ms, self.outcome, self.recorded_ms, self.visit_ms)


class Predictions(NamedTuple):
    """One period: its rows, the distributions of the features, and the ids of predictions that were far from right.

    far_off: row number -> id, for every row whose outcome contradicts it.
    """

    rows: Columns
    counts: FeatureCounts
    far_off: Mapping[int, str]


def read_period(
    client: Client,
    since_ms: int,
    until_ms: int,
    opted_out: Set[str],
    codes: Codes,
    *,
    with_features: bool = True,
) -> Predictions:
    """The predictions made in [since_ms, until_ms), without those of learners who opted out of analytics."""
    counts = FeatureCounts(MONITORED)
    sampled = DRIFT_ROWS / max(count_predictions(client, since_ms, until_ms), DRIFT_ROWS) if with_features else 0.0
    far_off: dict[int, str] = {}
    seen = 0
    parts = [_no_rows()]
    for batch in stream_predictions(client, since_ms, until_ms, with_features=with_features):
        rows = [
            row
            for row in batch
            if row.probability is not None and 0.0 <= row.probability <= 1.0 and row.learner_id not in opted_out
        ]
        drawn = [crc32(row.id.encode()) < sampled * _CRC_END for row in rows]
        vectors = {place: parsed(rows[place].features) for place in range(len(rows)) if drawn[place]}
        glances = [
            glance_of(vectors[place]) if place in vectors else glance(row.features) for place, row in enumerate(rows)
        ]
        part = _columns(rows, glances, codes)
        parts.append(part)
        present = {place: features for place, features in vectors.items() if features is not None}
        if present:
            chosen = list(present)
            values = _values(part.probability[chosen], list(present.values()))
            counts.add(part.learner[chosen], values, part.band[chosen])
        far_off.update((seen + place, rows[place].id) for place in np.flatnonzero(how_far_off(part) > 0.5).tolist())
        seen += len(rows)
    whole = Columns(*(np.concatenate(each) for each in zip(*parts)))
    return Predictions(whole, counts, far_off)


def counting(*periods: Predictions) -> list[Mask]:
    """Which rows of each period count, where a visit counts once in all of them together."""
    whole = Spoken(*(np.concatenate(each) for each in zip(*(period.rows.spoken for period in periods))))
    ends = np.cumsum([len(period.rows.at_ms) for period in periods])[:-1]
    return list(np.split(counted(whole), ends))


def how_far_off(rows: Columns) -> Floats:
    """How far each probability was from its outcome; 0 where there is none yet."""
    return np.nan_to_num(np.abs(rows.outcome - rows.probability), nan=0.0)


def _no_rows() -> Columns:
    number, code = np.empty(0), np.empty(0, dtype=np.int64)
    return Columns(number, number, code, code, code, code, code, number, number, code, code)


def _columns(rows: Sequence[StoredPrediction], glances: Sequence[Glance], codes: Codes) -> Columns:
    return Columns(
        probability=np.array([row.probability for row in rows], dtype=np.float64),
        outcome=np.array([np.nan if row.struggled is None else row.struggled for row in rows], dtype=np.float64),
        at_ms=np.array([row.predicted_at_ms for row in rows], dtype=np.int64),
        learner=np.array([codes.learners[row.learner_id] for row in rows], dtype=np.int64),
        objective=np.array([codes.objectives[row.objective_id] for row in rows], dtype=np.int64),
        version=np.array([codes.versions[printable(each.version)[:LONGEST_NAME]] for each in glances], dtype=np.int64),
        band=_bands(np.array([each.grown for each in glances], dtype=np.float64), codes.bands),
        degraded=np.array([each.degraded for each in glances], dtype=np.float64),
        intervened=np.array([row.intervened for row in rows], dtype=np.float64),
        recorded_ms=np.array(
            [UNKNOWN if row.recorded_at_ms is None else row.recorded_at_ms for row in rows], dtype=np.int64
        ),
        visit_ms=np.array([each.visit_ms for each in glances], dtype=np.int64),
    )


def _bands(grown: Floats, bands: Numbers) -> Integers:
    """The history bands of a feature that is answers grown by a logarithm."""
    found, place = np.unique(answers_told(grown), return_inverse=True)
    named = [bands[history_band(None if np.isnan(each) else int(each))] for each in found]
    return np.array(named, dtype=np.int64)[place]


def _values(probabilities: Floats, described: Sequence[dict[str, object]]) -> Floats:
    """The values by [row, monitored]; NaN where a feature was missing, and where the stored value is not a number."""
    values = np.empty((len(described), len(MONITORED)))
    values[:, 0] = probabilities
    try:
        values[:, 1:] = [_ALL(features) for features in described]
    except (KeyError, TypeError, ValueError):  # features of another version, or broken ones
        values[:, 1:] = [[_number(features.get(name)) for name in MONITORED[1:]] for features in described]
    defaulted = [features.get("defaulted") for features in described]
    unknown = [
        (row, _PLACE[name])
        for row, names in enumerate(defaulted)
        if isinstance(names, list)
        for name in names
        if isinstance(name, str) and name in _PLACE
    ]
    if unknown:
        values[tuple(zip(*unknown))] = np.nan
    return values


def _number(value: object) -> float:
    return float(value) if isinstance(value, float | int) else np.nan


_ALL = itemgetter(*MONITORED[1:])
_PLACE = {name: place for place, name in enumerate(MONITORED)}
_CRC_END = 1 << 32
